"""Sites that write for minutes, each with a journal of its own: acting ones, and one with the real unit `sync`."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import paho.mqtt.client as mqtt
from hub_said import REGION, event
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from zorgkiosk.contract.events import CapacityReported, encode_batch
from zorgkiosk.contract.status import Ack, decode_status
from zorgkiosk.lab.authority import Authority
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.config import load_site
from zorgkiosk.site.facts import read
from zorgkiosk.site.store import Store, StoreView

WINDOW, BATCH, AGAIN_AFTER_S = 200, 20, 2.0
TAP_EVERY_S = 0.05


@dataclass
class WritingSite:
    """A site that says rows until told to end, at whichever of `addresses` lets it in. `said` is its journal."""

    name: str
    authority: Authority
    addresses: list[str]
    port: int
    protocol: MQTTProtocolVersion
    said: int = 0
    acked: int = 0
    ending: threading.Event = field(default_factory=threading.Event)
    heard: queue.Queue[int | None] = field(default_factory=queue.Queue)

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        return thread

    @property
    def done(self) -> bool:
        return self.ending.is_set() and self.acked == self.said

    def _run(self) -> None:
        for address in cycle(self.addresses):
            if self.done:
                return
            client = self._client()
            try:
                client.connect(address, self.port, keepalive=5)
            except OSError:
                time.sleep(0.2)
                continue
            client.loop_start()
            self._talk(client)
            client.disconnect()
            client.loop_stop()

    def _client(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=self.name, protocol=self.protocol, reconnect_on_failure=False
        )
        certificate, key = self.authority.directory / f"{self.name}.pem", self.authority.directory / f"{self.name}.key"
        client.tls_set(str(self.authority.ca_file), str(certificate), str(key))
        heard: queue.Queue[int | None] = queue.Queue()
        self.heard = heard
        # QoS 0: RabbitMQ 3.10 makes a durable classic queue for a subscription at QoS 1, and its name is taken on every
        # other node while its own is down. What a hub says may be lost anyway.
        client.on_connect = lambda inner, *_: inner.subscribe(f"zorgkiosk/v1/{REGION}/{self.name}/ack", qos=0)
        client.on_disconnect = lambda *_: heard.put(None)
        client.on_message = lambda _client, _data, message: heard.put(decode_status(Ack, bytes(message.payload)).up_to)
        return client

    def _talk(self, client: mqtt.Client) -> None:
        """Until the connection ends, or all is acknowledged."""
        sent, heard_s, heard = self.acked, time.monotonic(), self.heard
        while not self.done:
            while sent < self.acked + WINDOW and not (self.ending.is_set() and sent >= self.said):
                upto = sent + BATCH
                self.said = max(self.said, upto)
                batch = encode_batch([event(number, site=self.name) for number in range(sent + 1, upto + 1)])
                client.publish(f"zorgkiosk/v1/{REGION}/{self.name}/events", batch, qos=1)
                sent = upto
            try:
                up_to = heard.get(timeout=0.1)
            except queue.Empty:
                if time.monotonic() - heard_s > AGAIN_AFTER_S:
                    sent, heard_s = self.acked, time.monotonic()
                continue
            if up_to is None:
                return
            if up_to > self.acked:
                self.acked, heard_s = up_to, time.monotonic()


@dataclass
class RealSite:
    """A panel that taps twenty times a second, and `sync` as a process, with MQTT 3.1.1 to one address.

    `said` and `acked` are as a WritingSite has them: what was committed here, and what sync knows to be at the hub.
    """

    name: str
    directory: Path
    authority: Authority
    address: str
    port: int
    said: int = 0
    ending: threading.Event = field(default_factory=threading.Event)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> threading.Thread:
        self.directory.mkdir()
        certificate, key = self.authority.issue(self.name)
        file = self.directory / "site.toml"
        file.write_text(
            f'[site]\nname = "{self.name}"\ntitle = "Echt"\nregion = "{REGION}"\ndata_dir = "data"\nrun_dir = "run"\n'
            f'[hub]\nhost = "{self.address}"\nport = {self.port}\nmqtt = "3.1.1"\nreconnect_max_s = 2\n'
            f'ca_file = "{self.authority.ca_file}"\ncertificate_file = "{certificate}"\nkey_file = "{key}"\n'
            '[[capacity]]\ncode = "elv-laag"\n'
        )
        config = load_site(file)
        panel = Store.open(config.panel_db, "panel", SystemClock.of_this_boot())
        self._sync = StoreView(config.sync_db)
        command = [sys.executable, "-m", "zorgkiosk", "run", "sync", "--config", str(file)]
        with (self.directory / "sync.log").open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log)
        self._taps = threading.Thread(target=self._tap, args=(panel,), daemon=True)
        self._taps.start()
        return self._taps

    @property
    def acked(self) -> int:
        """For one thread."""
        ack = read(Ack, self._sync.state().get("acked/panel"))
        return 0 if ack is None else ack.up_to

    @property
    def done(self) -> bool:
        return self.ending.is_set() and not self._taps.is_alive() and self.acked == self.said

    def stop(self) -> None:
        self.ending.set()
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _tap(self, panel: Store) -> None:
        while not self.ending.wait(TAP_EVERY_S):
            with panel.transaction() as change:
                number = change.report(CapacityReported(category="elv-laag", free=self.said % 20))
            self.said = number
