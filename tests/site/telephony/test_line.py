"""The line with a real store and recorded workers: what a shift lead would see happen, step by step."""

from __future__ import annotations

from pathlib import Path

import pytest
from centre import TO_ZUID, Centre, config, heard, open_centre, ring

from full_store import fill, relieve
from zorgkiosk.contract.events import Triage, TriageChanged
from zorgkiosk.site.facts import OverflowSwitch, read
from zorgkiosk.site.telephony.messages import (
    AnswerCaller,
    Attached,
    Call,
    CallFinished,
    Leg,
    LegEnded,
    Refuse,
    RingLeg,
    WithdrawLeg,
)


@pytest.fixture
def centre(tmp_path: Path) -> Centre:
    return open_centre(config(tmp_path))


@pytest.fixture
def rush(centre: Centre) -> Centre:
    """Both desks talk, hap-zuid has three free ones."""
    for worker, desk in ((0, "desk/desk-1"), (1, "desk/desk-2")):
        centre.call(worker)
        centre.answered(worker, desk)
    centre.line.partners_said({"hap-zuid": heard(free=3)}, centre.now_s)
    centre.sent()
    return centre


def test_a_caller_hears_the_announcement_and_the_first_free_desk_rings(centre: Centre) -> None:
    centre.call(0)
    assert centre.sent() == [(0, ring(1))]
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
    assert centre.sent() == [(0, ring(2))]


def test_who_would_miss_the_norm_also_waits_at_the_partner(rush: Centre) -> None:
    rush.call(2)
    assert rush.sent() == [(2, TO_ZUID)]
    call = rush.fact().calls[-1]
    [offer] = call.offers
    assert (offer.partner, offer.chance_partner) == ("hap-zuid", 1.0) and (offer.chance_home or 0) < 0.5
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


def test_a_partners_caller_is_answered_by_a_desk_and_by_nothing_else(rush: Centre) -> None:
    rush.call(2, origin="hap-zuid", hops=1)
    rush.later(46)
    rush.later(60)
    assert [order for order in rush.sent() if order[1] == AnswerCaller()] == []


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
    assert after.desks() == {"desk-1": "busy", "desk-2": "free"}, "nobody rings at what worker 1 may come back with"
    call = next(call for call in after.fact().calls if call.worker == 2)
    [offer] = call.offers
    assert (call.arrived_uptime_ms, offer.partner, offer.chance_partner) == (100_000, "hap-zuid", 1.0)
    after.later(3)
    assert after.fact().lost == 1, "the caller of worker 1 did not come back"
    assert after.desks() == {"desk-1": "busy", "desk-2": "ringing"}, "the waiting caller is served at home as well"
    assert [record.outcome for record in after.records()] == ["lost"]


def test_a_restarted_line_does_not_ring_at_a_desk_whose_conversation_comes_back_last(rush: Centre) -> None:
    rush.call(2)
    after = rush.restarted()
    waiting = Call("call-2", "trunk", 0, False, 100.0, 0.0)
    after.line.handle(2, Attached(2, 12, "sip:c", waiting), 101.0)
    assert not any(isinstance(command, RingLeg) for _, command in after.sent())
    for worker, leg in ((0, "desk/desk-1"), (1, "desk/desk-2")):
        talking = Call(f"call-{worker}", "trunk", 0, False, 90.0, 0.0, (Leg(leg, "answered", "x"),), leg)
        after.line.handle(worker, Attached(worker, 11, "sip:a", talking), 101.0)
    assert not any(isinstance(c, RingLeg) and c.leg.startswith("desk/") for _, c in after.sent())
    assert set(after.desks().values()) == {"busy"}


def test_why_a_caller_was_moved_outlives_the_line(rush: Centre) -> None:
    rush.call(2)
    rush.answered(2, "partner/hap-zuid")
    after = rush.restarted()
    leg = Leg("partner/hap-zuid", "answered", "y")
    after.line.handle(2, Attached(2, 12, "sip:c", Call("call-2", "trunk", 0, False, 100.0, 0.0, (leg,), leg.name)), 101)
    after.finished(2, "answered", leg.name)
    [record] = after.records()
    assert (record.partner, record.chance_partner) == ("hap-zuid", 1.0)


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
    assert centre.sent() == []
    triage = read(Triage, centre.store.view().state()["triage"])
    assert triage is not None and triage.helping == {"hap-zuid": 1}


def test_a_partners_caller_is_never_passed_on_whatever_it_says_of_itself(centre: Centre) -> None:
    centre.line.staffed(["desk-1"], OverflowSwitch(), centre.now_s)
    centre.line.partners_said({"hap-zuid": heard(free=3)}, centre.now_s)
    centre.call(0)
    centre.answered(0, "desk/desk-1")
    centre.sent()
    centre.call(1, origin="hap-zuid", hops=0)
    centre.later(1)
    assert centre.sent() == [] and [call.hops for call in centre.fact().calls] == [0, 1]


def test_a_partner_that_counts_without_end_is_declined_and_recorded(centre: Centre) -> None:
    centre.call(0, origin="hap-zuid", hops=10)
    declined = CallFinished("call-0", "hap-zuid", 10, False, 0.0, 0.0, None, "refused")
    centre.line.handle(0, declined, centre.now_s)
    assert [(record.outcome, record.hops) for record in centre.records()] == [("refused", 9)]


def test_a_desk_is_not_blamed_while_the_leg_before_is_still_ending(centre: Centre) -> None:
    """An urgent caller has three places: the next desk rings when the silent one's leg has ended."""
    centre.line.partners_said({"hap-zuid": heard(free=3)}, centre.now_s)
    centre.call(0, urgent=True)
    centre.sent()
    centre.later(16)
    assert [command.leg for _, command in centre.sent() if isinstance(command, RingLeg)] == ["partner/hap-zuid"]
    centre.later(4)
    assert centre.sent() == [(0, WithdrawLeg("desk/desk-1")), (0, ring(2))], "the third place was free"
    centre.later(20)
    assert (0, ring(1)) not in centre.sent()


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


def test_an_end_that_two_lines_hear_of_is_recorded_once(centre: Centre) -> None:
    centre.call(0)
    centre.answered(0, "desk/desk-1")
    centre.finished(0, "answered", "desk/desk-1")
    after = centre.restarted()
    after.line.handle(0, Attached(0, 1, "sip:127.0.0.1:5100", None), after.now_s)
    after.finished(0, "answered", "desk/desk-1")
    assert len(after.records()) == 1 and ("release", 0) in after.front.told
    centre.later(3)
    assert centre.fact().ended == ()


def test_a_full_disk_stops_no_call_and_loses_no_record(centre: Centre) -> None:
    fill(centre.store)
    worker = 0
    while True:  # until the file is full
        centre.call(worker)
        assert worker in {each for each, _, _ in centre.spoken()}
        centre.finished(worker, "answered", None)
        worker += 1
        if len(centre.records()) < worker:
            break
        assert worker < 500
    relieve(centre.store)
    centre.later(11)
    assert len(centre.records()) == worker


def test_the_region_hears_when_staff_or_pressure_change(centre: Centre) -> None:
    centre.line.staffed(["desk-1"], OverflowSwitch(), centre.now_s)
    changes = [r.data for r in centre.store.view().outbox(after=0, limit=99) if isinstance(r.data, TriageChanged)]
    assert [change.desks_present for change in changes] == [2, 1]
