"""How much of the logbook one device may fill, so that a stuck key or a patient hand pushes nothing older out. Pure.

The logbook holds `journal.MOST_LINES`. A plate may tap six times a second, which would fill it within a day; so of
each device only so many lines an hour are kept, taps apart from switches, and one line says that there were more. The
taps count all the same. Refused PINs are not counted here: the gate lets only few through.
"""

from __future__ import annotations

import threading
from enum import Enum, auto
from typing import Final

HOUR_S: Final = 3600.0
TAPS, SWITCHES = 300, 60
"""Lines an hour and device. More than any shift taps; with both used up all day, the older lines last three weeks."""
_SWITCHES = frozenset({"desk", "overflow", "login"})
_UNCOUNTED = frozenset({"pin"})


class Spent(Enum):
    WITHIN = auto()
    FIRST_BEYOND = auto()
    BEYOND = auto()


class LogBudget:
    """One for all hands of a panel."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spent: dict[tuple[str, bool], tuple[float, int]] = {}

    def spend(self, device: str, verb: str, uptime_s: float) -> Spent:
        """A line of this device. Its hour begins with the first one."""
        if verb in _UNCOUNTED:
            return Spent.WITHIN
        kind = verb in _SWITCHES
        most = SWITCHES if kind else TAPS
        with self._lock:
            since_s, count = self._spent.get((device, kind), (uptime_s, 0))
            if uptime_s >= since_s + HOUR_S:
                since_s, count = uptime_s, 0
            count += 1
            self._spent[device, kind] = since_s, count
        if count <= most:
            return Spent.WITHIN
        return Spent.FIRST_BEYOND if count == most + 1 else Spent.BEYOND
