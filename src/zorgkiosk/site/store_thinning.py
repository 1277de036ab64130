"""Which history goes when there is no room: what newer rows supersede, least missed first, records of calls last.

The oldest and the newest row that are held always stay: `previous` of the rows between then links over what went, and
the hub does not take it for a gap.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

ENOUGH_ROWS = 1000
"""So many are removed for one that needs room: some 40 pages."""
WINDOW_SEQUENCES = 400
"""One commit looks at so many, so that its part of the WAL stays far below the reserve."""

Row = tuple[Any, ...]
"""A whole row of `outbox`; it begins with sequence, kind, data."""
Subject = Callable[[str], Hashable]
"""What a row's data speaks of: of two rows with the same subject the newer supersedes the older."""


@dataclass
class _Level:
    """Rows of these kinds go together. `seen_up_to`: older ones were looked at; `newest` of a subject stays.

    Without subjects every row of the kinds goes.
    """

    subjects: dict[str, Subject | None]
    seen_up_to: int = 0
    newest: dict[Hashable, int] = field(default_factory=dict)

    def superseded(self, rows: Sequence[Row]) -> tuple[list[int], dict[Hashable, int]]:
        """Sequences that go, and `newest` once they are gone; rows come in order."""
        gone, newest = [], dict(self.newest)
        for sequence, kind, data, *_ in rows:
            if kind not in self.subjects:
                continue
            subject = self.subjects[kind]
            if subject is None:
                gone.append(sequence)
                continue
            about = (kind, subject(data))
            if about in newest:
                gone.append(newest[about])
            newest[about] = sequence
        return gone, newest


def _levels() -> tuple[_Level, ...]:
    return (
        _Level(
            {
                "triage.changed": lambda _data: None,
                "device.health": _fields("unit", "condition"),
                "journal.head": lambda _data: None,
            }
        ),
        _Level({"capacity.confirmed": _fields("categories")}),
        _Level({"capacity.reported": _fields("category")}),
        _Level({"call.handled": None}),
    )


class Thinning:
    """Goes through the outbox level by level, from the oldest row on; goes on where it stopped."""

    def __init__(self) -> None:
        self._levels = _levels()

    def remove_some(self, connection: sqlite3.Connection) -> int:
        """Remove about `ENOUGH_ROWS`, in commits of their own; returns how many. Raises sqlite3.Error."""
        removed = 0
        oldest, newest = connection.execute("SELECT min(sequence), max(sequence) FROM outbox").fetchone()
        if oldest is None:
            return 0
        for level in self._levels:
            level.seen_up_to = max(level.seen_up_to, oldest - 1)
            while removed < ENOUGH_ROWS and level.seen_up_to < newest - 1:
                last = min(level.seen_up_to + WINDOW_SEQUENCES, newest - 1)
                removed += _remove(connection, level, last, {oldest, newest})
        return removed


def _remove(connection: sqlite3.Connection, level: _Level, last: int, kept: set[int]) -> int:
    """Look at the next rows up to `last`; returns how many of those that were seen so far went."""
    looked = connection.execute(
        "SELECT * FROM outbox WHERE sequence > ? AND sequence <= ? ORDER BY sequence", (level.seen_up_to, last)
    ).fetchall()
    superseded, newest = level.superseded(looked)
    gone = set(superseded) - kept
    if gone:
        _rewrite(connection, looked, gone)
    level.newest, level.seen_up_to = newest, last
    return len(gone)


def _rewrite(connection: sqlite3.Connection, looked: Sequence[Row], gone: set[int]) -> None:
    """What stays of the rows is written anew: pages that are half full would make no room for others."""
    stay = [row for row in looked if row[0] not in gone]
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        all_of_them = gone | {row[0] for row in looked}
        connection.executemany("DELETE FROM outbox WHERE sequence = ?", [(each,) for each in sorted(all_of_them)])
        if stay:
            marks = ",".join("?" * len(stay[0]))
            connection.executemany(f"INSERT INTO outbox VALUES ({marks})", stay)  # noqa: S608 - question marks only
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _fields(*names: str) -> Subject:
    def subject(data: str) -> Hashable:
        fields = json.loads(data)
        return tuple(json.dumps(fields.get(name)) for name in names)

    return subject
