"""Times that were told before the clock was right, corrected from the same boot's own clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from zorgkiosk.contract.events import Said


def corrected(said: Said, now: Said) -> Said:
    """`said` with the right time, when it was told by an unset clock and `now` knows better.

    Only within one boot: what an earlier boot said while its clock was unset stays as it is, marked as not synced.
    """
    elapsed_ms = now.uptime_ms - said.uptime_ms
    if said.clock_synced or not now.clock_synced or said.boot_id != now.boot_id or elapsed_ms < 0:
        return said
    return replace(said, at=now.at - timedelta(milliseconds=elapsed_ms), clock_synced=True)
