"""Whatever is killed on the way from a tap to the hub's database: nothing is lost, double or out of order."""

from __future__ import annotations

from contextlib import closing

import pytest
from killing import Killed
from lab_region import Region
from real_hub import RealHub

pytest_plugins = ["sync_fixtures"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def test_a_few_hundred_taps_while_everything_is_killed_in_turn(region: Region, stopped_hub: RealHub) -> None:
    with closing(Killed(region, stopped_hub, count=360, per_s=60)) as killed:
        killed.run(seed=9, every=40)
        killed.check()
    assert set(killed.kills) == {"tapping", "sync", "broker", "intake"}


def test_the_check_itself_finds_what_is_lost_and_what_is_out_of_order(region: Region, stopped_hub: RealHub) -> None:
    with closing(Killed(region, stopped_hub, count=40, per_s=200)) as killed:
        killed.run(seed=1, every=100)
        killed.check()
        stopped_hub.change("UPDATE event SET sequence = 1000 WHERE stream = 'panel' AND sequence = 7")
        with pytest.raises(AssertionError, match="out of order"):
            killed.check()
        stopped_hub.change(
            "UPDATE event SET data = json_set(data, '$.free', 8) WHERE stream = 'panel' AND sequence = 1000"
        )
        with pytest.raises(AssertionError, match="lost"):
            killed.check()
