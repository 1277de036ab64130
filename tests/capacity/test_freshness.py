from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.capacity.catalog import CATEGORIES
from zorgkiosk.capacity.freshness import Fresh, end_at, left_s, rung
from zorgkiosk.contract.status import Freshness

LADDER = Freshness(due_s=10, overdue_s=20, unknown_s=30)
ORDER = [Fresh.CURRENT, Fresh.DUE, Fresh.OVERDUE, Fresh.UNKNOWN]


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (0.0, "actueel"),
        (9.999, "actueel"),
        (10.0, "bevestigen"),
        (19.999, "bevestigen"),
        (20.0, "verlopen"),
        (29.999, "verlopen"),
        (30.0, "onbekend"),
        (1e9, "onbekend"),
        (None, "onbekend"),
    ],
)
def test_the_ladder(age_s: float | None, expected: str) -> None:
    assert rung(age_s, LADDER) == expected


@given(st.floats(0, 1e8), st.floats(0, 1e8), st.sampled_from(sorted(CATEGORIES)))
def test_an_older_value_is_never_fresher(one_s: float, other_s: float, code: str) -> None:
    young, old = sorted((one_s, other_s))
    ages = CATEGORIES[code].freshness
    assert ORDER.index(rung(young, ages)) <= ORDER.index(rung(old, ages))


@pytest.mark.parametrize("code", CATEGORIES)
def test_every_category_climbs_the_whole_ladder(code: str) -> None:
    ages = CATEGORIES[code].freshness
    assert 0 < ages.due_s < ages.overdue_s < ages.unknown_s
    assert CATEGORIES[code].code == code


@pytest.mark.parametrize(
    ("left", "expected"),
    [(None, "actueel"), (60.0, "actueel"), (0.1, "actueel"), (0.0, "onbekend"), (-5.0, "onbekend")],
)
def test_after_its_end_a_value_is_unknown_until_it_is_said_again(left: float | None, expected: str) -> None:
    assert rung(5.0, LADDER, left) == expected


def test_an_end_far_away_keeps_no_value_fresh() -> None:
    assert rung(30.0, LADDER, 3600.0) is Fresh.UNKNOWN


@pytest.mark.parametrize("year", [1970, 2026], ids=["never set", "right"])
def test_an_end_is_as_far_away_as_its_own_clock_said(year: int) -> None:
    said_at = datetime(year, 3, 2, 12, 0, 3, tzinfo=UTC)
    until = f"{year}-03-02T14:00:00Z"
    assert left_s(until, said_at, 0) == 7197 and left_s(until, said_at, 7200) == -3
    assert left_s(None, said_at, 0) is None
    here = datetime(2026, 3, 2, 12, 0, 5, tzinfo=UTC)
    assert end_at(7197, here) == here.replace(second=0) + timedelta(hours=2), "two clocks agree to the minute"
    assert end_at(None, here) is None
