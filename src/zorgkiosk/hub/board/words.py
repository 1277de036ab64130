"""Numbers, ages and instants in words, in the language that is spoken. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from zorgkiosk.hub.board.language import phrase, say, say_many

_DAYS = (phrase("ma"), phrase("di"), phrase("wo"), phrase("do"), phrase("vr"), phrase("za"), phrase("zo"))
_MONTHS = (
    *(phrase("jan"), phrase("feb"), phrase("mrt"), phrase("apr"), phrase("mei"), phrase("jun")),
    *(phrase("jul"), phrase("aug"), phrase("sep"), phrase("okt"), phrase("nov"), phrase("dec")),
)
VALUES = (
    *(phrase("actueel"), phrase("bevestigen"), phrase("verlopen"), phrase("onbekend")),
    *(phrase("groen"), phrase("geel"), phrase("oranje"), phrase("rood")),
)
"""What states of the contract are called; the page says them in its language."""
_HERE = ZoneInfo("Europe/Amsterdam")


def number(value: int) -> str:
    """With a real minus sign, as wide as a digit."""
    return f"−{-value}" if value < 0 else str(value)


def ago(age_s: float) -> str:
    """`zojuist`, `4 min geleden`, `9 uur geleden`, `3 dagen geleden`: always rounded down."""
    if age_s < 60:
        return say("zojuist")
    if age_s < 3600:
        return say("%(count)s min geleden", count=int(age_s // 60))
    if age_s < 48 * 3600:
        return say("%(count)s uur geleden", count=int(age_s // 3600))
    return say("%(count)s dagen geleden", count=int(age_s // 86400))


def duration(seconds: float) -> str:
    """`0:40`, `12:05`; from an hour on `1 uur 20 min`."""
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    return say("%(hours)s uur %(minutes)s min", hours=whole // 3600, minutes=whole % 3600 // 60)


def clock(instant: datetime) -> str:
    """`14:05`, in the Netherlands."""
    return f"{instant.astimezone(_HERE):%H:%M}"


def date(instant: datetime) -> str:
    """`za 22 nov`, in the Netherlands."""
    here = instant.astimezone(_HERE)
    return f"{say(_DAYS[here.weekday()])} {here.day} {say(_MONTHS[here.month - 1])}"


def since(instant: datetime, now: datetime) -> str:
    """`sinds 14:05`; on another day `sinds za 22 nov 14:05`."""
    return say("sinds %(when)s", when=_when(instant, now))


def _when(instant: datetime, now: datetime) -> str:
    day = "" if date(instant) == date(now) else f"{date(instant)} "
    return f"{day}{clock(instant)}"


def ahead(instant: datetime, now: datetime) -> str:
    """A time to come: `15:05`, `morgen 08:00`, else with its day."""
    tomorrow = now.astimezone(_HERE).date() + timedelta(days=1)
    if instant.astimezone(_HERE).date() == tomorrow:
        return say("morgen %(clock)s", clock=clock(instant))
    return _when(instant, now)


def counted(count: int, one: str, many: str) -> str:
    """`1 melding`, `3 meldingen`; both words are marked for the catalogue where they stand."""
    return f"{count} {say_many(count, one, many)}"
