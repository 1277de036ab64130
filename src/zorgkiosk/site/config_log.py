"""What was done to a box's configuration: one line in a journal of its own, by whoever runs the command.

The commands are not units: each opens the store, adds its line and goes. A file that takes nothing keeps nobody from
curing a box, so that is said in the log and no more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zorgkiosk.site.clock import Clock, SystemClock
from zorgkiosk.site.journal import JournalLine
from zorgkiosk.site.store import Room, Store, StoreError

STREAM = "care"
ROOM = Room(max_mb=64, reserve_mb=1)

TECHNICIAN = "technicus"
SYSTEM = "systeem"
"""Roles: whoever may run commands as root, and the box by itself, at boot. Which person it was nobody knows here."""

CONSOLE, BOX = "console", "box"
"""Devices: where somebody typed the command, and the box by itself."""

log = logging.getLogger(__name__)


@contextmanager
def open_log(path: Path, clock: Clock | None = None) -> Iterator[Store]:
    """The store with the journal; its last line is told beside it in the end. Raises StoreError."""
    with suppress(OSError):  # where none can be made, the store says so
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = Store.open(path, STREAM, clock or SystemClock.of_this_boot(), ROOM)
    try:
        yield store
        store.tell_head()
    finally:
        store.close()


def record(path: Path, *lines: JournalLine, clock: Clock | None = None) -> bool:
    """Add lines in one commit, durably. Whether they are there; why they are not stands in the log."""
    try:
        with open_log(path, clock) as store, store.transaction() as change:
            for line in lines:
                change.note(line)
    except StoreError as error:
        log.error("%s: what was done is not in the log of this box", error)
        return False
    return True
