"""A hub's database into one file and back: SQLite by its online backup, PostgreSQL by pg_dump and pg_restore.

A backup may be made while everything runs. What sites had acknowledged after it is no longer anywhere: they forgot it
on the hub's word. A restored hub therefore holds a hole, and shows it: a site that sends again begins with what it
still has, as the first of its stream, and the hub counts the numbers between as missing (inbox.advance).
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from zorgkiosk.hub import schema
from zorgkiosk.hub.seat import OccupiedError, Seat

_SQLITE_MAGIC = b"SQLite format 3\0"
_PG_MAGIC = b"PGDMP"


class BackupError(Exception):
    """It was not made, or not put back; one sentence says why. Nothing was changed."""


def backup(database: str, file: Path) -> None:
    """Write the whole database to `file`, which must not exist. Raises BackupError."""
    if file.exists():
        raise BackupError(f"{file}: is there already; name another file")
    url = sa.make_url(database)
    fresh = file.with_name(file.name + ".part")
    fresh.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        if url.drivername == "sqlite":
            _copy_sqlite(Path(str(url.database)), fresh)
        else:
            _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={fresh}", _libpq(url))
        _sync(fresh)
        fresh.replace(file)
        _sync(file.parent)
    finally:
        fresh.unlink(missing_ok=True)


def restore(database: str, file: Path, *, replace: bool) -> None:
    """Put a backup back. Raises BackupError: for a file that is none, while an intake runs, for a database in use."""
    url = sa.make_url(database)
    _check_file(file, url)
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool, hide_parameters=True)
    try:
        with _alone(engine):
            if not replace and (found := _rows(engine)):
                raise BackupError(
                    f"{engine.url.render_as_string()}: is not empty ({found} rows); add --replace to give them up"
                )
            if url.drivername == "sqlite":
                _put_sqlite(file, Path(str(url.database)))
            else:
                _run("pg_restore", "--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction",
                     "--exit-on-error", f"--dbname={_libpq(url)}", str(file))  # fmt: skip
            schema.upgrade(engine)
    except sa.exc.DatabaseError as error:
        raise BackupError(f"{engine.url.render_as_string()}: {error.orig}") from error
    finally:
        engine.dispose()


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[None]:
    try:
        seat = Seat.of_restore(engine)
    except OccupiedError as error:
        raise BackupError(str(error)) from None
    try:
        yield
    finally:
        seat.leave()


def _check_file(file: Path, url: sa.URL) -> None:
    try:
        with file.open("rb") as opened:
            begin = opened.read(len(_SQLITE_MAGIC))
    except OSError as error:
        raise BackupError(f"{file}: cannot be read: {error.strerror}") from None
    wanted, kind = (_SQLITE_MAGIC, "SQLite") if url.drivername == "sqlite" else (_PG_MAGIC, "PostgreSQL")
    if not begin.startswith(wanted):
        raise BackupError(f"{file}: is no backup of a hub on {kind}")
    if url.drivername == "sqlite":
        _check_sqlite(file)


def _check_sqlite(file: Path) -> None:
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            connection.execute("SELECT count(*) FROM stream_position").fetchone()
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{file}: is no whole backup of a hub: {error}") from None
    if verdict != "ok":
        raise BackupError(f"{file}: is damaged: {verdict}")


def _copy_sqlite(source: Path, target: Path) -> None:
    """In one read transaction, so that it is one moment's content."""
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as from_connection,
            closing(sqlite3.connect(target)) as to_connection,
        ):
            from_connection.backup(to_connection)
            to_connection.execute("PRAGMA journal_mode=DELETE")  # one file, without a -wal beside it
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{source}: cannot be copied: {error}") from None


def _put_sqlite(file: Path, target: Path) -> None:
    """Into the file that is there, as one transaction: a board that reads it sees the one content or the other."""
    try:
        with (
            closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as from_connection,
            closing(sqlite3.connect(target)) as to_connection,
        ):
            for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL"):
                to_connection.execute(f"PRAGMA {pragma}")
            from_connection.backup(to_connection)
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{target}: cannot be written: {error}") from None


def _rows(engine: sa.Engine) -> int:
    """How much is in the hub's tables; 0 when they are not there."""
    there = set(sa.inspect(engine).get_table_names())
    with engine.connect() as connection:
        return sum(
            int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)
            for table in schema.metadata.sorted_tables
            if table.name in there
        )


def _libpq(url: sa.URL) -> str:
    return url.set(drivername="postgresql").render_as_string()


def _run(program: str, *arguments: str) -> None:
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BackupError(f"{program} is not installed: apt-get install postgresql-client") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise BackupError(f"{program} failed: {last[0]}")


def _sync(path: Path) -> None:
    with suppress(FileNotFoundError):
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
