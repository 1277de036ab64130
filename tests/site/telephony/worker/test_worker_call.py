"""The state of the one call: what each fact and order means, without a phone in sight."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.site.telephony.messages import (
    AnswerCaller,
    Attached,
    Call,
    CallFinished,
    CallOffered,
    Command,
    HangUp,
    Hold,
    Leg,
    LegAnswered,
    LegEnded,
    LegRinging,
    Refuse,
    Retire,
    RingLeg,
    UrgentPressed,
    WithdrawLeg,
)
from zorgkiosk.site.telephony.worker.call import (
    LINE_RETURNS_S,
    MOST_LEGS,
    NO_LINE_END_S,
    NO_LINE_REFUSE_S,
    PARTNER_SILENT_S,
    UNDECIDED_AT_MOST_S,
    UNDECIDED_REFUSE_S,
    Identity,
    OneCall,
)
from zorgkiosk.site.telephony.worker.signals import (
    Accept,
    Act,
    Announce,
    Arrived,
    Beep,
    Connect,
    Dial,
    Dialled,
    Digit,
    End,
    Fact,
    Farewell,
    Gone,
    PickedUp,
    Reject,
    Ringing,
    SendDigit,
    Silent,
    Stop,
    Tell,
    TurnedAway,
    Withdraw,
)

CALLER, ONE, TWO = "caller/1", "desk/1", "partner/hap-b"
ARRIVED = Arrived(CALLER, "id-1", "trunk", 0, False, 30.0, False)
HOLD = Hold(("wait.wav", "soon.wav"), 15.0)


def ring(leg: str) -> RingLeg:
    return RingLeg(leg, f"sip:{leg}@desk", leg.startswith("partner"), {"X-Zorgkiosk-Hops": "1"})


def idle(*, attached: bool = True) -> OneCall:
    call = OneCall(Identity(3, 77, "sip:127.0.0.1:5103"), 0.0)
    if attached:
        call.line_attached(0.0)
    return call


def waiting(*legs: str) -> OneCall:
    """A caller of second 100 on hold, with these legs rung."""
    call = idle()
    call.fact(ARRIVED, 100.0)
    call.command(HOLD, 100.0)
    for leg in legs:
        call.command(ring(leg), 101.0)
    return call


def talking() -> OneCall:
    call = waiting(ONE)
    call.fact(PickedUp(ONE), 110.0)
    return call


def told(acts: list[Act]) -> list[object]:
    return [act.event for act in acts if isinstance(act, Tell)]


def done(acts: list[Act]) -> list[Act]:
    return [act for act in acts if not isinstance(act, Tell)]


def test_a_caller_is_offered_and_held() -> None:
    call = idle()
    offer = Call("id-1", "trunk", 0, False, 100.0, 30.0)
    assert call.fact(ARRIVED, 100.0) == [Tell(CallOffered(offer))]
    assert call.command(HOLD, 100.1) == [Announce(CALLER, ("wait.wav", "soon.wav"), 15.0, True)]


def test_a_partner_that_says_nothing_at_all_is_given_up_and_the_line_hears_so_once() -> None:
    call = waiting(ONE, TWO)
    call.fact(Ringing(ONE), 101.1)
    assert call.tick(101.0 + PARTNER_SILENT_S - 0.1) == []
    assert call.tick(101.0 + PARTNER_SILENT_S) == [Tell(LegEnded(TWO, 408, "not a word")), Withdraw(TWO)]
    assert call.tick(101.0 + 2 * PARTNER_SILENT_S) == [], "a desk may ring longer, and nothing is said twice"
    assert call.fact(PickedUp(TWO), 107.0) == [Beep(TWO)], "the line has asked another partner by now"
    assert call.fact(Gone(TWO, 200, "OK"), 107.3) == []
    assert call.fact(PickedUp(ONE), 108.0) == [Accept(CALLER), Connect(CALLER, ONE), Tell(LegAnswered(ONE))]


def test_a_partner_whose_line_has_spoken_may_keep_the_caller_waiting() -> None:
    call = waiting(TWO)
    call.fact(Ringing(TWO), 101.1)
    assert call.tick(101.0 + 10 * PARTNER_SILENT_S) == []


def test_the_first_to_pick_up_gets_the_caller_and_the_rest_is_withdrawn() -> None:
    call = waiting(ONE, TWO)
    assert call.fact(PickedUp(TWO), 110.0) == [
        Accept(CALLER),
        Connect(CALLER, TWO),
        Tell(LegAnswered(TWO)),
        Withdraw(ONE),
    ]
    assert call.fact(Gone(ONE, 200, "OK"), 110.1) == [Tell(LegEnded(ONE, 487, "withdrawn"))]
    assert call.fact(Gone(CALLER, 200, "OK"), 170.0) == [End(TWO)]
    [finished] = told(call.fact(Gone(TWO, 200, "OK"), 170.1))
    assert finished == CallFinished("id-1", "trunk", 0, False, 40.0, 60.0, TWO, "answered")
    assert call.idle


def test_a_caller_answered_before_is_not_answered_twice() -> None:
    call = waiting(ONE)
    assert call.command(AnswerCaller(), 105.0) == [Accept(CALLER)]
    assert call.command(AnswerCaller(), 105.0) == []
    assert Accept(CALLER) not in call.fact(PickedUp(ONE), 110.0)


def test_a_leg_answered_too_late_hears_so() -> None:
    call = waiting(ONE, TWO)
    call.fact(PickedUp(TWO), 110.0)
    assert call.fact(PickedUp(ONE), 110.0) == [Beep(ONE)]
    assert call.fact(PickedUp(ONE), 110.1) == [], "once"
    assert call.command(WithdrawLeg(ONE), 110.1) == [], "it ends by itself"
    assert call.fact(PickedUp(TWO), 110.0) == [], "the one that talks is left alone"
    assert call.fact(Gone(ONE, 200, "OK"), 110.5) == [Tell(LegEnded(ONE, 487, "withdrawn"))]


@pytest.mark.parametrize(("origin", "outcome", "by"), [("hap-zuid", "withdrawn", None), ("trunk", "answered", ONE)])
def test_only_a_partner_can_say_that_its_caller_was_helped_elsewhere(origin: str, outcome: str, by: str | None) -> None:
    call = idle()
    call.fact(replace(ARRIVED, origin=origin, protected=True), 100.0)
    call.command(HOLD, 100.0)
    call.command(ring(ONE), 101.0)
    call.fact(PickedUp(ONE), 110.0)
    call.fact(Gone(CALLER, 200, "OK", elsewhere=True), 110.4)
    [finished] = told(call.fact(Gone(ONE, 200, "OK"), 110.5))
    assert isinstance(finished, CallFinished) and (finished.outcome, finished.answered_by) == (outcome, by)


@pytest.mark.parametrize(("origin", "outcome"), [("hap-zuid", "withdrawn"), ("trunk", "abandoned")])
def test_a_pick_up_that_crosses_the_callers_cancel_is_no_conversation(origin: str, outcome: str) -> None:
    call = idle()
    call.fact(replace(ARRIVED, origin=origin, protected=True), 100.0)
    call.command(HOLD, 100.0)
    call.command(ring(ONE), 101.0)
    call.fact(PickedUp(ONE), 110.0)
    call.fact(Gone(CALLER, 487, "Request Terminated"), 110.01)
    [finished] = told(call.fact(Gone(ONE, 200, "OK"), 110.1))
    assert isinstance(finished, CallFinished) and (finished.outcome, finished.answered_by) == (outcome, None)


@pytest.mark.parametrize("urgent_first", [True, False])
def test_a_partner_that_was_asked_hears_once_that_the_caller_is_urgent(urgent_first: bool) -> None:
    there = "partner/hap-zuid"
    call = waiting(ONE, there)
    if urgent_first:
        call.fact(Digit(CALLER, "1"), 102.0)
        assert call.tick(102.1) == [], "it has no way to be heard there yet"
        call.fact(Ringing(there), 102.2)
    else:
        call.fact(Ringing(there), 102.0)
        assert call.tick(102.1) == []
        call.fact(Digit(CALLER, "1"), 102.2)
    assert call.tick(102.3) == [SendDigit(there, "1")]
    assert call.tick(102.4) == []
    second = "partner/hap-west"
    call.command(ring(second), 103.0)
    call.fact(Ringing(second), 103.1)
    assert call.tick(103.2) == [], "its INVITE said so"


def test_a_leg_that_answers_while_it_is_withdrawn_hears_so() -> None:
    call = waiting(ONE)
    assert call.command(WithdrawLeg(ONE), 105.0) == [Withdraw(ONE)]
    assert call.command(WithdrawLeg(ONE), 105.0) == [], "once"
    assert call.fact(PickedUp(ONE), 105.1) == [Beep(ONE)]
    assert told(call.fact(Gone(ONE, 200, "OK"), 105.2)) == [LegEnded(ONE, 487, "withdrawn")]


def test_a_leg_that_answers_a_caller_just_gone_hears_so() -> None:
    call = waiting(ONE)
    assert call.fact(Gone(CALLER, 487, "x"), 107.0) == [Withdraw(ONE)]
    assert call.fact(PickedUp(ONE), 107.0) == [Beep(ONE)]
    ended, finished = told(call.fact(Gone(ONE, 200, "OK"), 107.4))
    assert ended == LegEnded(ONE, 487, "withdrawn")
    assert finished == CallFinished("id-1", "trunk", 0, False, 37.0, 0.0, None, "abandoned")


def test_a_leg_that_ends_by_itself_says_why() -> None:
    call = waiting(ONE)
    assert call.fact(Gone(ONE, 486, "Busy Here"), 102.0) == [Tell(LegEnded(ONE, 486, "Busy Here"))]
    assert done(call.command(ring(ONE), 103.0)) == [
        Dial(ONE, CALLER, "sip:desk/1@desk", False, {"X-Zorgkiosk-Hops": "1"})
    ]


def test_ringing_is_said_once() -> None:
    call = waiting(ONE)
    assert told(call.fact(Ringing(ONE), 102.0)) == [LegRinging(ONE)]
    assert told(call.fact(Ringing(ONE), 103.0)) == []


def test_a_caller_who_leaves_ends_everything() -> None:
    call = waiting(ONE, TWO)
    assert call.fact(Gone(CALLER, 487, "x"), 107.0) == [Withdraw(ONE), Withdraw(TWO)]
    assert told(call.fact(Gone(ONE, 487, "x"), 107.1)) == [LegEnded(ONE, 487, "withdrawn")]
    assert not call.idle
    _, finished = told(call.fact(Gone(TWO, 408, "x"), 111.0))
    assert finished == CallFinished("id-1", "trunk", 0, False, 37.0, 0.0, None, "abandoned")


def test_a_bridged_leg_that_leaves_ends_the_caller() -> None:
    call = talking()
    assert call.fact(Gone(ONE, 200, "OK"), 120.0) == [End(CALLER)]
    [finished] = told(call.fact(Gone(CALLER, 200, "OK"), 120.2))
    assert isinstance(finished, CallFinished)
    assert (finished.talked_s, finished.outcome) == (10.0, "answered")


def test_a_second_caller_is_busy() -> None:
    call = talking()
    assert call.fact(Arrived("caller/2", "id-2", "trunk", 0, False, 0.0, False), 111.0) == [
        Reject("caller/2", 486, "Busy Here")
    ]
    assert call.fact(Gone("caller/2", 486, "Busy Here"), 111.1) == []


@pytest.mark.parametrize(("late_s", "taken"), [(0.0, True), (0.9, True), (1.0, False), (30.0, False), (9999.0, True)])
def test_a_worker_that_was_held_up_does_not_take_a_caller_whom_another_one_has(late_s: float, taken: bool) -> None:
    call = OneCall(Identity(3, 4711, "sip:127.0.0.1:5103"), 0.0)
    acts = call.fact(replace(ARRIVED, late_s=late_s), 100.0)
    assert call.idle is not taken
    assert taken or acts == [Reject(CALLER, 486, "Too Late")]


def test_a_partner_without_srtp_is_refused() -> None:
    call = idle()
    arrived = Arrived(CALLER, "id-1", "hap-b", 1, False, 0.0, protected=False)
    assert call.fact(arrived, 1.0) == [Reject(CALLER, 488, "SRTP required")]
    [finished] = told(call.fact(Gone(CALLER, 488, "x"), 1.0))
    assert isinstance(finished, CallFinished)
    assert finished.outcome == "refused"


def test_an_invite_the_stack_refused_frees_the_worker() -> None:
    gone = TurnedAway("id-9", "trunk", 0, False, 2.0)
    assert told(idle().fact(gone, 1.0)) == [CallFinished("id-9", "trunk", 0, False, 2.0, 0.0, None, "refused")]
    assert talking().fact(gone, 1.0) == []


def test_a_refused_caller_frees_the_worker() -> None:
    call = waiting(ONE)
    refusal = Reject(CALLER, 503, "Full", {"Retry-After": "10"})
    assert call.command(Refuse(503, "Full", 10), 102.0) == [refusal, Withdraw(ONE)]
    call.fact(Gone(ONE, 487, "x"), 102.1)
    [finished] = told(call.fact(Gone(CALLER, 503, "x"), 102.2))
    assert isinstance(finished, CallFinished)
    assert finished.outcome == "refused"


def test_a_caller_is_sent_elsewhere() -> None:
    order = Refuse(302, "Moved Temporarily", contact="sip:post@hap-b.example")
    sent = Reject(CALLER, 302, "Moved Temporarily", {"Contact": "<sip:post@hap-b.example>"})
    assert waiting().command(order, 102.0) == [sent]


@pytest.mark.parametrize("contact", [None, "", "sip:a@b>,<sip:evil@x", "sip:a@b\r\nX: y", "sip:\u00eb@b"])
def test_a_way_that_leads_nowhere_is_no_way(contact: str | None) -> None:
    """The PBX then takes its own."""
    assert waiting().command(Refuse(302, "Moved", contact=contact), 102.0) == [
        Reject(CALLER, 503, "Service Unavailable")
    ]


def test_only_a_redirection_has_a_contact() -> None:
    assert waiting().command(Refuse(503, "Full", contact="sip:a@b"), 102.0) == [Reject(CALLER, 503, "Full")]


def test_headers_that_would_break_an_invite_stay_behind() -> None:
    order = RingLeg(ONE, "sip:one@desk", False, {"Diversion": "<sip:a@b>", "X-Bad": "a\r\nVia: b", "X-Hops": "1"})
    assert waiting().command(order, 101.0) == [
        Dial(ONE, CALLER, "sip:one@desk", False, {"Diversion": "<sip:a@b>", "X-Hops": "1"})
    ]


def test_a_refusal_that_crosses_a_pick_up_does_nothing() -> None:
    assert talking().command(Refuse(503, "Full"), 111.0) == []


def test_a_refusal_of_an_answered_caller_is_a_goodbye() -> None:
    call = waiting()
    call.command(AnswerCaller(), 101.0)
    assert call.command(Refuse(503, "Full"), 102.0) == [End(CALLER)]


def test_hang_up_ends_all_and_only_once() -> None:
    call = talking()
    assert call.command(HangUp(), 115.0) == [End(CALLER), End(ONE)]
    assert call.command(HangUp(), 115.0) == []


def test_one_key_means_spoed_while_waiting() -> None:
    call = waiting()
    assert told(call.fact(Digit(CALLER, "2"), 101.0)) == []
    assert told(call.fact(Digit(CALLER, "1"), 102.0)) == [UrgentPressed()]
    assert told(call.fact(Digit(CALLER, "1"), 103.0)) == []
    [finished] = told(call.fact(Gone(CALLER, 487, "x"), 104.0))
    assert isinstance(finished, CallFinished)
    assert finished.urgent


def test_keys_go_to_the_other_side_of_a_conversation() -> None:
    call = talking()
    assert call.fact(Digit(CALLER, "1"), 111.0) == [SendDigit(ONE, "1")]
    assert call.fact(Digit(ONE, "#"), 111.0) == [SendDigit(CALLER, "#")]


@pytest.mark.parametrize(("silent", "other"), [(ONE, CALLER), (CALLER, ONE)])
@pytest.mark.parametrize("first", ["silent", "other"], ids=["dead side gone first", "other side gone first"])
def test_a_conversation_without_audio_is_lost_and_who_is_left_hears_so(silent: str, other: str, first: str) -> None:
    call = talking()
    assert call.fact(Silent(silent), 130.0) == [End(silent), Farewell(other)]
    one, two = (silent, other) if first == "silent" else (other, silent)
    assert call.fact(Gone(one, 408, "x"), 134.0) == [], "the other one is being ended already"
    [finished] = told(call.fact(Gone(two, 200, "OK"), 136.0))
    assert isinstance(finished, CallFinished)
    assert (finished.outcome, finished.answered_by, finished.talked_s) == ("lost", ONE, 20.0)
    assert call.idle


def test_when_both_sides_are_dead_nobody_is_told_anything() -> None:
    call = talking()
    assert call.fact(Silent(CALLER), 130.0) == [End(CALLER), Farewell(ONE)]
    assert call.fact(Silent(ONE), 130.0) == [End(ONE)]


def test_a_partner_that_is_not_heard_any_more_loses_its_place_here() -> None:
    call = idle()
    call.fact(replace(ARRIVED, origin="hap-zuid", protected=True), 100.0)
    call.command(Hold(("wait.wav",)), 100.1)
    call.command(ring(ONE), 110.0)
    assert call.fact(Silent(CALLER), 130.0) == [End(CALLER), Withdraw(ONE)]
    assert call.fact(Silent(CALLER), 131.0) == [], "once is enough"
    call.fact(Gone(ONE, 487, "x"), 131.0)
    [finished] = told(call.fact(Gone(CALLER, 503, "x"), 131.0))
    assert isinstance(finished, CallFinished) and finished.outcome == "withdrawn"


def test_an_exchange_need_not_send_audio_before_the_answer() -> None:
    call = waiting(ONE)
    assert call.fact(Silent(CALLER), 130.0) == []
    assert call.fact(PickedUp(ONE), 131.0) != []


def test_a_farewell_can_be_cut_short() -> None:
    call = talking()
    call.fact(Silent(ONE), 130.0)
    assert call.command(Hold(("wait.wav",)), 130.5) == []
    assert call.command(HangUp(), 131.0) == [End(CALLER)]


@pytest.mark.parametrize(
    ("call", "code"),
    [(idle(), 481), (talking(), 487), (waiting(*(f"desk/{n}" for n in range(5, 5 + MOST_LEGS))), 503)],
    ids=["no caller", "helped already", "no room"],
)
def test_a_leg_that_cannot_be_rung_is_over_at_once(call: OneCall, code: int) -> None:
    [act] = call.command(ring(TWO), 115.0)
    assert isinstance(act, Tell)
    assert isinstance(act.event, LegEnded)
    assert (act.event.leg, act.event.code) == (TWO, code)


def test_a_leg_under_way_is_not_rung_again() -> None:
    call = waiting(ONE)
    assert call.command(ring(ONE), 102.0) == []
    assert call.command(ring(CALLER), 102.0) == []


def test_a_new_line_gets_the_whole_picture() -> None:
    call = waiting(ONE, TWO)
    call.fact(Dialled(TWO, "id-2"), 101.0)
    call.fact(Ringing(TWO), 102.0)
    call.command(WithdrawLeg(ONE), 103.0)
    call.line_lost(104.0)
    [attached] = told(call.line_attached(105.0))
    assert isinstance(attached, Attached)
    assert attached.call == Call("id-1", "trunk", 0, False, 100.0, 30.0, (Leg(TWO, "ringing", "id-2"),), None)


def test_a_caller_nobody_decided_about_is_offered_to_the_new_line() -> None:
    call = idle(attached=False)
    call.fact(ARRIVED, 100.0)
    attached, offered = told(call.line_attached(100.3))
    assert isinstance(attached, Attached)
    assert attached.call is None
    assert isinstance(offered, CallOffered)
    assert call.tick(100.2 + UNDECIDED_REFUSE_S) == [], "the new line has its full time"


@pytest.mark.parametrize(("attached", "limit_s"), [(False, NO_LINE_REFUSE_S), (True, UNDECIDED_REFUSE_S)])
def test_nobody_decides_so_the_pbx_takes_its_own_route(attached: bool, limit_s: float) -> None:
    call = idle(attached=attached)
    call.fact(ARRIVED, 100.0)
    assert call.tick(99.9 + limit_s) == []
    assert call.tick(100.0 + limit_s) == [Reject(CALLER, 503, "No line")]
    assert call.tick(101.0 + limit_s) == []


def test_who_calls_just_after_the_line_died_waits_for_the_next_one() -> None:
    call = idle()
    call.line_lost(99.0)
    call.fact(ARRIVED, 100.0)
    assert call.tick(98.9 + LINE_RETURNS_S) == []
    assert call.tick(99.0 + LINE_RETURNS_S) == [Reject(CALLER, 503, "No line")]


def test_a_partners_caller_does_not_wait_for_a_line_that_is_away() -> None:
    call = idle()
    call.line_lost(99.9)
    call.fact(replace(ARRIVED, origin="hap-zuid", protected=True), 100.0)
    assert call.tick(100.0 + NO_LINE_REFUSE_S) == [Reject(CALLER, 503, "No line")]


def test_a_line_that_dies_again_and_again_keeps_no_caller() -> None:
    call = idle()
    call.fact(ARRIVED, 100.0)
    for begin_s in range(100, 100 + round(UNDECIDED_AT_MOST_S)):
        assert call.tick(begin_s + 0.4) == []
        call.line_lost(begin_s + 0.5)
        assert call.tick(begin_s + 0.6) == []
        call.line_attached(begin_s + 0.9)
    assert call.tick(100.0 + UNDECIDED_AT_MOST_S) == [Reject(CALLER, 503, "No line")]


def test_a_waiting_caller_whose_line_stays_away_is_let_go() -> None:
    call = waiting(ONE)
    call.line_lost(200.0)
    assert call.tick(199.9 + NO_LINE_END_S) == []
    assert call.tick(200.0 + NO_LINE_END_S) == [End(CALLER), Withdraw(ONE)]


def test_a_conversation_needs_no_line() -> None:
    call = talking()
    call.line_lost(120.0)
    assert call.tick(100_000.0) == []


def test_retire() -> None:
    assert idle().command(Retire(), 1.0) == [Stop()]
    call = talking()
    assert call.command(Retire(), 111.0) == []
    call.fact(Gone(CALLER, 200, "OK"), 112.0)
    assert call.fact(Gone(ONE, 200, "OK"), 112.0)[-1] == Stop()


PARTIES = st.sampled_from([CALLER, "caller/2", ONE, TWO, "desk/3", "desk/4"])
FACTS: st.SearchStrategy[Fact] = st.one_of(
    PARTIES.filter(lambda p: p.startswith("caller")).map(
        lambda p: Arrived(p, f"id of {p}", "trunk", 0, False, 0.0, False)
    ),
    PARTIES.map(Ringing),
    PARTIES.map(PickedUp),
    PARTIES.map(lambda p: Gone(p, 480, "x")),
    PARTIES.map(lambda p: Digit(p, "1")),
    PARTIES.map(Silent),
)
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.just(HOLD),
    st.just(AnswerCaller()),
    st.just(Refuse(503, "x")),
    st.just(HangUp()),
    PARTIES.map(ring),
    PARTIES.map(WithdrawLeg),
)


@given(st.lists(st.one_of(FACTS, COMMANDS), max_size=30))
def test_whatever_comes_every_dialog_ends_and_every_caller_is_finished_once(story: list[Fact | Command]) -> None:
    """At the end all far ends hang up: then the worker is idle, and each caller taken in was finished exactly once."""
    call, acts, opened = idle(), [], set()
    for number, step in enumerate(story):
        now_s = 100.0 + number
        new = call.command(step, now_s) if isinstance(step, Command) else call.fact(step, now_s)
        acts += new
        opened |= {act.party for act in new if isinstance(act, Dial)}
        assert sum(isinstance(act, Connect) for act in new) <= 1
    for party in [*sorted(opened), CALLER, "caller/2"]:
        acts += call.fact(Gone(party, 480, "x"), 200.0)
    assert call.idle
    events = told(acts)
    offered = [event.call.sip_call_id for event in events if isinstance(event, CallOffered)]
    assert [event.sip_call_id for event in events if isinstance(event, CallFinished)] == offered
    for event in events:
        if isinstance(event, CallFinished):
            assert event.waited_s >= 0
            assert event.talked_s >= 0
            assert (event.answered_by is None) or event.outcome in ("answered", "lost")
