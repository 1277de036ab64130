"""A unit's own file: what is true now (`state`) and what the hub must hear (`outbox`), in one transaction.

Each unit owns and writes exactly one such file; the others open it read-only as a `StoreView` and notice changes by
`PRAGMA data_version`. WAL with synchronous=FULL: a commit that was reported survives a power cut (WAL with NORMAL
lost 14 % of them when measured). Rows leave the outbox only once the hub has acknowledged them.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.dialects.sqlite import insert

from zorgkiosk.contract.events import KINDS, Event, EventData, Said, format_instant, parse_instant
from zorgkiosk.site import schema
from zorgkiosk.site.clock import Clock


def _upsert() -> sa.Insert:
    statement = insert(schema.state)
    new = {column.name: statement.excluded[column.name] for column in schema.state.c if column.name != "key"}
    return statement.on_conflict_do_update(index_elements=["key"], set_=new)


_PUT, _REPORT = _upsert(), sa.insert(schema.outbox)
"""Built once: building a statement costs more than running it, and callers wait for the line's commits."""


class StoreError(Exception):
    """The file cannot take or give what was asked; one sentence says why (a full disk, a foreign schema)."""


@dataclass(frozen=True)
class StateValue:
    """A value of `state` and when it was put there, by both clocks."""

    value: Any
    said: Said


@dataclass(frozen=True)
class OutboxRow:
    """A row that waits for the hub. `previous` is the row before it that is held, 0 when it is the oldest."""

    sequence: int
    previous: int
    said: Said
    data: EventData

    def to_event(self, *, region: str, site: str, stream: str, epoch: str) -> Event:
        return Event(region, site, stream, epoch, self.sequence, self.previous, self.said, self.data)


class Transaction:
    """What can be done in one commit. Made by `Store.transaction` alone."""

    def __init__(self, connection: sa.Connection, said: Said) -> None:
        self._connection = connection
        self._said = said

    def put(self, key: str, value: Any, *, said: Said | None = None) -> None:
        """Set `key` to `value` (anything JSON can hold); `said` when it was said, if that is not now."""
        row = {"key": key, "value": json.dumps(value), **_said_columns(said or self._said)}
        self._connection.execute(_PUT, row)

    def remove(self, key: str) -> None:
        self._connection.execute(sa.delete(schema.state).where(schema.state.c.key == key))

    def get(self, key: str) -> StateValue | None:
        row = self._connection.execute(sa.select(schema.state).where(schema.state.c.key == key)).one_or_none()
        return None if row is None else _state_value(row)

    def report(self, data: EventData, *, said: Said | None = None) -> int:
        """Put an event into the outbox; returns its sequence. `said` as for `put`."""
        row = {"kind": data.KIND, "data": data.model_dump_json(exclude_none=True), **_said_columns(said or self._said)}
        return int(self._connection.execute(_REPORT, row).lastrowid)


class Store:
    """The owner's side of one file: one connection, and a lock so that one thread at a time is in a transaction.

    `path.parent` is shared by the units' group: files are made group-writable so that a reader may make the
    `-shm` file that WAL needs, also right after the owner has stopped and removed it.
    """

    def __init__(self, engine: sa.Engine, path: Path, stream: str, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self.path = path
        self.stream = stream

    @classmethod
    def open(cls, path: Path, stream: str, clock: Clock) -> Store:
        """Open or make the file, bring its schema up to date. Raises StoreError."""
        engine = _engine(path)
        try:
            _make_file(path)
            schema.upgrade(engine)
            with engine.begin() as connection:
                _ensure_epoch(connection)
        except (sa.exc.DatabaseError, OSError) as error:
            raise StoreError(f"{path}: cannot open the store: {_cause(error)}") from error
        return cls(engine, path, stream, clock)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One commit; on any exception nothing of it is kept. Raises StoreError when the file takes nothing."""
        try:
            with self._lock, self._engine.begin() as connection:
                yield Transaction(connection, self._clock.said())
        except sa.exc.DatabaseError as error:
            raise StoreError(f"{self.path}: nothing was saved: {_cause(error)}") from error

    def prune(self, epoch: str, up_to: int) -> int:
        """Forget acknowledged rows of this epoch; returns how many. Another epoch's ack forgets nothing.

        Raises StoreError when the file takes nothing.
        """
        kept = sa.select(sa.func.max(schema.outbox.c.sequence)).scalar_subquery()
        # The newest row stays as the link for `previous`; it is not sent again.
        gone = sa.delete(schema.outbox).where(schema.outbox.c.sequence <= up_to, schema.outbox.c.sequence < kept)
        try:
            with self._lock, self._engine.begin() as connection:
                return connection.execute(gone).rowcount if _meta(connection, "epoch") == epoch else 0
        except sa.exc.DatabaseError as error:
            raise StoreError(f"{self.path}: nothing was pruned: {_cause(error)}") from error

    def view(self) -> StoreView:
        """This file as the other units see it."""
        return StoreView(self.path)

    def close(self) -> None:
        self._engine.dispose()


class StoreView:
    """Read-only eyes on another unit's file, for one thread. A file that does not exist yet is empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._seen: tuple[int, int] | None = None

    def changed(self) -> bool:
        """Whether the owner committed since the last call; true on the first call that finds the file."""
        connection = self._connect()
        if connection is None:
            return False
        seen = (self._inode, connection.execute("PRAGMA data_version").fetchone()[0])
        changed = seen != self._seen
        self._seen = seen
        return bool(changed)

    def epoch(self) -> str | None:
        connection = self._connect()
        if connection is None:
            return None
        row = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        return None if row is None else str(row[0])

    def state(self) -> Mapping[str, StateValue]:
        """All of `state`, by key."""
        connection = self._connect()
        if connection is None:
            return {}
        with closing(connection.execute("SELECT * FROM state")) as rows:
            return {row["key"]: _state_value(row) for row in rows}

    def outbox(self, *, after: int, limit: int) -> list[OutboxRow]:
        """Up to `limit` rows with a sequence above `after`, oldest first."""
        connection = self._connect()
        if connection is None:
            return []
        query = (
            "SELECT *, coalesce((SELECT max(sequence) FROM outbox AS older WHERE older.sequence < outbox.sequence), 0)"
            " AS previous FROM outbox WHERE sequence > ? ORDER BY sequence LIMIT ?"
        )
        with closing(connection.execute(query, (after, limit))) as rows:
            return [_outbox_row(row) for row in rows]

    def waiting(self, *, after: int) -> int:
        """How many rows have a sequence above `after`."""
        connection = self._connect()
        if connection is None:
            return 0
        return int(connection.execute("SELECT count(*) FROM outbox WHERE sequence > ?", (after,)).fetchone()[0])

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> sqlite3.Connection | None:
        """The open connection; a new one when the file was replaced (factory reset); None while there is none."""
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError:
            self.close()
            return None
        if self._connection is None or inode != self._inode:
            self.close()
            connection = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, check_same_thread=False, timeout=2)
            connection.row_factory = sqlite3.Row
            try:
                ready = connection.execute("SELECT 1 FROM meta WHERE key = 'epoch'").fetchone()
            except sqlite3.OperationalError:  # the owner is still making its tables
                ready = None
            if ready is None:
                connection.close()
                return None
            self._connection, self._inode = connection, inode
        return self._connection


def _make_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o770)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o660))


def _engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite:///{path}", poolclass=sa.pool.StaticPool, connect_args={"check_same_thread": False}
    )

    @sa_event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver's own rules skip it before DDL
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "mmap_size=0", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa_event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _ensure_epoch(connection: sa.Connection) -> None:
    if _meta(connection, "epoch") is None:
        connection.execute(sa.insert(schema.meta).values(key="epoch", value=secrets.token_hex(8)))


def _meta(connection: sa.Connection, key: str) -> str | None:
    return connection.execute(sa.select(schema.meta.c.value).where(schema.meta.c.key == key)).scalar_one_or_none()


def _said_columns(said: Said) -> dict[str, Any]:
    return {
        "said_at": format_instant(said.at),
        "boot_id": said.boot_id,
        "uptime_ms": said.uptime_ms,
        "clock_synced": said.clock_synced,
    }


def _said(row: Any) -> Said:
    return Said(parse_instant(row["said_at"]), row["boot_id"], row["uptime_ms"], bool(row["clock_synced"]))


def _state_value(row: Any) -> StateValue:
    fields = row if isinstance(row, sqlite3.Row) else row._mapping
    return StateValue(json.loads(fields["value"]), _said(fields))


def _outbox_row(row: sqlite3.Row) -> OutboxRow:
    data = KINDS[row["kind"]].model_validate_json(row["data"])
    return OutboxRow(row["sequence"], row["previous"], _said(row), data)


def _cause(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error)
