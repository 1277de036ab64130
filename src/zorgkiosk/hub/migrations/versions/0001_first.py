"""event, stream_position, site_state and dead_letter."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None


def _instant(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _json(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.JSON().with_variant(JSONB(), "postgresql"), nullable=nullable)


def _stream() -> list[sa.Column[object]]:
    return [sa.Column(name, sa.Text, primary_key=True) for name in ("site", "stream", "epoch")]


def _event() -> None:
    op.create_table(
        "event",
        *_stream(),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("previous", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        _instant("said_at"),
        sa.Column("boot_id", sa.Text, nullable=False),
        sa.Column("uptime_ms", sa.BigInteger, nullable=False),
        sa.Column("clock_synced", sa.Boolean, nullable=False),
        _instant("heard_at"),
        _json("data"),
    )


def _stream_position() -> None:
    op.create_table(
        "stream_position",
        *_stream(),
        sa.Column("up_to", sa.BigInteger, nullable=False),
        sa.Column("missing", sa.BigInteger, nullable=False),
        _instant("first_heard_at"),
        _instant("last_heard_at"),
    )


def _site_state() -> None:
    op.create_table(
        "site_state",
        sa.Column("site", sa.Text, primary_key=True),
        _json("state", nullable=True),
        sa.Column("boot_id", sa.Text, nullable=True),
        sa.Column("uptime_ms", sa.BigInteger, nullable=True),
        _instant("heard_at", nullable=True),
        sa.Column("online", sa.Boolean, nullable=False),
        _instant("online_since"),
    )


def _dead_letter() -> None:
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "dead_letter",
        sa.Column("id", key, primary_key=True, autoincrement=True),
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
        _instant("first_heard_at"),
        _instant("last_heard_at"),
        sa.UniqueConstraint("site", "leaf", "reason", "digest", name="dead_letter_once"),
    )


def upgrade() -> None:
    for create in (_event, _stream_position, _site_state, _dead_letter):
        create()


def downgrade() -> None:
    for table in ("dead_letter", "site_state", "stream_position", "event"):
        op.drop_table(table)
