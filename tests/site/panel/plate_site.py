"""What the tests of plates share: a site with two plates, its own broker, and a panel with its plates' thread."""

from __future__ import annotations

import getpass
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zorgkiosk.lab.plate import SimulatedPlate
from zorgkiosk.site import local_broker
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.panel.actions import Taps
from zorgkiosk.site.panel.known import STREAM, Look
from zorgkiosk.site.panel.openhasp import Plates
from zorgkiosk.site.panel.rounds import Rounds
from zorgkiosk.site.store import Store

PASSWORDS = {"balie": "balie-secret", "post-2": "post-2-secret"}


def wait_for(condition: Callable[[], object], what: str, within_s: float = 15.0) -> None:
    """Return once `condition` is true; fail naming `what` when it does not become so."""
    until_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until_s, f"waited {within_s} s for: {what}"
        time.sleep(0.01)


def plate_config(folder: Path, port: int = 1883, **more: Any) -> SiteConfig:
    content: dict[str, Any] = {
        "site": {"name": "vvt-linde", "title": "VVT De Linde", "region": "oost", "data_dir": folder / "data"},
        "hub": {"host": "127.0.0.1", "ca_file": "ca", "certificate_file": "crt", "key_file": "key"},
        "panel": {"undo_s": 30},
        "capacity": [{"code": "elv-laag", "total": 8}, {"code": "elv-hoog", "total": 4}],
        "plate": [
            {"name": "balie", "title": "Balie", "size": "800x480"},
            {"name": "post-2", "title": "Post 2", "size": "480x320"},
        ],
        "local_broker": {"port": port, "address": "127.0.0.1"},
        "secrets": {
            "plates": PASSWORDS,
            "local_broker": {"panel": "panel-secret", "home_assistant": "assistant-secret"},
        },
    }
    return SiteConfig.model_validate(content | more)


@dataclass
class Broker:
    """A real Mosquitto with the rendered files, as this user."""

    config: SiteConfig
    directory: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        assert self.config.local_broker is not None
        return self.config.local_broker.port

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def start(self) -> None:
        file = local_broker.write(self.config, self.directory, getpass.getuser())
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(local_broker.command(file), stdout=log, stderr=log)
        wait_for(self.listens, "the local broker")

    def listens(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self.log
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(5)


@dataclass
class PlateSite:
    """Broker, store and the thread of the plates, as `units.panel` composes them."""

    config: SiteConfig
    broker: Broker
    stop: threading.Event = field(default_factory=threading.Event)
    plates: list[SimulatedPlate] = field(default_factory=list)

    def start(self) -> None:
        self.clock = SystemClock.of_this_boot()
        self.store = Store.open(self.config.panel_db, STREAM, self.clock)
        self.taps = Taps(self.config, self.store, self.clock)
        self.look = Look.of(self.config, self.clock)
        self.rounds = Rounds(self.look, self.taps)
        serving = Plates.of(self.config, self.taps, lambda: Look.of(self.config, self.clock))
        assert serving is not None
        self.thread = threading.Thread(target=serving.run, args=(self.stop,), name="plates", daemon=True)
        self.thread.start()

    def plate(self, name: str, password: str | None = None) -> SimulatedPlate:
        plate = SimulatedPlate(name, password or PASSWORDS[name], "127.0.0.1", self.broker.port)
        self.plates.append(plate)
        plate.connect()
        return plate

    def pending(self, code: str = "elv-laag") -> int | None:
        value = self.look.known().panel.get(f"pending/{code}")
        return None if value is None else int(value.value["free"])

    def end(self) -> None:
        self.stop.set()
        for plate in self.plates:
            plate.drop(abruptly=False)
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.look.close()
        self.store.close()
