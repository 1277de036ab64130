"""Everything between a tap and the hub's database, killed at random with SIGKILL while taps go on."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lab_region import Region, wait_for
from real_hub import RealHub
from tapping import numbers

PATIENCE_S = 120.0
"""For each step: a machine that is busy is slow, and that proves nothing."""


@dataclass
class Killed:
    """One site, one broker, one hub. `kills` counts, by what was killed."""

    region: Region
    hub: RealHub
    count: int
    per_s: float
    kills: dict[str, int] = field(default_factory=dict)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def journal(self) -> Path:
        return self.region.directory / "journal"

    def run(self, seed: int, every: int) -> None:
        """Tap to the end; about every `every` taps (half to one and a half times) something is killed and started."""
        chance = random.Random(seed)
        self.region.site_file("hap-noord")
        victims = self._victims()
        self.hub.start()
        for what in ("tapping", "sync"):
            self._start(what)
        at = 0
        while (at := at + chance.randint(every // 2, every * 3 // 2)) < self.count:
            wait_for(lambda at=at: self._tapped() >= at, f"{at} taps", within_s=PATIENCE_S)  # type: ignore[misc]
            what = chance.choice(sorted(victims))
            victims[what]()
            self.kills[what] = self.kills.get(what, 0) + 1
        wait_for(lambda: self._tapped() >= self.count, "all taps", within_s=PATIENCE_S)
        saved = set(numbers(self.journal, "saved"))
        wait_for(lambda: saved <= set(self._held()), "all at the hub", within_s=PATIENCE_S)

    def check(self) -> None:
        """0 lost, 0 double, 0 out of order, by the journal. Raises AssertionError."""
        held, tried, saved = self._held(), numbers(self.journal, "try"), numbers(self.journal, "saved")
        assert tried == list(range(1, self.count + 1)), "the journal is whole"
        assert len(saved) >= self.count - self.kills.get("tapping", 0)
        assert sorted(set(saved) - set(held)) == [], "lost"
        assert held == sorted(set(held)), "double, or out of order"
        assert set(held) <= set(tried), "invented"
        assert self.hub.gaps() == 0 and self.hub.dead_letters() == 0

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()

    def _victims(self) -> dict[str, Callable[[], None]]:
        return {
            "tapping": lambda: self._restart("tapping"),
            "sync": lambda: self._restart("sync"),
            "broker": self._kill_broker,
            "intake": self._kill_intake,
        }

    def _restart(self, what: str) -> None:
        self._processes[what].kill()
        self._processes[what].wait()
        self._start(what)

    def _kill_broker(self) -> None:
        """It keeps nothing on disk, and what it might keep goes too."""
        self.region.broker.kill()
        for file in self.region.broker.parameters.directory.glob("*.db"):
            file.unlink()
        self.region.restart_broker()

    def _kill_intake(self) -> None:
        self.hub.kill()
        self.hub.start()

    def _start(self, what: str) -> None:
        site_file = self.region.directory / "hap-noord" / "site.toml"
        tapping = [str(Path(__file__).with_name("tapping.py")), str(site_file), str(self.journal)]
        commands = {
            "tapping": [*tapping, str(self.count), str(self.per_s)],
            "sync": ["-m", "zorgkiosk", "run", "sync", "--config", str(site_file)],
        }
        with (self.region.directory / f"{what}.log").open("ab") as log:
            self._processes[what] = subprocess.Popen([sys.executable, *commands[what]], stderr=log)

    def _tapped(self) -> int:
        """The newest tap, when the process that taps is alive or done."""
        assert self._processes["tapping"].poll() in (None, 0), (self.region.directory / "tapping.log").read_text()
        return max(numbers(self.journal, "saved"), default=0)

    def _held(self) -> list[int]:
        """The numbers of the taps that the hub holds, in the order of their sequences."""
        rows = self.hub.rows("SELECT data FROM event WHERE stream = 'panel' ORDER BY sequence")
        return [each["free"] + 10_000 * each["total"] for each in (json.loads(row.data) for row in rows)]
