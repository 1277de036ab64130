"""Each unit of a site as a process of its own, started on a file that is damaged: one begins anew, the rest goes on."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from lab_region import Region, wait_for
from real_hub import RealHub

from zorgkiosk.lab.ports import free_port
from zorgkiosk.site.store import Neighbour

pytest_plugins = ["sync_fixtures"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

WHOSE = {"panel": "dit paneel", "sync": "de verbinding", "telephony": "de wachtrij"}


@dataclass
class Site:
    """A HAP's units, each started when asked for."""

    folder: Path
    panel_port: int
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, unit: str) -> None:
        command = [sys.executable, "-m", "zorgkiosk", "run", unit, "--config", str(self.folder / "site.toml")]
        with (self.folder / f"{unit}.log").open("ab") as log:
            self.running[unit] = subprocess.Popen(command, stderr=log)

    def stop(self, unit: str) -> None:
        self.running[unit].terminate()
        assert self.running[unit].wait(20) == 0

    def store(self, unit: str) -> Path:
        return self.folder / "data" / f"{unit}.db"

    def epoch(self, unit: str) -> str | None:
        """As the other units see it: None while the file is damaged."""
        with closing(Neighbour(self.store(unit))) as view:
            return view.epoch()

    def page(self, path: str, form: str | None = None) -> str:
        """What the panel answers, empty while it does not."""
        headers = {"Origin": f"http://127.0.0.1:{self.panel_port}", "Content-Type": "application/x-www-form-urlencoded"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.panel_port, timeout=5)) as connection:
            try:
                connection.request("POST" if form else "GET", path, form, headers)
                return connection.getresponse().read().decode()
            except ConnectionError:
                return ""


@pytest.fixture
def site(region: Region) -> Iterator[Site]:
    file, port = region.site_file("hap-noord"), free_port()
    text = file.read_text().replace(
        "[telephony]", f"[telephony]\nworkers = 1\nworker_sip_port = {free_port()}\n[panel]\nport = {port}\nundo_s = 1"
    )
    file.write_text(text)
    site = Site(file.parent, port)
    yield site
    for process in site.running.values():
        process.terminate()
        process.wait(20)


def taps_at(hub: RealHub, epoch: str | None) -> list[int]:
    rows = hub.rows(f"SELECT data FROM event WHERE kind = 'capacity.reported' AND epoch = '{epoch}' ORDER BY sequence")  # noqa: S608
    return [json.loads(row.data)["free"] for row in rows]


def damage_at(hub: RealHub) -> list[tuple[str, str]]:
    """Whose file was damaged and in which epoch that was said."""
    rows = hub.rows("SELECT stream, epoch, data FROM event WHERE kind = 'device.health'")
    return [(row.stream, row.epoch) for row in rows if json.loads(row.data)["condition"] == "store-damaged"]


@pytest.mark.parametrize("unit", ["panel", "sync", "telephony"])
def test_a_unit_whose_file_is_damaged_begins_anew_says_so_and_stops_nobody(site: Site, hub: RealHub, unit: str) -> None:
    for each in ("panel", "sync", *([unit] if unit == "telephony" else [])):
        site.start(each)
    wait_for(lambda: "elv-laag" in site.page("/capacity/1"), "the panel", 40)
    site.page("/tap/capacity/elv-laag", "step=%2B1&place=capacity/1")
    panel_before = site.epoch("panel")
    wait_for(lambda: taps_at(hub, panel_before) == [1], "the first tap at the hub", 40)
    wait_for(lambda: site.epoch(unit), "the unit's file", 40)
    before = site.epoch(unit)

    site.stop(unit)
    for part in ("", "-wal"):  # the WAL too, else SQLite heals the file from it, as it should
        file = site.store(unit).with_name(f"{unit}.db{part}")
        if file.exists():
            file.write_bytes(b"a worn card gives anything " * 5_000)
    site.start(unit)

    wait_for(lambda: site.epoch(unit) not in (None, before), "a new epoch", 40)
    assert [each.read_bytes()[:11] for each in site.folder.glob(f"data/{unit}.db.damaged-*Z")] == [b"a worn card"]
    wait_for(lambda: damage_at(hub) == [(unit, site.epoch(unit))], "the hub to be told", 40)
    sentence = f"De opslag van {WHOSE[unit]} was beschadigd en is vernieuwd."
    wait_for(lambda: sentence in site.page("/capacity/1"), "the panel to say so", 40)
    site.page("/tap/capacity/elv-laag", "step=%2B1&place=capacity/1")
    seen = [1] if unit == "panel" else [1, 2]
    wait_for(lambda: taps_at(hub, site.epoch("panel")) == seen, "the next tap at the hub", 40)
    assert {name: process.poll() for name, process in site.running.items()} == dict.fromkeys(site.running)
    assert hub.gaps() == 0 and hub.dead_letters() == 0
