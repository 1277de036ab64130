"""What the tests of a booted box share."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import get_args

from zorgkiosk.lab.nspawn import Arch, Machine, wait

ARCH: Arch = next(arch for arch in get_args(Arch) if arch == os.environ.get("ZORGKIOSK_BOOT_ARCH", "amd64"))
"""`make boot-test-arm64` sets it; arm64 runs under emulation, about six times as slow."""

CLOCK_FILE = "/run/zorgkiosk/clock-state"

SITE = ("panel", "sync")
HUB = ("intake", "board", "broker")
SOON_S = 60.0 if ARCH == "amd64" else 300.0

TAP = """
import sys, urllib.parse, urllib.request
at = "http://127.0.0.1:8083"
form = urllib.parse.urlencode({"place": "", "step": "+1"}).encode()
print(urllib.request.urlopen(urllib.request.Request(at + "/tap/capacity/elv-laag", form, {"Origin": at})).status)
"""
BOARD = 'import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:8090/api/v1/sites").read().decode())'
UNACKNOWLEDGED = """
from pathlib import Path
from zorgkiosk.lab.region import Site
from zorgkiosk.site.config import load_site
file = Path("/etc/zorgkiosk/site.toml")
print(Site(load_site(file), file).unacknowledged())
"""


def python(machine: Machine, source: str) -> str:
    return machine.do("/opt/zorgkiosk/current/bin/python", "-c", source)


def active(machine: Machine, *units: str) -> bool:
    return all(machine.unit(f"zorgkiosk-{unit}")["ActiveState"] == "active" for unit in units)


def cells(machine: Machine) -> list[dict[str, object]]:
    """What the region's board shows, a cell for each category of each site."""
    return [cell for row in json.loads(python(machine, BOARD))["rows"] for cell in row["cells"] if cell]


def result(machine: Machine, unit: str) -> tuple[str, str]:
    shown = machine.unit(unit)
    return shown["Result"], shown["ExecMainStatus"]


def reaches_the_hub(machine: Machine) -> None:
    """A tap comes to the hub, and the hub's word for it comes back."""
    wait(lambda: active(machine, *SITE, *HUB), SOON_S, "all units are active")
    before = free(machine)
    assert python(machine, TAP) == "200"
    wait(lambda: free(machine) == before + 1, SOON_S, "the board shows one free bed more")
    wait(lambda: python(machine, UNACKNOWLEDGED) == "0", SOON_S, "the hub acknowledged all of it")


def free(machine: Machine) -> int:
    found = [cell["free"] for cell in cells(machine) if cell["category"] == "elv-laag"]
    return int(str(found[0])) if found else 0


def drop_in(root: Path, unit: str, line: str) -> None:
    """Add to a unit of a box that is not booted, and to what was added before."""
    folder = root / "etc" / "systemd" / "system" / f"{unit}.service.d"
    folder.mkdir(parents=True, exist_ok=True)
    # Read after ours: an empty value then takes back what ours names.
    with (folder / "zz-test.conf").open("a", encoding="utf-8") as file:
        file.write(f"[Service]\n{line}\n")
