"""One commit of a store: what can be put, read and reported in it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

from zorgkiosk.contract.events import EventData, Said
from zorgkiosk.site import chain, journal, schema
from zorgkiosk.site.chain import Head, Known
from zorgkiosk.site.journal import JournalLine
from zorgkiosk.site.said import said_columns
from zorgkiosk.site.store_trouble import is_full
from zorgkiosk.site.store_view import StateValue, state_value


def _upsert() -> sa.Insert:
    statement = insert(schema.state)
    new = {column.name: statement.excluded[column.name] for column in schema.state.c if column.name != "key"}
    return statement.on_conflict_do_update(index_elements=["key"], set_=new)


_PUT, _REPORT, _NOTE = _upsert(), sa.insert(schema.outbox), sa.insert(schema.journal)
"""Built once: building a statement costs more than running it."""
PUT_SQL = str(_PUT.compile(dialect=sqlite.dialect(paramstyle="named")))

ROOM_TRIES = 3
"""So often room is made for one commit: a single huge one must not push all history out."""


@dataclass(frozen=True)
class _Written:
    statement: sa.Executable
    row: dict[str, Any] | None


class Transaction:
    """What can be done in one commit. Made by `Store.transaction` alone.

    SQLite undoes everything when there is no room for it. What was written until then is written again once `make_room`
    has made some: nobody else writes the file meanwhile, so what was read before still holds.
    """

    def __init__(
        self,
        connection: sa.Connection,
        said: Said,
        make_room: Callable[[], bool],
        chains_before: Callable[[], Sequence[Known]] = lambda: (),
    ) -> None:
        """`chains_before` tells the last links of the journals that stood where this file is now, the newest first."""
        self._connection = connection
        self._said = said
        self._make_room = make_room
        self._chains_before = chains_before
        self._head: Head | None = None
        self._written: list[_Written] = []
        self._tries_left = ROOM_TRIES

    def put(self, key: str, value: Any, *, said: Said | None = None) -> None:
        """Set `key` to `value` (anything JSON can hold); `said` when it was said, if that is not now."""
        self._write(_PUT, {"key": key, "value": json.dumps(value), **said_columns(said or self._said)})

    def remove(self, key: str) -> None:
        self._write(sa.delete(schema.state).where(schema.state.c.key == key))

    def get(self, key: str) -> StateValue | None:
        row = self._connection.execute(sa.select(schema.state).where(schema.state.c.key == key)).one_or_none()
        return None if row is None else state_value(row._mapping)

    def report(self, data: EventData, *, said: Said | None = None) -> int:
        """Put an event into the outbox; returns its sequence. `said` as for `put`."""
        row = {"kind": data.KIND, "data": data.model_dump_json(exclude_none=True), **said_columns(said or self._said)}
        return int(self._write(_REPORT, row).lastrowid)

    def note(self, line: JournalLine) -> None:
        """Add what is done in this commit to the journal, as the next link of its chain."""
        link = chain.link_after(self.begin_journal(), {**asdict(line), **said_columns(self._said)})
        self._write(_NOTE, vars(link))
        self._head = link.head

    def begin_journal(self) -> Head:
        """The last link of the journal. One in which nothing stands yet begins, and names the chains before it."""
        if self._head is None:
            self._head = journal.head(self._driver())
        if self._head is None:
            self._head = chain.START
            (epoch,) = self._driver().execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
            before = self._chains_before()
            self._note_own(chain.BEGIN, epoch, str(before[0].head) if before else "")
            for known in before:
                self._note_own(chain.BEFORE, known.epoch, str(known.head))
        return self._head

    def forget_journal(self, before: datetime, most: int = journal.MOST_LINES) -> int:
        """Remove the oldest lines, those logged before or beyond `most`, with a checkpoint; returns how many went."""
        last = journal.prunable(self._driver(), before, most)
        if last is None:
            return 0
        named = self._driver().execute(journal.BEFORE, (last.sequence,)).fetchall()
        self._note_own(chain.CHECKPOINT, "", str(last))
        for epoch, ended in named:
            self._note_own(chain.BEFORE, epoch, ended)
        return self._write(sa.delete(schema.journal).where(schema.journal.c.sequence <= last.sequence)).rowcount

    def _note_own(self, verb: str, subject: str, value: str) -> None:
        self.note(JournalLine(chain.OWN_DEVICE, chain.OWN_ROLE, verb, subject, value))

    def forget(self, up_to: int) -> int:
        """Remove what the hub has acknowledged; returns how many rows.

        One stays as the link for `previous` and is not sent again: the newest of all, or the last one before rows that
        were removed unheard (`store_thinning`). Without it these would look like a gap.
        """
        sequence = schema.outbox.c.sequence
        acked = self._connection.execute(sa.select(sa.func.max(sequence)).where(sequence <= up_to)).scalar_one()
        after = self._connection.execute(sa.select(sa.func.min(sequence)).where(sequence > up_to)).scalar_one()
        if acked is None:
            return 0
        linked = after is None or after > acked + 1
        return self._write(sa.delete(schema.outbox).where(sequence < acked + (not linked))).rowcount

    def commit(self) -> None:
        while True:
            try:
                return self._connection.commit()
            except sa.exc.DatabaseError as error:
                self._write_again(error)

    def _driver(self) -> sqlite3.Connection:
        """SQLite's own connection, within this transaction: what is read for each tap is read without SQLAlchemy."""
        driver: sqlite3.Connection = self._connection.connection.driver_connection  # type: ignore[assignment]
        return driver

    def _write(self, statement: sa.Executable, row: dict[str, Any] | None = None) -> sa.CursorResult[Any]:
        while True:
            try:
                result = self._connection.execute(statement, row)
            except sa.exc.DatabaseError as error:
                self._write_again(error)
            else:
                self._written.append(_Written(statement, row))
                return result

    def _write_again(self, error: sa.exc.DatabaseError) -> None:
        """Make room for what was written so far and write it. Raises `error` when that is no use."""
        while is_full(error) and self._tries_left > 0:
            self._tries_left -= 1
            self._connection.rollback()
            if not self._make_room():
                break
            try:
                for written in self._written:
                    self._connection.execute(written.statement, written.row)
            except sa.exc.DatabaseError as again:
                error = again
            else:
                return
        raise error
