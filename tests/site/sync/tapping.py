"""`python tapping.py SITE_TOML JOURNAL COUNT PER_S`: a panel that taps, and a journal that nobody else writes.

Before each commit the journal gets `try N`, after it `saved N`; N is the tap's number, 1 up to COUNT, as `free` (four
digits) and `total` (what is before them). Killed and started again it goes on with the next number. It prunes what the
hub acknowledged, as the panel does.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from zorgkiosk.contract.events import CapacityReported
from zorgkiosk.contract.status import Ack
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.config import load_site
from zorgkiosk.site.facts import read
from zorgkiosk.site.store import Store, StoreView


def numbers(journal: Path, word: str) -> list[int]:
    """Of all whole lines that begin with `word`, in order."""
    lines = journal.read_text().splitlines(keepends=True) if journal.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith(word) and line.endswith("\n")]


def tap(panel: Store, n: int) -> None:
    report = CapacityReported(category="elv-laag", free=n % 10_000, total=n // 10_000)
    with panel.transaction() as change:
        change.put("capacity/elv-laag", report.model_dump(mode="json"))
        change.report(report)


def main() -> None:
    site_file, journal_file, count, per_s = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    config = load_site(site_file)
    panel, others = Store.open(config.panel_db, "panel", SystemClock.of_this_boot()), StoreView(config.sync_db)
    tried = numbers(journal_file, "try")
    journal = os.open(journal_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for n in range(tried[-1] + 1 if tried else 1, count + 1):
        os.write(journal, f"try {n}\n".encode())
        tap(panel, n)
        os.write(journal, f"saved {n}\n".encode())
        ack = read(Ack, others.state().get("acked/panel")) if n % 10 == 0 else None
        if ack is not None:
            panel.prune(ack.epoch, ack.up_to)
        time.sleep(1 / per_s)


if __name__ == "__main__":
    main()
