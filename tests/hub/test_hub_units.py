"""The hub's units as processes of their own: a real Mosquitto with TLS and ACL, a real browser."""

import os
import queue
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import sqlalchemy as sa
from hub_said import EPOCH, REGION, SITES, bed, event, state
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions
from playwright.sync_api import expect, sync_playwright

from zorgkiosk.contract.events import Event, encode_batch
from zorgkiosk.contract.names import Message
from zorgkiosk.contract.status import Ack, Ask, Online, PartnerStates, decode_status, encode_status
from zorgkiosk.hub import schema
from zorgkiosk.hub.broker import HUB_NAME, BrokerParameters
from zorgkiosk.hub.outlook import Outlook, OutlookError, SiteReport
from zorgkiosk.lab.authority import Authority
from zorgkiosk.lab.broker import RunningBroker

pytestmark = pytest.mark.integration


def wait_for(condition: Callable[[], bool], what: str, within_s: float = 15.0) -> None:
    until_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until_s, f"waited {within_s} s for: {what}"
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Region:
    """A broker, hub.toml, and the units started so far."""

    directory: Path
    authority: Authority
    broker: RunningBroker
    board_port: int
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def config_file(self) -> Path:
        return self.directory / "hub.toml"

    @property
    def database(self) -> str:
        return f"sqlite:///{self.directory / 'hub.db'}"

    def start(self, unit: str) -> subprocess.Popen[bytes]:
        code = f"import sys, logging, pathlib; from zorgkiosk.units.{unit} import run; " + (
            "logging.basicConfig(level=logging.INFO); run(pathlib.Path(sys.argv[1]))"
        )
        with (self.directory / f"{unit}.log").open("ab") as log:
            process = subprocess.Popen([sys.executable, "-c", code, str(self.config_file)], stderr=log)
        self.started.append(process)
        return process

    def log(self, unit: str) -> str:
        return (self.directory / f"{unit}.log").read_text()

    def start_intake(self) -> subprocess.Popen[bytes]:
        before = self.log("intake").count("connected\n") if (self.directory / "intake.log").exists() else 0
        process = self.start("intake")
        wait_for(lambda: self.log("intake").count("connected\n") > before, "intake to connect")
        return process

    def report(self, site: str) -> SiteReport | None:
        outlook = Outlook.on(self.database, SITES)
        try:
            return next(report for report in outlook.reports() if report.site.name == site)
        except OutlookError:
            return None
        finally:
            outlook.close()

    def kept(self) -> list[int]:
        engine = sa.create_engine(self.database)
        with engine.connect() as connection:
            found = list(connection.scalars(sa.select(schema.event.c.sequence).order_by(schema.event.c.sequence)))
        engine.dispose()
        return found


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    authority = Authority.create(tmp_path / "pki")
    certificate, key = authority.issue("broker", addresses=("127.0.0.1",))
    hub_certificate, hub_key = authority.issue(HUB_NAME)
    partners = {site.name: site.partners for site in SITES}
    parameters = BrokerParameters(
        REGION, tmp_path / "broker", "127.0.0.1", free_port(), authority.ca_file, certificate, key, partners
    )
    made = Region(tmp_path, authority, RunningBroker.start(parameters), free_port())
    sites = "".join(
        f'[[site]]\nname = "{site.name}"\ntitle = "{site.title}"\nkind = "{site.kind}"\npartners = {[*site.partners]}\n'
        for site in SITES
    )
    made.config_file.write_text(
        f'[hub]\nregion = "{REGION}"\ndatabase = "sqlite:///hub.db"\n'
        f'[broker]\nhost = "127.0.0.1"\nport = {parameters.port}\nca_file = "{authority.ca_file}"\n'
        f'certificate_file = "{hub_certificate}"\nkey_file = "{hub_key}"\n'
        f"[board]\nport = {made.board_port}\n{sites}"
    )
    yield made
    for process in made.started:
        process.kill()
        process.wait()
    made.broker.stop()


class SiteOnLine:
    """A site as the hub sees it: its certificate, its last will, what it hears."""

    def __init__(self, region: Region, name: str) -> None:
        self.name = name
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        certificate, key = region.authority.issue(name)
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.tls_set(str(region.authority.ca_file), str(certificate), str(key))
        self.client.will_set(self._topic("online"), encode_status(Online(site=name, online=False)), qos=1)
        self.client.on_message = lambda _client, _data, message: self.heard.put(
            (message.topic.rsplit("/", 1)[1], bytes(message.payload))
        )
        self._ready: queue.Queue[None] = queue.Queue()
        self.client.on_connect = lambda client, *_: client.subscribe(
            [(self._topic(leaf), SubscribeOptions(qos=1)) for leaf in ("ack", "ask", "partners")]
        )
        self.client.on_subscribe = lambda *_: self._ready.put(None)
        self.client.on_socket_open = _without_delay
        parameters = region.broker.parameters
        self.client.connect(parameters.address, parameters.port)
        self.client.loop_start()
        self._ready.get(timeout=10)

    def say(self, leaf: str, payload: bytes | Message) -> None:
        body = encode_status(payload) if isinstance(payload, Message) else payload
        self.client.publish(self._topic(leaf), body, qos=1).wait_for_publish(10)

    def hears(self, leaf: str, timeout_s: float = 15) -> bytes:
        """The next message of this leaf; others before it are passed over."""
        while True:
            heard, payload = self.heard.get(timeout=timeout_s)
            if heard == leaf:
                return payload

    def send(self, *events: Event) -> int:
        """How far the hub says it holds the stream after these."""
        self.say("events", encode_batch(events))
        ack = decode_status(Ack, self.hears("ack"))
        assert (ack.stream, ack.epoch) == ("telephony", EPOCH)
        return ack.up_to

    def send_until_acknowledged(self, *events: Event) -> int:
        """What a real site does while either end may not have subscribed again: say it again each second."""
        for _ in range(20):
            self.say("events", encode_batch(events))
            try:
                return decode_status(Ack, self.hears("ack", 1)).up_to
            except queue.Empty:
                continue
        raise AssertionError("no ack after twenty times")

    def vanish(self) -> None:
        """Without a word: the broker says the last will."""
        connection: Any = self.client.socket()
        self.client.on_connect = None
        self.client.reconnect_delay_set(60, 60)
        connection.shutdown(socket.SHUT_RDWR)

    def _topic(self, leaf: str) -> str:
        return f"zorgkiosk/v1/{REGION}/{self.name}/{leaf}"


def _without_delay(_client: mqtt.Client, _data: Any, connection: Any) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


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


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError):
        return False
