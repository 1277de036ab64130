"""Files that are whole and on disk when a call returns, whatever the power does meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

PUBLIC, SHARED, SECRET = 0o644, 0o640, 0o600
"""Readable by all, by the group, by nobody else. Only the owner writes."""


def put(path: Path, content: bytes, mode: int = PUBLIC, group: int | None = None, owner: int | None = None) -> None:
    """The whole file or the one before it, with these rights from its first byte on; `group`, `owner`: numeric ids.

    Raises OSError.
    """
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            if group is not None:
                give(file.fileno(), group, owner)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        rename(fresh, path)
    except OSError:  # half a file of a full disk would take the room that is missing
        fresh.unlink(missing_ok=True)
        raise


def give(file: int | Path, group: int, owner: int | None = None) -> None:
    """To a group, where it is not that group's already: a confined unit of the group may not even ask for it."""
    now = os.stat(file)  # noqa: PTH116 - of an open file too
    if now.st_gid != group:
        os.chown(file, -1, group)
    if owner is not None and now.st_uid != owner:
        os.chown(file, owner, -1)


def point(link: Path, target: str) -> None:
    """A symbolic link, made or moved in one step."""
    fresh = link.with_name(link.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    rename(fresh, link)


def rename(source: Path, target: Path) -> None:
    source.replace(target)
    sync_folder(target.parent)


def remove(path: Path) -> None:
    """Also where it is not there."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """What was made, renamed and removed in it: a new file is not there after a power cut before this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
