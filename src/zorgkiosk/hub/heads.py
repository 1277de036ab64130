"""What the hub heard of a site's journals: their last lines over time, for `zorgkiosk audit verify --heads`.

Source of trust: a box cannot take back what is in the hub's database.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import sqlalchemy as sa

from zorgkiosk.contract.events import JournalHead, format_instant
from zorgkiosk.hub import schema
from zorgkiosk.hub.outlook import engine_on


def heads(database: str, site: str) -> Iterator[str]:
    """A JSON object for each, oldest first. Raises sqlalchemy's DatabaseError."""
    event = schema.event
    asked = (
        sa.select(event)
        .where(event.c.site == site, event.c.kind == JournalHead.KIND)
        .order_by(event.c.stream, event.c.heard_at, event.c.sequence)
    )
    with engine_on(database).connect() as connection:
        for row in connection.execute(asked):
            named = {"site": site, "stream": row.stream, "epoch": row.epoch, "heard_at": format_instant(row.heard_at)}
            yield json.dumps({**named, "line": row.data["line"], "sha256": row.data["sha256"]})
