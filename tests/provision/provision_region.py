"""A region's folder as a coordinator has it before the first `provision`: three sites."""

from __future__ import annotations

import getpass
import shutil
import signal
import socket
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


@dataclass
class Hub:
    """The region's broker as it is provisioned, and where its folder is."""

    region: Path
    port: int
    broker: Daemon

    def install(self) -> list[str]:
        """New files into the broker's folder, and the reload that its path unit causes."""
        said = list(install(self.region))
        self.broker.process.send_signal(signal.SIGHUP)  # type: ignore[union-attr]
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
    broker.start()
    try:
        wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, "the broker")
        yield Hub(region, port, broker)
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
