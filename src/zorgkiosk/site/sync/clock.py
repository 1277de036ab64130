"""A clock that is not right yet: times corrected from the same boot's own clock, and the instant that has passed."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from zorgkiosk.contract.events import Said, format_instant, parse_instant
from zorgkiosk.site.clock import Clock
from zorgkiosk.site.facts import SeenFact, read
from zorgkiosk.site.faults import CLOCK_UNSET, coded
from zorgkiosk.site.store import Store

log = logging.getLogger(__name__)

SEEN_EVERY_S = 3600.0
"""Often enough for certificates that live for months, seldom enough for an SD card."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def corrected(said: Said, now: Said) -> Said:
    """`said` with the right time, when it was told by an unset clock and `now` knows better.

    Only within one boot: what an earlier boot said while its clock was unset stays as it is, marked as not synced.
    """
    elapsed_ms = now.uptime_ms - said.uptime_ms
    if said.clock_synced or not now.clock_synced or said.boot_id != now.boot_id or elapsed_ms < 0:
        return said
    return replace(said, at=now.at - timedelta(milliseconds=elapsed_ms), clock_synced=True)


class ClockFloor:
    """The last right time this site has seen, over reboots: kept in sync.db while the clock is right."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        known = read(SeenFact, store.view().state().get("clock"))
        self._seen = _NEVER if known is None else parse_instant(known.at)
        self._kept_at_s: float | None = None
        self._told = False

    def passed(self) -> datetime | None:
        """None while the clock is right, else an instant that has certainly passed (aware UTC)."""
        return None if self._clock.said().clock_synced else self._seen

    def keep(self, now_s: float) -> None:
        """Remember the time, when it is right and an hour has gone by. Raises StoreError."""
        if self._kept_at_s is not None and now_s - self._kept_at_s < SEEN_EVERY_S:
            return
        now = self._clock.said()
        if not now.clock_synced:
            if not self._told:
                log.warning("sync: %s", coded("the clock of this box is not synchronised", CLOCK_UNSET))
            self._told = True
            return
        self._told = False
        # A clock that was put back was wrong before: what is right now counts, also when it is earlier.
        self._seen, self._kept_at_s = now.at, now_s
        with self._store.transaction() as change:
            change.put("clock", SeenFact(at=format_instant(now.at)).model_dump(mode="json"))
