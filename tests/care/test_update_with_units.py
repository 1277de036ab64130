"""An update of a running site: real units, a real broker, and the hub as the proof."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from care_box import OwnProcesses, wait_for
from test_apply_with_units import WITHIN_S
from test_apply_with_units import box as box  # the fixture
from update_box import NOW, TRUSTED, deb, sign
from update_box import box as two_directories

from zorgkiosk.care.apply import Bounds, hub_reached, panel_answers
from zorgkiosk.care.update.slots import Slots
from zorgkiosk.care.update.steps import Box, Outcome, install
from zorgkiosk.lab.daemon import Daemon
from zorgkiosk.site.config import load_site
from zorgkiosk.site.store import StoreView

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
PROGRAM = f'#!/bin/sh\nexec "{sys.executable}" -m zorgkiosk "$@"\n'
NO_SYNC = PROGRAM.replace("exec", 'if [ "$2" = sync ]; then exec sleep 600; fi\nexec')
"""All of it runs, and what should reach the hub does nothing."""


@dataclass
class FromCurrent(OwnProcesses):
    """Units that are started from the directory in force, as systemd starts them."""

    slots: Slots = field(default_factory=Slots)

    def start(self) -> None:
        for unit in ("panel", "sync"):
            command = [str(self.slots.current / "bin" / "zorgkiosk"), "run", unit, "--config", str(self.config)]
            self.running.append(Daemon(unit, command, self.config.with_name(f"{unit}.log")))
            self.running[-1].start()


@pytest.fixture
def site(box: OwnProcesses, tmp_path: Path) -> Iterator[Box]:
    """The running site of the tests of `apply`, with its units started from one of two directories."""
    directories, _ = two_directories(tmp_path / "machine")
    (directories.slots.current / "bin" / "zorgkiosk").write_text(PROGRAM)
    units = FromCurrent(box.config, slots=directories.slots)
    box.stop()
    units.start()
    config = load_site(box.config)
    try:
        wait_for(lambda: hub_reached(config, None) and panel_answers(config), "the units run")
        yield Box(directories.slots, box.config, units, directories.architecture)
    finally:
        units.stop()


def version(of: Box) -> str:
    return str(of.slots.release(of.slots.running()))


def log_of(of: Box) -> list[tuple[str, ...]]:
    rows = reversed(StoreView(load_site(of.config).care_db).journal(skip=0, limit=99))
    return [
        (row.line.device, row.line.role, row.line.subject, row.line.value) for row in rows if row.line.verb == "update"
    ]


def test_a_good_release_is_confirmed_by_the_hub(site: Box, tmp_path: Path) -> None:
    file = sign(deb(tmp_path, "0.2.0", program=PROGRAM))
    assert install(file, TRUSTED, site, NOW, Bounds(WITHIN_S, settled_s=1.0)) is Outcome.CONFIRMED
    assert version(site) == "0.2.0" and site.units.active() == {"panel", "sync"}
    who = ("console", "technicus", "0.2.0")
    assert log_of(site) == [(*who, "begun"), (*who, "confirmed")]


def test_a_release_whose_units_run_and_do_not_reach_the_hub_goes_back(site: Box, tmp_path: Path) -> None:
    file = sign(deb(tmp_path, "0.2.0", program=NO_SYNC))
    assert install(file, TRUSTED, site, NOW, Bounds(within_s=8, settled_s=1.0)) is Outcome.BACK
    config = load_site(site.config)
    assert version(site) == "0.1.0"
    wait_for(lambda: hub_reached(config, None) and panel_answers(config), "the old version reaches the hub again")
    assert log_of(site)[-1] == ("console", "technicus", "0.2.0", "back")
