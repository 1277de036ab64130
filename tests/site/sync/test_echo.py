"""The doctor's echo: site, broker, intake, database and back, by the units as they are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab_region import Region, wait_for
from real_hub import RealHub

from zorgkiosk.care.doctor import findings
from zorgkiosk.care.probes import probe
from zorgkiosk.site.config import SiteConfig, load_site
from zorgkiosk.site.facts import LinkFact, read
from zorgkiosk.site.store import StoreView

pytest_plugins = ["sync_fixtures"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
ECHO = "echo through the hub"


@contextmanager
def sync(file: Path) -> Iterator[SiteConfig]:
    """The unit itself, connected with the broker."""
    config = load_site(file)
    command = [sys.executable, "-m", "zorgkiosk", "run", "sync", "--config", str(file)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: connected(config) is True, "sync is connected", within_s=20)
        yield config
    finally:
        process.terminate()
        process.wait(10)


def connected(config: SiteConfig) -> bool | None:
    view = StoreView(config.sync_db)
    fact = read(LinkFact, view.state().get("link"))
    view.close()
    return None if fact is None else fact.connected


def told(config: SiteConfig) -> dict[str, str]:
    return {each.check: str(each) for each in findings(probe(config, ()))}


def echoes(hub: RealHub) -> int:
    rows = hub.rows("SELECT data FROM event WHERE stream = 'sync' AND kind = 'device.health'")
    return sum('"echo"' in str(row.data) for row in rows)


def test_it_is_timed_to_the_hubs_database_and_back(region: Region, hub: RealHub) -> None:
    hub.rows("SELECT 1")
    with sync(region.site_file("hap-noord")) as config:
        for asked in (1, 2):
            facts = probe(config, ())
            assert facts.echo is not None and facts.echo.ms is not None and 0 < facts.echo.ms < 15_000
            assert echoes(hub) == asked
        assert told(config)[ECHO].startswith("✓ echo through the hub: ")


def test_a_broker_without_a_hub_and_no_broker_are_told_apart(region: Region, stopped_hub: RealHub) -> None:
    with sync(region.site_file("hap-noord")) as config:
        assert told(config)[ECHO] == (
            "✗ echo through the hub: the broker is reached, and the hub acknowledged nothing within 15 s"
            " → ask whoever runs the hub whether its intake runs and its database takes rows"
        )
        stopped_hub.start()
        wait_for(lambda: "✓" in told(config).get(ECHO, ""), "the hub answers", within_s=60)
        region.broker.stop()
        wait_for(lambda: connected(config) is False, "sync has noticed", within_s=30)
        without = told(config)
        assert ECHO not in without and without["broker"].startswith("✗") and without["hub"].startswith("✗")
