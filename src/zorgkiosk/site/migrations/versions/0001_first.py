"""meta, state and outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _said() -> list[sa.Column[object]]:
    return [
        sa.Column("said_at", sa.Text, nullable=False),
        sa.Column("boot_id", sa.Text, nullable=False),
        sa.Column("uptime_ms", sa.Integer, nullable=False),
        sa.Column("clock_synced", sa.Boolean, nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "state",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        *_said(),
    )
    op.create_table(
        "outbox",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        *_said(),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    for table in ("outbox", "state", "meta"):
        op.drop_table(table)
