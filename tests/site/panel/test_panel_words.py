"""The panel's Dutch, case by case."""

from datetime import UTC, datetime, timedelta

import pytest

from zorgkiosk.site.panel import words

WINTER = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
SUMMER = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (0, "zojuist"),
        (59.9, "zojuist"),
        (60, "1 min geleden"),
        (3599, "59 min geleden"),
        (3600, "1 uur geleden"),
        (86399, "23 uur geleden"),
        (86400, "1 dag geleden"),
        (200000, "2 dagen geleden"),
    ],
)
def test_ages(age_s: float, expected: str) -> None:
    assert words.age(age_s) == expected


@pytest.mark.parametrize(("wait_s", "expected"), [(0, "0 s"), (59.9, "59 s"), (60, "1 min 00 s"), (605, "10 min 05 s")])
def test_waits(wait_s: float, expected: str) -> None:
    assert words.waited(wait_s) == expected


@pytest.mark.parametrize(
    ("share", "expected"), [(0, "0 %"), (0.41, "41 %"), (0.749, "74 %"), (0.29, "29 %"), (1, "100 %")]
)
def test_percents_never_round_up_to_a_norm(share: float, expected: str) -> None:
    assert words.percent(share) == expected


def test_times_are_those_of_the_netherlands() -> None:
    assert (words.day(WINTER), words.clock(WINTER)) == ("zo 22 nov", "14:05")
    assert (words.day(SUMMER), words.clock(SUMMER)) == ("do 2 jul", "00:30")
    assert words.when(WINTER, WINTER) == "14:05"
    assert words.when(SUMMER, WINTER) == "do 2 jul 00:30"
    assert words.date("2026-03-01") == "1 mrt 2026"
    assert words.number(-2) == "−2"
    assert words.many(1, "dag", "dagen") == "1 dag" and words.many(0, "dag", "dagen") == "0 dagen"


@pytest.mark.parametrize(
    ("ahead_s", "expected"),
    [(3600, "15:05"), (9.9 * 3600, "23:59"), (10 * 3600, "morgen 00:05"), (36 * 3600, "di 24 nov 02:05")],
)
def test_times_to_come(ahead_s: float, expected: str) -> None:
    assert words.ahead(WINTER + timedelta(seconds=ahead_s), WINTER) == expected


@pytest.mark.parametrize(("hour_utc", "night"), [(5, True), (6, False), (19, False), (20, True), (23, True)])
def test_night_is_dark(hour_utc: int, night: bool) -> None:
    assert words.is_night(WINTER.replace(hour=hour_utc)) is night


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        ("database or disk is full", "vol"),
        ("disk I/O error", "fout"),
        ("attempt to write a readonly database", "fout"),
        ("database is locked", "bezet"),
    ],
)
def test_a_store_that_refuses_says_why(cause: str, expected: str) -> None:
    assert expected in words.store_problem(f"/x/panel.db: nothing was saved: {cause}")
