"""A region's broker of each test's own, and its hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_region import Region
from real_hub import RealHub


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    region = Region.start(tmp_path)
    yield region
    region.broker.stop()


@pytest.fixture
def stopped_hub(region: Region) -> Iterator[RealHub]:
    hub = RealHub(region)
    yield hub
    hub.kill()


@pytest.fixture
def hub(stopped_hub: RealHub) -> RealHub:
    stopped_hub.start()
    return stopped_hub
