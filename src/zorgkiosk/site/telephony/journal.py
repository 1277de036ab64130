"""The line's hand on its store: facts for the screens and a restart, records for the hub, in one commit."""

from __future__ import annotations

import logging

from zorgkiosk.contract.events import EventData, Triage, TriageChanged
from zorgkiosk.site.facts import LineFact
from zorgkiosk.site.store import Store, StoreError

_LOG = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
"""The line is written this often when nothing happens, so that a reader can tell a quiet line from a dead one."""
WAITING_HEARTBEAT_S = 2.0
"""The same while callers wait: the longest wait is on a screen."""


class Journal:
    """Writes only what changed. When the file takes nothing, records are kept and tried again with the next write."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events: list[EventData] = []
        self._written: LineFact | None = None
        self._written_s = float("-inf")
        self._reported: tuple[object, ...] = ()

    def record(self, event: EventData) -> None:
        """This event goes into the outbox with the next write."""
        self._events.append(event)

    def write(self, line: LineFact, triage: Triage, *, now_s: float) -> None:
        """Commit the line as it is now, its records, and a `triage.changed` when staff, pressure or help changed."""
        beat_s = WAITING_HEARTBEAT_S if triage.waiting else HEARTBEAT_S
        if line == self._written and not self._events and now_s - self._written_s < beat_s:
            return
        shown = (triage.desks_present, triage.accepting_overflow, triage.pressure, triage.helping, triage.helped_by)
        news = [] if shown == self._reported else [TriageChanged(**triage.model_dump())]
        try:
            with self._store.transaction() as change:
                change.put("line", line.model_dump(mode="json"))
                change.put("triage", triage.model_dump(mode="json"))
                for event in (*self._events, *news):
                    change.report(event)
        except StoreError as error:
            # Callers come before records: they are served, and what could not be written is tried again.
            _LOG.error("%s", error)
            return
        self._events, self._written, self._written_s, self._reported = [], line, now_s, shown
