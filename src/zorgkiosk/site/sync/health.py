"""How sync itself does, as `device.health` events in its own outbox."""

from __future__ import annotations

import logging

from zorgkiosk.contract.events import DeviceHealth
from zorgkiosk.site.faults import CONDITIONS, coded
from zorgkiosk.site.store import Store, Transaction

log = logging.getLogger(__name__)

REPEAT_S = 600.0
"""Something that keeps happening is reported, with its count, at most this often."""


class Health:
    """Conditions that begin and end, and happenings that are counted. Counts start again with the process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: dict[str, int] = {}
        self._reported_at_s: dict[str, float] = {}
        self._bad: set[str] = set()

    def change(self, condition: str, *, ok: bool) -> None:
        """A condition as it is now; reported when it was otherwise. Raises StoreError."""
        if ok != (condition in self._bad):
            return
        with self._store.transaction() as change:
            self.report(change, condition, ok=ok)
        log.warning("sync: %s", f"{condition} is over" if ok else coded(condition, CONDITIONS[condition]))
        (self._bad.discard if ok else self._bad.add)(condition)

    def happened(self, condition: str, sentence: str, now_s: float) -> None:
        """Count it; log and report the first at once and then one per `REPEAT_S`. Raises StoreError."""
        count = self._counts[condition] = self._counts.get(condition, 0) + 1
        if now_s - self._reported_at_s.get(condition, -REPEAT_S) < REPEAT_S:
            return
        self._reported_at_s[condition] = now_s
        log.warning("sync: %s (%d so far): %s", condition, count, coded(sentence, CONDITIONS[condition]))
        with self._store.transaction() as change:
            change.report(DeviceHealth(unit="sync", condition=condition, ok=False, count=min(count, 9999)))

    def report(self, change: Transaction, condition: str, *, ok: bool) -> None:
        """The event of a condition that began or ended, within a commit of the caller's."""
        if not ok:
            self._counts[condition] = self._counts.get(condition, 0) + 1
        count = min(self._counts.get(condition, 0), 9999)
        change.report(DeviceHealth(unit="sync", condition=condition, ok=ok, count=count))
