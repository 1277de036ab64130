"""Room in a store when the disk is full: a reserve that is given up, a size it may not outgrow, history made thinner.

What is true now and faults must still be accepted then. The reserve is a file of its own, really allocated, deleted
when SQLite says full; after that superseded history makes room. It is made again by itself once there is room.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from zorgkiosk import durable
from zorgkiosk.site.faults import CONDITIONS, coded
from zorgkiosk.site.store_faults import FULL
from zorgkiosk.site.store_thinning import Thinning
from zorgkiosk.site.store_trouble import is_full

log = logging.getLogger(__name__)

STORE_MAX_MB = 512
"""Holds thirty days at one event a second."""
RESERVE_MB = 8.0
"""Twice what the WAL may hold before its pages must find a place in the file (1000 pages of 4 KiB)."""
RETRY_S = 5.0
"""How often it is looked whether room has returned."""
_WAL_PAGES, _WAL_PAGES_FULL = 1000, 50
"""The WAL grows to so many pages before they go into the file; SQLite's own default, and while the disk is full."""
_READERS_MS, _USUAL_MS = 100, 5000
_MB = 1 << 20


@dataclass(frozen=True)
class Room:
    """How large a store may become, its reserve included."""

    max_mb: float = STORE_MAX_MB
    reserve_mb: float = RESERVE_MB


class Space:
    """The room of one open store. Its owner holds the store's lock around every call, outside any transaction."""

    def __init__(self, path: Path, room: Room) -> None:
        self._reserve = path.with_suffix(".reserve")
        self._room = room
        self._thinning = Thinning()
        self._look_at_s = 0.0
        self._pages_full: int | None = None
        self.full = False
        """The reserve is given up, or could not be made."""

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Make the reserve unless it is there, and set the size that the file may have."""
        self.full = not self._make_reserve()
        self._limit(connection)

    def give_up_reserve(self) -> bool:
        """Whether there was one."""
        was_there = self._reserve.exists()
        self._reserve.unlink(missing_ok=True)
        self.full = True
        return was_there

    def make(self, connection: sqlite3.Connection) -> bool:
        """SQLite said full. Whether anything was gained."""
        if self.give_up_reserve():
            told = f"{self._reserve}: the store or its disk is full: the reserve is given up"
            log.warning("%s", coded(told, CONDITIONS[FULL]))
            self._limit(connection)
            _shorten_wal(connection)
            return True
        self._limit(connection)
        _shorten_wal(connection)
        removed = self._thinning.remove_some(connection)
        if removed:
            log.warning("%s: the store or its disk is full: %d superseded rows removed", self._reserve, removed)
        return removed > 0

    def is_time_to_look(self, now_s: float) -> bool:
        """True once in `RETRY_S`."""
        if now_s < self._look_at_s:
            return False
        self._look_at_s = now_s + RETRY_S
        return True

    def returned(self, connection: sqlite3.Connection) -> bool:
        """Whether there is room again, and the reserve with it."""
        disk = os.statvfs(self._reserve.parent)
        used_mb = self._used_pages(connection) * _page_bytes(connection) / _MB
        if disk.f_bavail * disk.f_frsize < 2 * self._room.reserve_mb * _MB:
            return False
        if used_mb > self._room.max_mb - 2 * self._room.reserve_mb or not self._make_reserve():
            return False
        self.full = False
        self._limit(connection)
        log.info("%s: there is room again", self._reserve)
        return True

    def _make_reserve(self) -> bool:
        size = int(self._room.reserve_mb * _MB)
        if self._reserve.is_file() and self._reserve.lstat().st_size == size:
            return True
        try:
            descriptor = os.open(self._reserve, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o660)
            try:
                os.posix_fallocate(descriptor, 0, size)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            durable.sync_folder(self._reserve.parent)
        except OSError as error:
            self._reserve.unlink(missing_ok=True)
            log.warning("%s: no reserve: %s", self._reserve, error.strerror)
            return False
        return True

    def _limit(self, connection: sqlite3.Connection) -> None:
        """A full one may grow by a quarter of the reserve: the WAL needs the rest to thin the history."""
        page, room = _page_bytes(connection) / _MB, self._room
        pages = int((room.max_mb - room.reserve_mb) / page)
        if self.full:
            if self._pages_full is None:
                self._pages_full = _pages(connection) + int(room.reserve_mb / 4 / page)
            pages = min(int(room.max_mb / page), self._pages_full)
        else:
            self._pages_full = None
        connection.execute(f"PRAGMA max_page_count={max(1, pages)}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES_FULL if self.full else _WAL_PAGES}")

    def _used_pages(self, connection: sqlite3.Connection) -> int:
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        return _pages(connection) - int(free)


def _shorten_wal(connection: sqlite3.Connection) -> None:
    """What stands in the WAL goes into the file, and its room to the disk, unless a reader is at it just then."""
    connection.execute(f"PRAGMA busy_timeout={_READERS_MS}")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.OperationalError as error:
        if not is_full(error):
            raise
    connection.execute(f"PRAGMA busy_timeout={_USUAL_MS}")


def _pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA page_count").fetchone()[0])


def _page_bytes(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA page_size").fetchone()[0])
