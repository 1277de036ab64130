"""When something was said, as the four columns of `schema` hold it."""

from __future__ import annotations

from typing import Any

from zorgkiosk.contract.events import Said, format_instant, parse_instant


def said_columns(said: Said) -> dict[str, Any]:
    return {
        "said_at": format_instant(said.at),
        "boot_id": said.boot_id,
        "uptime_ms": said.uptime_ms,
        "clock_synced": said.clock_synced,
    }


def said_of(row: Any) -> Said:
    """Raises ContractError when the instant is none."""
    return Said(parse_instant(row["said_at"]), row["boot_id"], row["uptime_ms"], bool(row["clock_synced"]))
