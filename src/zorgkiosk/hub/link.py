"""The hub's connection to the broker: MQTT 5 over TLS. The only importer of paho at the hub.

Source: MQTT 5.0 (OASIS). Clean start always: what a broker keeps is never counted on, so a message that finds the
queue full may be dropped here, and the site says it again because nobody acknowledged it.

Any number of intakes share the work: each `events` and `state` message goes to one of them (§4.8.2), whichever it is,
because the database puts a stream in order and knows the newer of two states. `online` goes to all: its messages are
nothing but their order, which only somebody who gets every one of them can keep.
"""

from __future__ import annotations

import logging
import queue
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from zorgkiosk.contract.topics import FROM_SITE, Leaf, every_site
from zorgkiosk.hub.config import Broker

log = logging.getLogger(__name__)

_KEEPALIVE_S = 20
_MAX_PACKET_BYTES = 1_048_576
_IN_FLIGHT = 200
_PUT_TIMEOUT_S = 0.5
_GROUP = "intake"
_BACKOFF_S = (1, 4)
"""Few hubs knock on a broker that returns, and every site waits for their acks: no reason to be patient."""


class LinkError(Exception):
    """The connection cannot be made or kept for a reason that waiting does not cure; one sentence says why."""


@dataclass(frozen=True)
class Arrived:
    """A message as it came: nothing of it is checked yet."""

    topic: str
    payload: bytes
    arrived_s: float = field(default_factory=time.monotonic, compare=False)
    """Monotonic."""


@dataclass(frozen=True)
class Connected:
    """The broker is there (again) and our subscriptions are made."""


Arrival = Arrived | Connected


def take(
    waiting: queue.Queue[Arrival], limit: int, timeout_s: float, filled_by: threading.Thread | None
) -> list[Arrival]:
    """Up to `limit` arrivals, waiting `timeout_s` for the first. Raises LinkError when nobody fills the queue."""
    try:
        arrivals = [waiting.get(timeout=timeout_s)]
    except queue.Empty:
        if filled_by is None or not filled_by.is_alive():
            raise LinkError("the network thread has ended") from None
        return []
    while len(arrivals) < limit:
        try:
            arrivals.append(waiting.get_nowait())
        except queue.Empty:
            break
    return arrivals


class Link:
    """Messages wait in a queue between paho's thread and the one that writes the database."""

    def __init__(
        self, client: mqtt.Client, broker: Broker, region: str, waiting: queue.Queue[Arrival], *, shares: bool
    ) -> None:
        self._client = client
        self._broker = broker
        self._region = region
        self._waiting = waiting
        self._shares = shares
        self._dropping = False
        self._thread: threading.Thread | None = None

    @classmethod
    def to(cls, broker: Broker, region: str, *, queue_messages: int = 256, shares: bool = True) -> Link:
        """A link that is not connected yet. Raises LinkError when the certificate files are unusable.

        One that only listens takes no share of the intakes' messages (`shares` false): what it took nobody would keep.
        """
        client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        try:
            client.tls_set(
                ca_certs=str(broker.ca_file),
                certfile=str(broker.certificate_file),
                keyfile=str(broker.key_file),
                tls_version=ssl.PROTOCOL_TLS_CLIENT,
            )
        except (OSError, ssl.SSLError) as error:
            raise LinkError(f"certificate files in {broker.ca_file.parent} are unusable: {error}") from error
        client.reconnect_delay_set(*_BACKOFF_S)
        client.connect_timeout = 5
        return cls(client, broker, region, queue.Queue(maxsize=queue_messages), shares=shares)

    def start(self) -> None:
        """Connect in the background, and again whenever the connection is lost, after 1 to 4 s."""
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_socket_open = _without_delay
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = _IN_FLIGHT
        properties.MaximumPacketSize = _MAX_PACKET_BYTES
        self._client.connect_async(
            self._broker.host, self._broker.port, _KEEPALIVE_S, clean_start=True, properties=properties
        )
        before = set(threading.enumerate())
        self._client.loop_start()
        self._thread = next((thread for thread in threading.enumerate() if thread not in before), None)

    def receive(self, *, limit: int, timeout_s: float) -> list[Arrival]:
        """Up to `limit` arrivals, waiting `timeout_s` for the first. Raises LinkError when the network thread died."""
        return take(self._waiting, limit, timeout_s, self._thread)

    def say(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1. While disconnected it is dropped: whoever connects is told the present anyway."""
        if self._client.is_connected():
            self._client.publish(topic, payload, qos=1)

    def settle(self, arrivals: Sequence[Arrival]) -> None:
        """Nothing to do: what is kept at the broker is never counted on."""

    @property
    def connected(self) -> bool:
        return self._client.is_connected()

    def stop(self, timeout_s: float = 1.0) -> None:
        self._client.disconnect()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("broker %s:%s refuses us: %s", self._broker.host, self._broker.port, reason)
            return
        log.info("broker %s:%s connected", self._broker.host, self._broker.port)
        client.subscribe(
            [(wanted(self._region, leaf, shares=self._shares), SubscribeOptions(qos=1)) for leaf in FROM_SITE]
        )
        self._put(Connected())

    def _on_subscribe(self, client: mqtt.Client, _data: Any, _mid: int, codes: list[ReasonCode], _props: Any) -> None:
        refused = [str(code) for code in codes if code.is_failure]
        if refused:
            log.error("broker %s refuses to let us read the sites: %s", self._broker.host, ", ".join(refused))
            client.disconnect()

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any) -> None:
        log.info("broker %s:%s disconnected: %s", self._broker.host, self._broker.port, reason)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._put(Arrived(message.topic, bytes(message.payload)))

    def _put(self, arrival: Arrival) -> None:
        try:
            self._waiting.put(arrival, timeout=_PUT_TIMEOUT_S)
        except queue.Full:
            if not self._dropping:
                log.warning("intake is behind: messages are left to be sent again")
            self._dropping = True
        else:
            self._dropping = False


def wanted(region: str, leaf: Leaf, *, shares: bool) -> str:
    """What an intake subscribes to, alone or among others, and who only listens."""
    everything = every_site(region, leaf)
    return everything if leaf == "online" or not shares else f"$share/{_GROUP}/{everything}"


def _without_delay(_client: mqtt.Client, _data: Any, connection: Any) -> None:
    # Without it, Nagle and delayed acks add 40 ms to each short answer.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
