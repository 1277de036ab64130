"""A month without the hub: a million rows wait, the store opens at once, and draining it costs no memory."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from zorgkiosk.contract.events import CapacityReported
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.store import Store

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

ROWS = 1_000_000
DRAIN = """
import json, resource, sys
from pathlib import Path
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.store import Store
store = Store.open(Path(sys.argv[1]), "panel", SystemClock.of_this_boot())
view, epoch, reached, peaks_kb = store.view(), store.epoch, 0, []
while rows := view.outbox(after=reached, limit=100):
    assert rows[0].sequence == reached + 1
    reached = rows[-1].sequence
    if reached % 10_000 == 0:
        store.prune(epoch, reached)
        peaks_kb.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(json.dumps([reached, peaks_kb[4], peaks_kb[-1]]))
"""


def test_a_million_rows_open_at_once_and_drain_in_flat_memory(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "panel.db", "panel", SystemClock.of_this_boot())
    for begin in range(0, ROWS, 5000):
        with store.transaction() as change:
            for n in range(begin, begin + 5000):
                change.report(CapacityReported(category="elv-laag", free=n % 99, total=99))
    store.close()
    assert store.path.stat().st_size / ROWS * 30 * 86_400 < 512 * 2**20, "thirty days at one event a second"
    begin_s = time.monotonic()
    Store.open(store.path, "panel", SystemClock.of_this_boot()).close()
    assert time.monotonic() - begin_s < 2
    done = subprocess.run([sys.executable, "-c", DRAIN, str(store.path)], capture_output=True, text=True, check=True)
    reached, early_kb, late_kb = map(int, done.stdout.strip("[]\n").split(","))
    assert reached == ROWS
    assert late_kb < early_kb + 4096
