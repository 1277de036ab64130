"""What `zorgkiosk provision` made for this box, from the boot partition to its place; a second time changes nothing.

    FILE on the boot partition   removed when all of it is in place: it holds keys, and a boot partition knows no modes
    ETC/site.toml                put last: without it no unit starts, so a power cut leaves a box that begins again
    ETC/bundle.taken             digest of the bundle that is in place, where FILE could not be removed

Nothing is put in place before all of the bundle was read, compared with its sums and checked as `zorgkiosk check` does.
"""

from __future__ import annotations

import enum
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from zorgkiosk import durable
from zorgkiosk.care.apply import Files
from zorgkiosk.config_file import ConfigError, Problem
from zorgkiosk.provision.bundle import BundleError, Entry, unpack

SITE = "site.toml"
TAKEN = "bundle.taken"
HANDED = frozenset({"site-key.pem", "secrets.toml"})
"""Root's alone on disk; systemd hands them to the units that need them (`LoadCredential=`)."""
_BELOW = PurePosixPath("etc/zorgkiosk")
_STAGE = ".bundle"


class Taken(enum.Enum):
    NOW = "the bundle is in place"
    BEFORE = "this bundle was in place already: nothing is changed"
    NONE = "there is no bundle: nothing is changed"


Check = Callable[[Path], tuple[Problem, ...]]


def take(bundle: Path, etc: Path, check: Check) -> Taken:
    """Put the bundle's files into `etc` (/etc/zorgkiosk), and remove it.

    Raises ConfigError where the bundle is damaged or `check` finds an error in it, with nothing changed; OSError.
    """
    if not bundle.exists():
        return Taken.NONE
    content = bundle.read_bytes()
    digest = f"{hashlib.sha256(content).hexdigest()}\n".encode()
    taken = etc / TAKEN
    if taken.exists() and taken.read_bytes() == digest:
        durable.remove(bundle)
        return Taken.BEFORE
    files = _files(bundle, content)
    _check(bundle, files, etc, check)
    group = etc.stat().st_gid
    for path in sorted(files, key=lambda path: (path == SITE, path)):
        if path == SITE:
            _end_any_change(etc)
        _place(etc, path, files[path], group)
    durable.put(taken, digest, mode=0o640, group=group)
    durable.remove(bundle)
    return Taken.NOW


def mode(path: str, secret: bool) -> int:
    """Rights of a file of `etc`, whose group is that of the units."""
    return 0o600 if secret and path in HANDED else 0o640


def _files(bundle: Path, content: bytes) -> dict[str, Entry]:
    """By path below `etc`."""
    try:
        entries = unpack(content)
    except BundleError as error:
        raise ConfigError([Problem.of_file(bundle, str(error))]) from None
    files = {}
    for path, entry in entries.items():
        if not PurePosixPath(path).is_relative_to(_BELOW):
            raise ConfigError([Problem.of_file(bundle, f"'{path}' is outside /{_BELOW}: a box takes nothing there")])
        files[str(PurePosixPath(path).relative_to(_BELOW))] = entry
    if SITE not in files:
        raise ConfigError([Problem.of_file(bundle, f"has no {SITE}: make it with zorgkiosk provision")])
    return files


def _check(bundle: Path, files: Mapping[str, Entry], etc: Path, check: Check) -> None:
    with _staged(etc) as stage:
        for path, entry in files.items():
            file = stage / path
            file.parent.mkdir(parents=True, exist_ok=True)
            content = entry.content
            if path == SITE:  # files that it names by their places on the box are still here
                content = content.replace(f'"/{_BELOW}/'.encode(), b'"')
            file.touch(mode=0o600)
            file.write_bytes(content)
        try:
            found = check(stage / SITE)
        except ConfigError as error:
            found = error.found
    if errors := [replace(each, file=_named(bundle, each.file, stage)) for each in found if each.severity == "error"]:
        raise ConfigError(errors)


def _named(bundle: Path, file: Path, stage: Path) -> Path:
    """What a technician knows: the bundle and the file in it."""
    return bundle / file.relative_to(stage) if file.is_relative_to(stage) else file


@contextmanager
def _staged(etc: Path) -> Iterator[Path]:
    stage = etc / _STAGE
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700)
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _end_any_change(etc: Path) -> None:
    """A change of config that was cut is not ended any more: the bundle's own config comes instead."""
    change = Files(etc / SITE)
    for file in (change.staged, change.applying):
        durable.remove(file)


def _place(etc: Path, path: str, entry: Entry, group: int) -> None:
    folder = etc
    for part in PurePosixPath(path).parent.parts:
        folder /= part
        if not folder.is_dir():
            folder.mkdir(mode=0o750)
            durable.give(folder, group)
            durable.sync_folder(folder.parent)
    durable.put(etc / path, entry.content, mode=mode(path, entry.secret), group=group)
