"""Hours of an agreement: `altijd`, `anw`, or windows such as `ma-vr 18:00-23:00` and `feestdag 08:00-24:00`.

`anw` is the field's own word: evenings and nights (17:00-08:00), weekends and public holidays, when a general
practitioner is reached through the HAP. Times are local wall clock; a window may run past midnight.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

DAYS = ("ma", "di", "wo", "do", "vr", "za", "zo")
HOLIDAY = "feestdag"
_WINDOW = re.compile(r"([a-z]+)(?:-([a-z]+))? ([0-2]\d):([0-5]\d)-([0-2]\d):([0-5]\d)")
_END_OF_DAY_MIN = 24 * 60


@dataclass(frozen=True)
class Window:
    """From `begin_min` to `end_min` after midnight, on `days` (0 is Monday; holidays where `holidays`).

    `end_min` at or before `begin_min` is on the next day.
    """

    days: frozenset[int]
    holidays: bool
    begin_min: int
    end_min: int


_ALL = frozenset(range(7))
ALWAYS = (Window(_ALL, True, 0, _END_OF_DAY_MIN),)
ANW = (
    Window(frozenset(range(5)), False, 17 * 60, 8 * 60),
    Window(frozenset({5, 6}), True, 0, _END_OF_DAY_MIN),
    Window(frozenset({5, 6}), True, 17 * 60, 8 * 60),
)


def parse(texts: Sequence[str]) -> tuple[Window, ...]:
    """Windows of an agreement. Raises ValueError with what is wrong and what to write."""
    return tuple(window for text in texts for window in _parse_one(text))


def _parse_one(text: str) -> tuple[Window, ...]:
    if text == "altijd":
        return ALWAYS
    if text == "anw":
        return ANW
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise ValueError(f"hours '{text}' are not understood: write altijd, anw, or e.g. ma-vr 18:00-23:00")
    first, last, *clock = match.groups()
    begin_min, end_min = int(clock[0]) * 60 + int(clock[1]), int(clock[2]) * 60 + int(clock[3])
    if max(begin_min, end_min) > _END_OF_DAY_MIN or begin_min == _END_OF_DAY_MIN:
        raise ValueError(f"hours '{text}': a day ends at 24:00, and begins at 00:00: write hours between these")
    if first == HOLIDAY and last is None:
        return (Window(frozenset(), True, begin_min, end_min),)
    for name in (first, last or first):
        if name not in DAYS:
            raise ValueError(f"hours '{text}': day '{name}' is not known, one of: {', '.join((*DAYS, HOLIDAY))}")
    begin, end = DAYS.index(first), DAYS.index(last or first)
    days = frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    return (Window(days, False, begin_min, end_min),)


def is_open(windows: Sequence[Window], local: datetime, is_holiday: Callable[[date], bool]) -> bool:
    """Whether `local` (wall clock) lies in a window: one of today, or one of yesterday that runs past midnight."""
    minute = local.hour * 60 + local.minute
    today, yesterday = local.date(), local.date() - timedelta(days=1)
    for window in windows:
        past_midnight = window.end_min <= window.begin_min
        begun = _on(window, today, is_holiday) and window.begin_min <= minute
        if begun and (past_midnight or minute < window.end_min):
            return True
        if past_midnight and _on(window, yesterday, is_holiday) and minute < window.end_min:
            return True
    return False


def _on(window: Window, day: date, is_holiday: Callable[[date], bool]) -> bool:
    return day.weekday() in window.days or (window.holidays and is_holiday(day))
