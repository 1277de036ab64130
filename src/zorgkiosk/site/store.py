"""A unit's own file: what is true now (`state`) and what the hub must hear (`outbox`), in one transaction.

Each unit owns and writes exactly one such file; the others open it read-only (`store_view`) and notice changes by
`PRAGMA data_version`; sync is told to look (`wake`). WAL with synchronous=FULL: a commit that was reported survives a
power cut (WAL with NORMAL lost 14 % of them when measured). Rows leave the outbox only once the hub has acknowledged
them, or when the disk is full and newer ones supersede them (`store_room`). A damaged file is set aside
(`store_damage`).
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy import event as sa_event

from zorgkiosk import durable
from zorgkiosk.site import journal, schema, store_faults, wake
from zorgkiosk.site.chain import Head, Known
from zorgkiosk.site.clock import Clock
from zorgkiosk.site.faults import CONDITIONS, coded
from zorgkiosk.site.head_file import HeadFile
from zorgkiosk.site.said import said_columns
from zorgkiosk.site.store_damage import check, say_damaged, set_aside
from zorgkiosk.site.store_faults import DAMAGED, FULL
from zorgkiosk.site.store_room import Room, Space
from zorgkiosk.site.store_transaction import PUT_SQL, ROOM_TRIES, Transaction
from zorgkiosk.site.store_trouble import StoreDamagedError, StoreError, is_damage, is_full, trouble
from zorgkiosk.site.store_view import Neighbour, OutboxRow, StateValue, StoreView

__all__ = [
    "Neighbour",
    "OutboxRow",
    "Room",
    "StateValue",
    "Store",
    "StoreDamagedError",
    "StoreError",
    "StoreView",
    "Transaction",
]

log = logging.getLogger(__name__)

_SYNCHRONOUS = "FULL"
_DEFAULT_ROOM = Room()
_SQL_ERRORS = (sa.exc.DatabaseError, sqlite3.Error)


class Store:
    """The owner's side of one file: one connection, and a lock so that one thread at a time is in a transaction.

    `path.parent` is shared by the units' group: files are made group-writable so that a reader may make the
    `-shm` file that WAL needs, also right after the owner has stopped and removed it.
    """

    def __init__(self, engine: sa.Engine, path: Path, stream: str, clock: Clock, space: Space) -> None:
        self._engine = engine
        self._clock = clock
        self._space = space
        self._lock = threading.Lock()
        self._damage: StoreDamagedError | None = None
        self._head_file = HeadFile(path)
        self._head_told: Head | None = None
        self.path = path
        self.stream = stream

    @classmethod
    def open(cls, path: Path, stream: str, clock: Clock, room: Room = _DEFAULT_ROOM) -> Store:
        """Open or make the file, bring its schema up to date. Raises StoreError.

        A damaged file is set aside: a new one begins, with a new epoch, and tells so (`store_faults`).
        """
        space = Space(path, room)
        try:
            try:
                engine = _opened(path, space)
            except StoreDamagedError as error:
                aside = set_aside(path, clock.now())
                told = f"{error}: it is kept as {aside.name}, and a new file begins"
                log.error("%s", coded(told, CONDITIONS[DAMAGED]))
                engine = _opened(path, space)
                with engine.begin() as connection:
                    change = Transaction(connection, clock.said(), lambda: False)
                    store_faults.begin(change, stream, DAMAGED, aside.name)
        except (*_SQL_ERRORS, OSError, CommandError) as error:
            raise trouble(path, "cannot open the store", error) from error
        return cls(engine, path, stream, clock, space)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One commit; on any exception nothing of it is kept. Raises StoreError when the file takes nothing."""
        with self._saving(), self._engine.connect() as connection:
            connection.begin()
            change = Transaction(connection, self._clock.said(), self._make_room, self._head_file.all)
            yield change
            if self._space.full:
                store_faults.begin(change, self.stream, FULL)
            change.commit()
        wake.tell(self.path.parent)

    def put_for_this_boot(self, texts: Mapping[str, str]) -> None:
        """Set state that a reboot makes worthless, by key, to values that are JSON already: the fast way in.

        The commit survives the end of every process but not surely a power cut, so nobody waits for the SD card; the
        next transaction makes it durable too. It goes round SQLAlchemy, which would take longer than SQLite does.
        Raises StoreError.
        """
        said = said_columns(self._clock.said())
        rows = [{"key": key, "value": text, **said} for key, text in texts.items()]
        with self._saving():
            for tries_left in reversed(range(ROOM_TRIES + 1)):
                try:
                    _put_hastily(self._driver(), rows)
                except sqlite3.DatabaseError as error:
                    if not (tries_left and is_full(error) and self._make_room()):
                        raise
                else:
                    break
        wake.tell(self.path.parent)

    def prune(self, epoch: str, up_to: int) -> int:
        """Forget acknowledged rows of this epoch; returns how many. Another epoch's ack forgets nothing.

        Raises StoreError when the file takes nothing.
        """
        with self.transaction() as change:
            return change.forget(up_to) if self.epoch == epoch else 0

    def tend(self) -> None:
        """For the loop of the owning unit: what it must know although another thread met it.

        Raises StoreDamagedError when the file was found damaged: the unit ends, and its next start sets the file aside.
        When the disk was full, looks whether room has returned and says so in the state. Raises StoreError.
        """
        if self._damage is not None:
            raise self._damage
        if not self._space.full or not self._space.is_time_to_look(self._clock.uptime_s()):
            return
        with self._saving():
            returned = self._space.returned(self._driver())
        with self.transaction() as change:
            if returned:
                store_faults.end(change, self.stream, FULL)

    def begin_journal(self) -> None:
        """For a store that keeps a journal: its chain begins now, if it has not. Raises StoreError."""
        with self.transaction() as change:
            change.begin_journal()
        self.tell_head()

    def prune_journal(self, before: datetime) -> int:
        """Forget what was logged before; returns how many lines. Raises StoreError when the file takes nothing."""
        with self.transaction() as change:
            return change.forget_journal(before)

    def tell_head(self) -> None:
        """Write the journal's last link into the file beside the store, unless it stands there. Raises StoreError."""
        with self._saving():
            head, epoch = journal.head(self._driver()), self.epoch
        if head is not None and head != self._head_told and self._head_file.write(Known(epoch, head)):
            self._head_told = head

    def view(self) -> StoreView:
        """This file as the other units see it."""
        return StoreView(self.path)

    def close(self) -> None:
        self._engine.dispose()

    @property
    def epoch(self) -> str:
        return str(self._driver().execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0])

    @contextmanager
    def _saving(self) -> Iterator[None]:
        """The lock, and SQLite's errors as a StoreError. Damage is remembered for `tend` and for the next start."""
        try:
            with self._lock:
                yield
        except _SQL_ERRORS as error:
            problem = trouble(self.path, "nothing was saved", error)
            if isinstance(problem, StoreDamagedError):
                self._damage = problem
                say_damaged(self.path)
            raise problem from error

    def _make_room(self) -> bool:
        return self._space.make(self._driver())

    def _driver(self) -> sqlite3.Connection:
        return _driver(self._engine)


def _opened(path: Path, space: Space) -> sa.Engine:
    """A sound file, up to date. Raises StoreDamagedError, and what SQLAlchemy, SQLite and the system raise."""
    engine = _engine(path)
    try:
        _make_file(path)
        try:
            _make_ready(path, engine, space)
        except _SQL_ERRORS as error:
            if not (is_full(error) and space.give_up_reserve()):
                raise
            _make_ready(path, engine, space)
    except BaseException as error:
        engine.dispose()
        if isinstance(error, _SQL_ERRORS) and is_damage(error):
            raise trouble(path, "is damaged", error) from error
        raise
    return engine


def _make_ready(path: Path, engine: sa.Engine, space: Space) -> None:
    check(path, _driver(engine))
    schema.upgrade(engine)
    with engine.begin() as connection:
        if connection.execute(sa.select(schema.meta.c.value).where(schema.meta.c.key == "epoch")).first() is None:
            connection.execute(sa.insert(schema.meta).values(key="epoch", value=secrets.token_hex(8)))
    space.prepare(_driver(engine))


def _make_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o770)
    if path.is_symlink():  # of another unit's making, since they share the folder
        raise OSError(f"it is a symbolic link: remove it, a store is a file in {path.parent} itself")
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o660))
        durable.sync_folder(path.parent)


def _engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite:///{path}", poolclass=sa.pool.StaticPool, connect_args={"check_same_thread": False}
    )

    @sa_event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver's own rules skip it before DDL
        for pragma in ("journal_mode=WAL", "mmap_size=0", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa_event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA synchronous={_SYNCHRONOUS}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _driver(engine: sa.Engine) -> sqlite3.Connection:
    """SQLite's own connection, the only one of the pool."""
    pooled = engine.raw_connection()
    try:
        connection: sqlite3.Connection = pooled.dbapi_connection  # type: ignore[assignment]
        return connection
    finally:
        pooled.close()


def _put_hastily(connection: sqlite3.Connection, rows: Sequence[dict[str, Any]]) -> None:
    try:
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(PUT_SQL, rows)
        connection.execute("COMMIT")
    except sqlite3.DatabaseError:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
