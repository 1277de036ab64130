"""What is older than the hub keeps goes, a page at a time between two commits, so that no site waits for it.

Each stream is walked from its oldest row on, along its primary key: no index more, and no scan. What stays whatever
its age: rows beyond `stream_position.up_to` (a gap before them may still close), the newest report of each category in
each stream, and `stream_position` itself, which knows the gaps and what was acknowledged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from zorgkiosk.contract.events import CallHandled, CapacityReported
from zorgkiosk.hub import schema
from zorgkiosk.hub.config import HubConfig, Retention
from zorgkiosk.hub.inbox import Inbox
from zorgkiosk.hub.positions import Stream

PAGE_ROWS = 1_000
EVERY = timedelta(hours=1)
_LOCK = 0x7A6F726A


@dataclass(frozen=True)
class Cutoffs:
    """What was heard before these instants (aware UTC) goes."""

    events: datetime
    call_records: datetime
    set_aside: datetime

    @classmethod
    def at(cls, kept: Retention, now: datetime) -> Cutoffs:
        return cls(
            events=now - timedelta(days=kept.events_days),
            call_records=now - timedelta(days=kept.call_records_days),
            set_aside=now - timedelta(days=kept.set_aside_days),
        )

    def of(self, kind: str) -> datetime:
        return self.call_records if kind == CallHandled.KIND else self.events

    @property
    def latest(self) -> datetime:
        return max(self.events, self.call_records)


class Pruning:
    """One round an hour, a page at each `step`. For the intake's thread."""

    def __init__(self, inbox: Inbox, kept: Retention) -> None:
        self._inbox = inbox
        self._kept = kept
        self._round: Iterator[int] | None = None
        self._next: datetime | None = None

    def step(self, now: datetime) -> int:
        """Rows that went now; 0 most of the time. Raises sqlalchemy's DatabaseError."""
        if self._round is None:
            if self._next is not None and now < self._next:
                return 0
            self._next = now + EVERY
            self._round = prune(self._inbox, Cutoffs.at(self._kept, now))
        gone = next(self._round, None)
        if gone is None:
            self._round = None
        return gone or 0


def retain(config: HubConfig, now: datetime) -> int:
    """A whole round at once, of a process of its own; the rows that went.

    Raises InUseError where an intake has an SQLite database, which takes one writer: that intake has rounds of its own.
    Raises InboxError and sqlalchemy's DatabaseError.
    """
    inbox = Inbox.open(config.hub.database)
    try:
        return sum(prune(inbox, Cutoffs.at(config.retention, now)))
    finally:
        inbox.close()


def prune(inbox: Inbox, before: Cutoffs) -> Iterator[int]:
    """One round; after each page the rows that went. While another intake has its round there is nothing to do."""
    yield from _letters(inbox, before.set_aside)
    with inbox.transaction() as connection:
        table = schema.stream_position
        columns = (table.c.site, table.c.stream, table.c.epoch, table.c.up_to)
        streams = [(tuple(row[:3]), row.up_to) for row in connection.execute(sa.select(*columns))]
    for stream, up_to in streams:
        yield from _stream(inbox, stream, up_to, before)


def _letters(inbox: Inbox, before: datetime) -> Iterator[int]:
    table = schema.dead_letter
    old = sa.select(table.c.id).where(table.c.last_heard_at < before).limit(PAGE_ROWS)
    gone = PAGE_ROWS
    while gone == PAGE_ROWS:
        with inbox.transaction() as connection:
            if not _is_mine(connection):
                return
            gone = connection.execute(sa.delete(table).where(table.c.id.in_(old))).rowcount
        yield gone


def _stream(inbox: Inbox, stream: Stream, up_to: int, before: Cutoffs) -> Iterator[int]:
    after, newest = 0, dict[str, int]()
    while True:
        with inbox.transaction() as connection:
            if not _is_mine(connection):
                return
            page = _page(connection, stream, after, up_to)
            old = [row for row in page if row.heard_at < before.of(row.kind)]
            going = [row.sequence for row in old if not _is_newest(connection, stream, row, newest)]
            if going:
                table = schema.event
                connection.execute(sa.delete(table).where(_of(table, stream), table.c.sequence.in_(going)))
        yield len(going)
        if len(page) < PAGE_ROWS or page[-1].heard_at >= before.latest:
            return
        after = page[-1].sequence


def _page(connection: sa.Connection, stream: Stream, after: int, up_to: int) -> list[sa.Row[Any]]:
    table = schema.event
    query = (
        sa.select(table.c.sequence, table.c.kind, table.c.heard_at, _category().label("category"))
        .where(_of(table, stream), table.c.sequence > after, table.c.sequence <= up_to)
        .order_by(table.c.sequence)
        .limit(PAGE_ROWS)
    )
    return list(connection.execute(query))


def _is_newest(connection: sa.Connection, stream: Stream, row: sa.Row[Any], newest: dict[str, int]) -> bool:
    if row.kind != CapacityReported.KIND or row.category is None:
        return False
    if row.category not in newest:
        table = schema.event
        query = (
            sa.select(table.c.sequence)
            .where(_of(table, stream), table.c.kind == CapacityReported.KIND, _category() == row.category)
            .order_by(table.c.sequence.desc())
            .limit(1)
        )
        newest[row.category] = connection.scalars(query).one()
    return bool(newest[row.category] == row.sequence)


def _category() -> sa.ColumnElement[str]:
    category: sa.ColumnElement[str] = schema.event.c.data["category"].as_string()
    return category


def _of(table: sa.Table, stream: Stream) -> sa.ColumnElement[bool]:
    site, name, epoch = stream
    return sa.and_(table.c.site == site, table.c.stream == name, table.c.epoch == epoch)


def _is_mine(connection: sa.Connection) -> bool:
    """One of many intakes at a time: the others leave the round to it."""
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK))))
