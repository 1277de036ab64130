"""The forecast against closed forms and its own limits."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.overflow.forecast import Norms, chance_within, erlang_cdf, learned_handling_s, next_norm, pressure


@pytest.mark.parametrize(
    ("stages", "rate", "time", "expected"),
    [
        (1, 0.01, 100, 1 - math.exp(-1)),
        (2, 0.01, 100, 1 - 2 * math.exp(-1)),
        (3, 0.02, 100, 1 - math.exp(-2) * (1 + 2 + 2)),
        (0, 0.01, 0, 1.0),
        (1, 0.01, 0, 0.0),
        (400, 1.0, 400, 0.5066),  # near the median; from the normal approximation with continuity correction
    ],
)
def test_erlang_cdf(stages: int, rate: float, time: float, expected: float) -> None:
    assert erlang_cdf(stages, rate, time) == pytest.approx(expected, abs=1e-3)


@given(st.integers(0, 60), st.integers(1, 30), st.floats(30, 900), st.floats(1, 900))
def test_the_chance_is_a_share_that_falls_with_those_ahead_and_rises_with_time(
    ahead: int, desks: int, handling_s: float, time_s: float
) -> None:
    def chance(ahead: int, time_s: float) -> float:
        return chance_within(ahead=ahead, desks_present=desks, desks_free=0, handling_s=handling_s, time_s=time_s)

    assert 0.0 <= chance(ahead, time_s) <= 1.0
    assert chance(ahead + 1, time_s) <= chance(ahead, time_s) + 1e-12
    assert chance(ahead, time_s * 2) >= chance(ahead, time_s) - 1e-12


def test_a_free_desk_is_certain_and_no_desk_is_hopeless() -> None:
    assert chance_within(ahead=0, desks_present=2, desks_free=1, handling_s=360, time_s=0) == 1.0
    assert chance_within(ahead=0, desks_present=0, desks_free=0, handling_s=360, time_s=600) == 0.0


@pytest.mark.parametrize(
    ("waited_s", "urgent", "left_s", "share"),
    [
        (0, False, 120, 0.75),
        (119, False, 1, 0.75),
        (120, False, 480, 0.98),
        (700, False, 60, 1.0),
        (0, True, 30, 0.90),
        (30, True, 90, 0.75),
    ],
)
def test_the_next_norm_that_can_still_be_met(waited_s: float, urgent: bool, left_s: float, share: float) -> None:
    assert next_norm(waited_s=waited_s, urgent=urgent, norms=Norms()) == (left_s, share)


@pytest.mark.parametrize(
    ("chance", "word"), [(1, "groen"), (0.75, "groen"), (0.74, "geel"), (0.49, "oranje"), (0.24, "rood"), (0, "rood")]
)
def test_pressure(chance: float, word: str) -> None:
    assert pressure(chance, Norms()) == word


def test_handling_time_is_learned_slowly_and_stays_finite() -> None:
    assert learned_handling_s(360, 460) == pytest.approx(365)
    assert learned_handling_s(10, 0) == 10
