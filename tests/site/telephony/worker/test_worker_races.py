"""Desks that ring for one caller of the real worker: who wins, who was late, who is withdrawn."""

from __future__ import annotations

import time

import pytest
from worker_bench import Bench, Phone
from worker_scenes import BEEP_HZ, FREE_AGAIN_S, finished, held, ring, talk

from zorgkiosk.site.telephony.messages import LegAnswered, LegEnded, LegRinging, Retire, RingLeg, WithdrawLeg

pytest.importorskip("pjsua2", reason="the call worker needs pjsua2")
pytest_plugins = ["worker_fixtures"]
pytestmark = pytest.mark.integration


def test_a_desk_that_is_busy_leaves_the_caller_waiting(stand: Bench, announcement: str) -> None:
    caller = held(stand, announcement)
    ring(stand, "one").reply(486, "Busy Here")
    ended = stand.event(LegEnded)
    assert (ended.leg, ended.code) == ("desk/one", 486)
    desk = ring(stand, "two")
    desk.reply(200, sdp=True)
    stand.event(LegAnswered)
    talk(stand, caller, desk)


def test_a_caller_who_leaves_takes_the_ringing_along(stand: Bench, announcement: str) -> None:
    caller = held(stand, announcement)
    desk = ring(stand, "one")
    desk.reply(180)
    stand.event(LegRinging)
    caller.cancel()
    assert stand.event(LegEnded).code == 487
    assert desk.got("CANCEL")
    end = finished(stand, "abandoned")
    assert end.talked_s == 0
    assert end.answered_by is None
    stand.until(lambda: caller.code() == 487)


def test_of_two_desks_the_first_wins(stand: Bench, announcement: str) -> None:
    caller = held(stand, announcement)
    one, two = ring(stand, "one"), ring(stand, "two")
    one.reply(180)
    two.reply(180)
    two.reply(200, sdp=True)
    assert stand.event(LegAnswered).leg == "desk/two"
    assert stand.event(LegEnded) == LegEnded("desk/one", 487, "withdrawn")
    assert one.got("CANCEL")
    talk(stand, caller, two)
    two.request("BYE")
    stand.until(lambda: caller.got("BYE"), why="caller left in silence")
    assert finished(stand, "answered").answered_by == "desk/two"


def hears_that_it_was_late(stand: Bench, desk: Phone, *others: Phone) -> None:
    """The desk, which answers now, hears two beeps and then BYE, and is free in time; nobody else hears them."""
    answered_s = time.monotonic()
    assert stand.event(LegEnded).code == 487
    assert time.monotonic() - answered_s < FREE_AGAIN_S
    stand.until(lambda: desk.got("BYE"), why="the later desk still talks")
    [bye] = [request for request in desk.requests if request.method == "BYE"]
    assert bye.headers["reason"] == 'SIP ;cause=200 ;text="Call completed elsewhere"'
    stand.until(lambda: len(desk.bursts(BEEP_HZ)) == 2, timeout_s=0.5, why="no two beeps")
    assert desk.bursts(BEEP_HZ) == pytest.approx([0.15, 0.15], abs=0.03)
    assert not desk.hears()
    assert desk.ever_heard(BEEP_HZ)
    for other in others:
        assert not other.ever_heard(BEEP_HZ)


def test_two_desks_at_the_same_moment(stand: Bench, announcement: str) -> None:
    """Both 200s are under way before either can be withdrawn."""
    caller = held(stand, announcement)
    one, two = ring(stand, "one"), ring(stand, "two")
    one.reply(200, sdp=True)
    two.reply(200, sdp=True)
    desk, loser = (one, two) if stand.event(LegAnswered).leg == "desk/one" else (two, one)
    hears_that_it_was_late(stand, loser, caller, desk)
    assert caller.hears() == {desk.tone_hz}
    assert desk.hears() == {caller.tone_hz}
    assert not desk.got("BYE")
    talk(stand, caller, desk)


def test_a_pick_up_that_crosses_the_withdrawal(stand: Bench, announcement: str) -> None:
    """RFC 5407 §3.1.2. The desk may be rung again afterwards."""
    held(stand, announcement)
    desk = ring(stand, "one")
    desk.reply(180)
    desk.obeys_cancel = False
    stand.event(LegRinging)
    stand.line.say(WithdrawLeg("desk/one"))
    stand.until(lambda: desk.got("CANCEL"))
    desk.reply(200, sdp=True)
    hears_that_it_was_late(stand, desk)
    stand.line.say(RingLeg("desk/one", "sip:one@desk", False, {}))
    stand.until(lambda: stand.town.called("one") is not desk)


def test_a_pick_up_just_after_another_or_after_the_caller_left(stand: Bench, announcement: str) -> None:
    caller = held(stand, announcement)
    one, two = ring(stand, "one"), ring(stand, "two")
    one.reply(180)
    one.obeys_cancel = False
    two.reply(200, sdp=True)
    stand.event(LegAnswered)
    stand.until(lambda: one.got("CANCEL"))
    one.reply(200, sdp=True)
    hears_that_it_was_late(stand, one, caller, two)
    talk(stand, caller, two)
    caller.request("BYE")
    finished(stand, "answered")
    caller = held(stand, announcement)
    desk = ring(stand, "three")
    desk.reply(180)
    desk.obeys_cancel = False
    stand.event(LegRinging)
    caller.cancel()
    stand.until(lambda: desk.got("CANCEL"))
    desk.reply(200, sdp=True)
    caller.deaf()
    hears_that_it_was_late(stand, desk, caller)
    finished(stand, "abandoned")
    stand.line.say(Retire())
    stand.until_ended()
    assert stand.process.returncode == 0


@pytest.mark.parametrize("obeys", [True, False], ids=["says nothing more", "answers without audio"])
def test_a_late_desk_that_cannot_hear_is_free_at_once(stand: Bench, announcement: str, obeys: bool) -> None:
    held(stand, announcement)
    desk = ring(stand, "one")
    desk.reply(180)
    desk.obeys_cancel = False
    stand.event(LegRinging)
    stand.line.say(WithdrawLeg("desk/one"))
    stand.until(lambda: desk.got("CANCEL"))
    if not obeys:
        desk.reply(200)
    since_s = time.monotonic()
    assert stand.event(LegEnded).code == 487
    assert time.monotonic() - since_s < FREE_AGAIN_S


def test_a_withdrawn_leg_is_cancelled(stand: Bench, announcement: str) -> None:
    held(stand, announcement)
    desk = ring(stand, "one")
    desk.reply(180)
    stand.event(LegRinging)
    stand.line.say(WithdrawLeg("desk/one"))
    assert stand.event(LegEnded).code == 487
    assert desk.got("CANCEL")


def test_a_phone_that_refuses_at_once_and_is_rung_again_and_again(stand: Bench, announcement: str) -> None:
    """Forty dialogs at full speed would be more sockets than the stack survives."""
    held(stand, announcement)
    rung: list[Phone] = []
    for _ in range(40):
        stand.line.say(RingLeg("desk/one", "sip:one@desk", False, {}))
        desk = stand.until(lambda: next((p for p in [stand.town.called("one")] if p and p not in rung), None))
        rung.append(desk)
        desk.reply(486, "Busy Here")
        assert stand.event(LegEnded).code == 486
    assert stand.process.poll() is None
