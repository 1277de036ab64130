"""The line with a real store and recorded workers: what a shift lead would see happen, step by step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fakes import RecordingFront, RecordingWorkers
from zorgkiosk.contract.events import CallHandled, Triage, TriageChanged
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.facts import LineFact, OverflowSwitch, read
from zorgkiosk.site.store import Store
from zorgkiosk.site.telephony.journal import Journal
from zorgkiosk.site.telephony.line import Line
from zorgkiosk.site.telephony.messages import (
    AnswerCaller,
    Attached,
    Call,
    CallFinished,
    CallOffered,
    Command,
    Hold,
    Leg,
    LegAnswered,
    LegEnded,
    Outcome,
    Refuse,
    RingLeg,
    WithdrawLeg,
)
from zorgkiosk.site.telephony.situation import Heard

HOLD = Hold("/a.wav", 20)
TO_ZUID = RingLeg(
    "partner/hap-zuid",
    "sip:line@hap-zuid",
    True,
    {"X-Zorgkiosk-Waited": "0.0", "X-Zorgkiosk-Hops": "1", "X-Zorgkiosk-Urgent": "0"},
)


def ring(desk: int) -> RingLeg:
    return RingLeg(f"desk/desk-{desk}", f"sip:phone{desk}@desk", False, {})


def config(tmp_path: Path) -> SiteConfig:
    return SiteConfig.model_validate(
        {
            "site": {"name": "hap-noord", "title": "Noord", "region": "oost", "data_dir": tmp_path},
            "hub": {"host": "127.0.0.1", "ca_file": "ca", "certificate_file": "c", "key_file": "k"},
            "front": {"address": "127.0.11.1", "trunk_addresses": ["127.0.11.2"]},
            "telephony": {"announcement": "/a.wav"},
            "desk": [
                {"id": "desk-1", "title": "Werkplek 1", "phone": "phone1"},
                {"id": "desk-2", "title": "Werkplek 2", "phone": "phone2"},
            ],
            "partner": [{"name": "hap-zuid", "title": "Zuid", "address": "127.0.12.1", "agreed_on": "2026-01-01"}],
            "secrets": {"phones": {"phone1": "long-enough-1", "phone2": "long-enough-2"}},
        }
    )


@dataclass
class Centre:
    """hap-noord: one line with two desks, and what it sent."""

    line: Line
    store: Store
    workers: RecordingWorkers
    front: RecordingFront
    now_s: float = 100.0

    def call(self, worker: int, *, origin: str = "trunk", hops: int = 0, urgent: bool = False) -> None:
        call = Call(f"call-{worker}", origin, hops, urgent, self.now_s, 0.0)
        self.line.handle(worker, CallOffered(call), self.now_s)

    def answered(self, worker: int, leg: str) -> None:
        self.line.handle(worker, LegAnswered(leg), self.now_s)

    def finished(self, worker: int, outcome: Outcome, by: str | None = None, waited_s: float = 8.0) -> None:
        done = CallFinished(f"call-{worker}", "trunk", 0, False, waited_s, 60.0, by, outcome)
        self.line.handle(worker, done, self.now_s)

    def sent(self) -> list[tuple[int, Command]]:
        return self.workers.take()

    def later(self, seconds: float) -> None:
        self.now_s += seconds
        self.line.tick(self.now_s)

    def desks(self) -> dict[str, str]:
        return {desk.id: desk.state for desk in self.fact().desks}

    def fact(self) -> LineFact:
        fact = read(LineFact, self.store.view().state()["line"])
        assert fact is not None
        return fact

    def records(self) -> list[CallHandled]:
        return [r.data for r in self.store.view().outbox(after=0, limit=99) if isinstance(r.data, CallHandled)]

    def restarted(self) -> Centre:
        """A new line on the same store, with no worker attached yet."""
        workers, front, site = RecordingWorkers(), RecordingFront(), config(self.store.path.parent)
        assert site.telephony is not None
        line = Line(site, site.telephony, Journal(self.store), workers, front)
        line.resume(self.fact(), self.now_s)
        line.staffed(["desk-1", "desk-2"], OverflowSwitch(), self.now_s)
        return replace(self, line=line, workers=workers, front=front)


@pytest.fixture
def centre(tmp_path: Path) -> Centre:
    site = config(tmp_path)
    assert site.telephony is not None
    store = Store.open(tmp_path / "telephony.db", "telephony", SystemClock.of_this_boot())
    workers, front = RecordingWorkers(), RecordingFront()
    line = Line(site, site.telephony, Journal(store), workers, front)
    line.staffed(["desk-1", "desk-2"], OverflowSwitch(), 100.0)
    return Centre(line, store, workers, front)


@pytest.fixture
def rush(centre: Centre) -> Centre:
    """Both desks talk, hap-zuid has three free ones."""
    for worker, desk in ((0, "desk/desk-1"), (1, "desk/desk-2")):
        centre.call(worker)
        centre.answered(worker, desk)
    centre.line.partners_said({"hap-zuid": heard(free=3)}, centre.now_s)
    centre.sent()
    return centre


def heard(*, free: int, accepting: bool = True, at_s: float = 100.0) -> Heard:
    said = Triage(
        desks_present=3,
        desks_free=free,
        waiting=0,
        longest_wait_s=0,
        accepting_overflow=accepting,
        pressure="groen",
        chance_2min=1,
    )
    return Heard(said, at_s)


def test_a_caller_hears_the_announcement_and_the_first_free_desk_rings(centre: Centre) -> None:
    centre.call(0)
    assert centre.sent() == [(0, HOLD), (0, ring(1))]
    assert centre.desks() == {"desk-1": "ringing", "desk-2": "free"}
    centre.answered(0, "desk/desk-1")
    assert centre.desks()["desk-1"] == "busy"
    centre.finished(0, "answered", "desk/desk-1")
    assert centre.desks()["desk-1"] == "free" and centre.front.told == [("release", 0)]
    [record] = centre.records()
    assert (record.outcome, record.desk, record.partner, record.waited_s) == ("answered", "desk-1", None, 8.0)


def test_a_desk_that_comes_free_rings_at_once_for_the_next(centre: Centre) -> None:
    for worker in range(3):
        centre.call(worker)
    centre.answered(0, "desk/desk-1")
    centre.sent()
    centre.finished(0, "answered", "desk/desk-1")
    assert centre.sent() == [(2, ring(1))]


def test_nobody_rings_at_an_empty_desk(centre: Centre) -> None:
    centre.line.staffed(["desk-2"], OverflowSwitch(), centre.now_s)
    centre.call(0)
    assert centre.sent() == [(0, HOLD), (0, ring(2))]


def test_who_would_miss_the_norm_also_waits_at_the_partner(rush: Centre) -> None:
    rush.call(2)
    assert rush.sent() == [(2, HOLD), (2, TO_ZUID)]
    call = rush.fact().calls[-1]
    assert (call.offered_to, call.chance_partner) == ("hap-zuid", 1.0) and (call.chance_home or 0) < 0.5
    rush.answered(2, "partner/hap-zuid")
    rush.finished(2, "answered", "partner/hap-zuid")
    [record] = rush.records()
    assert (record.partner, record.desk, record.chance_partner) == ("hap-zuid", None, 1.0)


def test_an_offered_caller_keeps_the_place_at_home(rush: Centre) -> None:
    rush.call(2)
    rush.sent()
    rush.finished(0, "answered", "desk/desk-1")
    assert rush.sent() == [(2, ring(1))], "the worker itself withdraws the partner when the desk picks up"
    rush.answered(2, "desk/desk-1")
    rush.line.handle(2, LegEnded("partner/hap-zuid", 487, "withdrawn"), rush.now_s)
    rush.call(3)
    assert (3, TO_ZUID) in rush.sent(), "a withdrawn partner is not blamed"


def test_a_desk_whose_ring_the_partner_won_is_free_when_its_phone_is_silent(rush: Centre) -> None:
    rush.call(2)
    rush.finished(0, "answered", "desk/desk-1")
    rush.answered(2, "partner/hap-zuid")
    assert rush.desks()["desk-1"] == "ringing"
    rush.line.handle(2, LegEnded("desk/desk-1", 487, "withdrawn"), rush.now_s)
    assert rush.desks()["desk-1"] == "free"


def test_a_partner_that_refuses_rests_and_the_caller_waits_at_home(rush: Centre) -> None:
    rush.call(2)
    rush.line.handle(2, LegEnded("partner/hap-zuid", 486, "Own callers wait"), rush.now_s)
    rush.sent()
    assert rush.fact().resting_partners == ("hap-zuid",)
    rush.later(59)
    assert not any(isinstance(command, RingLeg) for _, command in rush.sent())
    rush.line.partners_said({"hap-zuid": heard(free=3, at_s=rush.now_s)}, rush.now_s)
    rush.later(2)
    assert [command.leg for _, command in rush.sent() if isinstance(command, RingLeg)] == ["partner/hap-zuid"]


def test_a_desk_that_does_not_answer_is_skipped_for_a_while_and_the_next_rings(centre: Centre) -> None:
    centre.call(0)
    centre.sent()
    centre.later(20)
    assert centre.sent() == [(0, WithdrawLeg("desk/desk-1")), (0, ring(2))]
    assert centre.desks() == {"desk-1": "no-answer", "desk-2": "ringing"}
    centre.later(60)
    assert centre.desks()["desk-1"] in ("free", "ringing")


def test_an_unregistered_phone_rests_its_desk(centre: Centre) -> None:
    centre.call(0)
    centre.sent()
    centre.line.handle(0, LegEnded("desk/desk-1", 480, "Phone not registered"), centre.now_s)
    assert centre.sent() == [(0, ring(2))] and centre.desks()["desk-1"] == "no-answer"


def test_a_waiting_caller_is_answered_before_the_trunk_cuts_early_media(rush: Centre) -> None:
    rush.call(2)
    rush.sent()
    rush.later(44)
    assert rush.sent() == []
    rush.later(1.1)
    assert (2, AnswerCaller()) in rush.sent()
    rush.later(1)
    assert (2, AnswerCaller()) not in rush.sent()


def test_a_dead_worker_costs_its_caller_and_nobody_else(centre: Centre) -> None:
    centre.call(0)
    centre.answered(0, "desk/desk-1")
    centre.call(1)
    centre.now_s += 4
    centre.line.gone(0, centre.now_s)
    assert ("worker_died", 0) in centre.front.told
    assert centre.desks() == {"desk-1": "free", "desk-2": "ringing"} and centre.fact().lost == 1
    [record] = centre.records()
    assert (record.outcome, record.desk, record.talked_s) == ("lost", "desk-1", 4.0)


def test_a_restarted_line_is_rebuilt_from_its_workers(rush: Centre) -> None:
    rush.call(2)
    talking = Call("call-0", "trunk", 0, False, 90.0, 0.0, (Leg("desk/desk-1", "answered", "x"),), "desk/desk-1")
    waiting = Call("call-2", "trunk", 0, False, 100.0, 0.0, (Leg("partner/hap-zuid", "ringing", "y"),))
    rush.now_s = 105.0
    after = rush.restarted()
    after.line.handle(0, Attached(0, 11, "sip:a", talking), 105.0)
    after.line.handle(2, Attached(2, 12, "sip:c", waiting), 105.0)
    assert after.desks() == {"desk-1": "busy", "desk-2": "ringing"}, "the waiting caller is served at home as well"
    call = next(call for call in after.fact().calls if call.worker == 2)
    assert (call.arrived_uptime_ms, call.offered_to, call.chance_partner) == (100_000, "hap-zuid", 1.0)
    after.later(3)
    assert after.fact().lost == 1, "the caller of worker 1 did not come back"
    assert [record.outcome for record in after.records()] == ["lost"]


def test_a_call_that_ended_while_the_line_was_away_is_recorded_and_not_lost(rush: Centre) -> None:
    after = rush.restarted()
    after.finished(0, "answered", "desk/desk-1")
    after.finished(1, "answered", "desk/desk-2")
    after.later(4)
    assert after.fact().lost == 0 and [record.outcome for record in after.records()] == ["answered", "answered"]


def test_a_late_report_of_the_call_before_leaves_the_new_caller_alone(centre: Centre) -> None:
    centre.call(0)
    late = CallFinished("call-before", "trunk", 0, False, 9.0, 0.0, None, "abandoned")
    centre.line.handle(0, late, centre.now_s)
    assert [call.sip_call_id for call in centre.fact().calls] == ["call-0"] and centre.front.told == []
    assert [record.outcome for record in centre.records()] == ["abandoned"]


def test_a_partners_caller_joins_the_line_and_is_never_passed_on(centre: Centre) -> None:
    for worker, desk in ((0, "desk/desk-1"), (1, "desk/desk-2")):
        centre.call(worker)
        centre.answered(worker, desk)
    centre.line.partners_said({"hap-zuid": heard(free=3)}, centre.now_s)
    centre.sent()
    centre.call(2, origin="hap-zuid", hops=1)
    assert centre.sent() == [(2, HOLD)]
    triage = read(Triage, centre.store.view().state()["triage"])
    assert triage is not None and triage.helping == {"hap-zuid": 1}


@pytest.mark.parametrize(
    ("origin", "hops", "accepting", "code"),
    [("hap-zuid", 2, True, 482), ("hap-zuid", 1, False, 603), ("hap-west", 1, True, 403)],
)
def test_what_a_partner_may_not_send_is_declined(
    centre: Centre, origin: str, hops: int, accepting: bool, code: int
) -> None:
    centre.line.staffed(["desk-1"], OverflowSwitch(accepting=accepting), centre.now_s)
    centre.call(0, origin=origin, hops=hops)
    [(worker, refusal)] = centre.sent()
    assert worker == 0 and isinstance(refusal, Refuse) and refusal.code == code and centre.fact().calls == ()


def test_closing_the_overflow_withdraws(rush: Centre) -> None:
    rush.call(2)
    rush.sent()
    rush.line.staffed(["desk-1", "desk-2"], OverflowSwitch(giving=False), rush.now_s)
    assert rush.sent() == [(2, WithdrawLeg("partner/hap-zuid"))]


def test_short_abandons_are_not_counted_and_the_place_is_free(rush: Centre) -> None:
    rush.call(2)
    rush.finished(2, "abandoned", waited_s=3)
    assert rush.records() == [] and len(rush.fact().calls) == 2
    rush.call(2)
    rush.finished(2, "abandoned", waited_s=6)
    assert [record.outcome for record in rush.records()] == ["abandoned"]


def test_a_full_disk_stops_no_call_and_loses_no_record(centre: Centre) -> None:
    with centre.store.transaction() as change:
        pages = change._connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        change._connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    worker = 0
    while True:  # until the file is full
        centre.call(worker)
        assert (worker, HOLD) in centre.sent()
        centre.finished(worker, "answered", None)
        worker += 1
        if len(centre.records()) < worker:
            break
        assert worker < 500
    with centre.store.transaction() as change:
        change._connection.exec_driver_sql("PRAGMA max_page_count=100000")
    centre.later(11)
    assert len(centre.records()) == worker


def test_the_region_hears_when_staff_or_pressure_change(centre: Centre) -> None:
    centre.line.staffed(["desk-1"], OverflowSwitch(), centre.now_s)
    changes = [r.data for r in centre.store.view().outbox(after=0, limit=99) if isinstance(r.data, TriageChanged)]
    assert [change.desks_present for change in changes] == [2, 1]
