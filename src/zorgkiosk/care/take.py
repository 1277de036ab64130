"""What `zorgkiosk provision` made for this box, from the boot partition to its place; a second time changes nothing.

    FILE on the boot partition   removed when all of it is in place: it holds keys, and a boot partition knows no modes
    ETC/site.toml                put last: without it no unit starts, so a power cut leaves a box that begins again
    ETC/bundle.taken             digest of the bundle that is in place, where FILE could not be removed

Nothing is put in place before all of the bundle was read, compared with its sums and checked as `zorgkiosk check` does.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from zorgkiosk import durable
from zorgkiosk.care.pair import Files
from zorgkiosk.provision import technicians
from zorgkiosk.provision.acceptance import SITE, Check, refuse, unpacked
from zorgkiosk.provision.bundle import Entry

TAKEN = "bundle.taken"
HANDED = frozenset({"site-key.pem", "secrets.toml"})
"""Root's alone on disk; systemd hands them to the units that need them (`LoadCredential=`)."""


class Taken(enum.Enum):
    NOW = "the bundle is in place"
    BEFORE = "this bundle was in place already: nothing is changed"
    NONE = "there is no bundle: nothing is changed"


def take(bundle: Path, etc: Path, check: Check, log: Callable[[str], object]) -> Taken:
    """Put the bundle's files into `etc` (/etc/zorgkiosk), and remove it. `log` is told the digest of what is in place.

    Raises ConfigError where the bundle is damaged or `check` finds an error in it, with nothing changed; OSError.
    """
    if not bundle.exists():
        return Taken.NONE
    content = bundle.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    taken = etc / TAKEN
    if taken.exists() and taken.read_text(encoding="utf-8").strip() == digest:
        durable.remove(bundle)
        return Taken.BEFORE
    files = unpacked(bundle, content)
    refuse(bundle, files, etc, check)
    group = etc.stat().st_gid
    for name in technicians.FILES:
        if name not in files:  # a key that lets in nobody any more, before anything says that the bundle was taken
            durable.remove(etc / name)
    for path in sorted(files, key=lambda path: (path == SITE, path)):
        if path == SITE:
            _end_any_change(etc)
        _place(etc, path, files[path], group)
    log(digest)  # before anything says that it was taken: after a power cut it is told again rather than never
    durable.put(taken, f"{digest}\n".encode(), mode=0o640, group=group)
    durable.remove(bundle)
    return Taken.NOW


def mode(path: str, secret: bool) -> int:
    """Rights of a file of `etc`, whose group is that of the units."""
    if path == technicians.KEYS_FILE:
        return 0o644  # sshd reads it as the user who logs in (sshd_config(5), AuthorizedKeysFile)
    return 0o600 if secret and path in HANDED else 0o640


def _end_any_change(etc: Path) -> None:
    """A change of config that was cut is not ended any more: the bundle's own config comes instead."""
    change = Files(etc / SITE)
    change.forget()
    durable.remove(change.applying)


def _place(etc: Path, path: str, entry: Entry, group: int) -> None:
    folder = etc
    for part in PurePosixPath(path).parent.parts:
        folder /= part
        if not folder.is_dir():
            folder.mkdir(mode=0o750)
            durable.give(folder, group)
            durable.sync_folder(folder.parent)
    durable.put(etc / path, entry.content, mode=mode(path, entry.secret), group=group)
