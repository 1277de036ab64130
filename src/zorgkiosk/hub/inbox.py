"""The hub's database: what the sites said, each thing once, and how far each of their outboxes is held.

SQLite (WAL, synchronous=FULL) or PostgreSQL. One `commit()` is one transaction; only what it returned may be
acknowledged, and only after it ended. Re-sent, reordered and overlapping batches are harmless.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.dialects import postgresql, sqlite

from zorgkiosk.contract.events import Event, Said
from zorgkiosk.contract.status import Ack, Online, SiteState
from zorgkiosk.hub import schema
from zorgkiosk.hub.letters import Place, Unreadable

KEPT_LETTERS = 500
"""Dead letters kept for a site; older ones go, so that one broken site cannot fill the disk."""

_PAGE_ROWS = 500
_COMMIT_LOCK = 0x7A6F7268


class InboxError(Exception):
    """The database cannot be opened; one sentence says why."""


@dataclass(frozen=True)
class Receipt:
    """An ack and the site it is for."""

    site: str
    ack: Ack


Stream = tuple[str, str, str]
"""Site, stream, epoch."""


class Commit:
    """What can be done in one transaction. Made by `Inbox.commit` alone."""

    def __init__(self, connection: sa.Connection, heard_at: datetime) -> None:
        self._connection = connection
        self._heard_at = heard_at

    def take(self, events: Iterable[Event], unreadable: Iterable[Unreadable] = ()) -> list[Receipt]:
        """Keep events, and the places of unreadable ones; says for each of their streams how far it is held now."""
        rows: dict[tuple[object, ...], dict[str, Any]] = {}
        for row in (
            *map(_event_row, events),
            *(_place_row(letter.site, letter.place) for letter in unreadable if letter.place),
        ):
            key = (row["site"], row["stream"], row["epoch"], row["sequence"])
            known = rows.setdefault(key, row | {"heard_at": self._heard_at})
            known["previous"] = min(known["previous"], row["previous"])
        streams = sorted({(row["site"], row["stream"], row["epoch"]) for row in rows.values()})
        for stream in streams:
            self._touch(stream)
        if rows:
            self._connection.execute(self._keep_event(), list(rows.values()))
        return [self._advance(stream) for stream in streams]

    def take_state(self, state: SiteState) -> None:
        """Keep the state unless a newer one of the same boot is there. A site that speaks is online."""
        table = schema.site_state
        row = {
            "site": state.site,
            "state": state.model_dump(mode="json", exclude_none=True),
            "boot_id": state.boot_id,
            "uptime_ms": state.uptime_ms,
            "heard_at": self._heard_at,
            "online": True,
            "online_since": self._heard_at,
        }
        insert = self._insert(table).values(**row)
        newer = insert.on_conflict_do_update(
            index_elements=[table.c.site],
            set_={**row, "online_since": sa.case((table.c.online, table.c.online_since), else_=self._heard_at)},
            where=sa.or_(
                table.c.boot_id.is_(None), table.c.boot_id != state.boot_id, table.c.uptime_ms <= state.uptime_ms
            ),
        )
        self._connection.execute(newer)

    def take_online(self, online: Online) -> None:
        """Keep whether the site is connected, and since when."""
        table = schema.site_state
        row = {"site": online.site, "online": online.online, "online_since": self._heard_at}
        self._connection.execute(
            self._insert(table)
            .values(**row)
            .on_conflict_do_update(index_elements=[table.c.site], set_=row, where=table.c.online != online.online)
        )

    def set_aside(self, letter: Unreadable) -> None:
        """Keep what can be kept of something unreadable; the same thing again is counted, not kept twice."""
        table = schema.dead_letter
        insert = self._insert(table).values(
            **_letter_row(letter), times=1, first_heard_at=self._heard_at, last_heard_at=self._heard_at
        )
        self._connection.execute(
            insert.on_conflict_do_update(
                index_elements=[table.c.site, table.c.leaf, table.c.reason, table.c.digest],
                set_={"times": table.c.times + 1, "last_heard_at": self._heard_at},
            )
        )
        of_site = sa.select(table.c.id).where(table.c.site == letter.site).order_by(table.c.id.desc())
        newest = of_site.limit(KEPT_LETTERS)
        self._connection.execute(sa.delete(table).where(table.c.site == letter.site, table.c.id.not_in(newest)))

    def _insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        if self._connection.dialect.name == "postgresql":
            return postgresql.insert(table)
        return sqlite.insert(table)

    def _touch(self, stream: Stream) -> None:
        table = schema.stream_position
        row = {**_stream_columns(stream), "last_heard_at": self._heard_at}
        self._connection.execute(
            self._insert(table)
            .values(**row, up_to=0, missing=0, first_heard_at=self._heard_at)
            .on_conflict_do_update(
                index_elements=["site", "stream", "epoch"], set_={"last_heard_at": row["last_heard_at"]}
            )
        )

    def _keep_event(self) -> sa.Insert:
        """A row that is there stays as it is, but its link: a site that pruned since says so with a re-sent row."""
        table = schema.event
        insert = self._insert(table)
        return insert.on_conflict_do_update(
            index_elements=["site", "stream", "epoch", "sequence"],
            set_={"previous": insert.excluded.previous},
            where=insert.excluded.previous < table.c.previous,
        )

    def _advance(self, stream: Stream) -> Receipt:
        table = schema.stream_position
        here = _is_stream(table, stream)
        row = self._connection.execute(sa.select(table.c.up_to, table.c.missing).where(here)).one()
        up_to, missing = row.up_to, row.missing
        while page := self._rows_after(stream, up_to):
            reached, skipped = advance(up_to, page)
            up_to, missing = reached, missing + skipped
            if reached < page[-1][0]:
                break
        if up_to > row.up_to:
            self._connection.execute(sa.update(table).where(here).values(up_to=up_to, missing=missing))
        site, name, epoch = stream
        return Receipt(site, Ack(stream=name, epoch=epoch, up_to=up_to))

    def _rows_after(self, stream: Stream, up_to: int) -> list[tuple[int, int]]:
        table = schema.event
        query = (
            sa.select(table.c.sequence, table.c.previous)
            .where(_is_stream(table, stream), table.c.sequence > up_to)
            .order_by(table.c.sequence)
            .limit(_PAGE_ROWS)
        )
        return [(row.sequence, row.previous) for row in self._connection.execute(query)]


def advance(up_to: int, rows: Iterable[tuple[int, int]]) -> tuple[int, int]:
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


class Inbox:
    """The writing side: one connection, for one thread."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, database: str) -> Inbox:
        """Open or make the database and bring its schema up to date. Raises InboxError."""
        engine = _writing_engine(sa.make_url(database))
        try:
            schema.upgrade(engine)
        except sa.exc.DatabaseError as error:
            engine.dispose()
            raise InboxError(f"{engine.url.render_as_string()}: cannot open the database: {error.orig}") from error
        return cls(engine)

    @contextmanager
    def commit(self, heard_at: datetime) -> Iterator[Commit]:
        """One transaction of what was heard at `heard_at` (aware UTC). Raises sqlalchemy's DatabaseError."""
        with self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":  # intakes take turns, so that no two of them can deadlock
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_COMMIT_LOCK)))
            yield Commit(connection, heard_at)

    def states(self, sites: Iterable[str]) -> list[tuple[SiteState, datetime]]:
        """The last known states of these sites, with when each was heard; in the order asked."""
        table = schema.site_state
        wanted = list(sites)
        with self._engine.begin() as connection:
            query = sa.select(table).where(table.c.site.in_(wanted), table.c.state.is_not(None))
            found = {row.site: row for row in connection.execute(query)}
        return [(SiteState.model_validate(found[site].state), found[site].heard_at) for site in wanted if site in found]

    def close(self) -> None:
        self._engine.dispose()


def _writing_engine(url: sa.URL) -> sa.Engine:
    # Parameters stay out of error messages: a log is no place for what a site said.
    if url.drivername != "sqlite":
        return sa.create_engine(url, pool_size=1, max_overflow=0, hide_parameters=True, connect_args=UTC_SESSION)
    engine = sa.create_engine(url, poolclass=sa.pool.StaticPool, hide_parameters=True)

    @sa_event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver's own rules skip it before DDL
        for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL", "mmap_size=0"):
            connection.execute(f"PRAGMA {pragma}")

    @sa_event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


UTC_SESSION = {"options": "-c timezone=utc", "connect_timeout": 5}


def _stream_columns(stream: Stream) -> dict[str, str]:
    return dict(zip(("site", "stream", "epoch"), stream, strict=True))


def _is_stream(table: sa.Table, stream: Stream) -> sa.ColumnElement[bool]:
    return sa.and_(*(table.c[name] == value for name, value in _stream_columns(stream).items()))


def _said_columns(said: Said) -> dict[str, Any]:
    return {
        "said_at": said.at,
        "boot_id": said.boot_id,
        "uptime_ms": said.uptime_ms,
        "clock_synced": said.clock_synced,
    }


def _event_row(event: Event) -> dict[str, Any]:
    return {
        **_stream_columns((event.site, event.stream, event.epoch)),
        "sequence": event.sequence,
        "previous": event.previous,
        "kind": event.data.KIND,
        **_said_columns(event.said),
        "data": event.data.model_dump(mode="json", exclude_none=True),
    }


def _place_row(site: str, place: Place) -> dict[str, Any]:
    return {
        **_stream_columns((site, place.stream, place.epoch)),
        "sequence": place.sequence,
        "previous": place.previous,
        "kind": schema.UNREADABLE,
        **_said_columns(place.said),
        "data": {},
    }


def _letter_row(letter: Unreadable) -> dict[str, Any]:
    place = letter.place
    # Of the excerpt, which holds no number: a hash of a short payload could be guessed back.
    identity = f"{place and (place.stream, place.epoch, place.sequence)} {letter.excerpt}"
    return {
        "site": letter.site,
        "leaf": letter.leaf,
        "reason": letter.reason,
        "digest": hashlib.sha256(identity.encode()).hexdigest()[:32],
        "stream": place and place.stream,
        "epoch": place and place.epoch,
        "sequence": place and place.sequence,
        "size_bytes": letter.size_bytes,
        "excerpt": letter.excerpt,
    }
