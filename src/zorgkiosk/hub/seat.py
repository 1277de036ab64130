"""Who may write the hub's database now: one intake on SQLite, many on PostgreSQL, nobody beside a restore.

A seat is a lock that the kernel or the server takes back when its process dies: flock(2) on a file beside an SQLite
database, a session's advisory lock on PostgreSQL (shared among intakes).
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import sqlalchemy as sa

_SEAT = 0x7A6F7269
"""Number of PostgreSQL's advisory lock."""


class OccupiedError(Exception):
    """Somebody else writes this database; one sentence says what to do."""


class Seat:
    """Held until `leave`, or until its process ends."""

    def __init__(self, *, file: int | None = None, connection: sa.Connection | None = None) -> None:
        self._file = file
        self._connection = connection

    @classmethod
    def of_intake(cls, engine: sa.Engine) -> Seat:
        """Raises OccupiedError, or DatabaseError when PostgreSQL cannot be reached."""
        if engine.dialect.name == "sqlite":
            return cls._locked_file(
                engine.url, "another intake writes it; SQLite takes one: use PostgreSQL to run several"
            )
        return cls._locked(engine, "pg_try_advisory_lock_shared", "it is being restored: start the intake afterwards")

    @classmethod
    def of_restore(cls, engine: sa.Engine) -> Seat:
        """Raises OccupiedError while any intake runs, or DatabaseError."""
        sentence = "an intake writes it: stop every intake of this hub first"
        if engine.dialect.name == "sqlite":
            return cls._locked_file(engine.url, sentence)
        return cls._locked(engine, "pg_try_advisory_lock", sentence)

    def leave(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._connection is not None:
            self._connection.detach()  # a pool would keep the session, and with it the lock
            self._connection.close()
            self._connection = None

    @classmethod
    def _locked_file(cls, url: sa.URL, sentence: str) -> Seat:
        path = Path(f"{url.database}.seat")
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        except OSError as error:
            raise OccupiedError(f"{path}: cannot be made: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise OccupiedError(f"{url.database}: {sentence}") from None
        return cls(file=file)

    @classmethod
    def _locked(cls, engine: sa.Engine, function: str, sentence: str) -> Seat:
        alone = sa.create_engine(engine.url, poolclass=sa.pool.NullPool, hide_parameters=True)
        connection = alone.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            if not connection.scalar(sa.text(f"SELECT {function}({_SEAT})")):
                raise OccupiedError(f"{engine.url.render_as_string()}: {sentence}")
        except (OccupiedError, sa.exc.DatabaseError):
            connection.close()
            raise
        return cls(connection=connection)
