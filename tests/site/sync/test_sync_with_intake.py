"""Sync against the real hub: broker, intake and its database, each a process of its own."""

from __future__ import annotations

import statistics
import sys
import time

import pytest
from lab_region import CLOCK, Region, running_sync, wait_for
from real_hub import RealHub

from zorgkiosk.contract.events import CapacityReported
from zorgkiosk.contract.status import Ack
from zorgkiosk.hub.backup import backup, restore
from zorgkiosk.site.facts import read
from zorgkiosk.site.store import Store

pytest_plugins = ["sync_fixtures"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]


def taps(panel: Store, count: int) -> None:
    with panel.transaction() as change:
        for free in range(count):
            change.report(CapacityReported(category="elv-laag", free=free % 20))


def acked(store: Store) -> int:
    ack = read(Ack, store.view().state().get("acked/panel"))
    return 0 if ack is None else ack.up_to


def test_tap_to_ack_and_the_pace_of_a_backlog(region: Region, hub: RealHub, capsys: pytest.CaptureFixture[str]) -> None:
    config = region.site("hap-noord")
    panel = Store.open(config.panel_db, "panel", CLOCK)
    taps(panel, 1)
    waits_ms = []
    with running_sync(config) as store:
        wait_for(lambda: acked(store) == 1, "the hub runs", within_s=20)
        view = store.view()
        for count in range(2, 222):
            taps(panel, 1)
            began_s = time.perf_counter()
            while view.state()["acked/panel"].value["up_to"] < count:
                assert time.perf_counter() < began_s + 10, f"tap {count} was not acknowledged"
                time.sleep(0.001)
            waits_ms.append((time.perf_counter() - began_s) * 1000)
        taps(panel, 5_000)
        began_s = time.perf_counter()
        wait_for(lambda: acked(store) == 5_221, "drained", within_s=40)
        drain_per_s = 5_000 / (time.perf_counter() - began_s)
    assert hub.held() == list(range(1, 5_222))
    steps = statistics.quantiles(waits_ms, n=100)
    with capsys.disabled():
        sys.stdout.write(
            f"\ncommit to stored ack: p50 {steps[49]:.1f} ms, p99 {steps[98]:.1f} ms; {drain_per_s:.0f} events/s\n"
        )
    assert steps[49] < 150 and drain_per_s > 100


def test_a_hub_that_is_killed_and_a_hub_that_forgot_are_both_caught_up_with(region: Region, hub: RealHub) -> None:
    config = region.site("hap-noord")
    panel = Store.open(config.panel_db, "panel", CLOCK)
    taps(panel, 10)
    with running_sync(config) as store:
        wait_for(lambda: acked(store) == 10, "the hub runs", within_s=20)
        hub.kill()
        taps(panel, 2_000)
        hub.start()
        wait_for(lambda: acked(store) == 2_010, "caught up after a kill", within_s=30)
        assert hub.held() == list(range(1, 2_011))
        panel.prune(str(panel.view().epoch()), 2_010)
        hub.kill()
        hub.forget()
        hub.start()
        taps(panel, 5)
        wait_for(lambda: acked(store) == 2_015, "caught up with a hub that forgot", within_s=40)
    assert hub.held() == list(range(2_010, 2_016))


@pytest.mark.parametrize("forgot", [False, True])
def test_a_hub_set_back_to_a_backup_gets_what_the_site_still_has_and_shows_the_rest_as_a_gap(
    region: Region, hub: RealHub, *, forgot: bool
) -> None:
    """A site forgets on the hub's word: a backup older than that word cannot bring it back, and must not hide it."""
    config = region.site("hap-noord")
    panel = Store.open(config.panel_db, "panel", CLOCK)
    taps(panel, 10)
    kept = region.directory / "hub.backup"
    with running_sync(config) as store:
        wait_for(lambda: acked(store) == 10, "the hub runs", within_s=20)
        backup(hub.url, kept)
        taps(panel, 20)
        wait_for(lambda: acked(store) == 30, "what the backup does not have", within_s=20)
        if forgot:
            panel.prune(str(panel.view().epoch()), 30)
        hub.kill()
        restore(hub.url, kept, replace=True)
        assert hub.held() == list(range(1, 11))
        hub.start()
        taps(panel, 5)
        wait_for(lambda: acked(store) == 35, "the site and the hub to agree again", within_s=60)
    again = range(30, 36) if forgot else range(11, 36)  # row 30 stays at the site as the link
    assert hub.held() == [*range(1, 11), *again]
    assert hub.gaps() == (19 if forgot else 0)
