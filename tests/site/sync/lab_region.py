"""A region for the tests of sync: certificates, a real broker, site configs, and a hub that acks by the contract."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from shipped import ANNOUNCEMENTS
from zorgkiosk.contract import topics
from zorgkiosk.contract.events import Event, from_cloudevent, split_batch
from zorgkiosk.contract.names import Message
from zorgkiosk.contract.status import Ack, Ask, encode_status
from zorgkiosk.hub.broker import HUB_NAME, BrokerParameters
from zorgkiosk.lab.authority import Authority
from zorgkiosk.lab.broker import RunningBroker
from zorgkiosk.lab.ports import free_port
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.config import SiteConfig, load_site
from zorgkiosk.site.store import Store
from zorgkiosk.site.wake import Wake
from zorgkiosk.units.sync import STREAM, compose

REGION = "roaz-oost"
SITES = {"hap-noord": ("hap-zuid",), "hap-zuid": ("hap-noord",), "hap-west": ()}
CLOCK = SystemClock.of_this_boot()


@dataclass(frozen=True)
class SetClock(SystemClock):
    """This machine's clock, with what the kernel says of it in our hands."""

    right: bool = True
    off: timedelta = timedelta()

    def now(self) -> datetime:
        return super().now() + self.off

    def synced(self) -> bool:
        return self.right


def wait_for(condition: Callable[[], object], what: str, within_s: float = 10.0) -> None:
    """Return once `condition` is true; fail naming `what` when it does not become so."""
    until_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until_s, f"waited {within_s} s for: {what}"
        time.sleep(0.005)


@dataclass
class Region:
    """One broker with its CA, and the folders of its sites below `directory`."""

    directory: Path
    authority: Authority
    port: int
    broker: RunningBroker

    @classmethod
    def start(cls, directory: Path) -> Region:
        authority = Authority.create(directory / "ca")
        certificate, key = authority.issue("broker", addresses=("127.0.0.1",))
        port = free_port()
        parameters = BrokerParameters(
            region=REGION,
            directory=directory / "broker",
            address="127.0.0.1",
            port=port,
            ca_file=authority.ca_file,
            certificate_file=certificate,
            key_file=key,
            sites=SITES,
        )
        return cls(directory, authority, port, RunningBroker.start(parameters))

    def restart_broker(self) -> None:
        self.broker = RunningBroker.start(self.broker.parameters)

    def site_file(self, name: str, *, certificate_of: str | None = None, authority: Authority | None = None) -> Path:
        """site.toml of a HAP (with its partners), with the certificate of `certificate_of` from `authority`."""
        folder = self.directory / name
        folder.mkdir(exist_ok=True)
        certificate, key = (authority or self.authority).issue(certificate_of or name)
        (folder / "wachten.wav").touch()
        file = folder / "site.toml"
        file.write_text(
            f"""
            [site]
            name = "{name}"
            title = "HAP {name}"
            region = "{REGION}"
            data_dir = "data"
            run_dir = "run"
            [hub]
            host = "127.0.0.1"
            port = {self.port}
            ca_file = "{self.authority.ca_file}"
            certificate_file = "{certificate}"
            key_file = "{key}"
            reconnect_max_s = 1
            [[capacity]]
            code = "elv-laag"
            [front]
            address = "127.0.0.1"
            trunk_addresses = ["127.0.0.1"]
            [announcements]
            folder = "{ANNOUNCEMENTS}"
            [telephony]
            [[desk]]
            id = "desk-1"
            title = "Werkplek 1"
            phone = "desk-1"
            """
            + "".join(
                f'[[partner]]\nname = "{partner}"\ntitle = "HAP"\naddress = "127.0.0.2"\nagreed_on = "2026-01-01"\n'
                for partner in SITES.get(name, ())
            )
        )
        secrets = folder / "secrets.toml"
        secrets.write_text('phones = { "desk-1" = "geheim-genoeg" }\n')
        secrets.chmod(0o600)
        return file

    def site(self, name: str, *, hub: Mapping[str, Any] | None = None, **certificate: Any) -> SiteConfig:
        """The config of a site; `hub` has other values for its section `[hub]`."""
        config = load_site(self.site_file(name, **certificate))
        return config.model_copy(update={"hub": config.hub.model_copy(update=dict(hub or {}))})

    def member(self, name: str, identity: str | None = None) -> Member:
        """A client with the certificate of `name`, connected; `identity` is its client id."""
        return Member.connect(self, name, identity or f"{name}-test")


def _without_delay(_client: mqtt.Client, _data: Any, sock: Any) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@dataclass
class Member:
    """A bare MQTT client of the region: what it received, and how the broker answered what it published."""

    client: mqtt.Client
    received: list[tuple[str, bytes]] = field(default_factory=list)
    answers: list[ReasonCode] = field(default_factory=list)
    granted: list[ReasonCode] = field(default_factory=list)

    @classmethod
    def connect(cls, region: Region, name: str, identity: str) -> Member:
        certificate, key = region.authority.issue(name)
        context = ssl.create_default_context(cafile=str(region.authority.ca_file))
        context.load_cert_chain(certificate, key)
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=identity, protocol=mqtt.MQTTv5)
        client.tls_set_context(context)
        client.reconnect_delay_set(1, 1)
        member = cls(client)
        client.on_publish = lambda _c, _d, _mid, code, _p: member.answers.append(code)
        client.on_subscribe = lambda _c, _d, _mid, codes, _p: member.granted.extend(codes)
        client.on_message = lambda _c, _d, message: member.received.append((message.topic, bytes(message.payload)))
        client.on_socket_open = _without_delay
        client.connect("127.0.0.1", region.port)
        client.loop_start()
        wait_for(client.is_connected, f"{name} connected")
        return member

    def publish(self, topic: str, message: Message) -> None:
        self.client.publish(topic, encode_status(message), qos=1)

    def subscribe(self, topic: str) -> None:
        count = len(self.granted)
        self.client.subscribe(topic, qos=1)
        wait_for(lambda: len(self.granted) > count, f"subscription to {topic}")

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class ActingHub:
    """Holds rows and acks them cumulatively, as the contract says; `deaf` makes it take nothing.

    The next ack of a stream in `lost` does not come through.
    `heard` is the order in which things came in: a leaf, or a sequence for each event that was new.
    """

    def __init__(self, region: Region) -> None:
        self.deaf = False
        self.lost: set[str] = set()
        self.events: dict[tuple[str, str, str, int], Event] = {}
        self.up_to: dict[tuple[str, str, str], int] = {}
        self.heard: list[str | int] = []
        self.states: list[bytes] = []
        self.repeated = 0
        self.member = region.member(HUB_NAME)
        self.member.client.on_message = self._on_message
        self.member.client.on_connect = self._on_connect
        for leaf in topics.FROM_SITE:
            self.member.subscribe(topics.every_site(REGION, leaf))

    def sequences(self, stream: str) -> list[int]:
        """Sequences held of one stream, in the order they first came."""
        return [key[3] for key in self.events if key[1] == stream]

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        for leaf in topics.FROM_SITE:
            client.subscribe(topics.every_site(REGION, leaf), qos=1)
        for site in SITES:
            self.member.publish(str(topics.Topic(REGION, site, "ask")), Ask())

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        topic = topics.parse(message.topic)
        self.heard.append(topic.leaf)
        match topic.leaf:
            case "state":
                self.states.append(bytes(message.payload))
            case "events" if not self.deaf:
                self._take([from_cloudevent(item) for item in split_batch(bytes(message.payload))])

    def _take(self, events: list[Event]) -> None:
        for event in events:
            stream = (event.site, event.stream, event.epoch)
            if (*stream, event.sequence) in self.events:
                self.repeated += 1
            else:
                self.events[(*stream, event.sequence)] = event
                self.heard.append(event.sequence)
            if event.previous == 0 or event.previous <= self.up_to.get(stream, 0):
                self.up_to[stream] = max(self.up_to.get(stream, 0), event.sequence)
        for site, name, epoch in {(event.site, event.stream, event.epoch) for event in events}:
            if name in self.lost:
                self.lost.discard(name)
                continue
            ack = Ack(stream=name, epoch=epoch, up_to=self.up_to.get((site, name, epoch), 0))
            self.member.publish(str(topics.Topic(REGION, site, "ack")), ack)

    def close(self) -> None:
        self.member.close()


@contextmanager
def running_sync(config: SiteConfig, clock: SystemClock = CLOCK) -> Iterator[Store]:
    """Sync of one site in a thread of this process; gives its store. An error in it fails the test."""
    stopping = threading.Event()
    store = Store.open(config.sync_db, STREAM, clock)
    wake = Wake.beside(config.sync_db)
    session = compose(config, store, clock, wake)

    def loop() -> None:
        while not stopping.is_set():
            session.step()
        session.close()
        wake.close()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(loop)
        try:
            yield store
        finally:
            stopping.set()
            running.result(15)
            store.close()
