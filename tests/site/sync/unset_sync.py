"""`python unset_sync.py SITE_TOML`: the unit `sync` on a machine whose kernel says that the clock was never set.

It writes what its clock says to stdout, five times a second, so that a test can see that the fake time works.
"""

from __future__ import annotations

import select
import sys
import time
from pathlib import Path

from lab_region import CLOCK, SetClock

from zorgkiosk.site.config import load_site
from zorgkiosk.site.store import Store
from zorgkiosk.site.wake import Wake
from zorgkiosk.units.sync import STREAM, compose


def _sleep(seconds: float) -> None:
    # libfaketime 0.9.10 answers EINVAL to the clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME) of Python's own.
    select.select([], [], [], seconds)


def main() -> None:
    time.sleep = _sleep  # type: ignore[assignment]
    config = load_site(Path(sys.argv[1]))
    clock = SetClock(CLOCK.boot_id, right=False)
    session = compose(config, Store.open(config.sync_db, STREAM, clock), clock, Wake.beside(config.sync_db))
    told_at_s = 0.0
    while True:
        session.step()
        if clock.uptime_s() >= told_at_s + 0.2:
            told_at_s = clock.uptime_s()
            sys.stdout.write(f"{clock.now().isoformat()}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
