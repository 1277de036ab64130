"""Numbers, ages and instants in Dutch words. Pure."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

_DAYS = ("ma", "di", "wo", "do", "vr", "za", "zo")
_MONTHS = ("jan", "feb", "mrt", "apr", "mei", "jun", "jul", "aug", "sep", "okt", "nov", "dec")
_HERE = ZoneInfo("Europe/Amsterdam")


def number(value: int) -> str:
    """With a real minus sign, as wide as a digit."""
    return f"−{-value}" if value < 0 else str(value)


def ago(age_s: float) -> str:
    """`zojuist`, `4 min geleden`, `9 uur geleden`, `3 dagen geleden`: always rounded down."""
    if age_s < 60:
        return "zojuist"
    if age_s < 3600:
        return f"{int(age_s // 60)} min geleden"
    if age_s < 48 * 3600:
        return f"{int(age_s // 3600)} uur geleden"
    return f"{int(age_s // 86400)} dagen geleden"


def duration(seconds: float) -> str:
    """`0:40`, `12:05`; from an hour on `1 uur 20 min`."""
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    return f"{whole // 3600} uur {whole % 3600 // 60} min"


def clock(instant: datetime) -> str:
    """`14:05`, in the Netherlands."""
    return f"{instant.astimezone(_HERE):%H:%M}"


def date(instant: datetime) -> str:
    """`za 22 nov`, in the Netherlands."""
    here = instant.astimezone(_HERE)
    return f"{_DAYS[here.weekday()]} {here.day} {_MONTHS[here.month - 1]}"


def since(instant: datetime, now: datetime) -> str:
    """`sinds 14:05`; on another day `sinds za 22 nov 14:05`."""
    day = "" if date(instant) == date(now) else f"{date(instant)} "
    return f"sinds {day}{clock(instant)}"


def counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
