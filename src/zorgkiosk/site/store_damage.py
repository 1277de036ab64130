"""A store that is damaged all the same: found, set aside for the technician, and a new one in its place.

Power cuts do not damage a store; a worn SD card does. What the damaged file held and the hub had not is lost with it,
and the hub sees a new epoch begin. The file stays beside the new one as `panel.db.damaged-<UTC>`, ready for sqlite3.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from zorgkiosk import durable
from zorgkiosk.site.store_trouble import StoreDamagedError

log = logging.getLogger(__name__)

KEPT = 3
"""Damaged files that are kept; the oldest goes when there would be more."""
CHECK_S = 1.0
"""The check at open takes no longer; a large outbox is not read to its end then, and damage there is found in use."""
_PARTS = ("", "-wal", "-shm")
_PROGRESS_STEPS = 1000


def check(path: Path, connection: sqlite3.Connection) -> None:
    """`PRAGMA quick_check`, state first. Raises StoreDamagedError; a file that was said to be damaged is not read."""
    if _mark(path).exists():
        raise StoreDamagedError(path, f"{path}: was found damaged while it was in use")
    problem = _quick_check(connection)
    if problem is not None:
        raise StoreDamagedError(path, f"{path}: is damaged: {problem}")


def say_damaged(path: Path) -> None:
    """The owner found damage in use: the next start sets the file aside, whatever its check says."""
    try:
        _mark(path).touch()
    except OSError as error:
        log.error("%s: is damaged, and that could not be noted: %s", path, error.strerror)


def set_aside(path: Path, now: datetime) -> Path:
    """Rename the file and what belongs to it; where it is now. It is as durable as the directory can make it."""
    aside = _free_name(path, now)
    for part in _PARTS:  # the file itself first: a WAL that is left behind is deleted by a new, empty file
        _rename(path.with_name(path.name + part), aside.with_name(aside.name + part))
    _mark(path).unlink(missing_ok=True)
    for old in sorted(_damaged(path))[:-KEPT]:
        for part in _PARTS:
            old.with_name(old.name + part).unlink(missing_ok=True)
    durable.sync_folder(path.parent)
    return aside


def _quick_check(connection: sqlite3.Connection) -> str | None:
    """The first problem, None when there is none. What SQLite cannot read at all it raises itself."""
    until_s = time.monotonic() + CHECK_S
    there = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.set_progress_handler(lambda: time.monotonic() > until_s, _PROGRESS_STEPS)
    try:
        for table in ("meta", "state", "outbox"):
            if table in there:
                (said,) = connection.execute(f"PRAGMA quick_check({table})").fetchone()
                if said != "ok":
                    return str(said).replace("\n", " ")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        log.info("store: checked for %g s, not to the end", CHECK_S)
    finally:
        connection.set_progress_handler(None, 0)
    return None


def _damaged(path: Path) -> Iterable[Path]:
    return (each for each in path.parent.glob(f"{path.name}.damaged-*") if not each.name.endswith(_PARTS[1:]))


def _free_name(path: Path, now: datetime) -> Path:
    """A clock that was never set gives the same instant again: a number tells them apart then."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    names = (path.with_name(f"{path.name}.damaged-{stamp}{extra}") for extra in ("", *(f".{n}" for n in range(2, 99))))
    return next(name for name in names if not name.exists())


def _rename(old: Path, new: Path) -> None:
    if old.exists():
        old.rename(new)


def _mark(path: Path) -> Path:
    return path.with_name(path.name + ".found-damaged")
