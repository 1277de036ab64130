"""Who calls: sizes that reproduce the printed figures, calls that depend on seed and centre alone."""

import pytest

from zorgkiosk.lab.simulator.demand import PRESETS, URGENT_SHARE, Hap, calls_of, dealt, shares, staffed
from zorgkiosk.overflow.erlang import fewest_triagists
from zorgkiosk.overflow.forecast import Norms


@pytest.mark.parametrize(("preset", "least", "most"), [("A", 281, 285), ("B", 277, 278)])
@pytest.mark.parametrize("spread", [0.5, 0.6, 0.7])
def test_unequal_sizes_give_the_printed_staffing(preset: str, least: int, most: int, spread: float) -> None:
    volume, handling_s = PRESETS[preset].calls_per_h, PRESETS[preset].handling_s
    total = sum(fewest_triagists(share * volume, handling_s, Norms()) for share in shares(110, spread))
    assert least <= total <= most


def test_shares_are_of_one_whole_the_largest_first() -> None:
    sizes = shares(110)
    assert sum(sizes) == pytest.approx(1) and sizes == tuple(sorted(sizes, reverse=True))
    assert shares(4, 0.0) == pytest.approx((0.25,) * 4)


def test_regions_get_about_the_same_volume_and_every_centre_once() -> None:
    regions = dealt(shares(110), 11)
    assert [len(region) for region in regions] == [10] * 11
    assert sorted(size for region in regions for size in region) == sorted(shares(110))
    volumes = [sum(region) for region in regions]
    assert max(volumes) / min(volumes) < 1.15


def test_triagists_go_where_most_calls_come_to_one() -> None:
    assert [hap.triagists for hap in staffed([6.0, 3.0, 1.0], 7)] == [4, 2, 1]
    with pytest.raises(ValueError, match="at least 3"):
        staffed([6.0, 3.0, 1.0], 2)


@pytest.mark.long
def test_calls_are_those_of_the_seed_and_the_centre_whatever_its_staffing() -> None:
    calls = list(calls_of(Hap("hap-1", 60, 1), 300, 400 * 3600, seed=7))
    assert calls == list(calls_of(Hap("hap-1", 60, 9), 300, 400 * 3600, seed=7))
    assert calls != list(calls_of(Hap("hap-2", 60, 1), 300, 400 * 3600, seed=7))
    assert calls != list(calls_of(Hap("hap-1", 60, 1), 300, 400 * 3600, seed=8))
    assert len(calls) == pytest.approx(24_000, rel=0.02)
    assert sum(call.handling_s for call in calls) / len(calls) == pytest.approx(300, rel=0.03)
    assert sum(call.urgent for call in calls) / len(calls) == pytest.approx(URGENT_SHARE, abs=0.01)
    assert [call.at_s for call in calls] == sorted(call.at_s for call in calls)
