"""Eyes on a store: read-only, for one thread, beside its owner."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zorgkiosk.contract.events import KINDS, Event, EventData, Said
from zorgkiosk.contract.names import ContractError
from zorgkiosk.site import journal
from zorgkiosk.site.chain import Chain, Head
from zorgkiosk.site.journal import JournalLine, JournalRow
from zorgkiosk.site.said import said_of
from zorgkiosk.site.store_trouble import StoreDamagedError, StoreError, trouble

log = logging.getLogger(__name__)


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


class StoreView:
    """Read-only eyes on a unit's file. One that does not exist yet is empty.

    Every question raises StoreError when the file does not answer, StoreDamagedError when it never will.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._seen: tuple[int, int] | None = None

    def changed(self) -> bool:
        """Whether the owner committed since the last call; true on the first call that finds the file."""
        with self._reading() as connection:
            if connection is None:
                return False
            seen = (self._inode, connection.execute("PRAGMA data_version").fetchone()[0])
            changed = seen != self._seen
            self._seen = seen
            return bool(changed)

    def epoch(self) -> str | None:
        with self._reading() as connection:
            if connection is None:
                return None
            row = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
            return None if row is None else str(row[0])

    def state(self) -> Mapping[str, StateValue]:
        """All of `state`, by key."""
        with self._reading() as connection:
            if connection is None:
                return {}
            with closing(connection.execute("SELECT * FROM state")) as rows:
                return {row["key"]: state_value(row) for row in rows}

    def outbox(self, *, after: int, limit: int) -> list[OutboxRow]:
        """Up to `limit` rows with a sequence above `after`, oldest first."""
        query = (
            "SELECT *, coalesce((SELECT max(sequence) FROM outbox AS older WHERE older.sequence < outbox.sequence), 0)"
            " AS previous FROM outbox WHERE sequence > ? ORDER BY sequence LIMIT ?"
        )
        with self._reading() as connection:
            if connection is None:
                return []
            with closing(connection.execute(query, (after, limit))) as rows:
                return [_outbox_row(row) for row in rows]

    def newest(self) -> int:
        """The highest sequence held, 0 when there is none. Takes no longer with a million rows."""
        with self._reading() as connection:
            if connection is None:
                return 0
            return int(connection.execute("SELECT coalesce(max(sequence), 0) FROM outbox").fetchone()[0])

    def waiting(self, *, after: int) -> int:
        """How many rows have a sequence above `after`."""
        with self._reading() as connection:
            if connection is None:
                return 0
            return int(connection.execute("SELECT count(*) FROM outbox WHERE sequence > ?", (after,)).fetchone()[0])

    def journal(self, *, skip: int, limit: int) -> list[JournalRow]:
        """Up to `limit` lines of the journal, newest first, without the `skip` newest."""
        with self._reading() as connection:
            if connection is None:
                return []
            with closing(connection.execute(journal.READ, {"skip": skip, "limit": limit})) as rows:
                return [_journal_row(row) for row in rows]

    def journal_length(self) -> int:
        with self._reading() as connection:
            return 0 if connection is None else int(connection.execute(journal.COUNT).fetchone()[0])

    @contextmanager
    def chain(self) -> Iterator[Chain | None]:
        """The whole journal as it is at this moment; None while there is no store."""
        with self._reading() as connection:
            if connection is None:
                yield None
                return
            connection.execute("BEGIN")
            try:
                (epoch,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
                start, head, before = journal.start(connection), journal.head(connection), journal.before(connection)
                yield Chain(epoch, start, head or start, before, journal.links(connection))
            finally:
                connection.execute("ROLLBACK")

    def journal_head(self) -> Head | None:
        """The last link of the journal; None when nothing stands in it."""
        with self._reading() as connection:
            return None if connection is None else journal.head(connection)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        try:
            yield self._connect()
        except sqlite3.Error as error:
            self.close()
            raise trouble(self._path, "cannot be read", error) from error
        except (ValueError, KeyError, ContractError) as error:
            # Bits of a row that fell over: SQLite keeps no checksums of its pages and hands them out.
            self.close()
            raise StoreDamagedError(self._path, f"{self._path}: holds a row that makes no sense") from error

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
            except sqlite3.DatabaseError:
                connection.close()
                raise
            if ready is None:
                connection.close()
                return None
            self._connection, self._inode = connection, inode
        return self._connection


class Neighbour(StoreView):
    """Another unit's file. One that cannot be read is as good as absent: it says so once in the log, and harms nobody.

    A damaged one stays unread until its owner has put a new file in its place.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._told = False
        self._news = False
        self._damaged_inode: int | None = None

    def changed(self) -> bool:
        """As of a view; also true once when the file can be read no more, and its state is gone with it."""
        changed = False
        try:
            changed = super().changed()
        except StoreError as error:
            self._lost(error)
        news, self._news = self._news, False
        if self._told and self._connection is not None:
            self._told = False
            log.info("%s: can be read again", self._path)
        return changed or news

    def epoch(self) -> str | None:
        try:
            return super().epoch()
        except StoreError as error:
            self._lost(error)
            return None

    def state(self) -> Mapping[str, StateValue]:
        try:
            return super().state()
        except StoreError as error:
            self._lost(error)
            return {}

    def outbox(self, *, after: int, limit: int) -> list[OutboxRow]:
        try:
            return super().outbox(after=after, limit=limit)
        except StoreError as error:
            self._lost(error)
            return []

    def newest(self) -> int:
        try:
            return super().newest()
        except StoreError as error:
            self._lost(error)
            return 0

    def waiting(self, *, after: int) -> int:
        try:
            return super().waiting(after=after)
        except StoreError as error:
            self._lost(error)
            return 0

    def _lost(self, error: StoreError) -> None:
        if not self._told:
            log.error("%s: until it can be read, this unit goes on without it", error)
            self._told = self._news = True
        if isinstance(error, StoreDamagedError):
            self._damaged_inode = self._inode_now()

    def _connect(self) -> sqlite3.Connection | None:
        if self._damaged_inode is not None:
            if self._inode_now() in (self._damaged_inode, None):
                return None
            self._damaged_inode = None
        return super()._connect()

    def _inode_now(self) -> int | None:
        try:
            return self._path.stat().st_ino
        except FileNotFoundError:
            return None


def state_value(row: Any) -> StateValue:
    return StateValue(json.loads(row["value"]), said_of(row))


def _outbox_row(row: sqlite3.Row) -> OutboxRow:
    data = KINDS[row["kind"]].model_validate_json(row["data"])
    return OutboxRow(row["sequence"], row["previous"], said_of(row), data)


def _journal_row(row: sqlite3.Row) -> JournalRow:
    names = ("device", "role", "verb", "subject", "value")
    return JournalRow(row["sequence"], said_of(row), JournalLine(*(row[name] for name in names)))
