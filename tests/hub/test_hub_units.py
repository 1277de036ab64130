"""The hub's units as processes of their own: a real Mosquitto with TLS and ACL, a real browser."""

import os
import signal
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hub_region import Region, SiteOnLine, end_region, prepare_region, wait_for
from hub_said import REGION, bed, event, state
from playwright.sync_api import expect, sync_playwright

from zorgkiosk.contract.events import encode_batch
from zorgkiosk.contract.status import Ask, Online, PartnerStates, decode_status, encode_status
from zorgkiosk.hub.broker import HUB_NAME
from zorgkiosk.lab.broker import RunningBroker

pytestmark = pytest.mark.integration


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    made = prepare_region(tmp_path)
    yield made
    end_region(made)


@pytest.fixture
def noord(region: Region) -> Iterator[SiteOnLine]:
    region.start_intake()
    site = SiteOnLine(region, "hap-noord")
    yield site
    site.client.disconnect()
    site.client.loop_stop()


def test_an_event_is_acknowledged_once_it_is_in_the_database(region: Region, noord: SiteOnLine) -> None:
    assert noord.send(event(1, 0)) == 1
    assert region.kept() == [1]
    took_s = []
    for sequence in range(2, 32):
        since_s = time.monotonic()
        assert noord.send(event(sequence)) == sequence
        took_s.append(time.monotonic() - since_s)
    # Nagle with delayed acks would make most of them take 40 ms or more.
    assert statistics.median(took_s) < 0.035


def test_a_site_that_connects_is_asked_and_told_of_its_partners(region: Region, noord: SiteOnLine) -> None:
    zuid = SiteOnLine(region, "hap-zuid")
    zuid.say("state", state("hap-zuid", bed("grz", 3, 10)))
    wait_for(lambda: (seen := region.report("hap-zuid")) is not None and seen.state is not None, "state of zuid")
    noord.say("online", Online(site="hap-noord", online=True))
    told = decode_status(PartnerStates, noord.hears("partners"))
    assert told.partners == (state("hap-zuid", bed("grz", 3, 10)),) and 0 <= told.heard_age_s["hap-zuid"] < 10
    assert decode_status(Ask, noord.hears("ask")).wanted > 0
    zuid.vanish()
    wait_for(lambda: (seen := region.report("hap-zuid")) is not None and seen.online is False, "last will of zuid")
    zuid.client.disconnect()
    zuid.client.loop_stop()


def test_a_site_cannot_speak_for_another(region: Region, noord: SiteOnLine) -> None:
    noord.client.publish(f"zorgkiosk/v1/{REGION}/hap-zuid/state", encode_status(state("hap-zuid")), qos=1)
    noord.say("state", state("hap-zuid"))
    assert noord.send(event(1, 0)) == 1
    zuid, own = region.report("hap-zuid"), region.report("hap-noord")
    assert zuid is not None and zuid.state is None and own is not None and own.set_aside == 1


def test_a_killed_intake_loses_nothing_that_it_acknowledged(region: Region, noord: SiteOnLine) -> None:
    assert noord.send(event(1, 0), event(2)) == 2
    region.started[0].kill()
    region.started[0].wait()
    noord.say("events", encode_batch([event(3)]))
    region.start_intake()
    noord.hears("ask")
    assert noord.send(event(4)) == 2, "nobody took 3"
    assert noord.send(event(3), event(4)) == 4
    assert region.kept() == [1, 2, 3, 4]


def test_a_new_broker_is_found_again_and_every_site_asked(region: Region, noord: SiteOnLine) -> None:
    assert noord.send(event(1, 0)) == 1
    region.broker.kill()
    wait_for(lambda: "disconnected" in region.log("intake"), "intake to notice")
    region.broker = RunningBroker.start(region.broker.parameters)
    wait_for(noord.client.is_connected, "site to connect", 40)
    wait_for(lambda: region.log("intake").count("connected\n") == 2, "intake to connect", 40)
    assert noord.send_until_acknowledged(event(2)) == 2


def test_a_database_error_ends_the_intake_unacknowledged(region: Region, noord: SiteOnLine) -> None:
    assert noord.send(event(1, 0)) == 1
    engine = sa.create_engine(region.database)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE event RENAME TO gone")
    noord.say("events", encode_batch([event(2)]))
    assert region.started[0].wait(10) == 1
    assert noord.heard.empty()
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO event")
    engine.dispose()
    region.start_intake()
    assert noord.send(event(2)) == 2


def test_the_intake_stops_within_two_seconds(region: Region, noord: SiteOnLine) -> None:
    assert noord.send(event(1, 0)) == 1
    assert _stops_within_s(region.started[0]) < 2


def test_the_intake_stops_within_two_seconds_while_it_looks_for_a_broker(region: Region) -> None:
    region.broker.kill()
    intake = region.start("intake")
    wait_for(lambda: _handles_term(intake.pid) and region.report("hap-noord") is not None, "intake to be running")
    assert _stops_within_s(intake) < 2


def _stops_within_s(process: "subprocess.Popen[bytes]") -> float:
    since_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    return time.monotonic() - since_s


def _handles_term(pid: int) -> bool:
    """Whether the process has a handler for SIGTERM (proc(5): SigCgt)."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def test_an_intake_without_its_certificate_says_so(region: Region) -> None:
    (region.directory / "pki" / f"{HUB_NAME}.key").unlink()
    assert region.start("intake").wait(10) == 1
    assert "LinkError: certificate files in" in region.log("intake")


def test_the_screen_follows_the_region_and_hides_what_it_no_longer_knows(region: Region, noord: SiteOnLine) -> None:
    linde = SiteOnLine(region, "vvt-linde")
    linde.say("state", state("vvt-linde", bed("grz", 2, 10, total=8), uptime_ms=1))
    wait_for(lambda: (seen := region.report("vvt-linde")) is not None and seen.state is not None, "state of linde")
    board = region.start("board")
    address = f"http://127.0.0.1:{region.board_port}"
    wait_for(lambda: _answers(f"{address}/healthz"), "board")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(address)
        cell = page.locator("tbody tr", has_text="De Linde").locator("td").first
        expect(cell).to_contain_text("2 van 8")
        linde.say("state", state("vvt-linde", bed("grz", 5, 0, total=8), uptime_ms=2))
        expect(cell).to_contain_text("5 van 8")
        assert complaints == [], "the page keeps to its own content security policy"
        linde.vanish()
        expect(cell).to_have_text("onbekend", use_inner_text=True)
        expect(page.get_by_text("geen verbinding sinds")).to_be_visible()
        assert _stops_within_s(board) < 2
        expect(page.get_by_role("alert")).to_contain_text("De getallen zijn verborgen", timeout=20_000)
        expect(page.locator("table")).to_be_hidden()
        region.start("board")
        expect(page.get_by_role("alert")).to_be_hidden(timeout=20_000)
        expect(page.locator("table")).to_be_visible()
        browser.close()
    linde.client.disconnect()
    linde.client.loop_stop()


def test_the_board_tells_prometheus_what_the_region_is_like(region: Region, noord: SiteOnLine) -> None:
    linde = SiteOnLine(region, "vvt-linde")
    for site in (noord, linde):
        site.say("online", Online(site=site.name, online=True))
        site.say("state", state(site.name))
    assert noord.send(event(1, 0)) == 1 and noord.send(event(5, 0)) == 5
    noord.say("events", b"[{}]")
    board = region.start("board")
    wait_for(lambda: _answers(f"http://127.0.0.1:{region.board_port}/healthz"), "board")
    wait_for(
        lambda: _told(region)
        == {
            "database_readable": 1, "sites": 3, "sites_connected": 2, "sites_silent": 1, "events_missing": 3,
            "set_aside_kept": 1,
        },
        "all of it",
    )  # fmt: skip
    linde.vanish()
    wait_for(lambda: _told(region)["sites_connected"] == 1, "the last will of linde")
    assert region.started[0].poll() is None and _stops_within_s(board) < 2
    linde.client.disconnect()
    linde.client.loop_stop()


def test_a_board_without_its_database_says_that_and_nothing_else(region: Region) -> None:
    region.start("board")
    wait_for(lambda: _told(region) == {"database_readable": 0}, "the board")
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(f"http://127.0.0.1:{region.board_port}/healthz", timeout=5)


def _told(region: Region) -> dict[str, float]:
    """The board's metrics by their names, without what they have in common; empty while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{region.board_port}/metrics", timeout=5) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            lines = answer.read().decode().splitlines()
    except (urllib.error.URLError, ConnectionError):
        return {}
    pairs = (line.split() for line in lines if not line.startswith("#"))
    return {name.removeprefix("zorgkiosk_hub_"): float(value) for name, value in pairs}


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError):
        return False
