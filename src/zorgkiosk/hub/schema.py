"""The hub's tables, the same on SQLite and PostgreSQL, and the migrations that bring an older database up to date."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects.postgresql import JSONB

metadata = sa.MetaData()

_MIGRATION_LOCK = 0x7A6F7267
"""Number of PostgreSQL's advisory lock: units that start together migrate one after the other."""


class Utc(sa.types.TypeDecorator[datetime]):
    """An aware UTC instant: `timestamptz` on PostgreSQL, text without zone on SQLite, which knows no zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json: sa.types.TypeEngine[Any] = sa.JSON().with_variant(JSONB(), "postgresql")
Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A number the database gives by itself; SQLite does so for INTEGER only."""

UNREADABLE = "unreadable"
"""Kind of a row whose data this hub could not read: it holds the place, `dead_letter` holds what can be kept."""

event = sa.Table(
    "event",
    metadata,
    sa.Column("site", sa.Text, primary_key=True),
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("previous", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("said_at", Utc, nullable=False),
    sa.Column("boot_id", sa.Text, nullable=False),
    sa.Column("uptime_ms", sa.BigInteger, nullable=False),
    sa.Column("clock_synced", sa.Boolean, nullable=False),
    sa.Column("heard_at", Utc, nullable=False),
    sa.Column("data", Json, nullable=False),
)

stream_position = sa.Table(
    "stream_position",
    metadata,
    sa.Column("site", sa.Text, primary_key=True),
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("up_to", sa.BigInteger, nullable=False),
    sa.Column("missing", sa.BigInteger, nullable=False),
    sa.Column("first_heard_at", Utc, nullable=False),
    sa.Column("last_heard_at", Utc, nullable=False),
)

site_state = sa.Table(
    "site_state",
    metadata,
    sa.Column("site", sa.Text, primary_key=True),
    sa.Column("state", Json, nullable=True),
    sa.Column("boot_id", sa.Text, nullable=True),
    sa.Column("uptime_ms", sa.BigInteger, nullable=True),
    sa.Column("heard_at", Utc, nullable=True),
    sa.Column("online", sa.Boolean, nullable=False),
    sa.Column("online_since", Utc, nullable=False),
)

dead_letter = sa.Table(
    "dead_letter",
    metadata,
    sa.Column("id", Key, primary_key=True, autoincrement=True),
    sa.Column("site", sa.Text, nullable=False),
    sa.Column("leaf", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("stream", sa.Text, nullable=True),
    sa.Column("epoch", sa.Text, nullable=True),
    sa.Column("sequence", sa.BigInteger, nullable=True),
    sa.Column("times", sa.BigInteger, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("excerpt", sa.Text, nullable=False),
    sa.Column("first_heard_at", Utc, nullable=False),
    sa.Column("last_heard_at", Utc, nullable=False),
    sa.UniqueConstraint("site", "leaf", "reason", "digest", name="dead_letter_once"),
)


def upgrade(engine: sa.Engine) -> None:
    """Run the migrations that this database has not seen. Raises sqlalchemy's DatabaseError."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        config.attributes["connection"] = connection
        if not _newer(config, connection):
            command.upgrade(config, "head")


def _newer(config: Config, connection: sa.Connection) -> bool:
    """Whether a newer release has been here, which an update came back from: its database is used as it is.

    So that this works, a migration leaves the tables such that the release before can read and write them.
    """
    at = MigrationContext.configure(connection).get_current_revision()
    return at is not None and at not in {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
