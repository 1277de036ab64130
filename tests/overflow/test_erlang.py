"""Erlang's formula against closed forms, its limits, and the staffing table that the field prints."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.overflow.erlang import fewest_triagists, share_waiting, share_within
from zorgkiosk.overflow.forecast import Norms


@pytest.mark.parametrize(
    ("triagists", "load", "share"),
    [
        (1, 0.3, 0.3),  # M/M/1: whoever comes while it is busy waits
        (2, 1.0, 1 / 3),  # M/M/2: A²/(2+A)
        (2, 1.5, 2.25 / 3.5),
        (3, 3.0, 1.0),
        (2, 5.0, 1.0),
        (81, 77.35, 0.58289),  # by exact fractions; more than the factorials of a float can hold
    ],
)
def test_share_waiting(triagists: int, load: float, share: float) -> None:
    assert share_waiting(triagists, load) == pytest.approx(share, abs=5e-4)


def test_share_within_is_the_closed_form_of_one_server() -> None:
    assert share_within(1, 0.5, 300, 120) == pytest.approx(1 - 0.5 * math.exp(-0.5 * 120 / 300))
    assert share_within(1, 0.5, 300, 120, load_before=0.1) == pytest.approx(1 - 0.5 * math.exp(-0.9 * 120 / 300))
    assert share_within(1, 1.0, 300, 1e6) == 0.0, "a line that only grows answers nobody in time"


@given(st.integers(1, 60), st.floats(0.01, 59), st.floats(0, 900))
def test_more_triagists_and_more_time_answer_more(triagists: int, load: float, time_s: float) -> None:
    share = share_within(triagists, load, 360, time_s)
    assert 0.0 <= share <= 1.0
    assert share_within(triagists + 1, load, 360, time_s) >= share - 1e-12
    assert share_within(triagists, load, 360, time_s + 60) >= share - 1e-12


@pytest.mark.parametrize(("calls_per_h", "handling_s", "nation"), [(663, 420, 81), (820, 360, 85)])
@pytest.mark.parametrize(
    ("pools", "fewest", "with_urgent"), [(1, None, None), (11, 110, 121), (25, 125, 150), (110, 330, 330)]
)
def test_the_printed_table_and_the_gap_of_the_urgent_norm(
    calls_per_h: float, handling_s: float, nation: int, pools: int, fewest: int | None, with_urgent: int | None
) -> None:
    each = fewest_triagists(calls_per_h / pools, handling_s, Norms())
    each_urgent = fewest_triagists(calls_per_h / pools, handling_s, Norms(), urgent_share=0.126)
    assert pools * each == (fewest or nation)
    assert pools * each_urgent == (with_urgent or nation)
