"""The connection to the region's broker: MQTT 5, or 3.1.1 by config, over TLS. The only importer of paho at a site.

Everything runs in the caller's thread: `open` blocks for at most a few seconds, `poll` reads and writes. Each attempt
gets a client of its own, so nothing that an earlier connection still held can go out before the present state.
"""

from __future__ import annotations

import hashlib
import logging
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import paho.mqtt.client as mqtt
from paho.mqtt import MQTTException
from paho.mqtt.enums import CallbackAPIVersion, LogLevel
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from zorgkiosk.site.config import Hub
from zorgkiosk.site.sync import tls, trouble
from zorgkiosk.site.sync.trouble import Trouble
from zorgkiosk.site.wake import Wake

log = logging.getLogger(__name__)

KEEPALIVE_S = 10
"""A dead connection is found after two of these: one without a word, one without an answer to our ping."""
CONNECT_TIMEOUT_S = 5.0
_QOS = 1
_KEEPALIVE_TIMEOUT = 0x8D  # MQTT 5.0 §3.14.2.1; paho says it of itself too
_UNREADABLE = (MQTTException, LookupError, ValueError, TypeError, struct.error)
"""What paho raises over packets that break the rules; found by sending it anything."""
_ADMIT_WITHIN_S = 10.0
_CLOSE_WITHIN_S = 1.0


@dataclass(frozen=True)
class Opened:
    """The broker let us in."""


@dataclass(frozen=True)
class Closed:
    """There is no connection (any more)."""

    why: Trouble


@dataclass(frozen=True)
class Received:
    topic: str
    payload: bytes


@dataclass(frozen=True)
class Answered:
    """The broker took a message of ours, or refused it (an ACL). It says nothing about the hub.

    `code` is MQTT 5's reason code, 0 with 3.1.1: that one cannot say no.
    """

    topic: str
    code: int = 0


Happening = Opened | Closed | Received | Answered


class Uplink(Protocol):
    """A way to the broker. After `Closed`, or before the first `open`, only `open` and `poll` make sense."""

    def open(self) -> None:
        """Begin a connection; `poll` tells how it went."""

    def poll(self, timeout_s: float) -> list[Happening]:
        """What happened, in order; waits up to `timeout_s` for the first, or for a word that a store was written."""

    def subscribe(self, topics: list[str]) -> None: ...

    def publish(self, topic: str, payload: bytes) -> None: ...

    def close(self) -> None: ...


class MqttUplink:
    """The real way. `name` begins the client id; the will (topic, payload), if any, is said for us when we fall silent.

    `clock_floor` is None while the clock is right, else an instant (aware UTC) that has certainly passed.
    """

    def __init__(
        self,
        hub: Hub,
        name: str,
        will: tuple[str, bytes] | None,
        clock_floor: Callable[[], datetime | None],
        wake: Wake | None = None,
    ) -> None:
        self._hub = hub
        self._clock_floor = clock_floor
        self._wake = wake
        self._name = name
        self._will = will
        self._client: mqtt.Client | None = None
        self._happened: list[Happening] = []
        self._sent: dict[int, str] = {}
        self._admitted = False
        self._admit_until_s = 0.0
        self._trouble: Trouble | None = None

    def open(self) -> None:
        self._admitted, self._trouble = False, None
        self._sent.clear()
        try:
            guard = tls.Guard.of(self._hub, self._clock_floor())
            identity = client_id(self._name, self._hub.key_file)
        except (OSError, ValueError) as error:  # ssl.SSLError and a file that is no certificate
            self._happened.append(Closed(trouble.of_files(error)))
            return
        client = self._make_client(guard, identity)
        try:
            # Each attempt looks the name up again: the address may have changed.
            client.connect(self._hub.host, self._hub.port, keepalive=KEEPALIVE_S)
        except OSError as error:
            self._happened.append(Closed(trouble.of_error(error, self._hub.host, self._hub.port)))
            return
        self._client = client
        self._admit_until_s = time.monotonic() + _ADMIT_WITHIN_S

    def poll(self, timeout_s: float) -> list[Happening]:
        if self._client is None:
            if not self._happened:
                time.sleep(timeout_s)
        elif not self._turn(self._client, timeout_s):
            self._end(self._trouble or (trouble.LOST if self._admitted else trouble.CLOSED_EARLY))
        elif not self._admitted and time.monotonic() >= self._admit_until_s:
            self._end(trouble.NO_ANSWER)
        happened, self._happened = self._happened, []
        return happened

    def subscribe(self, topics: list[str]) -> None:
        if self._client is not None:
            if self._hub.mqtt == "5":
                self._client.subscribe([(topic, SubscribeOptions(qos=_QOS)) for topic in topics])
            else:
                # At QoS 1 RabbitMQ 3.10 makes a durable queue on one node, and while that is down no other lets us in.
                # What a hub says may be lost all the same: rows that nobody acknowledged go again.
                self._client.subscribe([(topic, 0) for topic in topics])

    def publish(self, topic: str, payload: bytes) -> None:
        if self._client is not None:
            info = self._client.publish(topic, payload, qos=_QOS)
            self._sent[info.mid] = topic

    def close(self) -> None:
        """Wait a moment until the broker has taken everything, then say goodbye: it drops the last will.

        To end with something unread would reset the connection, and the broker would say the last will as well.
        """
        client, self._client = self._client, None
        if client is None:
            return
        until_s = time.monotonic() + _CLOSE_WITHIN_S
        while (self._sent or client.want_write()) and time.monotonic() < until_s and self._turn(client, 0.05):
            pass
        client.disconnect()

    def _make_client(self, guard: tls.Guard, identity: str) -> mqtt.Client:
        newest = self._hub.mqtt == "5"
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=identity,
            clean_session=None if newest else True,  # MQTT 5 says it at each connect, and paho's default is clean
            protocol=mqtt.MQTTv5 if newest else mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.tls_set_context(guard.context)
        if self._will is not None:
            client.will_set(*self._will, qos=_QOS)
        client.on_socket_open = lambda _client, _data, sock: _opened(guard, sock)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_log = self._on_log
        return client

    def _on_connect(self, _client: mqtt.Client, _data: Any, _flags: Any, code: ReasonCode, _more: Any) -> None:
        if code.is_failure:
            self._trouble = trouble.of_connack(code.value)
            return
        self._admitted = True
        self._happened.append(Opened())

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, flags: Any, code: ReasonCode, _more: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self._trouble = trouble.of_disconnect(code.value)
        elif code.value == _KEEPALIVE_TIMEOUT:
            self._trouble = trouble.SILENT

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._happened.append(Received(message.topic, bytes(message.payload)))

    def _on_publish(self, _client: mqtt.Client, _data: Any, mid: int, code: ReasonCode, _more: Properties) -> None:
        topic = self._sent.pop(mid, None)
        if topic is not None:
            self._happened.append(Answered(topic, code.value))

    def _on_subscribe(
        self, _client: mqtt.Client, _data: Any, _mid: int, codes: list[ReasonCode], _more: Properties | None
    ) -> None:
        for code in codes:
            if code.is_failure:
                log.warning("sync: broker refuses a subscription: %s", code)

    def _on_log(self, _client: mqtt.Client, _data: Any, level: int, text: str) -> None:
        # paho tells why a socket failed in its log only; an alert of TLS is what a technician needs to know.
        if level == LogLevel.MQTT_LOG_ERR:
            self._trouble = self._trouble or trouble.of_alert(text)

    def _turn(self, client: mqtt.Client, timeout_s: float) -> bool:
        """Read and write what can be; whether there still is a connection."""
        try:
            self._wait(client, timeout_s)
            return client.loop(0) == mqtt.MQTT_ERR_SUCCESS and client.socket() is not None
        except _UNREADABLE as error:
            log.warning("sync: the broker sent what is no MQTT: %s", type(error).__name__)
            self._trouble = trouble.NO_MQTT
            return False

    def _wait(self, client: mqtt.Client, timeout_s: float) -> None:
        """As paho's loop waits, and for a word too."""
        connection: Any = client.socket()
        if connection is None or connection.fileno() < 0 or connection.pending():
            return
        heard = [connection] if self._wake is None else [connection, self._wake]
        select.select(heard, [connection] if client.want_write() else [], [], timeout_s)
        if self._wake is not None:
            self._wake.clear()

    def _end(self, why: Trouble) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
        self._happened.append(Closed(why))


def client_id(name: str, key_file: Path) -> str:
    """An id that nobody else can know, the same at each connection of one box. Raises OSError.

    A broker ends the connection of whoever has an id when another comes with it (MQTT 5.0 §3.1.4), and says the will;
    it does so for any certificate of the region. So a neighbour must not be able to guess ours. It stays the same so
    that the will of a connection that went silent is said before the next one opens, and so that the copy of a card is
    found out. The key is one box's alone; a digest tells nothing of it.
    """
    return f"{name}_{hashlib.blake2b(key_file.read_bytes(), digest_size=8, person=b'mqtt client id').hexdigest()}"


def _opened(guard: tls.Guard, sock: Any) -> None:
    # Nagle's algorithm held a tap back for 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    guard.check(sock)
