"""The connection to the region's broker: MQTT 5 over TLS. The only importer of paho at a site.

Everything runs in the caller's thread: `open` blocks for at most a few seconds, `poll` reads and writes. Each attempt
gets a client of its own, so nothing that an earlier connection still held can go out before the present state.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any, Protocol

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, LogLevel
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from zorgkiosk.site.config import Hub
from zorgkiosk.site.sync import link

log = logging.getLogger(__name__)

KEEPALIVE_S = 15
CONNECT_TIMEOUT_S = 5.0
_QOS = 1
_TAKEN_OVER = 0x8E  # MQTT 5.0 §3.14.2.1
_ADMIT_WITHIN_S = 10.0
_CLOSE_WITHIN_S = 1.0


@dataclass(frozen=True)
class Opened:
    """The broker let us in."""


@dataclass(frozen=True)
class Closed:
    """There is no connection (any more); `problem` is a Dutch sentence."""

    problem: str


@dataclass(frozen=True)
class Received:
    topic: str
    payload: bytes


@dataclass(frozen=True)
class Answered:
    """The broker took a message of ours, or refused it (an ACL). It says nothing about the hub."""

    topic: str
    accepted: bool


Happening = Opened | Closed | Received | Answered


class Uplink(Protocol):
    """A way to the broker. After `Closed`, or before the first `open`, only `open` and `poll` make sense."""

    def open(self) -> None:
        """Begin a connection; `poll` tells how it went."""

    def poll(self, timeout_s: float) -> list[Happening]:
        """What happened, in order; waits up to `timeout_s` for the first."""

    def subscribe(self, topics: list[str]) -> None: ...

    def publish(self, topic: str, payload: bytes) -> None: ...

    def close(self) -> None: ...


class MqttUplink:
    """The real way. `name` is the site's, and its client id; `will` is said for us when we fall silent."""

    def __init__(self, hub: Hub, name: str, will_topic: str, will_payload: bytes) -> None:
        self._hub = hub
        self._name = name
        self._will = (will_topic, will_payload)
        self._client: mqtt.Client | None = None
        self._happened: list[Happening] = []
        self._sent: dict[int, str] = {}
        self._admitted = False
        self._admit_until_s = 0.0
        self._trouble = ""

    def open(self) -> None:
        self._admitted, self._trouble = False, ""
        self._sent.clear()
        try:
            context = self._tls()
        except OSError as error:  # ssl.SSLError too: a file that is no certificate
            self._happened.append(Closed(link.of_files(error)))
            return
        client = self._make_client(context)
        try:
            client.connect(self._hub.host, self._hub.port, keepalive=KEEPALIVE_S, clean_start=True)
        except OSError as error:
            self._happened.append(Closed(link.of_error(error, self._hub.host, self._hub.port)))
            return
        self._client = client
        self._admit_until_s = time.monotonic() + _ADMIT_WITHIN_S

    def poll(self, timeout_s: float) -> list[Happening]:
        if self._client is None:
            if not self._happened:
                time.sleep(timeout_s)
        elif self._client.loop(timeout_s) != mqtt.MQTT_ERR_SUCCESS or self._client.socket() is None:
            self._end(self._trouble or (link.LOST if self._admitted else link.CLOSED_EARLY))
        elif not self._admitted and time.monotonic() >= self._admit_until_s:
            self._end(link.NO_ANSWER)
        happened, self._happened = self._happened, []
        return happened

    def subscribe(self, topics: list[str]) -> None:
        if self._client is not None:
            self._client.subscribe([(topic, SubscribeOptions(qos=_QOS)) for topic in topics])

    def publish(self, topic: str, payload: bytes) -> None:
        if self._client is not None:
            info = self._client.publish(topic, payload, qos=_QOS)
            self._sent[info.mid] = topic

    def close(self) -> None:
        """Send what still waits in this process, then say goodbye: the broker drops the last will."""
        client, self._client = self._client, None
        if client is None:
            return
        until_s = time.monotonic() + _CLOSE_WITHIN_S
        while client.want_write() and time.monotonic() < until_s and client.loop(0.05) == mqtt.MQTT_ERR_SUCCESS:
            pass
        client.disconnect()

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self._hub.ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(str(self._hub.certificate_file), str(self._hub.key_file))
        return context

    def _make_client(self, context: ssl.SSLContext) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=self._name, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.tls_set_context(context)
        client.will_set(*self._will, qos=_QOS)
        client.on_socket_open = _without_delay
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_log = self._on_log
        return client

    def _on_connect(self, _client: mqtt.Client, _data: Any, _flags: Any, code: ReasonCode, _more: Any) -> None:
        if code.is_failure:
            self._trouble = link.of_connack(code.value)
            return
        self._admitted = True
        self._happened.append(Opened())

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, flags: Any, code: ReasonCode, _more: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self._trouble = link.TAKEN_OVER if code.value == _TAKEN_OVER else link.CLOSED

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._happened.append(Received(message.topic, bytes(message.payload)))

    def _on_publish(self, _client: mqtt.Client, _data: Any, mid: int, code: ReasonCode, _more: Properties) -> None:
        topic = self._sent.pop(mid, None)
        if topic is not None:
            self._happened.append(Answered(topic, accepted=not code.is_failure))

    def _on_subscribe(
        self, _client: mqtt.Client, _data: Any, _mid: int, codes: list[ReasonCode], _more: Properties | None
    ) -> None:
        for code in codes:
            if code.is_failure:
                log.warning("sync: broker refuses a subscription: %s", code)

    def _on_log(self, _client: mqtt.Client, _data: Any, level: int, text: str) -> None:
        # paho tells why a socket failed in its log only; an alert of TLS is what a technician needs to know.
        if level == LogLevel.MQTT_LOG_ERR:
            self._trouble = self._trouble or link.refused_certificate(text) or ""

    def _end(self, problem: str) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
        self._happened.append(Closed(problem))


def _without_delay(_client: mqtt.Client, _data: Any, sock: Any) -> None:
    # Nagle's algorithm held a tap back for 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
