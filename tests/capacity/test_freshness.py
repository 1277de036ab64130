import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.capacity.catalog import CATEGORIES
from zorgkiosk.capacity.freshness import Fresh, rung
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
