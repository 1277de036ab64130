"""The panel's words: ages, times, numbers and the words for states. Local time is the Netherlands'."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from zorgkiosk.capacity.catalog import Grade
from zorgkiosk.capacity.freshness import Fresh
from zorgkiosk.contract.events import Pressure
from zorgkiosk.site.facts import UNTELLABLE_AGE_S, DeskState
from zorgkiosk.site.panel.language import phrase, say, say_many

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NIGHT_FROM_HOUR, NIGHT_TO_HOUR = 21, 7

_DAYS = (phrase("ma"), phrase("di"), phrase("wo"), phrase("do"), phrase("vr"), phrase("za"), phrase("zo"))
_MONTHS = (
    phrase("jan"),
    phrase("feb"),
    phrase("mrt"),
    phrase("apr"),
    phrase("mei"),
    phrase("jun"),
    phrase("jul"),
    phrase("aug"),
    phrase("sep"),
    phrase("okt"),
    phrase("nov"),
    phrase("dec"),
)

FRESH_WORDS = (phrase("actueel"), phrase("bevestigen"), phrase("verlopen"), phrase("onbekend"))
PRESSURE_WORDS = (phrase("groen"), phrase("geel"), phrase("oranje"), phrase("rood"))
"""Words that stand elsewhere as values: here for the catalogue."""

SHAPES: dict[Fresh, str] = {Fresh.CURRENT: "✓", Fresh.DUE: "◔", Fresh.OVERDUE: "▲", Fresh.UNKNOWN: "?"}
PRESSURE_SHAPES: dict[Pressure, str] = {"groen": "✓", "geel": "◔", "oranje": "▲", "rood": "■"}
GRADE_SHAPES: dict[Grade, str] = {"open": "●", "tight": "◐", "shut": "■"}
DESKS: dict[DeskState, tuple[str, str]] = {
    "away": ("○", phrase("afwezig")),
    "free": ("✓", phrase("vrij")),
    "ringing": ("◔", phrase("gaat over")),
    "busy": ("●", phrase("in gesprek")),
    "no-answer": ("▲", phrase("neemt niet op")),
}

SWITCHES: dict[str, str] = {"giving": phrase("Hulp krijgen"), "accepting": phrase("Hulp geven")}


def age(age_s: float) -> str:
    """`zojuist`, `4 min geleden`, `9 uur geleden`, `2 dagen geleden`; always rounded down."""
    if age_s >= UNTELLABLE_AGE_S:
        return say("onbekend sinds wanneer")
    return say("zojuist") if age_s < 60 else say("%(span)s geleden", span=span(age_s))


def span(span_s: float) -> str:
    """`40 s`, `3 min`, `9 uur`, `2 dagen`."""
    if span_s < 60:
        return f"{int(span_s)} s"
    if span_s < 3600:
        return f"{int(span_s // 60)} min"
    if span_s < 86400:
        return many(int(span_s // 3600), "uur", "uur")
    return many(int(span_s // 86400), "dag", "dagen")


def waited(wait_s: float) -> str:
    """A wait against a norm of minutes, so to the second: `40 s`, `2 min 05 s`."""
    minutes, seconds = divmod(int(wait_s), 60)
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def many(count: int, one: str, more: str) -> str:
    """`one` and `more` are sentences of the catalogue: `1 gesprek`, `2 gesprekken`."""
    return f"{count} {say_many(count, one, more)}"


def number(value: int) -> str:
    """With a real minus sign, as wide as a plus."""
    return str(value).replace("-", "−")


def percent(share: float) -> str:
    """Whole percents, rounded down: 74.9 % has not met 75 %."""
    return f"{int(share * 100 + 1e-9)} %"


def day(at: datetime) -> str:
    local = at.astimezone(AMSTERDAM)
    return f"{say(_DAYS[local.weekday()])} {local.day} {say(_MONTHS[local.month - 1])}"


def date(iso_date: str) -> str:
    """`2026-01-12` → `12 jan 2026`."""
    year, month, day_of_month = (int(part) for part in iso_date.split("-"))
    return f"{day_of_month} {say(_MONTHS[(month - 1) % 12])} {year}"


def clock(at: datetime) -> str:
    return at.astimezone(AMSTERDAM).strftime("%H:%M")


def local_time(at: datetime) -> time:
    return at.astimezone(AMSTERDAM).time()


def when(at: datetime, now: datetime) -> str:
    """`14:05`, with the day before it when that is not today."""
    same_day = at.astimezone(AMSTERDAM).date() == now.astimezone(AMSTERDAM).date()
    return clock(at) if same_day else f"{day(at)} {clock(at)}"


def ahead(at: datetime, now: datetime) -> str:
    """A time to come: `15:05`, `morgen 08:00`, else with its day."""
    tomorrow = now.astimezone(AMSTERDAM).date() + timedelta(days=1)
    if at.astimezone(AMSTERDAM).date() == tomorrow:
        return say("morgen %(clock)s", clock=clock(at))
    return when(at, now)


def is_night(at: datetime) -> bool:
    hour = at.astimezone(AMSTERDAM).hour
    return hour >= NIGHT_FROM_HOUR or hour < NIGHT_TO_HOUR


def store_problem(cause: str) -> str:
    """SQLite's own words for why a store took nothing, as a sentence to say."""
    lower = cause.lower()
    if "full" in lower:
        return phrase("de opslag is vol. Bel de technicus.")
    if "i/o" in lower or "readonly" in lower or "malformed" in lower:
        return phrase("de opslag geeft een fout. Bel de technicus.")
    return phrase("de opslag is bezet. Tik nog eens.")
