"""The hub's database: what the sites said, each thing once, and how far each of their outboxes is held.

SQLite (WAL, synchronous=FULL) or PostgreSQL. One `commit()` is one transaction; only what it returned may be
acknowledged, and only after it ended. Re-sent, reordered and overlapping batches are harmless.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event as sa_event

from zorgkiosk.contract.events import Event, Said
from zorgkiosk.contract.status import Online, SiteState
from zorgkiosk.hub import bulk, schema
from zorgkiosk.hub.letters import Place, Unreadable
from zorgkiosk.hub.positions import Link, Positions, Receipt, Stream, insert_into, stream_columns
from zorgkiosk.hub.seat import OccupiedError, Seat

KEPT_LETTERS = 500
"""Dead letters kept for a site; older ones go, so that one broken site cannot fill the disk."""

_COMMIT_LOCK = 0x7A6F7268


class InboxError(Exception):
    """The database cannot be opened; one sentence says why."""


class InUseError(InboxError):
    """Somebody else has it."""


class Commit:
    """What can be done in one transaction. Made by `Inbox.commit` alone.

    `known`: events of this commit that were held before, or came twice in it.
    """

    def __init__(self, connection: sa.Connection, heard_at: datetime) -> None:
        self._connection = connection
        self._heard_at = heard_at
        self.known = 0

    def take(self, events: Iterable[Event], unreadable: Iterable[Unreadable] = ()) -> list[Receipt]:
        """Keep events, and the places of unreadable ones; says for each of their streams how far it is held now."""
        rows: dict[tuple[str, str, str, int], dict[str, Any]] = {}
        heard_at = self._heard_at
        came = [
            *(_event_row(event, heard_at) for event in events),
            *(_place_row(letter.site, letter.place, heard_at) for letter in unreadable if letter.place),
        ]
        for row in came:
            key = (row["site"], row["stream"], row["epoch"], row["sequence"])
            known = rows.setdefault(key, row)
            if row["previous"] < known["previous"]:
                known["previous"] = row["previous"]
        links: dict[Stream, list[Link]] = {}
        for key, row in sorted(rows.items()):
            links.setdefault(key[:3], []).append((row["sequence"], row["previous"]))
        positions = Positions(self._connection, heard_at)
        before = positions.touch(links)
        if rows:
            self.known += len(came) - bulk.keep_events(self._connection, list(rows.values()))
        return positions.advance(before, links)

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
        insert = insert_into(self._connection, table).values(**row)
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
            insert_into(self._connection, table)
            .values(**row)
            .on_conflict_do_update(index_elements=[table.c.site], set_=row, where=table.c.online != online.online)
        )

    def set_aside(self, letter: Unreadable) -> None:
        """Keep what can be kept of something unreadable; the same thing again is counted, not kept twice."""
        table = schema.dead_letter
        insert = insert_into(self._connection, table).values(
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


class Inbox:
    """The writing side: one connection, for one thread."""

    def __init__(self, engine: sa.Engine, seat: Seat | None = None) -> None:
        self._engine = engine
        self._seat = seat

    @classmethod
    def open(cls, database: str) -> Inbox:
        """Open or make the database and bring its schema up to date. Raises InboxError, also when another has it."""
        engine = _writing_engine(sa.make_url(database))
        try:
            _make_file(engine.url)
            seat = Seat.of_intake(engine)
        except OccupiedError as error:
            engine.dispose()
            raise InUseError(str(error)) from None
        except OSError as error:
            engine.dispose()
            raise InboxError(f"{engine.url.render_as_string()}: cannot open the database: {error}") from None
        except sa.exc.DatabaseError as error:
            engine.dispose()
            raise InboxError(f"{engine.url.render_as_string()}: cannot open the database: {error.orig}") from error
        try:
            schema.upgrade(engine)
        except sa.exc.DatabaseError as error:
            seat.leave()
            engine.dispose()
            raise InboxError(f"{engine.url.render_as_string()}: cannot open the database: {error.orig}") from error
        return cls(engine, seat)

    @contextmanager
    def commit(self, heard_at: datetime) -> Iterator[Commit]:
        """One transaction of what was heard at `heard_at` (aware UTC). Raises sqlalchemy's DatabaseError."""
        with self.transaction() as connection:
            yield Commit(connection, heard_at)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """One transaction; nobody else writes meanwhile. Raises sqlalchemy's DatabaseError."""
        with self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":  # intakes take turns, so that no two of them can deadlock
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_COMMIT_LOCK)))
            yield connection

    def states(self, sites: Iterable[str]) -> list[tuple[SiteState, datetime]]:
        """The last known states of these sites, with when each was heard; in the order asked."""
        table = schema.site_state
        wanted = list(sites)
        with self._engine.begin() as connection:
            query = sa.select(table).where(table.c.site.in_(wanted), table.c.state.is_not(None))
            found = {row.site: row for row in connection.execute(query)}
        return [(SiteState.model_validate(found[site].state), found[site].heard_at) for site in wanted if site in found]

    def close(self) -> None:
        if self._seat is not None:
            self._seat.leave()
        self._engine.dispose()


def _make_file(url: sa.URL) -> None:
    """Writable by the group, as SQLite's own -shm file will be: whichever of intake and board makes it, both use it."""
    if url.drivername == "sqlite" and not (file := Path(str(url.database))).exists():
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o660))


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


def _said_columns(said: Said) -> dict[str, Any]:
    return {
        "said_at": said.at,
        "boot_id": said.boot_id,
        "uptime_ms": said.uptime_ms,
        "clock_synced": said.clock_synced,
    }


def _event_row(event: Event, heard_at: datetime) -> dict[str, Any]:
    return {
        **stream_columns((event.site, event.stream, event.epoch)),
        "sequence": event.sequence,
        "previous": event.previous,
        "kind": event.data.KIND,
        **_said_columns(event.said),
        "heard_at": heard_at,
        "data": event.data.model_dump_json(exclude_none=True),
    }


def _place_row(site: str, place: Place, heard_at: datetime) -> dict[str, Any]:
    return {
        **stream_columns((site, place.stream, place.epoch)),
        "sequence": place.sequence,
        "previous": place.previous,
        "kind": schema.UNREADABLE,
        **_said_columns(place.said),
        "heard_at": heard_at,
        "data": "{}",
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
