"""A plate of openHASP, simulated: keeps the objects it is sent, and says what a finger on them makes a plate say.

Behaves as firmware 0.7 does (`hasp_mqtt_esp.cpp`, `hasp_dispatch.cpp`): MQTT 3.1.1 at QoS 0, a retained `LWT`, its
state said on connect, a buffer of 2 kB, `jsonl` lines that make objects or change them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

BUFFER_BYTES = 2_048
CONNECT_WITHIN_S = 5.0
Objects = dict[tuple[int, int], dict[str, Any]]


class PlateError(Exception):
    """The broker did not let the plate in; one sentence says why."""


class SimulatedPlate:
    """Runs in a thread of its own between `connect` and `leave` or `drop`. Safe to ask from another thread."""

    def __init__(self, name: str, password: str, host: str, port: int, ca_file: Path | None = None) -> None:
        self.name = name
        self.received: list[tuple[str, bytes]] = []
        self._password = password
        self._address = (host, port)
        self._ca_file = ca_file
        self._lock = threading.Lock()
        self._objects: Objects = {}
        self._page = 1
        self._client: mqtt.Client | None = None
        self._uptime_s = 100

    def connect(self) -> None:
        """Raises PlateError when the broker refuses."""
        self._uptime_s = 100  # the network takes longer than its own start
        answered, answers = threading.Event(), list[ReasonCode]()

        def on_connect(client: mqtt.Client, _data: Any, _flags: Any, code: ReasonCode, _more: Any) -> None:
            if not code.is_failure:
                client.subscribe(f"hasp/{self.name}/command/#")
                client.subscribe("hasp/plates/command/#")
                client.publish(f"hasp/{self.name}/LWT", "online", retain=True)
                self._say_state(client)
            answers.append(code)
            answered.set()

        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"{self.name}_a1b2c3", protocol=mqtt.MQTTv311)
        client.username_pw_set(self.name, self._password)
        client.will_set(f"hasp/{self.name}/LWT", "offline", qos=1, retain=True)
        if self._ca_file is not None:
            client.tls_set(ca_certs=str(self._ca_file))
        client.reconnect_delay_set(1, 1)
        client.on_connect = on_connect
        client.on_message = self._on_message
        client.connect(*self._address, keepalive=15)
        client.loop_start()
        self._client = client
        if not answered.wait(CONNECT_WITHIN_S) or answers[0].is_failure:
            self.drop()
            raise PlateError(f"plate {self.name}: {answers[0] if answers else 'no answer'}")

    def leave(self) -> None:
        """Switched off properly."""
        self.say("LWT", "offline", retain=True)
        self.drop(abruptly=False)

    def drop(self, *, abruptly: bool = True) -> None:
        """The plug is pulled: the broker says the last will. All it showed is gone."""
        client, self._client = self._client, None
        if client is None:
            return
        if abruptly and (sock := client.socket()) is not None:
            client.reconnect_delay_set(600, 600)
            sock.close()
        else:
            client.disconnect()
        client.loop_stop()
        self.forget()

    def forget(self) -> None:
        """What a reset does to the screen."""
        with self._lock:
            self._objects.clear()
            self._page, self._uptime_s = 1, 3

    def say(self, leaf: str, payload: str | bytes, *, retain: bool = False, plate: str | None = None) -> None:
        """Publish below `hasp/<plate>/`, its own name when not said. Waits until it is on its way."""
        sent = self._connected.publish(f"hasp/{plate or self.name}/{leaf}", payload, retain=retain)
        sent.wait_for_publish(CONNECT_WITHIN_S)

    def touch(self, number: int, *events: str, page: int | None = None) -> None:
        """A short touch of an object of the page it shows, or the events that are given."""
        for event in events or ("down", "up"):
            self.say(f"state/p{page or self.page}b{number}", json.dumps({"event": event}))

    def say_state(self) -> None:
        self._say_state(self._connected)

    def listen(self, topic: str) -> None:
        self._connected.subscribe(topic)

    @property
    def _connected(self) -> mqtt.Client:
        if self._client is None:
            raise PlateError(f"plate {self.name}: is not connected")
        return self._client

    @property
    def page(self) -> int:
        with self._lock:
            return self._page

    def text(self, number: int, page: int | None = None) -> str:
        """What an object shows; "" when it is hidden or not there."""
        with self._lock:
            shown = self._objects.get((page or self._page, number), {})
        return "" if shown.get("hidden") else str(shown.get("text", ""))

    def objects(self) -> Objects:
        with self._lock:
            return {at: dict(attributes) for at, attributes in self._objects.items()}

    def _say_state(self, client: mqtt.Client) -> None:
        status = {"node": self.name, "idle": "off", "version": "0.7.0", "uptime": self._uptime_s, "page": self._page}
        client.publish(
            f"hasp/{self.name}/state/statusupdate", json.dumps({**status, "tftWidth": 480, "tftHeight": 320})
        )
        client.publish(f"hasp/{self.name}/state/idle", "off")
        client.publish(f"hasp/{self.name}/state/page", str(self._page))

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        payload = bytes(message.payload)
        self.received.append((message.topic, payload))
        command = message.topic.removeprefix(f"hasp/{self.name}/command/")
        obey: Callable[[bytes], None] | None = {
            "jsonl": self._jsonl,
            "page": self._show,
            "clearpage": self._clear,
        }.get(command)
        if obey is not None and len(message.topic) + len(payload) <= BUFFER_BYTES:
            with self._lock:
                obey(payload)

    def _jsonl(self, payload: bytes) -> None:
        for line in payload.decode().splitlines():
            attributes = json.loads(line)
            at = (attributes.pop("page"), attributes.pop("id"))
            if "obj" in attributes or at in self._objects:
                self._objects.setdefault(at, {}).update(attributes)

    def _show(self, payload: bytes) -> None:
        self._page = int(payload)

    def _clear(self, payload: bytes) -> None:
        self._objects = {at: each for at, each in self._objects.items() if at[0] != int(payload)}
