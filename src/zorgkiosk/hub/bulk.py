"""Many events into the database at once: what the intake does most of all, past what SQLAlchemy does for each row.

Both ways end in the same rows as an ordinary insert would. PostgreSQL takes them as one stream (COPY) into a table of
the connection's own, because COPY itself knows no conflicts, and from there in one statement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from zorgkiosk.hub import schema

_COLUMNS = tuple(schema.event.columns.keys())
# A row that is there stays as it is, but its link: a site that pruned since says so with a re-sent row.
_UNLESS_KEPT = (
    " ON CONFLICT (site, stream, epoch, sequence) DO UPDATE SET previous = excluded.previous"
    " WHERE excluded.previous < event.previous"
)


def keep_events(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows of `schema.event`, each key once among them; how many were new, or had their link moved back.

    `data` comes as JSON text.
    """
    if connection.dialect.name == "postgresql":
        return _copy(connection, rows)
    before = _changes(connection)
    convert = [(name, _sqlite_form(schema.event.c[name])) for name in _COLUMNS]
    connection.exec_driver_sql(_for_sqlite(), [tuple(form(row[name]) for name, form in convert) for row in rows])
    return _changes(connection) - before


def _copy(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    names = ", ".join(_COLUMNS)
    connection.exec_driver_sql("CREATE TEMPORARY TABLE IF NOT EXISTS arriving (LIKE event) ON COMMIT DELETE ROWS")
    driver = connection.connection.driver_connection
    if driver is None:
        raise RuntimeError("the connection has no driver")
    with driver.cursor() as cursor, cursor.copy(f"COPY arriving ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([row[name] for name in _COLUMNS])
    kept = connection.exec_driver_sql(f"INSERT INTO event ({names}) SELECT {names} FROM arriving" + _UNLESS_KEPT)  # noqa: S608 - names of the schema
    return max(0, kept.rowcount)


@cache
def _for_sqlite() -> str:
    marks = ", ".join("?" * len(_COLUMNS))
    return f"INSERT INTO event ({', '.join(_COLUMNS)}) VALUES ({marks})" + _UNLESS_KEPT  # noqa: S608 - names of the schema


def _sqlite_form(column: sa.Column[Any]) -> Callable[[Any], Any]:
    return _sqlite_instant if isinstance(column.type, schema.Utc) else _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _sqlite_instant(value: datetime) -> str:
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _changes(connection: sa.Connection) -> int:
    return int(connection.exec_driver_sql("SELECT total_changes()").scalar_one())
