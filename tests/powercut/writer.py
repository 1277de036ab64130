"""Lives of a unit that writes its store until the power is cut. One line of JSON a life on stdin: path, seed, numbers.

Each life is a child of this process, which has imported everything already. What it says on stdout is the journal that
the test compares with: what it is about to do, and what was accepted, said only once the commit has returned.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from zorgkiosk.contract.events import CapacityReported
from zorgkiosk.site import store as store_module
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.store import Room, Store, StoreError

ROOM = Room(max_mb=64, reserve_mb=0.0625)
FREE = 9000
"""The n-th event reports n modulo this many places: what the contract allows in a number."""


def say(**what: Any) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def live(path: Path, seed: int, number: int, synchronous: str) -> None:
    """`number`: of the first event of this life."""
    store_module._SYNCHRONOUS = synchronous
    chance = random.Random(seed)
    begin_s = time.monotonic()
    store = Store.open(path, "panel", SystemClock.of_this_boot(), ROOM)
    took_s = time.monotonic() - begin_s
    view = store.view()
    rows = [(row.sequence, row.data.model_dump().get("free")) for row in view.outbox(after=0, limit=1_000_000)]
    state = {key: each.value for key, each in view.state().items()}
    epoch = view.epoch() or ""
    view.close()
    say(opened_s=took_s, epoch=epoch, rows=rows, state=state)
    reached = max((sequence for sequence, _ in rows), default=0)
    while True:
        number += 1
        what = chance.random()
        if what < 0.7:
            say(intent=number)
            with store.transaction() as change:
                change.put("number", number)
                reached = change.report(CapacityReported(category="elv-laag", free=number % FREE))
            say(accepted=number, sequence=reached)
        elif what < 0.97:
            say(hasty=number)
            store.put_for_this_boot({"line": str(number)})
        else:
            say(forgets=reached)
            store.prune(epoch, reached)


def main() -> None:
    for line in sys.stdin:
        life = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                live(Path(life["path"]), life["seed"], life["number"], life["synchronous"])
            except (StoreError, OSError) as error:
                say(cut=str(error))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        say(ended=status)


if __name__ == "__main__":
    main()
