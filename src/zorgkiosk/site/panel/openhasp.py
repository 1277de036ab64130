"""The connection of plates and Home Assistant: MQTT 5 to the site's own broker. The only importer of paho in the panel.

Everything happens in the thread that calls `run`. A client of its own for each connection: nothing that an earlier
one still held can reach a plate late. An error that is not the network's is raised, and ends the process.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.config_plates import PANEL_USER, LocalBroker
from zorgkiosk.site.faults import PLATES_BROKER_AWAY, coded
from zorgkiosk.site.panel import home_assistant
from zorgkiosk.site.panel import openhasp_protocol as protocol
from zorgkiosk.site.panel.actions import RefusedError, Taps
from zorgkiosk.site.panel.actor import Actor
from zorgkiosk.site.panel.keys import Key, press
from zorgkiosk.site.panel.known import Known, Look
from zorgkiosk.site.panel.openhasp_plate import Plate
from zorgkiosk.site.panel.screen import home
from zorgkiosk.site.store import StoreError

KEEPALIVE_S = 15
CONNECT_TIMEOUT_S = 5.0
ROUND_S = 0.1
RETRY_S = (1.0, 2.0, 5.0, 10.0)
ADMIT_WITHIN_S = 10.0
REFUSALS_EVERY_S = 60.0

log = logging.getLogger(__name__)


@dataclass
class Refusals:
    """Counts nonsense and logs it at most once a minute, so that a broken plate does not fill the log."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    logged_s: float = float("-inf")

    def note(self, refused: protocol.Refused) -> None:
        self.counts[refused.plate, refused.why] += 1

    def log(self, now_s: float) -> None:
        if self.counts and now_s - self.logged_s >= REFUSALS_EVERY_S:
            for (plate, why), count in self.counts.items():
                log.warning("plate %s: %d messages refused: %s", plate or "unknown", count, why)
            self.counts.clear()
            self.logged_s = now_s


class Plates:
    """All plates of a site, and what Home Assistant reads. `look` is called once, in the thread that runs."""

    def __init__(self, config: SiteConfig, broker: LocalBroker, taps: Taps, look: Callable[[], Look]) -> None:
        self._config = config
        self._broker = broker
        self._taps = taps
        self._look = look
        self._plates = {each.name: Plate(each.name, each.size, home(config)) for each in config.plate}
        self._refusals = Refusals()
        self._happened: list[tuple[protocol.Heard, float]] = []
        self._admitted = False
        self._trouble = ""
        self._told_trouble: str | None = None
        self._said: dict[str, bytes] = {}
        self._said_s = float("-inf")

    @classmethod
    def of(cls, config: SiteConfig, taps: Taps, look: Callable[[], Look]) -> Plates | None:
        """None for a site without plates and without Home Assistant."""
        if config.local_broker is None or not (config.plate or config.home_assistant.discovery):
            return None
        return cls(config, config.local_broker, taps, look)

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop`. Whatever the network does, it is tried again."""
        look = self._look()
        attempt = 0
        try:
            while not stop.is_set():
                attempt = 0 if self._serve(look, stop) else attempt + 1
                stop.wait(RETRY_S[min(attempt, len(RETRY_S) - 1)])
        finally:
            look.close()

    def _serve(self, look: Look, stop: threading.Event) -> bool:
        """One connection from begin to end; returns whether the broker let us in."""
        self._admitted, self._trouble = False, ""
        self._happened.clear()
        try:
            client = self._make_client()
            client.connect(self._broker.host, self._broker.port, keepalive=KEEPALIVE_S, clean_start=True)
        except OSError as error:  # a file that is no certificate, too
            self._tell_trouble(f"cannot be reached: {error.strerror or error}")
            return False
        begun_s = time.monotonic()
        while not stop.is_set() and client.loop(ROUND_S) == mqtt.MQTT_ERR_SUCCESS and client.socket() is not None:
            now_s = time.monotonic()
            if self._admitted:
                self._round(client, look, now_s)
            elif now_s - begun_s >= ADMIT_WITHIN_S:
                self._trouble = "does not answer"
                break
        self._leave(client, stopped=stop.is_set())
        return self._admitted

    def _round(self, client: mqtt.Client, look: Look, now_s: float) -> None:
        happened, self._happened = self._happened, []
        for heard, heard_s in happened:
            self._take(heard, look, heard_s)
        self._refusals.log(now_s)
        known = look.known(self._taps.problem)
        for plate in self._plates.values():
            for message in plate.draw(known, now_s):
                client.publish(message.topic, message.payload)
        if self._config.home_assistant.discovery:
            self._say(client, home_assistant.values(known), now_s)

    def _take(self, heard: protocol.Heard, look: Look, now_s: float) -> None:
        if isinstance(heard, protocol.Refused):
            self._refusals.note(heard)
            return
        plate = self._plates[heard.plate]
        was = plate.online
        key = plate.hear(heard, now_s)
        if plate.online != was:
            log.info("plate %s: %s", plate.name, "online" if plate.online else "offline")
        if key is not None:
            self._press(plate, key, look.known(self._taps.problem), now_s)

    def _press(self, plate: Plate, key: Key, known: Known, now_s: float) -> None:
        if plate.shown is None or (key.verb == "next" and plate.go_round(known)):
            return
        try:
            taps = self._taps.by(Actor(f"{plate.name} (wandpaneel)"))
            plate.go(key, press(taps, self._config, plate.shown.screen, key))
        except RefusedError as refused:
            plate.tell(str(refused), now_s)
        except StoreError:  # Taps has told it to the log, and the line to every screen
            pass

    def _say(self, client: mqtt.Client, values: Mapping[str, bytes], now_s: float) -> None:
        again = now_s - self._said_s >= home_assistant.EVERY_S
        for topic, payload in values.items():
            if again or self._said.get(topic) != payload:
                client.publish(topic, payload)
        self._said = dict(values)
        self._said_s = now_s if again else self._said_s

    def _leave(self, client: mqtt.Client, *, stopped: bool) -> None:
        for plate in self._plates.values():
            plate.lost()
        self._said.clear()
        self._said_s = float("-inf")
        if stopped and self._admitted and self._config.home_assistant.discovery:
            client.publish(home_assistant.availability_topic(self._config), b"offline", retain=True)
        client.disconnect()
        if not stopped:
            self._tell_trouble(self._trouble or "the connection was lost")

    def _make_client(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=PANEL_USER, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.username_pw_set(PANEL_USER, self._config.secrets.local_broker.panel)
        if self._broker.tls:
            client.tls_set(ca_certs=str(self._broker.ca_file))
        if self._config.home_assistant.discovery:
            client.will_set(home_assistant.availability_topic(self._config), b"offline", qos=1, retain=True)
        client.on_socket_open = _without_delay
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        return client

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, code: ReasonCode, _more: Any) -> None:
        if code.is_failure:
            self._trouble = f"refuses the panel: {code}"
            return
        self._admitted = True
        self._told_trouble = None
        log.info("local broker: connected")
        topics = protocol.subscriptions(self._plates)
        if topics:
            client.subscribe([(topic, SubscribeOptions(qos=0)) for topic in topics])
        if self._config.home_assistant.discovery:
            for message in home_assistant.announcements(self._config):
                client.publish(message.topic, message.payload, qos=1, retain=True)
            client.publish(home_assistant.availability_topic(self._config), b"online", qos=1, retain=True)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        heard = protocol.hear(topic, bytes(message.payload), self._plates)
        if isinstance(heard, protocol.Refused):
            self._refusals.note(heard)
        elif not isinstance(heard, protocol.Aside):
            self._happened.append((heard, time.monotonic()))

    def _tell_trouble(self, trouble: str) -> None:
        if trouble != self._told_trouble:
            log.warning("local broker: %s", coded(trouble, PLATES_BROKER_AWAY))
            self._told_trouble = trouble


def _without_delay(_client: mqtt.Client, _data: Any, sock: Any) -> None:
    # Nagle's algorithm would hold the answer to a tap back for 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
