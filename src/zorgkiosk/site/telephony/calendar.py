"""Whether these are hours of an agreement, by the Dutch wall clock and its public holidays."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from zorgkiosk.overflow.hours import is_open
from zorgkiosk.site.clock import Clock
from zorgkiosk.site.config_telephony import Partner

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


class Calendar:
    """Reads the clock when asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def is_open(self, agreed: Partner) -> bool:
        """Whether now is within the agreement's hours."""
        local = self._clock.now().astimezone(AMSTERDAM)
        return is_open(agreed.windows, local, is_holiday)


@lru_cache(maxsize=64)
def is_holiday(day: date) -> bool:
    """A public holiday of the Netherlands: King's Day moves off Sundays, Liberation Day counts every fifth year."""
    return day in holidays.country_holidays("NL", years=day.year)
