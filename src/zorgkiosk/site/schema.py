"""Tables of a unit's store, and the migrations that bring an older file up to date."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from zorgkiosk.site.journal import TRIGGERS

NEWEST = "0003"
"""The last of the migrations, whose tables are the ones below."""

metadata = sa.MetaData()

_SAID = ("said_at", sa.Text), ("boot_id", sa.Text), ("uptime_ms", sa.Integer), ("clock_synced", sa.Boolean)


def _said() -> list[sa.Column[object]]:
    return [sa.Column(name, kind, nullable=False) for name, kind in _SAID]


meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

state = sa.Table(
    "state",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    *_said(),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    *_said(),
    sqlite_autoincrement=True,  # a sequence is never given twice, also after the outbox was emptied
)

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("device", "role", "verb", "subject", "value")),
    *_said(),
    sa.Column("hash", sa.Text, nullable=False, server_default=""),
    sqlite_autoincrement=True,
)


for _trigger in TRIGGERS.values():
    sa.event.listen(journal, "after_create", sa.DDL(_trigger))  # type: ignore[no-untyped-call]

_version = sa.Table(
    "alembic_version",
    metadata,
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""As Alembic makes it itself."""


def upgrade(engine: sa.Engine) -> None:
    """Make the tables of a new file; run the migrations that an older one has not seen.

    Most starts find all as it should be, and a small box is spared the reading of every migration then.
    Raises sqlalchemy's DatabaseError.
    """
    with engine.begin() as connection:
        tables = sa.inspect(connection).get_table_names()
        if not tables:
            metadata.create_all(connection, checkfirst=False)
            connection.execute(sa.insert(_version).values(version_num=NEWEST))
            return
        if _version.name in tables and connection.scalar(sa.select(_version.c.version_num)) == NEWEST:
            return
        config = _migrations(connection)
        if not _newer(config, connection):
            command.upgrade(config, "head")


def downgrade(engine: sa.Engine, revision: str) -> None:
    """Back to what an older release expects. Raises sqlalchemy's DatabaseError."""
    with engine.begin() as connection:
        command.downgrade(_migrations(connection), revision)


def _migrations(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _newer(config: Config, connection: sa.Connection) -> bool:
    """Whether a newer release has been here, which an update came back from: its file is used as it is.

    So that this works, a migration leaves the tables such that the release before can read and write them.
    """
    at = MigrationContext.configure(connection).get_current_revision()
    return at is not None and at not in {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
