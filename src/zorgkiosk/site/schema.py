"""Tables of a unit's store, and the migrations that bring an older file up to date."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

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


def upgrade(engine: sa.Engine) -> None:
    """Run the migrations that this file has not seen. Raises sqlalchemy's DatabaseError."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
