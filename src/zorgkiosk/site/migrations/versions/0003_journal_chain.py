"""journal: a hash for each line, over it and the hash before; triggers that let lines be added only."""

import sqlite3

import sqlalchemy as sa
from alembic import op

from zorgkiosk.site import journal
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.said import said_columns

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("journal", sa.Column("hash", sa.Text, nullable=False, server_default=""))
    journal.chain_all(_driver(), said_columns(SystemClock.of_this_boot().said()))
    for trigger in journal.TRIGGERS.values():
        op.execute(trigger)


def downgrade() -> None:
    for name in journal.TRIGGERS:
        op.execute(f"DROP TRIGGER {name}")
    journal.unchain_all(_driver())
    op.drop_column("journal", "hash")


def _driver() -> sqlite3.Connection:
    driver: sqlite3.Connection = op.get_bind().connection.driver_connection  # type: ignore[assignment]
    return driver
