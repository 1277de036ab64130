"""Reading a release: the Debian package as `make package` makes it, unpacked as files and nothing else.

dpkg never installs it here, so that no script of it meets a system half changed, and one version does not overwrite the
other. It is read once, in pieces; of what is in it only plain files and folders below the target are taken.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from zorgkiosk.care.update.manifest import UpdateError, Version

LARGEST_UNPACKED_BYTES = 1_000_000_000
MOST_MEMBERS = 50_000
_PIECE_BYTES = 1 << 18
_PACKAGE = "zorgkiosk"


class Counted:
    """A stream that counts what is read of it and ends with UpdateError beyond `limit` bytes."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._limit, self.count = stream, limit, 0

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(_PIECE_BYTES if size < 0 else size)
        self.count += len(piece)
        if self.count > self._limit:
            raise UpdateError(f"the artefact holds more than the {self._limit} bytes that were signed")
        return piece


def described(file: Path) -> tuple[Version, str]:
    """Version and architecture as the package says them. Raises UpdateError."""
    said = subprocess.run(
        ["dpkg-deb", "-f", str(file), "Package", "Version", "Architecture"], capture_output=True, text=True, check=False
    )
    fields = dict(line.partition(": ")[::2] for line in said.stdout.splitlines())
    if said.returncode != 0 or fields.get("Package") != _PACKAGE:
        raise UpdateError(f"{file} is not a package of {_PACKAGE}: sign what `make package` wrote to dist/")
    return Version.parse(fields.get("Version", "")), fields.get("Architecture", "")


def digest(file: Path) -> tuple[str, int]:
    """SHA-256 in hexadecimal digits, and the size in bytes."""
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest(), source.tell()


def measured(file: Path) -> int:
    """Bytes of the tar in it; what `unpack` would refuse is refused here already. Raises UpdateError."""
    with _tar_of(file, LARGEST_UNPACKED_BYTES) as stream:
        for _ in members(stream):
            pass
        _drain(stream)
        return stream.count


def fetch(file: Path, to: Path, size_bytes: int) -> str:
    """Copy `size_bytes` of it and return their SHA-256; the copy is unpacked later, as nobody else can alter it.

    Raises UpdateError when the file is shorter or longer.
    """
    summed = hashlib.sha256()
    with file.open("rb") as source, to.open("xb") as target:
        while piece := source.read(_PIECE_BYTES):
            if target.tell() + len(piece) > size_bytes:
                raise UpdateError(f"{file.name} is longer than the {size_bytes} bytes that were signed: copy it again")
            summed.update(piece)
            target.write(piece)
        if target.tell() < size_bytes:
            raise UpdateError(f"{file.name} has {target.tell()} of {size_bytes} bytes: it is cut off, copy it again")
    return summed.hexdigest()


def unpack(file: Path, to: Path, unpacked_bytes: int) -> None:
    """Make folders and files of the package below `to`, which must not exist. Raises UpdateError."""
    to.mkdir()
    with _tar_of(file, unpacked_bytes) as stream:
        for path, member, content in members(stream):
            if content is None:
                (to / path).mkdir(exist_ok=True)
            else:
                _write(to / path, member, content)
        _drain(stream)


def members(stream: Counted) -> Iterator[tuple[PurePosixPath, tarfile.TarInfo, Iterator[bytes] | None]]:
    """Each folder (None) and plain file (its content in pieces) of a tar, by a safe path. Raises UpdateError."""
    folders = {PurePosixPath()}
    files = set[PurePosixPath]()
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_PIECE_BYTES) as tar:  # type: ignore[call-overload]
            for member in tar:
                path = _safe(member)
                if len(folders) + len(files) > MOST_MEMBERS:
                    raise UpdateError(f"the artefact holds more than {MOST_MEMBERS} files: it is no release")
                if path in files or path.parent not in folders or (path in folders and member.isreg()):
                    raise UpdateError(f"the artefact holds '{_shown(member)}' twice, or without its folder")
                (files if member.isreg() else folders).add(path)
                yield path, member, _pieces(tar, member) if member.isreg() else None
                tar.members.clear()  # else it remembers every one
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise UpdateError(f"the artefact is damaged: {error}") from None


def _pieces(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    try:
        with tar.extractfile(member) or io.BytesIO() as content:
            while piece := content.read(_PIECE_BYTES):
                yield piece
    except tarfile.TarError:
        raise UpdateError(f"the artefact is damaged: '{_shown(member)}' is cut off") from None


def _safe(member: tarfile.TarInfo) -> PurePosixPath:
    # A sparse file is small in the archive and as large as it likes on the disk.
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE) or member.issparse():
        raise UpdateError(f"the artefact holds '{_shown(member)}', which is neither a file nor a folder")
    path = PurePosixPath(member.name)
    parts = member.name.split("/")
    if path.is_absolute() or ".." in parts or "\0" in member.name or (member.isreg() and path == PurePosixPath()):
        raise UpdateError(f"the artefact holds '{_shown(member)}', which would lie outside its own directory")
    return path


def _shown(member: tarfile.TarInfo) -> str:
    return member.name[:200].encode("ascii", "backslashreplace").decode()


def _write(to: Path, member: tarfile.TarInfo, content: Iterator[bytes]) -> None:
    mode = 0o755 if member.mode & 0o100 else 0o644
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(to, flags, mode), "wb") as file:
        file.writelines(content)


def _drain(stream: Counted) -> None:
    while stream.read():
        pass


@contextmanager
def _tar_of(file: Path, limit: int) -> Iterator[Counted]:
    """The package's files as a tar, decompressed by dpkg itself. Raises UpdateError when dpkg finds it damaged."""
    command = ["dpkg-deb", "--fsys-tarfile", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield Counted(cast(IO[bytes], process.stdout), limit)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise UpdateError(f"{file.name} is damaged: dpkg-deb cannot read it")
