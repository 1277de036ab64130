"""A region's folder as a coordinator has it before the first `provision`: three sites."""

from __future__ import annotations

import getpass
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shipped import ANNOUNCEMENTS, FIRMWARE
from zorgkiosk.hub.broker import CONFIG_FILE, command
from zorgkiosk.lab.daemon import Daemon
from zorgkiosk.lab.ports import free_port
from zorgkiosk.provision.install import install
from zorgkiosk.provision.region import provision
from zorgkiosk.provision.render import Templates

SITES = ("hap-noord", "hap-zuid", "vvt-linde")
TEMPLATES = Templates(FIRMWARE)
WITHIN_S = 60.0


def make_region(folder: Path, port: int = 8883, user: str = "mosquitto") -> Path:
    for name in SITES:
        site = folder / "sites" / name
        site.mkdir(parents=True)
        text = (FIRMWARE / "demo" / name / "site.toml").read_text(encoding="utf-8")
        text = text.replace('host = "127.0.10.1"', 'host = "127.0.0.1"').replace("port = 8883", f"port = {port}")
        (site / "site.toml").write_text(text, encoding="utf-8")
        if name.startswith("hap"):
            shutil.copytree(ANNOUNCEMENTS, site / "announcements")
    (folder / "region.toml").write_text(
        f'[region]\nname = "oost"\n[broker]\nhost = "127.0.0.1"\naddress = "127.0.0.1"\nport = {port}\n'
        f'directory = "{folder}/broker"\nrun_as = "{user}"\n',
        encoding="utf-8",
    )
    return folder


def wait_for(condition: Callable[[], object], what: str) -> None:
    until_s = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < until_s, f"waited {WITHIN_S} s for: {what}"
        time.sleep(0.02)


_SYSTEMCTL = '#!/bin/sh\nfor word; do case "$word" in try-*) printf %s "$word" > "$0.said";; esac; done\n'


@dataclass
class BrokerUnits:
    """zorgkiosk-broker and zorgkiosk-broker-reload as they are shipped, with the folders of this region."""

    region: Path
    port: int
    broker: Daemon

    def start(self) -> None:
        (self.region / "run").mkdir(exist_ok=True)
        self._run("zorgkiosk-broker", "ExecStartPre")
        self.broker.start()
        wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", self.port)) == 0, "the broker")

    def take_up(self) -> str:
        """What the path unit causes: the verb that systemd is told."""
        systemctl = self.region / "run" / "systemctl"
        systemctl.write_text(_SYSTEMCTL, encoding="utf-8")
        systemctl.chmod(0o755)
        self._run("zorgkiosk-broker-reload", "ExecStart")
        verb = systemctl.with_name("systemctl.said").read_text(encoding="utf-8")
        match verb:
            case "try-reload-or-restart":
                os.kill(self.broker.pid, signal.SIGHUP)
            case "try-restart":
                self.broker.stop()
                self.start()
        return verb

    def _run(self, unit: str, key: str) -> None:
        text = (FIRMWARE.parent / "systemd" / f"{unit}.service").read_text(encoding="utf-8").replace("\\\n", " ")
        (line,) = re.findall(rf"(?m)^{key}=-?(.*)$", text)
        line = line.replace("/etc/zorgkiosk/broker", f"{self.region}/broker")
        words = shlex.split(line.replace("/run/zorgkiosk-broker", f"{self.region}/run"))
        path = f"{self.region}/run:{os.environ['PATH']}"
        subprocess.run(words, check=True, env={"PATH": path})


@dataclass
class Hub:
    """The region's broker as it is provisioned, and where its folder is."""

    region: Path
    port: int
    broker: Daemon
    units: BrokerUnits

    def install(self) -> list[str]:
        """New files into the broker's folder, and what its path unit causes."""
        said = list(install(self.region))
        self.units.take_up()
        return said

    def box(self, name: str) -> Path:
        """The bundle of a site, unpacked: its site.toml, with folders of its own for what it writes."""
        root = self.region.parent / name
        with tarfile.open(self.region / "out" / name / "zorgkiosk.tar") as tar:
            tar.extractall(root, filter="fully_trusted")  # noqa: S202 - we packed it ourselves
        file = root / "etc" / "zorgkiosk" / "site.toml"
        text = file.read_text(encoding="utf-8")
        assert "[hub]" in text
        folders = f'data_dir = "{root}/data"\nrun_dir = "{root}/run"\n'
        lines = [line for line in text.splitlines(keepends=True) if not line.startswith(("data_dir", "run_dir"))]
        file.write_text("".join(lines).replace("[hub]", f"{folders}[hub]", 1), encoding="utf-8")
        return file


@contextmanager
def running_hub(folder: Path, now: datetime | None = None) -> Iterator[Hub]:
    """A region that was provisioned at `now`, and its broker."""
    port = free_port()
    region = make_region(folder / "region", port, getpass.getuser())
    provision(region, TEMPLATES, now or datetime.now(UTC))
    list(install(region))
    broker = Daemon("broker", command(region / "broker" / CONFIG_FILE), folder / "broker.log")
    units = BrokerUnits(region, port, broker)
    try:
        units.start()
        yield Hub(region, port, broker, units)
    finally:
        broker.stop()


@contextmanager
def unit(name: str, config: Path) -> Iterator[Daemon]:
    """One of our units as a process, until the end."""
    words = [sys.executable, "-m", "zorgkiosk", "run", name, "--config", str(config)]
    daemon = Daemon(name, words, config.with_name(f"{name}.log"))
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()
