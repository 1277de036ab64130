"""Tables made at once are those that the migrations lead to, and a file that is up to date is left as it is."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from zorgkiosk.site import schema


def tables(engine: sa.Engine) -> object:
    """What SQLite knows of each table, of its columns in their order, and of what runs when a row changes."""
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        columns = {name: connection.exec_driver_sql(f"PRAGMA table_info({name})").fetchall() for name in names}
        counted = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'"
        ).fetchall()
        triggers = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        return columns, sorted(counted), sorted(triggers)


def test_a_new_file_has_what_the_migrations_lead_to(tmp_path: Path) -> None:
    new, migrated = (sa.create_engine(f"sqlite:///{tmp_path / name}") for name in ("new.db", "migrated.db"))
    schema.upgrade(new)
    with migrated.begin() as connection:
        command.upgrade(schema._migrations(connection), "head")
    assert tables(new) == tables(migrated)
    with new.begin() as connection:
        assert ScriptDirectory.from_config(schema._migrations(connection)).get_current_head() == schema.NEWEST
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == schema.NEWEST
    schema.downgrade(new, "0001")
    schema.upgrade(new)
    assert tables(new) == tables(migrated)
