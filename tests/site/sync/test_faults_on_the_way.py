"""What happens between a site and its broker: a real Mosquitto, the real intake, and a proxy that misbehaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from lab_region import CLOCK, Region, running_sync, wait_for
from real_hub import RealHub

from zorgkiosk.contract.events import CapacityReported
from zorgkiosk.contract.status import Ack
from zorgkiosk.lab.fault_proxy import FAIR, FaultProxy, Weather
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.facts import LinkFact, read
from zorgkiosk.site.store import Store
from zorgkiosk.site.sync import trouble

pytest_plugins = ["sync_fixtures"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]
LONG_S = 60.0


@pytest.fixture
def proxy(region: Region) -> Iterator[FaultProxy]:
    with FaultProxy(("127.0.0.1", region.port)).running() as proxy:
        yield proxy


def behind(region: Region, proxy: FaultProxy, data: str = "data") -> SiteConfig:
    config = region.site("hap-noord", hub={"port": proxy.port})
    site = config.site.model_copy(update={"data_dir": config.site.data_dir.with_name(data)})
    return config.model_copy(update={"site": site})


def panel_of(config: SiteConfig) -> Store:
    return Store.open(config.panel_db, "panel", CLOCK)


def taps(panel: Store, count: int) -> None:
    with panel.transaction() as change:
        for free in range(count):
            change.report(CapacityReported(category="elv-laag", free=free % 20))


def acked(store: Store) -> int:
    ack = read(Ack, store.view().state().get("acked/panel"))
    return 0 if ack is None else ack.up_to


def problem(store: Store) -> str | None:
    fact = read(LinkFact, store.view().state().get("link"))
    return None if fact is None else fact.problem


def connected(store: Store) -> bool:
    return read(LinkFact, store.view().state().get("link")) == LinkFact(connected=True)


def in_words(store: Store, wanted: trouble.Trouble, within_s: float = LONG_S) -> None:
    wait_for(lambda: problem(store) == wanted.screen, f"the panel says: {wanted.screen}", within_s=within_s)


def whole(hub: RealHub, count: int) -> None:
    """Each event once, in order, without gaps, and nothing that could not be read."""
    assert hub.held() == list(range(1, count + 1))
    assert hub.gaps() == 0 and hub.dead_letters() == 0


def _cut(proxy: FaultProxy) -> None:
    before = proxy.accepted
    proxy.cut()
    wait_for(lambda: proxy.accepted > before, "connected again", within_s=LONG_S)


def _gone_for_a_while(proxy: FaultProxy) -> None:
    before = proxy.accepted
    proxy.refuse()
    proxy.listen()
    wait_for(lambda: proxy.accepted > before, "connected again", within_s=LONG_S)


FAULTS: dict[str, Callable[[FaultProxy], None]] = {
    "cut": _cut,
    "refused": _gone_for_a_while,
    "late": lambda proxy: proxy.weather(Weather(delay_s=0.05)),
    "cut while late": _cut,
    "slow": lambda proxy: proxy.weather(Weather(bytes_per_s=100_000)),
    "cut while slow": _cut,
    "well again": lambda proxy: proxy.weather(FAIR),
    "cut again": _cut,
}


def test_whatever_happens_on_the_way_each_event_arrives_once_and_in_order(
    region: Region, hub: RealHub, proxy: FaultProxy
) -> None:
    config = behind(region, proxy)
    panel = panel_of(config)
    taps(panel, 300)
    count = 300
    with running_sync(config) as store:
        wait_for(lambda: acked(store) > 0, "the hub runs", within_s=LONG_S)
        for name, fault in FAULTS.items():
            taps(panel, 300)
            count += 300
            fault(proxy)
            before = acked(store)
            wait_for(lambda before=before: acked(store) > before, f"progress after: {name}", within_s=LONG_S)  # type: ignore[misc]
        wait_for(lambda: acked(store) == count, "all acked", within_s=LONG_S)
        wait_for(lambda: connected(store), "link good", within_s=LONG_S)
    whole(hub, count)


def test_a_half_open_connection_is_found_within_30_s_also_when_nothing_is_said(
    region: Region, hub: RealHub, proxy: FaultProxy
) -> None:
    config = behind(region, proxy)
    panel = panel_of(config)
    taps(panel, 5)
    with running_sync(config) as store:
        wait_for(lambda: acked(store) == 5 and connected(store), "all acked", within_s=LONG_S)
        before = proxy.accepted
        proxy.freeze()
        in_words(store, trouble.SILENT, within_s=30)
        wait_for(lambda: proxy.accepted > before, "a new connection", within_s=LONG_S)
        taps(panel, 5)
        wait_for(lambda: acked(store) == 10 and connected(store), "all acked", within_s=LONG_S)
        wait_for(lambda: hub.rows("SELECT online FROM site_state")[0].online, "the region sees it online", LONG_S)
    whole(hub, 10)


def test_a_half_open_connection_is_found_within_30_s_in_the_middle_of_a_backlog(
    region: Region, hub: RealHub, proxy: FaultProxy
) -> None:
    config = behind(region, proxy)
    panel = panel_of(config)
    taps(panel, 4_000)
    proxy.weather(Weather(bytes_per_s=500_000))
    with running_sync(config) as store:
        wait_for(lambda: acked(store) > 0, "some of the backlog", within_s=LONG_S)
        proxy.freeze()
        assert acked(store) < 4_000, "frozen too late to prove anything"
        proxy.weather(FAIR)
        in_words(store, trouble.SILENT, within_s=30)
        wait_for(lambda: acked(store) == 4_000, "all acked", within_s=LONG_S)
    whole(hub, 4_000)


def test_a_region_that_accepts_and_says_nothing(region: Region, hub: RealHub, proxy: FaultProxy) -> None:
    config = behind(region, proxy)
    taps(panel_of(config), 3)
    proxy.weather(Weather(silent=True))
    with running_sync(config) as store:
        in_words(store, trouble.NO_ANSWER)
        proxy.weather(FAIR)
        wait_for(lambda: acked(store) == 3, "all acked", within_s=LONG_S)
    whole(hub, 3)


def test_two_boxes_with_the_name_of_one_site_both_deliver_all_they_hold(
    region: Region, hub: RealHub, proxy: FaultProxy
) -> None:
    configs = [behind(region, proxy, data) for data in ("data", "copied-card")]
    panels = [panel_of(config) for config in configs]
    said: set[str | None] = set()
    taken_over = {trouble.TAKEN_OVER.screen, trouble.AGAIN_AND_AGAIN.screen}  # not every Mosquitto tells which
    with ExitStack() as running:
        stores = []
        for config, panel in zip(configs, panels, strict=True):
            stores.append(running.enter_context(running_sync(config)))
            wait_for(lambda: connected(stores[-1]), "connected", within_s=LONG_S)
            taps(panel, 500)

        def both_told() -> bool:
            said.update(map(problem, stores))
            return not said.isdisjoint(taken_over) and all(acked(store) == 500 for store in stores)

        wait_for(both_told, "both acked, and the panel says why the link comes and goes", within_s=LONG_S)
    streams = hub.rows("SELECT epoch, count(*) AS n, max(sequence) AS last FROM event WHERE stream='panel' GROUP BY 1")
    assert [(row.n, row.last) for row in streams] == [(500, 500), (500, 500)]
    assert hub.gaps() == 0 and hub.dead_letters() == 0


def test_one_box_is_alone_again_and_the_link_stays(region: Region, hub: RealHub, proxy: FaultProxy) -> None:
    config, other = behind(region, proxy), behind(region, proxy, "copied-card")
    panel = panel_of(config)
    with running_sync(config) as store:
        wait_for(lambda: connected(store), "connected", within_s=LONG_S)
        with running_sync(other):
            in_words(store, trouble.AGAIN_AND_AGAIN)
        wait_for(lambda: connected(store), "connected again", within_s=LONG_S)
        taps(panel, 50)
        wait_for(lambda: acked(store) == 50, "all acked", within_s=LONG_S)
    whole(hub, 50)
