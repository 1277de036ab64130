"""The line's hand on its store: facts for the screens and a restart first, records for the hub after.

What stands in `line` dies with a reboot, so no caller waits until an SD card has it: that commit survives the end of
this process, not a power cut. Records are kept beside it, under `unreported`, until a durable commit has put them into
the outbox: a line that is killed in between leaves them to the next one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from zorgkiosk.contract.events import KINDS, EventData, Said, Triage, TriageChanged
from zorgkiosk.site.facts import LineFact
from zorgkiosk.site.store import StateValue, Store, StoreError

_LOG = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
"""The line is written this often when nothing happens, so that a reader can tell a quiet line from a dead one."""
WAITING_HEARTBEAT_S = 2.0
"""The same while callers wait: the longest wait is on a screen."""
UNREPORTED = "unreported"


@dataclass(frozen=True)
class Unreported:
    """An event that is not in the outbox yet. `said` is None for one of this process: it is said when it gets there."""

    data: EventData
    said: Said | None = None


class Journal:
    """Writes only what changed. When the file takes nothing, records are kept and tried again with the next write."""

    def __init__(self, store: Store, unreported: Iterable[Unreported] = ()) -> None:
        self._store = store
        self._unreported = list(unreported)
        self._written: LineFact | None = None
        self._written_s = float("-inf")
        self._shown: tuple[object, ...] = ()

    @classmethod
    def resumed(cls, store: Store) -> Journal:
        """With the records that the line before could not report any more."""
        return cls(store, _left(store.view().state().get(UNREPORTED)))

    def record(self, event: EventData) -> None:
        """This event goes into the outbox once it is written."""
        self._unreported.append(Unreported(event))

    def write(self, line: LineFact, triage: Triage, *, now_s: float) -> None:
        """Commit the line as it is now, and with it a `triage.changed` when staff, pressure or help changed."""
        shown = (triage.desks_present, triage.accepting_overflow, triage.pressure, triage.helping, triage.helped_by)
        if shown != self._shown:
            self._shown = shown
            # While the disk is full only the newest is kept: it replaces those before it.
            self._unreported = [each for each in self._unreported if not isinstance(each.data, TriageChanged)]
            self.record(TriageChanged(**triage.model_dump()))
        beat_s = WAITING_HEARTBEAT_S if triage.waiting else HEARTBEAT_S
        if line == self._written and not self._unreported and now_s - self._written_s < beat_s:
            return
        texts = {"line": line.model_dump_json(), "triage": triage.model_dump_json()}
        if self._unreported:
            texts[UNREPORTED] = json.dumps([_plain(each.data) for each in self._unreported])
        try:
            self._store.put_for_this_boot(texts)
        except StoreError as error:
            # Callers come before records: they are served, and what could not be written is tried again.
            _LOG.error("%s", error)
            return
        self._written, self._written_s = line, now_s

    def report(self) -> None:
        """Put what is unreported into the outbox. It waits for the disk: the line calls it once it has acted."""
        if not self._unreported:
            return
        try:
            with self._store.transaction() as change:
                for each in self._unreported:
                    change.report(each.data, said=each.said)
                change.remove(UNREPORTED)
        except StoreError as error:
            _LOG.error("%s", error)
            self._written = None
            return
        self._unreported = []


def _plain(event: EventData) -> dict[str, object]:
    return {"kind": event.KIND, "data": event.model_dump(mode="json", exclude_none=True)}


def _left(value: StateValue | None) -> list[Unreported]:
    if value is None:
        return []
    return [Unreported(KINDS[each["kind"]].model_validate(each["data"]), value.said) for each in value.value]
