"""Sync against a real Mosquitto with TLS and the region's ACL."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_region import CLOCK, REGION, ActingHub, Region, running_sync, wait_for

from zorgkiosk.contract.events import CapacityReported, DeviceHealth, Triage, format_instant
from zorgkiosk.contract.status import Ack, Ask, Online, PartnerStates, SiteState, decode_status
from zorgkiosk.contract.topics import Topic
from zorgkiosk.hub.broker import HUB_NAME
from zorgkiosk.lab.authority import Authority
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.facts import LinkFact, age_s, read
from zorgkiosk.site.store import Store
from zorgkiosk.site.wake import FILE

pytest_plugins = ["sync_fixtures"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


@pytest.fixture
def hub(region: Region) -> Iterator[ActingHub]:
    hub = ActingHub(region)
    yield hub
    hub.close()


def panel_of(config: SiteConfig) -> Store:
    return Store.open(config.panel_db, "panel", CLOCK)


def tap(panel: Store, free: int) -> int:
    with panel.transaction() as change:
        change.put("capacity/elv-laag", {"category": "elv-laag", "free": free})
        return change.report(CapacityReported(category="elv-laag", free=free))


def taps(panel: Store, count: int) -> None:
    with panel.transaction() as change:
        for free in range(count):
            change.report(CapacityReported(category="elv-laag", free=free % 20))


def link_of(store: Store) -> LinkFact | None:
    return read(LinkFact, store.view().state().get("link"))


def acked(store: Store, stream: str = "panel") -> int:
    ack = read(Ack, store.view().state().get(f"acked/{stream}"))
    return 0 if ack is None else ack.up_to


def state_of(name: str, uptime_ms: int, region: str = REGION, waiting: int = 3) -> SiteState:
    triage = Triage(
        desks_present=2,
        desks_free=1,
        waiting=waiting,
        longest_wait_s=9.5,
        accepting_overflow=True,
        pressure="groen",
        chance_2min=0.9,
    )
    return SiteState(
        region=region,
        site=name,
        title="HAP",
        said_at=format_instant(CLOCK.now()),
        boot_id=CLOCK.boot_id,
        uptime_ms=uptime_ms,
        clock_synced=True,
        triage=triage,
    )


def test_a_tap_reaches_the_hub_and_is_forgotten_only_when_acknowledged(region: Region, hub: ActingHub) -> None:
    config = region.site("hap-noord")
    panel = panel_of(config)
    hub.deaf = True
    with running_sync(config) as store:
        wait_for(lambda: "online" in hub.heard, "online")
        assert tap(panel, 3) == 1
        wait_for(lambda: "events" in hub.heard, "the event reaches the deaf hub")
        assert acked(store) == 0, "a broker's PUBACK is no ack"
        hub.deaf = False
        tap(panel, 4)
        wait_for(lambda: acked(store) == 2, "acked by the hub", within_s=20)
        assert link_of(store) == LinkFact(connected=True)
        assert sorted(hub.sequences("panel")) == [1, 2]
        epoch = panel.view().epoch()
        assert epoch is not None and panel.prune(epoch, acked(store)) == 1
        last = decode_status(SiteState, hub.states[-1])
        assert [(item.category, item.free) for item in last.capacity] == [("elv-laag", 4)]
        assert last.capacity[0].age_s < 5


def test_a_backlog_follows_the_present(region: Region, hub: ActingHub) -> None:
    config = region.site("hap-noord")
    panel = panel_of(config)
    taps(panel, 449)
    tap(panel, 7)
    with running_sync(config) as store:
        wait_for(lambda: acked(store) == 450, "all acked")
    assert [thing for thing in hub.heard if isinstance(thing, str)][:3] == ["online", "state", "events"]
    assert decode_status(SiteState, hub.states[0]).capacity[0].free == 7
    assert decode_status(SiteState, hub.states[0]).waiting_to_send == 450
    assert hub.sequences("panel") == list(range(1, 451)) and hub.repeated == 0


def test_an_outage_of_the_broker_loses_and_doubles_nothing(region: Region, hub: ActingHub) -> None:
    config = region.site("hap-noord")
    panel = panel_of(config)
    with running_sync(config) as store:
        tap(panel, 0)
        wait_for(lambda: acked(store) == 1, "the first tap acked")
        region.broker.kill()
        wait_for(lambda: (fact := link_of(store)) is not None and not fact.connected, "the panel told of the outage")
        taps(panel, 949)
        tap(panel, 7)
        region.restart_broker()
        wait_for(lambda: acked(store) == 951, "all acked", within_s=20)
        wait_for(lambda: link_of(store) == LinkFact(connected=True), "link good")
        wait_for(lambda: len(hub.sequences("sync")) == 2, "the outage itself reported")
        wait_for(lambda: decode_status(SiteState, hub.states[-1]).capacity[0].free == 7, "the present")
    assert sorted(hub.sequences("panel")) == list(range(1, 952))
    outage = [event.data for event in hub.events.values() if event.stream == "sync"]
    assert outage == [
        DeviceHealth(unit="sync", condition="link", ok=False, count=1),
        DeviceHealth(unit="sync", condition="link", ok=True, count=1),
    ]


def test_kill_9_in_the_middle_of_a_backlog_loses_and_doubles_nothing(region: Region, hub: ActingHub) -> None:
    file = region.site_file("hap-noord")
    config = region.site("hap-noord")
    panel = panel_of(config)
    taps(panel, 8_000)
    command = [sys.executable, "-m", "zorgkiosk", "run", "sync", "--config", str(file)]
    kills = 0
    while kills < 2:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        before = len(hub.events)
        wait_for(lambda before=before: len(hub.events) > before + 300, "some of the backlog", within_s=20)  # type: ignore[misc]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
    assert len(hub.sequences("panel")) < 8_000, "killed too late to prove anything"
    with running_sync(config) as store:
        wait_for(lambda: acked(store) == 8_000, "all acked", within_s=30)
    assert sorted(hub.sequences("panel")) == list(range(1, 8_001))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 0)])
def test_a_site_that_ends_is_said_to_be_offline(region: Region, hub: ActingHub, number: int, code: int) -> None:
    said: list[bytes] = []
    hub.member.client.message_callback_add(
        str(Topic(REGION, "hap-noord", "online")), lambda _c, _d, message: said.append(bytes(message.payload))
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "zorgkiosk", "run", "sync", "--config", str(region.site_file("hap-noord"))],
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: said, "online")
    os.kill(process.pid, number)
    assert process.wait(10) == code
    wait_for(lambda: len(said) == 2, "offline")
    assert [decode_status(Online, payload).online for payload in said] == [True, False]


def test_a_partner_s_state_reaches_the_line_s_eyes_and_a_stranger_s_does_not(region: Region, hub: ActingHub) -> None:
    config = region.site("hap-noord")
    zuid, west = region.member("hap-zuid"), region.member("hap-west")
    with running_sync(config) as store:
        wait_for(lambda: "state" in hub.heard, "connected")
        own_region = str(Topic(REGION, "hap-zuid", "state"))
        zuid.client.publish(own_region, b"not a state", qos=1)
        zuid.publish(own_region, state_of("hap-west", 10))
        west.publish(str(Topic(REGION, "hap-west", "state")), state_of("hap-west", 10))
        zuid.publish(own_region, state_of("hap-zuid", 500))
        wait_for(lambda: "partner/hap-zuid" in store.view().state(), "the partner's state kept")
        assert "partner/hap-west" not in store.view().state()
        wait_for(lambda: hub.sequences("sync"), "what could not be read is reported")
        zuid.publish(own_region, state_of("hap-zuid", 400, waiting=9))
        zuid.publish(own_region, state_of("hap-zuid", 600, waiting=1))
        wait_for(lambda: waiting_at(store, "hap-zuid") == 1, "the newer word kept")
    assert DeviceHealth(unit="sync", condition="unreadable-message", ok=False) in [e.data for e in hub.events.values()]
    zuid.close()
    west.close()


def waiting_at(store: Store, partner: str) -> int | None:
    state = read(SiteState, store.view().state().get(f"partner/{partner}"))
    return None if state is None or state.triage is None else state.triage.waiting


def test_the_hub_s_memory_of_a_partner_keeps_its_age(region: Region, hub: ActingHub) -> None:
    config = region.site("hap-noord")
    with running_sync(config) as store:
        wait_for(lambda: "state" in hub.heard, "connected")
        memory = PartnerStates(partners=(state_of("hap-zuid", 5),), heard_age_s={"hap-zuid": 40})
        hub.member.publish(str(Topic(REGION, "hap-noord", "partners")), memory)
        wait_for(lambda: "partner/hap-zuid" in store.view().state(), "the partner's state kept")
        assert 40 <= age_s(store.view().state()["partner/hap-zuid"], CLOCK) < 45


def test_the_hub_asks_and_the_site_answers_with_its_state(region: Region, hub: ActingHub) -> None:
    with running_sync(region.site("hap-noord")):
        wait_for(lambda: hub.states, "connected")
        count = len(hub.states)
        hub.member.publish(str(Topic(REGION, "hap-noord", "ask")), Ask(wanted=1))
        wait_for(lambda: len(hub.states) > count, "the answer", within_s=3)


def test_the_acl_keeps_sites_to_their_own_name_and_their_partners(region: Region) -> None:
    hub = region.member(HUB_NAME)
    noord, zuid = region.member("hap-noord"), region.member("hap-zuid")
    stranger = region.member("hap-unlisted")
    for topic, allowed in (
        (Topic(REGION, "hap-noord", "events"), True),
        (Topic(REGION, "hap-zuid", "events"), False),
        (Topic(REGION, "hap-noord", "ack"), False),
        (Topic("roaz-west", "hap-noord", "events"), False),
    ):
        noord.answers.clear()
        noord.publish(str(topic), Online(site="hap-noord", online=True))
        wait_for(lambda: noord.answers, f"PUBACK for {topic}")
        assert noord.answers[0].is_failure is not allowed, topic
    for member in (zuid, stranger):
        member.subscribe(f"zorgkiosk/v1/{REGION}/#")
    noord.publish(str(Topic(REGION, "hap-noord", "state")), state_of("hap-noord", 1))
    west = region.member("hap-west")
    west.publish(str(Topic(REGION, "hap-west", "state")), state_of("hap-west", 1))
    hub.publish(str(Topic(REGION, "hap-noord", "ack")), Ack(stream="panel", epoch="0" * 16, up_to=1))
    hub.publish(str(Topic(REGION, "hap-zuid", "ack")), Ack(stream="panel", epoch="0" * 16, up_to=1))
    wait_for(lambda: str(Topic(REGION, "hap-zuid", "ack")) in [topic for topic, _ in zuid.received], "own ack")
    assert {topic for topic, _ in zuid.received} == {
        str(Topic(REGION, "hap-noord", "state")),
        str(Topic(REGION, "hap-zuid", "ack")),
    }
    assert stranger.received == []
    for member in (hub, noord, zuid, west, stranger):
        member.close()


@pytest.mark.parametrize("mqtt", ["5", "3.1.1"])
def test_a_neighbour_that_takes_a_site_s_name_as_its_id_disturbs_nobody(
    region: Region, hub: ActingHub, mqtt: str
) -> None:
    config = region.site("hap-noord", hub={"mqtt": mqtt})
    panel = panel_of(config)
    said: list[bytes] = []
    hub.member.client.message_callback_add(
        str(Topic(REGION, "hap-noord", "online")), lambda _c, _d, message: said.append(bytes(message.payload))
    )
    with running_sync(config) as store:
        wait_for(lambda: said, "online")
        for identity in ("hap-noord", "hap-noord_0123456789abcdef", "hap-noord-trial"):
            region.member("hap-zuid", identity).close()
        last = tap(panel, 3)
        wait_for(lambda: acked(store) == last, "the tap after the neighbours")
        assert [decode_status(Online, payload).online for payload in said] == [True], "the site was never away"
        assert hub.sequences("sync") == [], "the link was never lost"


@pytest.mark.parametrize("case", ["foreign", "other-name", "not-there", "no-certificate"])
def test_a_link_that_cannot_be_is_explained_in_dutch(region: Region, tmp_path: Path, case: str) -> None:
    match case:
        case "foreign":
            config = region.site("hap-noord", authority=Authority.create(tmp_path / "other"))
            expected = "niet van deze regio"
        case "other-name":
            config = region.site("hap-noord", certificate_of="hap-west")
            expected = "De regio weigert onze meldingen"
        case "not-there":
            config = region.site("hap-noord")
            region.broker.stop()
            expected = "De regio neemt niet op"
        case _:
            config = region.site("hap-noord")
            config.hub.certificate_file.unlink()
            expected = "niet te lezen"
    with running_sync(config) as store:
        # The broker may close before its alert about a certificate is read; another attempt tells.
        wait_for(
            lambda: (fact := link_of(store)) is not None and not fact.connected and expected in str(fact.problem),
            f"the panel says: {expected}",
            within_s=40,
        )


def test_how_fast_a_tap_is_acknowledged_and_a_backlog_is_gone(
    region: Region, hub: ActingHub, capsys: pytest.CaptureFixture[str]
) -> None:
    config = region.site("hap-noord")
    panel = panel_of(config)
    stream = ("hap-noord", "panel", str(panel.view().epoch()))
    waits_ms = []
    with running_sync(config):
        wait_for(lambda: hub.states, "connected")
        for count in range(1, 221):
            tap(panel, count % 20)
            began_s = time.perf_counter()
            while hub.up_to.get(stream) != count:
                assert time.perf_counter() < began_s + 5, f"tap {count} was not acknowledged"
                time.sleep(0.001)
            waits_ms.append((time.perf_counter() - began_s) * 1000)
    taps(panel, 5_000)
    with running_sync(config) as store:
        wait_for(lambda: hub.states, "connected")
        began_s = time.perf_counter()
        wait_for(lambda: acked(store) == 5_220, "drained", within_s=30)
        drain_per_s = 5_000 / (time.perf_counter() - began_s)
    steps = statistics.quantiles(waits_ms, n=100)
    with capsys.disabled():
        sys.stdout.write(
            f"\ncommit to ack: p50 {steps[49]:.1f} ms, p99 {steps[98]:.1f} ms; drain {drain_per_s:.0f} events/s\n"
        )
    assert steps[49] < 100 and steps[98] < 500 and drain_per_s > 100


def test_a_commit_whose_word_does_not_come_through_goes_all_the_same(region: Region, hub: ActingHub) -> None:
    config = region.site("hap-noord")
    panel = panel_of(config)
    with running_sync(config) as store:
        wait_for(lambda: acked(store, "sync") >= 0 and bool(hub.states), "the connection")
        config.sync_db.with_name(FILE).unlink()
        last = tap(panel, 3)
        wait_for(lambda: acked(store) == last, "the tap, by sync's own look")


@pytest.mark.parametrize("mqtt", ["5", "3.1.1"])
def test_a_lost_ack_is_made_good_by_sending_again_and_nothing_is_doubled(
    region: Region, hub: ActingHub, mqtt: str
) -> None:
    """At QoS 0, as with 3.1.1, a broker may drop what a hub says, and nobody hears of it."""
    config = region.site("hap-noord", hub={"mqtt": mqtt})
    panel = panel_of(config)
    with running_sync(config) as store:
        wait_for(lambda: hub.states, "the connection")
        hub.lost.add("panel")
        last = tap(panel, 3)
        wait_for(lambda: not hub.lost, "the event to be taken")
        wait_for(lambda: acked(store) == last, "the ack of the second time", 20)
    assert hub.sequences("panel") == [last] and hub.repeated == 1
