"""What a technician waits for, and relies on: forty sites provisioned, mistakes in a config caught."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from zorgkiosk.lab.bench.figures import Figure
from zorgkiosk.lab.mutations import Room, mutations, shipped
from zorgkiosk.provision.region import provision
from zorgkiosk.provision.render import Templates

_FIRMWARE = Path(__file__).parents[4] / "firmware_config"
SITES = 40


def caught(directory: Path) -> list[Figure]:
    """How many mistakes `check` names by their key at their line. Raises OSError when a shipped config is not good."""
    room, named, total = Room(directory, _FIRMWARE), 0, 0
    for source in shipped(_FIRMWARE):
        file = room.place(source)
        if faults := room.faults(file):
            raise OSError(f"a shipped config is not good, so what follows is not the mistake's: {faults[0]}")
        for mutation in mutations(source.name, source.read_text(encoding="utf-8")):
            total += 1
            named += not room.complaint(file, mutation)
    return [Figure("config_mutations_caught_percent", 100 * named / total, "%", total)]


def forty_sites(directory: Path) -> list[Figure]:
    """From a folder with forty site.toml to an authority, certificates and bundles; and again, when nothing changed."""
    region = make_region(directory, SITES)
    templates, now = Templates(_FIRMWARE), datetime.now(UTC)
    begin_s = time.perf_counter()
    provision(region, templates, now)
    made_s = time.perf_counter() - begin_s
    begin_s = time.perf_counter()
    if changed := provision(region, templates, now):
        raise OSError(f"a second run changed something: {changed[0]}")
    return [
        Figure("provision_40_sites_s", made_s, "s", SITES),
        Figure("provision_40_sites_again_s", time.perf_counter() - begin_s, "s", SITES),
    ]


def make_region(folder: Path, sites: int) -> Path:
    """A region of triage centres and nursing homes by turns, each as the shipped demo has it."""
    for number in range(1, sites + 1):
        model, kind = (("hap-noord", "hap"), ("vvt-linde", "vvt"))[number % 2]
        name = f"{kind}-{number}"
        site = folder / "sites" / name
        site.mkdir(parents=True)
        text = (_FIRMWARE / "demo" / model / "site.toml").read_text(encoding="utf-8")
        text = text.replace(f'name = "{model}"', f'name = "{name}"').replace(
            'host = "127.0.10.1"', 'host = "hub.example"'
        )
        partner = number + 2 if number % 4 == 2 else number - 2  # two and two have an agreement
        for demo, own in (
            ('name = "hap-zuid"', f'name = "hap-{partner}"'),
            ('"127.0.11.1"', f'"127.1.{number}.1"'),
            ('"127.0.12.1"', f'"127.1.{partner}.1"'),
        ):
            text = text.replace(demo, own)
        (site / "site.toml").write_text(text, encoding="utf-8")
        if kind == "hap":
            shutil.copytree(_FIRMWARE / "announcements", site / "announcements")
    broker = '[broker]\nhost = "hub.example"\naddress = "192.0.2.1"\n'
    (folder / "region.toml").write_text(f'[region]\nname = "oost"\n{broker}', encoding="utf-8")
    return folder
