"""A box on this machine: its config with certificates, and its units as processes of our own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from zorgkiosk.lab.authority import Authority
from zorgkiosk.lab.daemon import Daemon
from zorgkiosk.lab.ports import free_port

WITHIN_S = 60.0


def wait_for(condition: Callable[[], object], what: str) -> None:
    until_s = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < until_s, f"waited {WITHIN_S} s for: {what}"
        time.sleep(0.02)


def write_site(folder: Path, authority: Authority, hub_port: int, panel_port: int = 8080, more: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    certificate, key = authority.issue("vvt-linde")
    file = folder / "site.toml"
    file.write_text(
        f"""[site]
name = "vvt-linde"
title = "De Linde"
region = "oost"
data_dir = "data"
run_dir = "run"
[hub]
host = "127.0.0.1"
port = {hub_port}
ca_file = "{authority.ca_file}"
certificate_file = "{certificate}"
key_file = "{key}"
reconnect_max_s = 1
[panel]
port = {panel_port}
[[capacity]]
code = "elv-laag"
total = 4
{more}"""
    )
    return file


def hub_unit(folder: Path, authority: Authority, broker_port: int) -> Daemon:
    """The region's intake, a process of its own."""
    folder.mkdir()
    certificate, key = authority.issue("hub-intake")
    file = folder / "hub.toml"
    file.write_text(
        f'''[hub]
region = "oost"
database = "sqlite:///hub.db"
[broker]
host = "127.0.0.1"
port = {broker_port}
ca_file = "{authority.ca_file}"
certificate_file = "{certificate}"
key_file = "{key}"
[intake]
port = {free_port()}
[[site]]
name = "vvt-linde"
title = "De Linde"
kind = "vvt"
'''
    )
    command = [sys.executable, "-m", "zorgkiosk", "run", "intake", "--config", str(file)]
    return Daemon("intake", command, folder / "intake.log")


@dataclass
class OwnProcesses:
    """Units as processes of this test, where a box has systemd; `hub` is the region's."""

    config: Path
    hub: Daemon | None = None
    running: list[Daemon] = field(default_factory=list)

    def start(self) -> None:
        for unit in ("panel", "sync"):
            command = [sys.executable, "-m", "zorgkiosk", "run", unit, "--config", str(self.config)]
            daemon = Daemon(unit, command, self.config.with_name(f"{unit}.log"))
            daemon.start()
            self.running.append(daemon)

    def stop(self) -> None:
        while self.running:
            self.running.pop().stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    def active(self) -> frozenset[str]:
        return frozenset(each.name for each in self.running if each.alive)


class NoUnits:
    """A box whose units are not there: nothing proves itself."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def restart(self) -> None:
        self.done.append("restart")

    def stop(self) -> None:
        self.done.append("stop")

    def start(self) -> None:
        self.done.append("start")

    def active(self) -> frozenset[str]:
        return frozenset()
