"""A tar that is the same, byte for byte, whenever its content is: no clock, no user, no file system's order.

Its first file, `SHA256SUMS`, names the digest of every other one (as sha256sum(1) writes them), so that a box takes all
of a bundle or nothing: a card that was pulled out during the copy is noticed.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

SUMS = "SHA256SUMS"
MOST_BYTES = 64 << 20
"""Announcements are the most of it, and a few megabytes."""
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


class BundleError(ValueError):
    """Not a bundle, or not a whole one; the text says what to do."""


@dataclass(frozen=True)
class Entry:
    """A file of a box; a secret one is readable by its owner alone."""

    content: bytes
    secret: bool = False

    @property
    def mode(self) -> int:
        return 0o600 if self.secret else 0o644


def pack(entries: Mapping[str, Entry]) -> bytes:
    """The tar of `entries` by relative path, with the folders that they need."""
    folders = {str(parent) for path in entries for parent in PurePosixPath(path).parents} - {"."}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        _add(tar, SUMS, Entry(_sums(entries)))
        for path in sorted({*folders, *entries}):
            if path in entries:
                _add(tar, path, entries[path])
            else:
                info = tarfile.TarInfo(path)
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
    return out.getvalue()


def unpack(bundle: bytes) -> dict[str, Entry]:
    """What was packed. Raises BundleError when one byte of it is missing, added or another."""
    found: dict[str, Entry] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(bundle), mode="r:") as tar:
            for info in tar:
                if info.isdir():
                    continue
                file = tar.extractfile(info) if info.isreg() else None
                if file is None or info.name in found or ".." in PurePosixPath(info.name).parts or info.name[:1] == "/":
                    raise BundleError(f"'{info.name}' does not belong into a bundle: make it anew")
                found[info.name] = Entry(file.read(), secret=not info.mode & 0o077)
    except (tarfile.TarError, EOFError):
        raise BundleError("is damaged, or only part of it was copied: copy it once more") from None
    sums = found.pop(SUMS, None)
    if sums is None:
        raise BundleError(f"has no {SUMS}: make it with this version's `zorgkiosk provision`")
    if sums.content != _sums(found):
        raise BundleError(_difference(sums.content, found))
    return found


def _add(tar: tarfile.TarFile, path: str, entry: Entry) -> None:
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(entry.content), entry.mode
    tar.addfile(info, io.BytesIO(entry.content))


def _sums(entries: Mapping[str, Entry]) -> bytes:
    lines = [f"{hashlib.sha256(entries[path].content).hexdigest()}  {path}\n" for path in sorted(entries)]
    return "".join(lines).encode()


def _difference(sums: bytes, found: Mapping[str, Entry]) -> str:
    named = {match[2]: match[1] for match in map(_LINE.fullmatch, sums.decode(errors="replace").splitlines()) if match}
    has = {path: hashlib.sha256(entry.content).hexdigest() for path, entry in found.items()}
    wrong = sorted(path for path in {*named, *has} if named.get(path) != has.get(path))
    return f"is damaged, or only part of it was copied ({', '.join(wrong) or SUMS}): copy it once more"
