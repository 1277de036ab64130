"""The panel's Dutch: ages, times, numbers and the words for states. Local time is the Netherlands'."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from zorgkiosk.capacity.freshness import Fresh
from zorgkiosk.contract.events import Pressure
from zorgkiosk.site.facts import UNTELLABLE_AGE_S, DeskState

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NIGHT_FROM_HOUR, NIGHT_TO_HOUR = 21, 7

_DAYS = ("ma", "di", "wo", "do", "vr", "za", "zo")
_MONTHS = ("jan", "feb", "mrt", "apr", "mei", "jun", "jul", "aug", "sep", "okt", "nov", "dec")

SHAPES: dict[Fresh, str] = {Fresh.CURRENT: "✓", Fresh.DUE: "◔", Fresh.OVERDUE: "▲", Fresh.UNKNOWN: "?"}
PRESSURE_SHAPES: dict[Pressure, str] = {"groen": "✓", "geel": "◔", "oranje": "▲", "rood": "■"}
DESKS: dict[DeskState, tuple[str, str]] = {
    "away": ("○", "afwezig"),
    "free": ("✓", "vrij"),
    "ringing": ("◔", "gaat over"),
    "busy": ("●", "in gesprek"),
    "no-answer": ("▲", "neemt niet op"),
}


def age(age_s: float) -> str:
    """`zojuist`, `4 min geleden`, `9 uur geleden`, `2 dagen geleden`; always rounded down."""
    if age_s >= UNTELLABLE_AGE_S:
        return "onbekend sinds wanneer"
    return "zojuist" if age_s < 60 else f"{span(age_s)} geleden"


def span(span_s: float) -> str:
    """`40 s`, `3 min`, `9 uur`, `2 dagen`."""
    if span_s < 60:
        return f"{int(span_s)} s"
    if span_s < 3600:
        return f"{int(span_s // 60)} min"
    if span_s < 86400:
        return f"{int(span_s // 3600)} uur"
    return many(int(span_s // 86400), "dag", "dagen")


def waited(wait_s: float) -> str:
    """A wait against a norm of minutes, so to the second: `40 s`, `2 min 05 s`."""
    minutes, seconds = divmod(int(wait_s), 60)
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def number(value: int) -> str:
    """With a real minus sign, as wide as a plus."""
    return str(value).replace("-", "−")


def percent(share: float) -> str:
    """Whole percents, rounded down: 74.9 % has not met 75 %."""
    return f"{int(share * 100 + 1e-9)} %"


def day(at: datetime) -> str:
    local = at.astimezone(AMSTERDAM)
    return f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}"


def date(iso_date: str) -> str:
    """`2026-01-12` → `12 jan 2026`."""
    year, month, day_of_month = (int(part) for part in iso_date.split("-"))
    return f"{day_of_month} {_MONTHS[(month - 1) % 12]} {year}"


def clock(at: datetime) -> str:
    return at.astimezone(AMSTERDAM).strftime("%H:%M")


def when(at: datetime, now: datetime) -> str:
    """`14:05`, with the day before it when that is not today."""
    same_day = at.astimezone(AMSTERDAM).date() == now.astimezone(AMSTERDAM).date()
    return clock(at) if same_day else f"{day(at)} {clock(at)}"


def is_night(at: datetime) -> bool:
    hour = at.astimezone(AMSTERDAM).hour
    return hour >= NIGHT_FROM_HOUR or hour < NIGHT_TO_HOUR


def store_problem(cause: str) -> str:
    """SQLite's own words for why a store took nothing, in Dutch."""
    lower = cause.lower()
    if "full" in lower:
        return "de opslag is vol. Bel de technicus."
    if "i/o" in lower or "readonly" in lower or "malformed" in lower:
        return "de opslag geeft een fout. Bel de technicus."
    return "de opslag is bezet. Tik nog eens."
