"""What can be wrong with a store, told apart by SQLite's own result codes (sqlite.org/rescode.html)."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_UNREADABLE = frozenset({sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ})
"""A worn block of the card: it stays so."""
_NO_ROOM = frozenset({sqlite3.SQLITE_FULL})
_NO_ROOM_EXTENDED = frozenset({sqlite3.SQLITE_IOERR_SHMSIZE})
"""The index of the WAL could not grow."""


class StoreError(Exception):
    """The file cannot take or give what was asked; one sentence says why (a full disk, a foreign schema)."""


class StoreDamagedError(StoreError):
    """What stands in the file is not what was written. Its owner ends, and sets it aside when it starts again."""

    def __init__(self, path: Path, sentence: str) -> None:
        super().__init__(sentence)
        self.path = path


def trouble(path: Path, what: str, error: Exception) -> StoreError:
    """The error of a store for one of SQLite, of SQLAlchemy or of the system: `what` could not be done."""
    sentence = f"{path}: {what}: {_cause(error)}"
    return StoreDamagedError(path, sentence) if is_damage(error) else StoreError(sentence)


def is_damage(error: Exception) -> bool:
    code = _code(error)
    return code & 0xFF in _DAMAGE or code in _UNREADABLE


def is_full(error: Exception) -> bool:
    code = _code(error)
    return code & 0xFF in _NO_ROOM or code in _NO_ROOM_EXTENDED


def _cause(error: Exception) -> Exception:
    cause = getattr(error, "orig", None)
    return cause if isinstance(cause, Exception) else error


def _code(error: Exception) -> int:
    return int(getattr(_cause(error), "sqlite_errorcode", 0) or 0)
