"""The disk fills while a new version waits for its proof: the old one runs again, or the new one is confirmed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from update_box import AT_ONCE, NOW, TRUSTED, Running, box, deb, sign

from small_disk import fill
from small_disk import small_disk as small_disk  # the fixture
from zorgkiosk.care.update.manifest import Version
from zorgkiosk.care.update.steps import Outcome, install, resume

pytestmark = pytest.mark.integration


class Filling(Running):
    """Units that write their logs until nothing more fits, as soon as they are started."""

    def restart(self) -> None:
        super().restart()
        if not (self.slots.home.parent / "log").exists():
            fill(self.slots.home.parent)


@pytest.mark.parametrize("works", [True, False], ids=["works", "broken"])
def test_a_full_disk_stops_neither_the_proof_nor_the_way_back(small_disk: Path, tmp_path: Path, works: bool) -> None:
    of, _ = box(small_disk)
    units = Filling(of.slots, set() if works else {"0.2.0"})
    file = sign(deb(tmp_path, "0.2.0"))
    outcome = install(file, TRUSTED, replace(of, units=units), NOW, AT_ONCE)
    in_force = "0.2.0" if works else "0.1.0"
    assert outcome is (Outcome.CONFIRMED if works else Outcome.BACK)
    assert units.version() == units.started[-1] == in_force and not of.slots.updating.exists()
    assert of.slots.newest() == Version.parse(in_force)
    assert resume(of, NOW, AT_ONCE) is Outcome.NOTHING
