"""Whatever `zorgkiosk check` accepts starts: each unit as it is composed, and what it renders for other programs."""

from __future__ import annotations

import getpass
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from config_strategy import EXAMPLES, SCHEMA, Table, configs, toml, values
from hypothesis import HealthCheck, Phase, assume, event, given, settings

from fakes import RecordingFront, RecordingWorkers
from shipped import ANNOUNCEMENTS
from zorgkiosk.contract.names import CODE_PATTERN
from zorgkiosk.lab.authority import Authority
from zorgkiosk.site import local_broker
from zorgkiosk.site.checks import check_site
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.config import SiteConfig, load_site
from zorgkiosk.site.panel.actions import Taps
from zorgkiosk.site.panel.actor import Actor
from zorgkiosk.site.panel.known import Look
from zorgkiosk.site.panel.nextion_panel import DisplayThread
from zorgkiosk.site.panel.openhasp import Plates
from zorgkiosk.site.panel.pin import PinGate
from zorgkiosk.site.panel.web.app import create_app
from zorgkiosk.site.panel.web.door import LOOPBACK
from zorgkiosk.site.store import Store
from zorgkiosk.site.telephony import front
from zorgkiosk.site.telephony.announcer import Announcer
from zorgkiosk.site.telephony.calendar import Calendar
from zorgkiosk.site.telephony.journal import Journal
from zorgkiosk.site.telephony.line import Line
from zorgkiosk.site.telephony.wiring import TriageSite, front_parameters
from zorgkiosk.site.wake import Wake
from zorgkiosk.units import sync

CLOCK = SystemClock.of_this_boot()
MANY, SOME, FEW = 120, 25, 12
WITHIN_S = 20.0


@dataclass
class Box:
    """A folder where a config finds what it names, and a store for each unit; the stores know no config."""

    folder: Path
    authority: Authority
    panel: Store
    line: Store
    sync: Store

    @classmethod
    def make(cls, folder: Path) -> Box:
        etc = folder / "a" / "b"
        etc.mkdir(parents=True)
        for place in (etc, folder):
            (place / "announcements").symlink_to(ANNOUNCEMENTS.resolve())
        stores = (Store.open(folder / f"{unit}.db", unit, CLOCK) for unit in ("panel", "telephony", "sync"))
        return cls(etc, Authority.create(folder / "ca"), *stores)

    def close(self) -> None:
        for store in (self.panel, self.line, self.sync):
            store.close()

    def accepted(self, config: Table) -> SiteConfig:
        """As `check` reads it; an example that it refuses is none."""
        (self.folder / "region-ca.pem").write_bytes(self.authority.ca_file.read_bytes())
        name = config.get("site", {}).get("name", "")
        if re.fullmatch(CODE_PATTERN, name) and len(name) <= 40:
            for source, target in zip(self.authority.issue(name), ("site.pem", "site-key.pem"), strict=True):
                shutil.copy(source, self.folder / target)
        file = self.folder / "site.toml"
        file.write_text(toml(config), encoding="utf-8")
        self._write_secrets(config)
        errors = [each for each in check_site(file, datetime.now(UTC)) if each.severity == "error"]
        event("refused" if errors else "accepted")
        assume(not errors)
        return load_site(file)

    def _write_secrets(self, config: Table) -> None:
        phones = {desk["phone"] for desk in config.get("desk", ()) if isinstance(desk.get("phone"), str)}
        plates = {plate["name"] for plate in config.get("plate", ()) if isinstance(plate.get("name"), str)}
        table: Table = {"phones": dict.fromkeys(phones, "lang-genoeg")}
        if config.get("local_broker") is not None:
            table |= {"plates": dict.fromkeys(plates, "lang-genoeg")}
            table |= {"local_broker": {"panel": "lang-genoeg", "home_assistant": "lang-genoeg"}}
        secrets = self.folder / "secrets.toml"
        secrets.write_text(toml(table), encoding="utf-8")
        secrets.chmod(0o600)


@contextmanager
def made_box() -> Iterator[Box]:
    with tempfile.TemporaryDirectory(prefix="zks-") as folder, closing(Box.make(Path(folder))) as box:
        yield box


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with made_box() as made:
        yield made


def start_panel(config: SiteConfig, box: Box) -> None:
    taps = Taps(config, box.panel, CLOCK)

    def look() -> Look:
        return Look.of(config, CLOCK)

    app = create_app(config, taps, look, LOOPBACK, PinGate(config.secrets.panel.pin_scrypt, CLOCK.uptime_s))
    page = app.test_client().get("/", base_url=f"http://127.0.0.1:{config.panel.port}", follow_redirects=True)
    assert page.status_code == 200
    for display in config.serial_panel:
        DisplayThread(config, display, taps.by(Actor(display.name)), look, CLOCK)
    Plates.of(config, taps, look)
    if config.local_broker is not None:
        local_broker.write(config, box.folder / "plates")


def start_telephony(config: SiteConfig, box: Box) -> front.FrontParameters | None:
    site = TriageSite.of(config)
    if site is None:
        return None
    line = Line(
        config,
        site.telephony,
        journal=Journal.resumed(box.line),
        announcer=Announcer.of(site.announcements),
        is_open=Calendar(CLOCK).is_open,
        workers=RecordingWorkers(),
        front=RecordingFront(),
    )
    line.resume(None, 0.0)
    line.tick(1.0)
    parameters = front_parameters(site)
    front.render(parameters)
    return parameters


STARTING = settings(
    phases=(Phase.generate,),  # a failing config is short as it is; shrinking it takes minutes
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.mark.long
@pytest.mark.timeout(300)
@settings(STARTING, max_examples=MANY)
@given(config=configs())
def test_every_unit_of_an_accepted_config_is_composed(box: Box, config: Table) -> None:
    accepted = box.accepted(config)
    start_panel(accepted, box)
    wake = Wake.beside(box.sync.path)
    sync.compose(accepted, box.sync, CLOCK, wake)
    wake.close()
    start_telephony(accepted, box)


CENTRES = tuple(file for file in EXAMPLES if "[front]" in file.read_text(encoding="utf-8"))


@pytest.mark.integration
@pytest.mark.timeout(300)
@settings(STARTING, max_examples=SOME)
@given(config=configs(CENTRES))
def test_a_real_kamailio_reads_the_front_of_an_accepted_config(box: Box, config: Table) -> None:
    parameters = start_telephony(box.accepted(config), box)
    assume(parameters is not None)
    assert parameters is not None
    folder = box.folder / "front"
    shutil.rmtree(folder, ignore_errors=True)
    file = front.write(replace(parameters, directory=folder))
    done = subprocess.run(["kamailio", "-c", "-f", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.integration
@pytest.mark.timeout(300)
@settings(STARTING, max_examples=FEW)
@given(config=configs(), broker=values(SCHEMA["$defs"]["LocalBroker"]))
def test_a_real_mosquitto_starts_with_the_plates_of_an_accepted_config(box: Box, config: Table, broker: Table) -> None:
    plates = config.get("plate") or [{"name": "balie", "title": "Balie"}]
    accepted = box.accepted(config | {"plate": plates, "local_broker": broker})
    assert accepted.local_broker is not None
    # Its own address may be none of this machine's, and its port taken: everything else is as it is accepted.
    here = {"address": IPv4Address("127.0.78.9"), "port": free_port("127.0.78.9")}
    moved = accepted.model_copy(update={"local_broker": accepted.local_broker.model_copy(update=here)})
    file = local_broker.write(moved, box.folder / "plates", run_as=getpass.getuser())
    with (box.folder / "plates.log").open("wb") as log:
        process = subprocess.Popen(local_broker.command(file), stdout=log, stderr=log)
    try:
        until_s = time.monotonic() + WITHIN_S
        while not listens(str(here["address"]), moved.local_broker.port if moved.local_broker else 0):
            assert process.poll() is None and time.monotonic() < until_s, (box.folder / "plates.log").read_text()
            time.sleep(0.01)
    finally:
        process.terminate()
        process.wait(10)


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0
