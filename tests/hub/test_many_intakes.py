"""Several real intakes beside each other on PostgreSQL and one Mosquitto; one alone on SQLite."""

import queue
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hub_region import Region, SiteOnLine, end_region, prepare_region, wait_for
from hub_said import bed, event, state

from zorgkiosk.contract.events import encode_batch
from zorgkiosk.contract.status import Ack, Online, PartnerStates, decode_status
from zorgkiosk.hub import schema

pytest_plugins = ["database_fixtures"]

pytestmark = [pytest.mark.integration]

BATCH = 20


@pytest.fixture
def region(tmp_path: Path, postgresql_database: str) -> Iterator[Region]:
    made = prepare_region(tmp_path, postgresql_database)
    yield made
    end_region(made)


class Backlog(threading.Thread):
    """What a site does: batches in order, at most 200 rows unacknowledged, again when no ack comes for a second."""

    def __init__(self, site: SiteOnLine, rows: int) -> None:
        super().__init__(daemon=True)
        self.site = site
        self.rows = rows
        self.acked = 0
        self.acks: list[int] = []

    def run(self) -> None:
        sent, heard_s = 0, time.monotonic()
        while self.acked < self.rows:
            while sent < min(self.rows, self.acked + 200):
                upto = min(self.rows, sent + BATCH)
                batch = encode_batch([event(number, site=self.site.name) for number in range(sent + 1, upto + 1)])
                self.site.client.publish(self.site.topic("events"), batch, qos=1)
                sent = upto
            try:
                leaf, payload = self.site.heard.get(timeout=0.2)
            except queue.Empty:
                if time.monotonic() - heard_s > 1:
                    sent, heard_s = self.acked, time.monotonic()
                continue
            if leaf == "ack":
                up_to = decode_status(Ack, payload).up_to
                self.acks.append(up_to)
                if up_to > self.acked:
                    self.acked, heard_s = up_to, time.monotonic()


def kept(region: Region, site: str) -> list[int]:
    engine = sa.create_engine(region.database)
    table = schema.event
    with engine.connect() as connection:
        found = list(connection.scalars(sa.select(table.c.sequence).where(table.c.site == site).order_by("sequence")))
    engine.dispose()
    return found


def counted(port: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))


@pytest.mark.parametrize("intakes", [2, 3])
def test_intakes_share_the_work_and_one_killed_loses_and_doubles_nothing(region: Region, intakes: int) -> None:
    processes = [region.start_intake() for _ in range(intakes)]
    ports = range(region.watch_port, region.watch_port + intakes)
    sites = [SiteOnLine(region, name) for name in ("hap-noord", "hap-zuid", "vvt-linde")]
    rows = 3_000
    backlogs = [Backlog(site, rows) for site in sites]
    for backlog in backlogs:
        backlog.start()
    wait_for(lambda: min(each.acked for each in backlogs) > rows / 4, "a quarter to be acknowledged", 60)
    shares = [counted(port, "zorgkiosk_hub_events_taken_total") for port in ports]
    assert min(shares) > 100, f"each intake takes its part: {shares}"
    assert max(each.acked for each in backlogs) < rows, "killed in the middle"
    random.choice(processes).kill()
    wait_for(lambda: all(each.acked == rows for each in backlogs), "all to be acknowledged", 60)
    for site in sites:
        assert kept(region, site.name) == list(range(1, rows + 1))
        report = region.report(site.name)
        assert report is not None and (report.missing, report.set_aside) == (0, 0)
    for site in sites:
        site.client.disconnect()
        site.client.loop_stop()


def test_states_and_presence_reach_what_needs_them_whichever_intake_hears_them(region: Region) -> None:
    region.start_intake()
    region.start_intake()
    noord, zuid = SiteOnLine(region, "hap-noord"), SiteOnLine(region, "hap-zuid")
    for uptime_ms in range(1, 41):
        zuid.say("state", state("hap-zuid", bed("grz", uptime_ms, 0), uptime_ms=uptime_ms))

    def newest() -> bool:
        report = region.report("hap-zuid")
        return report is not None and report.state is not None and report.state.uptime_ms == 40

    wait_for(newest, "the newest state, whoever committed last")
    noord.say("online", Online(site="hap-noord", online=True))
    assert decode_status(PartnerStates, noord.hears("partners")).partners == (
        state("hap-zuid", bed("grz", 40, 0), uptime_ms=40),
    )
    noord.hears("ask")
    for _ in range(10):
        zuid.say("online", Online(site="hap-zuid", online=True))
        zuid.say("online", Online(site="hap-zuid", online=False))
    wait_for(lambda: region.log("intake").count("hap-zuid is offline\n") == 20, "both intakes to hear all of it")
    wait_for(lambda: (seen := region.report("hap-zuid")) is not None and seen.online is False, "the last word")
    for site in (noord, zuid):
        site.client.disconnect()
        site.client.loop_stop()


def test_a_stream_is_whole_though_two_intakes_hold_a_part_each(region: Region) -> None:
    region.start_intake()
    region.start_intake()
    noord = SiteOnLine(region, "hap-noord")
    assert [noord.send(event(number)) for number in (4, 2, 3)] == [0, 0, 0]
    assert noord.send(event(1, 0)) == 4
    assert noord.heard.empty()
    noord.client.disconnect()
    noord.client.loop_stop()


def test_a_second_intake_on_sqlite_refuses_in_one_sentence(tmp_path: Path) -> None:
    region = prepare_region(tmp_path)
    try:
        first = region.start_intake()
        second = region.start("intake")
        assert second.wait(20) == 1
        last = region.log("intake").strip().splitlines()[-1]
        assert last.endswith("hub.db: another intake writes it; SQLite takes one: use PostgreSQL to run several")
        assert first.poll() is None
        first.kill()
        first.wait()
        region.start_intake()  # a killed intake leaves no lock behind
    finally:
        end_region(region)


def test_an_intake_tells_how_it_is(region: Region) -> None:
    region.start_intake()
    noord = SiteOnLine(region, "hap-noord")
    assert noord.send(event(1, 0), event(2)) == 2
    assert noord.send(event(2), event(3)) == 3
    wait_for(lambda: counted(region.watch_port, "zorgkiosk_hub_events_taken_total") == 3, "three events")
    assert counted(region.watch_port, "zorgkiosk_hub_events_known_total") == 1
    assert counted(region.watch_port, "zorgkiosk_hub_ack_seconds_count") == 2
    health = f"http://127.0.0.1:{region.watch_port}/healthz"
    for path in ("healthz", "metrics"):
        rebound = urllib.request.Request(
            f"http://127.0.0.1:{region.watch_port}/{path}", headers={"Host": "evil.example"}
        )
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(rebound, timeout=5)  # noqa: S310 - http, to ourselves
    assert urllib.request.urlopen(health, timeout=5).status == 200
    region.broker.kill()
    wait_for(lambda: counted(region.watch_port, "zorgkiosk_hub_broker_connected") == 0, "the broker to be missed")
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(health, timeout=5)
    noord.client.disconnect()
    noord.client.loop_stop()
