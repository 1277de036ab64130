"""What an event costs a site's SD card: bytes written for it, and the room it takes until the hub has it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from zorgkiosk.contract.events import CapacityReported
from zorgkiosk.lab.bench.figures import Figure
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.store import Store

WRITTEN_EVENTS, HELD_EVENTS = 2000, 100_000
SECONDS_IN_30_DAYS = 30 * 86_400


def figures() -> list[Figure]:
    """Taps as the panel commits them, one by one, and a backlog. On the disk that holds the temporary directory."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        held = _held_bytes(folder / "held.db") / HELD_EVENTS
        told = subprocess.run(
            [sys.executable, "-m", __name__, str(folder / "written.db")], capture_output=True, text=True, check=True
        )
    return [
        Figure("bytes_written_per_event", int(told.stdout) / WRITTEN_EVENTS, "bytes", WRITTEN_EVENTS),
        Figure("outbox_bytes_per_event", held, "bytes", HELD_EVENTS),
        Figure("outbox_mb_30_days_1_per_s", held * SECONDS_IN_30_DAYS / 1e6, "MB", HELD_EVENTS),
    ]


def write(path: Path) -> int:
    """Commit `WRITTEN_EVENTS` taps; the bytes that this process sent to the disk for them (proc(5), io)."""
    store = Store.open(path, "panel", SystemClock.of_this_boot())
    before = _sent_bytes()
    for n in range(WRITTEN_EVENTS):
        with store.transaction() as change:
            fact = CapacityReported(category="elv-laag", free=n % 99, total=99)
            change.put("capacity/elv-laag", fact.model_dump())
            change.report(fact)
    store.close()
    return _sent_bytes() - before


def _held_bytes(path: Path) -> int:
    store = Store.open(path, "panel", SystemClock.of_this_boot())
    for begin in range(0, HELD_EVENTS, 1000):
        with store.transaction() as change:
            for n in range(begin, begin + 1000):
                change.report(CapacityReported(category="elv-laag", free=n % 99, total=99))
    store.close()
    return path.stat().st_size


def _sent_bytes() -> int:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))


if __name__ == "__main__":
    sys.stdout.write(str(write(Path(sys.argv[1]))))
