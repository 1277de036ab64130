"""The real worker process with real pjsua2, against a raw SIP town: calls, races, refusals, a dying line."""

from __future__ import annotations

import math
import signal
import time
import wave
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from worker_bench import Bench, Phone

from zorgkiosk.site.telephony.messages import (
    AnswerCaller,
    Attached,
    CallFinished,
    CallOffered,
    HangUp,
    Hold,
    LegAnswered,
    LegEnded,
    LegRinging,
    Refuse,
    Retire,
    RingLeg,
    UrgentPressed,
    WithdrawLeg,
)
from zorgkiosk.site.telephony.worker.call import LINE_RETURNS_S, PARTNER_SILENT_S

pytest.importorskip("pjsua2", reason="the call worker needs pjsua2")
pytestmark = pytest.mark.integration

ANNOUNCED_HZ, MINUTES_HZ, SOON_HZ, LOST_HZ = 722, 1289, 2314, 530
WAV_S = 0.8
BEEP_HZ = 800
FREE_AGAIN_S = 0.6


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sound")


def recorded(sounds: Path, hz: int, length_s: float = WAV_S) -> str:
    """A WAV file that holds one tone."""
    path = sounds / f"{hz}-{length_s}.wav"
    samples = array("h", (round(9000 * math.sin(2 * math.pi * hz * n / 8000)) for n in range(int(8000 * length_s))))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
    return str(path)


@pytest.fixture(scope="session")
def announcement(sounds: Path) -> str:
    return recorded(sounds, ANNOUNCED_HZ)


@pytest.fixture
def lost(request: pytest.FixtureRequest, sounds: Path) -> Path | None:
    """What is said to who is left behind; a test sets its length in seconds."""
    length_s = getattr(request, "param", None)
    return Path(recorded(sounds, LOST_HZ, length_s)) if length_s else None


@pytest.fixture
def bench(tmp_path: Path, lost: Path | None) -> Iterator[Bench]:
    bench = Bench(tmp_path, lost=lost)
    bench.line.open()
    bench.event(Attached)
    yield bench
    bench.close()
    assert "0201234567" not in bench.output(), "a caller's number was logged"
    assert "Traceback" not in bench.output()
    assert bench.process.returncode in (0, -signal.SIGKILL), bench.output()


def ring(bench: Bench, user: str, *, headers: dict[str, str] | None = None) -> Phone:
    uri = f"sip:{user}@desk"
    bench.line.say(RingLeg(leg=f"desk/{user}", uri=uri, partner=False, headers=headers or {}))
    return bench.called(user)


def held(bench: Bench, wav: str) -> Phone:
    """A caller who hears the announcement."""
    caller = bench.town.call()
    bench.event(CallOffered)
    bench.line.say(Hold((wav,)))
    bench.until(lambda: ANNOUNCED_HZ in caller.hears(), why="no announcement")
    return caller


def bridged(bench: Bench, wav: str) -> tuple[Phone, Phone]:
    caller = held(bench, wav)
    desk = ring(bench, "one")
    desk.reply(200, sdp=True)
    bench.event(LegAnswered)
    talk(bench, caller, desk)
    return caller, desk


def talk(bench: Bench, one: Phone, other: Phone) -> None:
    """Each hears the other's tone and nothing else."""
    one.deaf()
    other.deaf()
    bench.until(lambda: one.hears() == {other.tone_hz} and other.hears() == {one.tone_hz}, why="not heard both ways")


def finished(bench: Bench, outcome: str) -> CallFinished:
    event = bench.event(CallFinished)
    assert event.outcome == outcome
    return event


def test_a_call_from_offer_to_goodbye(bench: Bench, announcement: str) -> None:
    caller = bench.town.call({"Origin": "trunk", "Waited": "12.5", "Hops": "1", "Urgent": "1"})
    offered = bench.event(CallOffered).call
    assert (offered.origin, offered.waited_before_s, offered.hops, offered.urgent) == ("trunk", 12.5, 1, True)
    assert offered.sip_call_id == caller.call_id
    bench.line.say(Hold((announcement,)))
    bench.until(lambda: caller.hears() == {ANNOUNCED_HZ}, why="no announcement")
    bench.until(lambda: caller.code() == 183)
    desk = ring(bench, "one", headers={"X-Zorgkiosk-Waited": "14"})
    assert desk.invite is not None
    assert desk.invite.headers["x-zorgkiosk-waited"] == "14"
    assert '"A. Caller" <sip:0201234567@pbx.example>' in desk.invite.headers["from"]
    assert desk.invite.headers["session-expires"].startswith("90")
    assert "RTP/AVP 8 0" in desk.invite.body
    assert "127.0.1.1" in desk.invite.body
    desk.reply(180)
    assert bench.event(LegRinging).leg == "desk/one"
    bench.until(lambda: caller.code() == 183)
    desk.reply(200, sdp=True)
    assert bench.event(LegAnswered).leg == "desk/one"
    bench.until(lambda: caller.code() == 200 and desk.got("ACK"))
    talk(bench, caller, desk)
    caller.request("BYE")
    end = finished(bench, "answered")
    assert desk.got("BYE")
    assert end.answered_by == "desk/one"
    assert end.waited_s >= 12.5
    assert 0.2 <= end.talked_s < 10


def test_the_announcement_comes_back_after_a_silence(bench: Bench, announcement: str) -> None:
    caller = bench.town.call()
    bench.event(CallOffered)
    bench.line.say(Hold((announcement,), repeat_s=2.0))
    bench.until(lambda: ANNOUNCED_HZ in caller.hears())
    bench.until(lambda: len(caller.samples) > 8000 and not caller.hears(), why="no silence between")
    bench.until(lambda: ANNOUNCED_HZ in caller.hears(), why="announced once only")
    caller.cancel()
    finished(bench, "abandoned")
    bench.until(lambda: caller.code() == 487)


def test_files_are_played_one_after_another(bench: Bench, sounds: Path, announcement: str) -> None:
    """And one that is missing is left out, with one line in the log however often the list comes again."""
    caller = bench.town.call()
    bench.event(CallOffered)
    gone = str(sounds / "gone.wav")
    bench.line.say(Hold((announcement, gone, recorded(sounds, MINUTES_HZ)), repeat_s=3.0))
    heard: list[set[int]] = []

    def third_time() -> bool:
        if tones := caller.hears():
            heard.extend([tones] if heard[-1:] != [tones] else [])
        return len(heard) >= 5

    bench.until(third_time, timeout_s=12, why=f"heard {heard}")
    assert heard == [{ANNOUNCED_HZ}, {MINUTES_HZ}, {ANNOUNCED_HZ}, {MINUTES_HZ}, {ANNOUNCED_HZ}]
    for hz in (ANNOUNCED_HZ, MINUTES_HZ):
        assert caller.bursts(hz)[:2] == pytest.approx([WAV_S, WAV_S], abs=0.05), "cut short"
    assert bench.output().count(gone) == 1
    caller.cancel()
    finished(bench, "abandoned")


def test_another_wait_is_told_without_talking_over_the_first(bench: Bench, sounds: Path, announcement: str) -> None:
    caller = bench.town.call()
    bench.event(CallOffered)
    bench.line.say(Hold((announcement, recorded(sounds, MINUTES_HZ)), repeat_s=3.0))
    bench.line.say(Hold((recorded(sounds, SOON_HZ),), repeat_s=30.0, now=False))
    bench.until(lambda: caller.hears() == {SOON_HZ}, timeout_s=5)
    assert len(caller.samples) / 8000 > 2.9, "too early"
    for hz in (ANNOUNCED_HZ, MINUTES_HZ):
        assert caller.bursts(hz) == pytest.approx([WAV_S], abs=0.05)
    bench.line.say(Hold((announcement,)))
    bench.until(lambda: caller.hears() == {ANNOUNCED_HZ}, timeout_s=0.5, why="at once, and alone")


def test_an_answered_caller_still_hears_the_announcements(bench: Bench, sounds: Path, announcement: str) -> None:
    caller = bench.town.call()
    bench.event(CallOffered)
    bench.line.say(Hold((announcement, recorded(sounds, MINUTES_HZ)), repeat_s=2.5))
    bench.until(lambda: ANNOUNCED_HZ in caller.hears())
    bench.line.say(AnswerCaller())
    bench.until(lambda: caller.code() == 200)
    bench.until(lambda: caller.hears() == {MINUTES_HZ}, why="the list ends with the answer")
    bench.until(lambda: caller.hears() == {ANNOUNCED_HZ}, why="the list does not come again")
    assert caller.bursts(MINUTES_HZ) == pytest.approx([WAV_S], abs=0.05)
    caller.request("INVITE", body=caller.sdp())  # a refresh by the trunk
    caller.deaf()
    bench.until(lambda: caller.hears() == {MINUTES_HZ}, why="a re-INVITE ends the list")
    caller.request("BYE")
    finished(bench, "abandoned")


def test_a_caller_may_be_answered_while_waiting(bench: Bench, announcement: str) -> None:
    caller = held(bench, announcement)
    bench.line.say(AnswerCaller())
    bench.until(lambda: caller.code() == 200)
    bench.until(lambda: not caller.hears(), why="announcement does not end")
    bench.line.say(Hold((announcement,)))
    bench.until(lambda: ANNOUNCED_HZ in caller.hears(), why="the second announcement does not come")
    desk = ring(bench, "one")
    desk.reply(200, sdp=True)
    bench.event(LegAnswered)
    talk(bench, caller, desk)
    assert [code for method, code in caller.codes if method == "INVITE"].count(200) == 1


def test_after_a_rest_the_next_call_has_sound_too(bench: Bench, announcement: str) -> None:
    """The stack closes its sound device a second after a call."""
    caller, _ = bridged(bench, announcement)
    caller.request("BYE")
    finished(bench, "answered")
    rested_s = time.monotonic() + 2.0
    bench.until(lambda: time.monotonic() > rested_s)
    bench.town.phones.clear()
    bridged(bench, announcement)


def test_many_calls_leave_little_behind(bench: Bench, announcement: str) -> None:
    """The stack has 32 players, and the binding frees no finished dialog: 11 kB a call with three legs was measured."""
    sizes_kb: list[int] = []
    for _ in range(60):
        bench.town.phones.clear()
        caller = bench.town.call()
        bench.event(CallOffered)
        bench.line.say(Hold((announcement,)))
        bench.until(lambda caller=caller: caller.code() == 183)  # type: ignore[misc]
        desk = ring(bench, "one")
        desk.reply(200, sdp=True)
        bench.event(LegAnswered)
        bench.until(lambda caller=caller: caller.code() == 200)  # type: ignore[misc]
        caller.request("BYE")
        finished(bench, "answered")
        sizes_kb.append(bench.memory_kb())
    assert sizes_kb[-1] - sizes_kb[19] < 40 * 40, f"grows: {sizes_kb[::10]}"
    assert "left out" not in bench.output()


def test_a_desk_that_is_busy_leaves_the_caller_waiting(bench: Bench, announcement: str) -> None:
    caller = held(bench, announcement)
    ring(bench, "one").reply(486, "Busy Here")
    ended = bench.event(LegEnded)
    assert (ended.leg, ended.code) == ("desk/one", 486)
    desk = ring(bench, "two")
    desk.reply(200, sdp=True)
    bench.event(LegAnswered)
    talk(bench, caller, desk)


def test_a_caller_who_leaves_takes_the_ringing_along(bench: Bench, announcement: str) -> None:
    caller = held(bench, announcement)
    desk = ring(bench, "one")
    desk.reply(180)
    bench.event(LegRinging)
    caller.cancel()
    assert bench.event(LegEnded).code == 487
    assert desk.got("CANCEL")
    end = finished(bench, "abandoned")
    assert end.talked_s == 0
    assert end.answered_by is None
    bench.until(lambda: caller.code() == 487)


def test_of_two_desks_the_first_wins(bench: Bench, announcement: str) -> None:
    caller = held(bench, announcement)
    one, two = ring(bench, "one"), ring(bench, "two")
    one.reply(180)
    two.reply(180)
    two.reply(200, sdp=True)
    assert bench.event(LegAnswered).leg == "desk/two"
    assert bench.event(LegEnded) == LegEnded("desk/one", 487, "withdrawn")
    assert one.got("CANCEL")
    talk(bench, caller, two)
    two.request("BYE")
    bench.until(lambda: caller.got("BYE"), why="caller left in silence")
    assert finished(bench, "answered").answered_by == "desk/two"


def hears_that_it_was_late(bench: Bench, desk: Phone, *others: Phone) -> None:
    """The desk, which answers now, hears two beeps and then BYE, and is free in time; nobody else hears them."""
    answered_s = time.monotonic()
    assert bench.event(LegEnded).code == 487
    assert time.monotonic() - answered_s < FREE_AGAIN_S
    bench.until(lambda: desk.got("BYE"), why="the later desk still talks")
    [bye] = [request for request in desk.requests if request.method == "BYE"]
    assert bye.headers["reason"] == 'SIP ;cause=200 ;text="Call completed elsewhere"'
    bench.until(lambda: len(desk.bursts(BEEP_HZ)) == 2, timeout_s=0.5, why="no two beeps")
    assert desk.bursts(BEEP_HZ) == pytest.approx([0.15, 0.15], abs=0.03)
    assert not desk.hears()
    assert desk.ever_heard(BEEP_HZ)
    for other in others:
        assert not other.ever_heard(BEEP_HZ)


def test_two_desks_at_the_same_moment(bench: Bench, announcement: str) -> None:
    """Both 200s are under way before either can be withdrawn."""
    caller = held(bench, announcement)
    one, two = ring(bench, "one"), ring(bench, "two")
    one.reply(200, sdp=True)
    two.reply(200, sdp=True)
    desk, loser = (one, two) if bench.event(LegAnswered).leg == "desk/one" else (two, one)
    hears_that_it_was_late(bench, loser, caller, desk)
    assert caller.hears() == {desk.tone_hz}
    assert desk.hears() == {caller.tone_hz}
    assert not desk.got("BYE")
    talk(bench, caller, desk)


def test_a_pick_up_that_crosses_the_withdrawal(bench: Bench, announcement: str) -> None:
    """RFC 5407 §3.1.2. The desk may be rung again afterwards."""
    held(bench, announcement)
    desk = ring(bench, "one")
    desk.reply(180)
    desk.obeys_cancel = False
    bench.event(LegRinging)
    bench.line.say(WithdrawLeg("desk/one"))
    bench.until(lambda: desk.got("CANCEL"))
    desk.reply(200, sdp=True)
    hears_that_it_was_late(bench, desk)
    bench.line.say(RingLeg("desk/one", "sip:one@desk", False, {}))
    bench.until(lambda: bench.town.called("one") is not desk)


def test_a_pick_up_just_after_another_or_after_the_caller_left(bench: Bench, announcement: str) -> None:
    caller = held(bench, announcement)
    one, two = ring(bench, "one"), ring(bench, "two")
    one.reply(180)
    one.obeys_cancel = False
    two.reply(200, sdp=True)
    bench.event(LegAnswered)
    bench.until(lambda: one.got("CANCEL"))
    one.reply(200, sdp=True)
    hears_that_it_was_late(bench, one, caller, two)
    talk(bench, caller, two)
    caller.request("BYE")
    finished(bench, "answered")
    caller = held(bench, announcement)
    desk = ring(bench, "three")
    desk.reply(180)
    desk.obeys_cancel = False
    bench.event(LegRinging)
    caller.cancel()
    bench.until(lambda: desk.got("CANCEL"))
    desk.reply(200, sdp=True)
    caller.deaf()
    hears_that_it_was_late(bench, desk, caller)
    finished(bench, "abandoned")
    bench.line.say(Retire())
    bench.until_ended()
    assert bench.process.returncode == 0


@pytest.mark.parametrize("obeys", [True, False], ids=["says nothing more", "answers without audio"])
def test_a_late_desk_that_cannot_hear_is_free_at_once(bench: Bench, announcement: str, obeys: bool) -> None:
    held(bench, announcement)
    desk = ring(bench, "one")
    desk.reply(180)
    desk.obeys_cancel = False
    bench.event(LegRinging)
    bench.line.say(WithdrawLeg("desk/one"))
    bench.until(lambda: desk.got("CANCEL"))
    if not obeys:
        desk.reply(200)
    since_s = time.monotonic()
    assert bench.event(LegEnded).code == 487
    assert time.monotonic() - since_s < FREE_AGAIN_S


def test_calls_go_on_without_a_line(bench: Bench, announcement: str) -> None:
    caller, desk = bridged(bench, announcement)
    bench.line.die()
    talk(bench, caller, desk)
    bench.line.open()
    call = bench.event(Attached).call
    assert call is not None
    assert call.sip_call_id == caller.call_id
    assert call.bridged == "desk/one"
    assert [(leg.name, leg.state, leg.sip_call_id) for leg in call.legs] == [("desk/one", "answered", desk.call_id)]
    talk(bench, caller, desk)
    bench.line.die()
    caller.request("BYE")
    bench.until(lambda: desk.got("BYE"))
    bench.line.open()
    assert bench.event(Attached).call is None
    assert finished(bench, "answered").sip_call_id == caller.call_id
    bench.town.call()
    bench.event(CallOffered)


def test_a_finished_call_is_told_until_a_line_has_read_it(bench: Bench, announcement: str) -> None:
    caller = held(bench, announcement)
    peer, bench.line.peer = bench.line.peer, None  # the line hangs: connected, but it reads nothing
    server, bench.line.server = bench.line.server, None
    caller.cancel()
    bench.until(lambda: caller.code() == 487)
    assert peer is not None
    assert server is not None
    peer.close()
    server.close()
    bench.line.open()
    bench.event(Attached)
    finished(bench, "abandoned")


def test_without_a_line_the_pbx_takes_its_own_route(bench: Bench) -> None:
    bench.line.die()
    caller = bench.town.call()
    bench.until(lambda: caller.code() == 503, timeout_s=LINE_RETURNS_S + 1)
    bench.line.open()
    bench.event(Attached)
    finished(bench, "refused")


def test_a_silent_line_does_not_keep_a_caller(bench: Bench) -> None:
    caller = bench.town.call()
    bench.event(CallOffered)
    bench.until(lambda: caller.code() == 503)
    finished(bench, "refused")


def test_a_second_caller_is_busy_and_harms_nobody(bench: Bench, announcement: str) -> None:
    caller, desk = bridged(bench, announcement)
    second = bench.town.call()
    bench.until(lambda: second.code() == 486)
    talk(bench, caller, desk)
    assert not any(isinstance(event, CallOffered | CallFinished) for event in bench.line.events)


def test_a_caller_who_was_given_to_another_worker_meanwhile_is_not_taken(bench: Bench, announcement: str) -> None:
    """This one was held up; to its line the caller would be a second one, and a desk would ring for nobody."""
    late = bench.town.call({"Origin": "trunk", "Placed": f"{time.time() - 1.2:.6f}"})
    bench.until(lambda: late.code() == 486)
    held(bench, announcement)
    assert not any(isinstance(event, CallFinished) for event in bench.line.events)


def test_transfer_and_takeover_are_refused(bench: Bench, announcement: str) -> None:
    caller, desk = bridged(bench, announcement)
    desk.request("REFER", extra="Refer-To: <sip:0900@evil.example>\r\n")
    bench.until(lambda: desk.code("REFER") >= 300)
    assert desk.code("REFER") == 603
    talk(bench, caller, desk)
    assert bench.town.called("0900") is None


G729_ONLY = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n"
)


@pytest.mark.parametrize(
    "body", ["", "v=0\r\nthis is no offer\r\n", G729_ONLY], ids=["no offer", "no SDP", "no common codec"]
)
def test_an_invite_without_a_proper_offer_is_harmless(bench: Bench, announcement: str, body: str) -> None:
    odd = bench.town.call(body=body)
    if body == "":
        bench.event(CallOffered)
        bench.line.say(Hold((announcement,)))
        bench.line.say(AnswerCaller())
        bench.until(lambda: odd.code() == 200 and ANNOUNCED_HZ in odd.hears(), why="offerless caller hears nothing")
        odd.request("BYE")
    else:
        bench.until(lambda: odd.code() >= 400)
    bench.event(CallFinished)
    bridged(bench, announcement)


def test_the_line_may_refuse(bench: Bench) -> None:
    caller = bench.town.call()
    bench.event(CallOffered)
    bench.line.say(Refuse(503, "Full", retry_after_s=10))
    bench.until(lambda: caller.code() == 503)
    finished(bench, "refused")


def test_the_line_may_send_a_caller_elsewhere(bench: Bench) -> None:
    caller = bench.town.call()
    bench.event(CallOffered)
    bench.line.say(Refuse(302, "Moved Temporarily", contact="sip:post@hap-b.example"))
    bench.until(lambda: caller.code() == 302)
    assert caller.replies[-1].headers["contact"] == "<sip:post@hap-b.example>"
    finished(bench, "refused")


def test_where_a_call_has_been_goes_along_unchanged(bench: Bench) -> None:
    """RFC 5806, 7044 and 7433; what would be more than one header is left out, and said without its value."""
    history = {
        "Diversion": '"Praktijk" <sip:0201110000@pbx.example>;reason=unconditional;counter=1;privacy=off',
        "History-Info": "<sip:a@pbx.example>;index=1, <sip:b@pbx.example?Reason=SIP%3Bcause%3D302>;index=1.1;mp=1",
        "User-to-User": "56a390f3d2b7310023a2;encoding=hex;purpose=foo",
    }
    bench.town.call()
    bench.event(CallOffered)
    bad = {"X-Cut": "1\r\nX-Injected: 0201234567", "X-Cut-Too": "1\nX-Injected: 2", "X-In\r\njected": "3"}
    desk = ring(
        bench, "one", headers={**bad, **history, "X-Latin": "Zo\u00eb", "X-Long": "x" * 5000, "X-Raw": "\udceb"}
    )
    assert desk.invite is not None
    for name, value in history.items():
        assert desk.invite.headers[name.lower()] == value
    assert not [name for name in desk.invite.headers if name.startswith("x-")]
    assert bench.output().count("is left out") == 6
    assert "njected" not in bench.output()
    desk.reply(200, sdp=True)
    bench.event(LegAnswered)


def test_a_withdrawn_leg_is_cancelled(bench: Bench, announcement: str) -> None:
    held(bench, announcement)
    desk = ring(bench, "one")
    desk.reply(180)
    bench.event(LegRinging)
    bench.line.say(WithdrawLeg("desk/one"))
    assert bench.event(LegEnded).code == 487
    assert desk.got("CANCEL")


def test_dead_destinations_fail_within_four_seconds_and_make_room_for_others(bench: Bench, announcement: str) -> None:
    """A withdrawn leg whose far end is dead keeps its place in the stack; who comes next waits for that place."""
    caller = held(bench, announcement)
    for user in ("one", "two", "three"):
        ring(bench, user)  # none of them ever says a word
    bench.line.say(WithdrawLeg("desk/one"))
    bench.line.say(WithdrawLeg("desk/two"))
    assert bench.event(LegEnded).code == 487
    assert bench.event(LegEnded).code == 487
    bench.line.say(RingLeg("desk/four", "sip:four@desk", False, {}))
    bench.line.say(RingLeg("desk/five", "sip:five@desk", False, {}))
    bench.line.say(WithdrawLeg("desk/five"))
    assert bench.event(LegEnded) == LegEnded("desk/five", 487, "withdrawn")
    ended = bench.event(LegEnded, timeout_s=4.6)
    assert (ended.leg, ended.code) == ("desk/three", 408)
    desk = bench.called("four")
    desk.reply(200, sdp=True)
    bench.event(LegAnswered)
    talk(bench, caller, desk)


def test_a_partner_of_whom_only_the_front_spoke_is_given_up(bench: Bench, announcement: str) -> None:
    """Its 100 stops every timer of the stack: something between the two fronts hangs."""
    caller = held(bench, announcement)
    bench.line.say(RingLeg("partner/hap-b", "sip:line@hap-b", True, {}))
    partner = bench.called("line")
    partner.speaking = False
    partner.reply(100)
    assert bench.event(LegEnded, timeout_s=PARTNER_SILENT_S + 1) == LegEnded("partner/hap-b", 408, "not a word")
    bench.until(lambda: partner.got("CANCEL"), why="its place at the partner is kept")
    desk = ring(bench, "one")
    desk.reply(200, sdp=True)
    bench.event(LegAnswered)
    talk(bench, caller, desk)


def test_a_phone_that_refuses_at_once_and_is_rung_again_and_again(bench: Bench, announcement: str) -> None:
    """Forty dialogs at full speed would be more sockets than the stack survives."""
    held(bench, announcement)
    rung: list[Phone] = []
    for _ in range(40):
        bench.line.say(RingLeg("desk/one", "sip:one@desk", False, {}))
        desk = bench.until(lambda: next((p for p in [bench.town.called("one")] if p and p not in rung), None))
        rung.append(desk)
        desk.reply(486, "Busy Here")
        assert bench.event(LegEnded).code == 486
    assert bench.process.poll() is None


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ('"Zo\u00eb van \\"t Hof"', '"Zo\u00eb van \\"t Hof" <sip:0201234567@pbx.example>'),
        ('"Zo\udceb"', '"Zo\u00eb" <sip:0201234567@pbx.example>'),
        ("", "sip:0201234567@pbx.example"),
        (f'"{"x" * 300}"', "anonymous@anonymous.invalid"),
    ],
    ids=["utf-8", "latin-1", "none", "too long"],
)
def test_any_name_of_a_caller_goes_along(bench: Bench, name: str, seen: str) -> None:
    bench.town.call(name=name)
    bench.event(CallOffered)
    desk = ring(bench, "one")
    assert desk.invite is not None
    assert seen in desk.invite.headers["from"]


def test_without_its_sound_file_a_call_goes_on(bench: Bench) -> None:
    caller = bench.town.call()
    bench.event(CallOffered)
    bench.line.say(Hold(("/nowhere/wait.wav",)))
    bench.until(lambda: caller.code() == 183)
    desk = ring(bench, "one")
    desk.reply(200, sdp=True)
    bench.event(LegAnswered)
    talk(bench, caller, desk)


def test_keys(bench: Bench, announcement: str) -> None:
    """1 while waiting means spoed; in a conversation keys go to the other side."""
    caller = held(bench, announcement)
    caller.press(1)
    bench.event(UrgentPressed)
    desk = ring(bench, "one")
    desk.reply(200, sdp=True)
    bench.event(LegAnswered)
    talk(bench, caller, desk)
    caller.press(5)
    bench.until(lambda: 5 in desk.keys, why="key not passed on")
    caller.request("BYE")
    assert finished(bench, "answered").urgent is True


def test_audio_comes_back_after_a_hold(bench: Bench, announcement: str) -> None:
    caller, desk = bridged(bench, announcement)
    for direction in ("sendonly", "sendrecv"):
        desk.codes.clear()
        desk.request("INVITE", body=desk.sdp(direction))
        bench.until(lambda: desk.code() == 200)
    talk(bench, caller, desk)


def test_the_line_hangs_up(bench: Bench, announcement: str) -> None:
    caller, desk = bridged(bench, announcement)
    bench.line.say(HangUp())
    bench.until(lambda: caller.got("BYE") and desk.got("BYE"))
    finished(bench, "answered")
    bench.line.say(Retire())
    bench.until_ended()
    assert bench.process.returncode == 0


def test_retire_waits_for_the_call(bench: Bench, announcement: str) -> None:
    caller, desk = bridged(bench, announcement)
    bench.line.say(Retire())
    talk(bench, caller, desk)
    desk.request("BYE")
    finished(bench, "answered")
    bench.until_ended()
    assert bench.process.returncode == 0


def test_a_shutdown_of_the_machine_ends_the_call_properly(bench: Bench, announcement: str) -> None:
    caller, desk = bridged(bench, announcement)
    bench.process.send_signal(signal.SIGTERM)
    bench.until_ended()
    assert bench.process.returncode == 0
    assert caller.got("BYE")
    assert desk.got("BYE")
    finished(bench, "answered")


def test_a_partner_call_is_srtp_on_both_ends(bench: Bench, announcement: str, tmp_path: Path) -> None:
    """Two sites: the partner leg of one worker goes straight into another worker."""
    other = Bench(tmp_path)
    there = Bench(tmp_path, front_port=other.sip_port)
    try:
        other.line.open()
        there.line.open()
        there.others.append(other)
        there.until(lambda: other.line.last(Attached) and there.line.last(Attached))
        caller = held(there, announcement)
        there.line.say(
            RingLeg("partner/hap-b", "sip:hap-b@hap-b", True, {"X-Zorgkiosk-Origin": "hap-a", "X-Zorgkiosk-Hops": "1"})
        )
        offered = there.until(lambda: other.line.last(CallOffered)).call
        assert (offered.origin, offered.hops) == ("hap-a", 1)
        other.line.say(Hold((announcement,)))
        other.line.say(RingLeg("desk/far", "sip:far@desk", False, {}))
        desk = there.until(lambda: other.town.called("far"))
        desk.reply(200, sdp=True)
        there.event(LegAnswered)
        talk(there, caller, desk)
    finally:
        there.close()
        other.close()


def test_a_partner_without_srtp_is_refused(bench: Bench) -> None:
    caller = bench.town.call({"Origin": "hap-b"})
    bench.until(lambda: caller.code() == 488)
    finished(bench, "refused")


def test_options_is_answered(bench: Bench) -> None:
    probe = Phone(bench.town, "probe", 440)
    bench.town.phones["probe"] = probe
    probe.me, probe.other = "<sip:front@127.0.0.1>;tag=1", f"<{bench.town.worker_uri}>"
    probe.request("OPTIONS")
    bench.until(lambda: probe.code("OPTIONS") == 200)


@pytest.mark.parametrize(
    ("lost", "who", "length_s"),
    [(1.0, "desk", 1.0), (9.0, "caller", 6.0)],
    indirect=["lost"],
    ids=["the desk died", "the caller died, and the announcement is long"],
)
def test_who_is_left_on_a_dead_line_hears_so(bench: Bench, announcement: str, who: str, length_s: float) -> None:
    caller, desk = bridged(bench, announcement)
    dead, left = (desk, caller) if who == "desk" else (caller, desk)
    dead.speaking = False
    bench.until(lambda: left.hears() == {LOST_HZ}, timeout_s=14, why="nothing said")
    started_s = time.monotonic()
    assert dead.got("BYE")
    assert not dead.ever_heard(LOST_HZ)
    bench.until(lambda: left.got("BYE"), timeout_s=7)
    assert length_s - 0.3 < time.monotonic() - started_s < length_s + 0.3
    assert left.bursts(LOST_HZ) == pytest.approx([length_s], abs=0.1)
    assert finished(bench, "lost").answered_by == "desk/one"


def test_a_far_end_without_power_ends_the_call(bench: Bench, announcement: str) -> None:
    caller, desk = bridged(bench, announcement)
    desk.speaking = False
    bench.until(lambda: caller.got("BYE") and desk.got("BYE"), timeout_s=14)
    assert finished(bench, "lost").answered_by == "desk/one"
