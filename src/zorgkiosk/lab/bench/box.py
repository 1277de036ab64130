"""What the box itself is measured by: how exposed its units are, and what all of them weigh."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from zorgkiosk.lab import appliance
from zorgkiosk.lab.bench.figures import Figure
from zorgkiosk.lab.daemon import LabError
from zorgkiosk.lab.nspawn import Machine, needed, remove_tree, wait

_REPOSITORY = Path(__file__).parents[4]
_SYSTEMD = _REPOSITORY / "systemd"
_KIOSK = _REPOSITORY / "firmware_config" / "kiosk" / "zorgkiosk-kiosk.service"
_DEBIAN_FRONT = Path("/lib/systemd/system/kamailio.service")
_SITE = ("zorgkiosk-panel", "zorgkiosk-sync", "zorgkiosk-telephony", "kamailio")
_SETTLED_S = 90.0
_WORKERS = 8
_SMAPS = """
import sys
from pathlib import Path
used_kb = []
for folder in Path("/proc").glob("[0-9]*"):
    try:
        group = (folder / "cgroup").read_text()
        if any(f"/{unit}.service" in group for unit in sys.argv[1:]):
            lines = (folder / "smaps_rollup").read_text().splitlines()
            used_kb.append(sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")))
    except OSError:  # it has just ended
        continue
print(sum(used_kb), len(used_kb))
"""
"""A unit's processes are those of its control group: the workers of a line, the children of a front."""


def unit_files() -> list[Path]:
    """Units, targets and drop-ins as they are shipped."""
    return sorted(file for file in _SYSTEMD.rglob("*") if file.is_file())


def scores() -> dict[str, float]:
    """How exposed systemd finds each service, 0 (not at all) to 10, Debian's Kamailio with our drop-in among them.

    Raises LabError where systemd-analyze or Debian's Kamailio is missing.
    """
    with tempfile.TemporaryDirectory() as directory:
        shutil.copytree(_SYSTEMD, directory, dirs_exist_ok=True)
        shutil.copy(_KIOSK, directory)
        try:
            shutil.copy(_DEBIAN_FRONT, directory)
            return {file.name: _score(file) for file in sorted(Path(directory).glob("*.service"))}
        except FileNotFoundError as error:
            raise LabError(f"units cannot be judged: {error.filename} is missing") from None


def _score(unit: Path) -> float:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if (found := re.search(r"Overall exposure level for \S+: ([0-9.]+)", said.stdout)) is None:
        raise LabError(f"systemd-analyze on {unit.name}: {said.stderr.strip()[-300:]}")
    return float(found[1])


def memory_mb(machine: Machine) -> Figure:
    """Proportional set sizes of a triage centre's units, its idle workers and its front, in MB."""
    used_kb, processes = machine.do("/opt/zorgkiosk/current/bin/python", "-c", _SMAPS, *_SITE).split()
    return Figure("site_memory_mb_total", int(used_kb) / 1024, "MB", int(processes))


def exposure(_say: Callable[[str], None]) -> list[Figure]:
    """The most exposed unit. Raises LabError."""
    found = scores()
    return [Figure("worst_systemd_score", max(found.values()), "of 10, 0 is best", len(found))]


def memory(say: Callable[[str], None]) -> list[Figure]:
    """Of a box that is booted for it; nothing where none can be booted. Raises LabError."""
    if missing := needed("amd64"):
        say(f"no box can be booted here, so its memory is not measured: missing {', '.join(missing)}")
        return []
    directory = Path(tempfile.mkdtemp(prefix="zkbox-"))
    try:
        root = appliance.box("amd64", directory / "root")
        appliance.configure(root, "hap-noord", directory / "ca")
        with Machine.booted(root, directory / "console.log") as machine:
            wait(lambda: machine.journal("zorgkiosk-telephony").count("is here") >= _WORKERS, _SETTLED_S, "all is up")
            return [memory_mb(machine)]
    finally:
        remove_tree(directory)
