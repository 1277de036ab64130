"""Records between the line and the outbox: each gets there once, whenever the line is killed."""

from __future__ import annotations

from pathlib import Path

from zorgkiosk.contract.events import CallHandled, EventData, Triage, TriageChanged
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.facts import LineFact
from zorgkiosk.site.store import Store
from zorgkiosk.site.telephony.journal import Journal

QUIET = Triage(
    desks_present=1,
    desks_free=1,
    waiting=0,
    longest_wait_s=0,
    accepting_overflow=True,
    pressure="groen",
    chance_2min=1,
)
CALL = CallHandled(waited_s=3, talked_s=60, urgent=False, outcome="answered", origin="trunk", hops=0, desk="desk-1")


def events(store: Store) -> list[EventData]:
    return [row.data for row in store.view().outbox(after=0, limit=9)]


def test_a_record_of_a_line_that_was_killed_before_it_reported_is_reported_by_the_next(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "telephony.db", "telephony", SystemClock.of_this_boot())
    first = Journal.resumed(store)
    first.record(CALL)
    first.write(LineFact(), QUIET, now_s=1.0)
    assert events(store) == [], "it is on its way"
    recorded = store.view().state()["unreported"].said
    second = Journal.resumed(store)
    second.report()
    [row, change] = store.view().outbox(after=0, limit=9)
    assert (row.data, row.said) == (CALL, recorded) and isinstance(change.data, TriageChanged)
    Journal.resumed(store).report()
    assert len(events(store)) == 2, "and nobody reports it again"


def test_a_record_is_reported_once(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "telephony.db", "telephony", SystemClock.of_this_boot())
    journal = Journal.resumed(store)
    journal.record(CALL)
    journal.write(LineFact(), QUIET, now_s=1.0)
    journal.report()
    journal.write(LineFact(lost=1), QUIET, now_s=2.0)
    journal.report()
    assert events(store) == [CALL, TriageChanged(**QUIET.model_dump())]
