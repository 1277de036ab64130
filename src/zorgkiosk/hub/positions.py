"""How far each stream is held without a break: what may be acknowledged of it.

Costs the same few statements however many streams a commit touches, so that a region's worth of sites that come back
together is taken in as fast as one that says much.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from zorgkiosk.contract.status import Ack
from zorgkiosk.hub import schema

_PAGE_ROWS = 500
_STREAMS_AT_ONCE = 1000
"""In one statement: both databases bound its parameters (SQLite 32 766), and a site may make up epochs."""

Stream = tuple[str, str, str]
"""Site, stream, epoch."""

Link = tuple[int, int]
"""A row's sequence, and the one before it (`previous`)."""


@dataclass(frozen=True)
class Receipt:
    """An ack and the site it is for."""

    site: str
    ack: Ack


class Positions:
    """The positions of one transaction."""

    def __init__(self, connection: sa.Connection, heard_at: datetime) -> None:
        self._connection = connection
        self._heard_at = heard_at

    def touch(self, streams: Collection[Stream]) -> dict[Stream, int]:
        """Note that these were heard, the new ones too; how far each was held before."""
        if not streams:
            return {}
        table = schema.stream_position
        heard = {"first_heard_at": self._heard_at, "last_heard_at": self._heard_at}
        insert = insert_into(self._connection, table)
        touched = insert.on_conflict_do_update(
            index_elements=["site", "stream", "epoch"], set_={"last_heard_at": insert.excluded.last_heard_at}
        ).returning(*_KEY, table.c.up_to)
        rows = [{**stream_columns(stream), "up_to": 0, "missing": 0, **heard} for stream in streams]
        return {(row.site, row.stream, row.epoch): row.up_to for row in self._connection.execute(touched, rows)}

    def advance(self, known: Mapping[Stream, int], came: Mapping[Stream, Sequence[Link]]) -> list[Receipt]:
        """Move each as far as what is held now reaches. `came`: what was just kept of it, in order."""
        reached = {stream: next_in_line(known[stream], links) for stream, links in came.items()}
        self._move({stream: up_to for stream, up_to in reached.items() if up_to > known[stream]})
        for stream in self._with_more(reached):
            reached[stream] = self._follow(stream, reached[stream])
        return [
            Receipt(site, Ack(stream=name, epoch=epoch, up_to=reached[site, name, epoch]))
            for site, name, epoch in reached
        ]

    def _move(self, moved: Mapping[Stream, int]) -> None:
        if not moved:
            return
        table = schema.stream_position
        update = sa.update(table).values(up_to=sa.bindparam("reached"))
        for name in ("site", "stream", "epoch"):
            update = update.where(table.c[name] == sa.bindparam(f"of_{name}"))
        rows = [
            {"reached": up_to, **{f"of_{name}": value for name, value in stream_columns(stream).items()}}
            for stream, up_to in moved.items()
        ]
        self._connection.execute(update, rows)

    def _with_more(self, streams: Collection[Stream]) -> list[Stream]:
        """Those of which rows are held beyond their position: over a gap, or kept before what came now."""
        table, event = schema.stream_position, schema.event
        # One look into the key's index for each; as a join a planner without statistics would read all events.
        beyond = (
            sa.select(sa.func.min(event.c.sequence))
            .where(*(event.c[column.name] == column for column in _KEY), event.c.sequence > table.c.up_to)
            .scalar_subquery()
        )
        query, asked = sa.select(*_KEY, beyond.label("beyond")), list(streams)
        found: list[Stream] = []
        for begin in range(0, len(asked), _STREAMS_AT_ONCE):
            these = query.where(sa.tuple_(*_KEY).in_(asked[begin : begin + _STREAMS_AT_ONCE]))
            rows = self._connection.execute(these)
            found += [(row.site, row.stream, row.epoch) for row in rows if row.beyond is not None]
        return found

    def _follow(self, stream: Stream, up_to: int) -> int:
        """Through what the database holds, page by page; counts what will never come."""
        table = schema.stream_position
        begin, missing = up_to, 0
        while page := self._rows_after(stream, up_to):
            up_to, skipped = advance(up_to, page)
            missing += skipped
            if up_to < page[-1][0]:
                break
        if up_to > begin:
            update = sa.update(table).where(_is_stream(table, stream))
            self._connection.execute(update.values(up_to=up_to, missing=table.c.missing + missing))
        return up_to

    def _rows_after(self, stream: Stream, up_to: int) -> list[Link]:
        table = schema.event
        query = (
            sa.select(table.c.sequence, table.c.previous)
            .where(_is_stream(table, stream), table.c.sequence > up_to)
            .order_by(table.c.sequence)
            .limit(_PAGE_ROWS)
        )
        return [(row.sequence, row.previous) for row in self._connection.execute(query)]


def next_in_line(up_to: int, links: Iterable[Link]) -> int:
    """How far links in order reach from `up_to` number by number, which needs no look at what was held before."""
    for sequence, _ in links:
        if sequence == up_to + 1:
            up_to = sequence
        elif sequence > up_to:
            break
    return up_to


def advance(up_to: int, rows: Iterable[Link]) -> tuple[int, int]:
    """How far an unbroken chain reaches from `up_to`, and how many sequences it skipped that will never come.

    `rows` are (sequence, previous) above `up_to`, in order. A row is linked when its `previous` is held, or is 0:
    then its site holds nothing older, and whatever is missing before it is lost to this database.
    """
    missing = 0
    for sequence, previous in rows:
        if previous > up_to:
            break
        if previous == 0:
            missing += sequence - up_to - 1
        up_to = sequence
    return up_to, missing


_KEY = tuple(schema.stream_position.c[name] for name in ("site", "stream", "epoch"))


def insert_into(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that knows ON CONFLICT, as both databases do."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def stream_columns(stream: Stream) -> dict[str, str]:
    return dict(zip(("site", "stream", "epoch"), stream, strict=True))


def _is_stream(table: sa.Table, stream: Stream) -> sa.ColumnElement[bool]:
    return sa.and_(*(table.c[name] == value for name, value in stream_columns(stream).items()))
