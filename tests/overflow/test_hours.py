"""Hours of an agreement, around midnight, weekends and holidays."""

from datetime import date, datetime

import pytest

from zorgkiosk.overflow.hours import is_open, parse

KINGS_DAY = date(2026, 4, 27)  # a Monday


def holiday(day: date) -> bool:
    return day == KINGS_DAY


@pytest.mark.parametrize(
    ("hours", "local", "expected"),
    [
        (["altijd"], "2026-11-23T10:00", True),
        (["anw"], "2026-11-23T10:00", False),  # Monday morning
        (["anw"], "2026-11-23T07:59", True),  # the end of the weekend's night
        (["anw"], "2026-11-23T08:00", False),
        (["anw"], "2026-11-23T16:59", False),
        (["anw"], "2026-11-23T17:00", True),
        (["anw"], "2026-11-24T03:00", True),
        (["anw"], "2026-11-28T12:00", True),  # Saturday
        (["anw"], "2026-04-27T12:00", True),  # King's Day, a Monday
        (["anw"], "2026-04-28T07:00", True),
        (["anw"], "2026-04-28T08:00", False),
        (["ma-vr 18:00-23:00"], "2026-11-27T22:59", True),
        (["ma-vr 18:00-23:00"], "2026-11-27T23:00", False),
        (["ma-vr 18:00-23:00"], "2026-11-28T19:00", False),
        (["za 20:00-02:00"], "2026-11-29T01:59", True),
        (["za 20:00-02:00"], "2026-11-28T01:00", False),
        (["vr-ma 08:00-24:00"], "2026-11-29T23:59", True),
        (["feestdag 08:00-24:00"], "2026-04-27T08:00", True),
        (["feestdag 08:00-24:00"], "2026-04-28T08:00", False),
        (["ma 08:00-12:00", "di 08:00-12:00"], "2026-11-24T09:00", True),
        ([], "2026-11-24T09:00", False),
    ],
)
def test_open(hours: list[str], local: str, expected: bool) -> None:
    assert is_open(parse(hours), datetime.fromisoformat(local), holiday) is expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nooit", "write altijd, anw"),
        ("mo-fr 08:00-12:00", "day 'mo' is not known, one of: ma, di"),
        ("ma 08:00-25:00", "a day ends at 24:00"),
        ("ma 24:00-08:00", "a day ends at 24:00"),
        ("ma 8:00-9:00", "not understood"),
    ],
)
def test_what_is_not_understood_is_said(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse([text])
