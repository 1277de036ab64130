"""A region for the hub's tests: a real Mosquitto with TLS and ACL, the hub's units as processes, sites on the line."""

import queue
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import sqlalchemy as sa
from hub_said import EPOCH, REGION, SITES
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from zorgkiosk.contract.events import Event, encode_batch
from zorgkiosk.contract.names import Message
from zorgkiosk.contract.status import Ack, Online, decode_status, encode_status
from zorgkiosk.hub import schema
from zorgkiosk.hub.broker import HUB_NAME, BrokerParameters
from zorgkiosk.hub.config import load_hub
from zorgkiosk.hub.outlook import Outlook, OutlookError, SiteReport
from zorgkiosk.lab.authority import Authority
from zorgkiosk.lab.broker import RunningBroker
from zorgkiosk.lab.ports import free_port


def wait_for(condition: Callable[[], bool], what: str, within_s: float = 15.0) -> None:
    until_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until_s, f"waited {within_s} s for: {what}"
        time.sleep(0.01)


@dataclass
class Region:
    """A broker, hub.toml, and the units started so far."""

    directory: Path
    authority: Authority
    broker: RunningBroker
    board_port: int
    watch_port: int = field(default_factory=lambda: free_port())
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def config_file(self) -> Path:
        return self.directory / "hub.toml"

    @property
    def database(self) -> str:
        return load_hub(self.config_file).hub.database

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
        wait_for(lambda: self.log("intake").count("connected\n") > before, "intake to connect", 40)
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


def prepare_region(directory: Path, database: str = "sqlite:///hub.db") -> Region:
    """A running broker and a hub.toml for it; no unit yet."""
    authority = Authority.create(directory / "pki")
    certificate, key = authority.issue("broker", addresses=("127.0.0.1",))
    hub_certificate, hub_key = authority.issue(HUB_NAME)
    partners = {site.name: site.partners for site in SITES}
    parameters = BrokerParameters(
        REGION, directory / "broker", "127.0.0.1", free_port(), authority.ca_file, certificate, key, partners
    )
    made = Region(directory, authority, RunningBroker.start(parameters), free_port())
    sites = "".join(
        f'[[site]]\nname = "{site.name}"\ntitle = "{site.title}"\nkind = "{site.kind}"\npartners = {[*site.partners]}\n'
        for site in SITES
    )
    made.config_file.write_text(
        f'[hub]\nregion = "{REGION}"\ndatabase = "{database}"\n'
        f'[broker]\nhost = "127.0.0.1"\nport = {parameters.port}\nca_file = "{authority.ca_file}"\n'
        f'certificate_file = "{hub_certificate}"\nkey_file = "{hub_key}"\n'
        f"[board]\nport = {made.board_port}\n[intake]\nport = {made.watch_port}\n{sites}"
    )
    return made


def end_region(region: Region) -> None:
    for process in region.started:
        process.kill()
        process.wait()
    region.broker.stop()


class SiteOnLine:
    """A site as the hub sees it: its certificate, its last will, what it hears."""

    def __init__(self, region: Region, name: str) -> None:
        self.name = name
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        certificate, key = region.authority.issue(name)
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.tls_set(str(region.authority.ca_file), str(certificate), str(key))
        self.client.will_set(self.topic("online"), encode_status(Online(site=name, online=False)), qos=1)
        self.client.on_message = lambda _client, _data, message: self.heard.put(
            (message.topic.rsplit("/", 1)[1], bytes(message.payload))
        )
        self._ready: queue.Queue[None] = queue.Queue()
        self.client.on_connect = lambda client, *_: client.subscribe(
            [(self.topic(leaf), SubscribeOptions(qos=1)) for leaf in ("ack", "ask", "partners")]
        )
        self.client.on_subscribe = lambda *_: self._ready.put(None)
        self.client.on_socket_open = _without_delay
        parameters = region.broker.parameters
        self.client.connect(parameters.address, parameters.port)
        self.client.loop_start()
        self._ready.get(timeout=10)

    def say(self, leaf: str, payload: bytes | Message) -> None:
        body = encode_status(payload) if isinstance(payload, Message) else payload
        self.client.publish(self.topic(leaf), body, qos=1).wait_for_publish(10)

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
                # An ack that the old broker had not confirmed is said again by the new one's client.
                while (up_to := decode_status(Ack, self.hears("ack", 1)).up_to) < events[-1].sequence:
                    continue
            except queue.Empty:
                continue
            return up_to
        raise AssertionError("no ack after twenty times")

    def vanish(self) -> None:
        """Without a word: the broker says the last will."""
        connection: Any = self.client.socket()
        self.client.on_connect = None
        self.client.reconnect_delay_set(60, 60)
        connection.shutdown(socket.SHUT_RDWR)

    def topic(self, leaf: str) -> str:
        return f"zorgkiosk/v1/{REGION}/{self.name}/{leaf}"


def _without_delay(_client: mqtt.Client, _data: Any, connection: Any) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
