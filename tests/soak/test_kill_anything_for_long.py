"""Ten thousand taps while everything on their way to the hub's database is killed at random."""

from __future__ import annotations

from contextlib import closing

import pytest
from killing import Killed
from lab_region import Region
from real_hub import RealHub

pytest_plugins = ["sync_fixtures"]


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2])
def test_ten_thousand_taps_while_everything_is_killed_at_random(
    region: Region, stopped_hub: RealHub, seed: int
) -> None:
    with closing(Killed(region, stopped_hub, count=10_000, per_s=100)) as killed:
        killed.run(seed=seed, every=50)
        killed.check()
    assert min(killed.kills.values()) > 20 and len(killed.kills) == 4
