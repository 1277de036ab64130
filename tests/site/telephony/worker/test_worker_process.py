"""The real worker process with real pjsua2, against a raw SIP town: one call, and what others try with it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from worker_bench import Bench, Phone
from worker_scenes import ANNOUNCED_HZ, bridged, finished, held, ring, talk

from zorgkiosk.site.telephony.messages import (
    AnswerCaller,
    Attached,
    CallFinished,
    CallOffered,
    Hold,
    LegAnswered,
    LegEnded,
    LegRinging,
    RingLeg,
    WithdrawLeg,
)
from zorgkiosk.site.telephony.worker.call import PARTNER_SILENT_S

pytest.importorskip("pjsua2", reason="the call worker needs pjsua2")
pytest_plugins = ["worker_fixtures"]
pytestmark = pytest.mark.integration


def test_a_call_from_offer_to_goodbye(stand: Bench, announcement: str) -> None:
    caller = stand.town.call({"Origin": "trunk", "Waited": "12.5", "Hops": "1", "Urgent": "1"})
    offered = stand.event(CallOffered).call
    assert (offered.origin, offered.waited_before_s, offered.hops, offered.urgent) == ("trunk", 12.5, 1, True)
    assert offered.sip_call_id == caller.call_id
    stand.line.say(Hold((announcement,)))
    stand.until(lambda: caller.hears() == {ANNOUNCED_HZ}, why="no announcement")
    stand.until(lambda: caller.code() == 183)
    desk = ring(stand, "one", headers={"X-Zorgkiosk-Waited": "14"})
    assert desk.invite is not None
    assert desk.invite.headers["x-zorgkiosk-waited"] == "14"
    assert '"A. Caller" <sip:0201234567@pbx.example>' in desk.invite.headers["from"]
    assert desk.invite.headers["session-expires"].startswith("90")
    assert "RTP/AVP 8 0" in desk.invite.body
    assert "127.0.1.1" in desk.invite.body
    desk.reply(180)
    assert stand.event(LegRinging).leg == "desk/one"
    stand.until(lambda: caller.code() == 183)
    desk.reply(200, sdp=True)
    assert stand.event(LegAnswered).leg == "desk/one"
    stand.until(lambda: caller.code() == 200 and desk.got("ACK"))
    talk(stand, caller, desk)
    caller.request("BYE")
    end = finished(stand, "answered")
    assert desk.got("BYE")
    assert end.answered_by == "desk/one"
    assert end.waited_s >= 12.5
    assert 0.2 <= end.talked_s < 10


def test_a_second_caller_is_busy_and_harms_nobody(stand: Bench, announcement: str) -> None:
    caller, desk = bridged(stand, announcement)
    second = stand.town.call()
    stand.until(lambda: second.code() == 486)
    talk(stand, caller, desk)
    assert not any(isinstance(event, CallOffered | CallFinished) for event in stand.line.events)


def test_a_caller_who_was_given_to_another_worker_meanwhile_is_not_taken(stand: Bench, announcement: str) -> None:
    """This one was held up; to its line the caller would be a second one, and a desk would ring for nobody."""
    late = stand.town.call({"Origin": "trunk", "Placed": f"{time.time() - 1.2:.6f}"})
    stand.until(lambda: late.code() == 486)
    held(stand, announcement)
    assert not any(isinstance(event, CallFinished) for event in stand.line.events)


def test_transfer_and_takeover_are_refused(stand: Bench, announcement: str) -> None:
    caller, desk = bridged(stand, announcement)
    desk.request("REFER", extra="Refer-To: <sip:0900@evil.example>\r\n")
    stand.until(lambda: desk.code("REFER") >= 300)
    assert desk.code("REFER") == 603
    talk(stand, caller, desk)
    assert stand.town.called("0900") is None


G729_ONLY = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n"
)


@pytest.mark.parametrize(
    "body", ["", "v=0\r\nthis is no offer\r\n", G729_ONLY], ids=["no offer", "no SDP", "no common codec"]
)
def test_an_invite_without_a_proper_offer_is_harmless(stand: Bench, announcement: str, body: str) -> None:
    odd = stand.town.call(body=body)
    if body == "":
        stand.event(CallOffered)
        stand.line.say(Hold((announcement,)))
        stand.line.say(AnswerCaller())
        stand.until(lambda: odd.code() == 200 and ANNOUNCED_HZ in odd.hears(), why="offerless caller hears nothing")
        odd.request("BYE")
    else:
        stand.until(lambda: odd.code() >= 400)
    stand.event(CallFinished)
    bridged(stand, announcement)


def test_where_a_call_has_been_goes_along_unchanged(stand: Bench) -> None:
    """RFC 5806, 7044 and 7433; what would be more than one header is left out, and said without its value."""
    history = {
        "Diversion": '"Praktijk" <sip:0201110000@pbx.example>;reason=unconditional;counter=1;privacy=off',
        "History-Info": "<sip:a@pbx.example>;index=1, <sip:b@pbx.example?Reason=SIP%3Bcause%3D302>;index=1.1;mp=1",
        "User-to-User": "56a390f3d2b7310023a2;encoding=hex;purpose=foo",
    }
    stand.town.call()
    stand.event(CallOffered)
    bad = {"X-Cut": "1\r\nX-Injected: 0201234567", "X-Cut-Too": "1\nX-Injected: 2", "X-In\r\njected": "3"}
    desk = ring(
        stand, "one", headers={**bad, **history, "X-Latin": "Zo\u00eb", "X-Long": "x" * 5000, "X-Raw": "\udceb"}
    )
    assert desk.invite is not None
    for name, value in history.items():
        assert desk.invite.headers[name.lower()] == value
    assert not [name for name in desk.invite.headers if name.startswith("x-")]
    assert stand.output().count("is left out") == 6
    assert "njected" not in stand.output()
    desk.reply(200, sdp=True)
    stand.event(LegAnswered)


def test_dead_destinations_fail_within_four_seconds_and_make_room_for_others(stand: Bench, announcement: str) -> None:
    """A withdrawn leg whose far end is dead keeps its place in the stack; who comes next waits for that place."""
    caller = held(stand, announcement)
    for user in ("one", "two", "three"):
        ring(stand, user)  # none of them ever says a word
    stand.line.say(WithdrawLeg("desk/one"))
    stand.line.say(WithdrawLeg("desk/two"))
    assert stand.event(LegEnded).code == 487
    assert stand.event(LegEnded).code == 487
    stand.line.say(RingLeg("desk/four", "sip:four@desk", False, {}))
    stand.line.say(RingLeg("desk/five", "sip:five@desk", False, {}))
    stand.line.say(WithdrawLeg("desk/five"))
    assert stand.event(LegEnded) == LegEnded("desk/five", 487, "withdrawn")
    ended = stand.event(LegEnded, timeout_s=4.6)
    assert (ended.leg, ended.code) == ("desk/three", 408)
    desk = stand.called("four")
    desk.reply(200, sdp=True)
    stand.event(LegAnswered)
    talk(stand, caller, desk)


def test_a_partner_of_whom_only_the_front_spoke_is_given_up(stand: Bench, announcement: str) -> None:
    """Its 100 stops every timer of the stack: something between the two fronts hangs."""
    caller = held(stand, announcement)
    stand.line.say(RingLeg("partner/hap-b", "sip:line@hap-b", True, {}))
    partner = stand.called("line")
    partner.speaking = False
    partner.reply(100)
    assert stand.event(LegEnded, timeout_s=PARTNER_SILENT_S + 1) == LegEnded("partner/hap-b", 408, "not a word")
    stand.until(lambda: partner.got("CANCEL"), why="its place at the partner is kept")
    desk = ring(stand, "one")
    desk.reply(200, sdp=True)
    stand.event(LegAnswered)
    talk(stand, caller, desk)


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
def test_any_name_of_a_caller_goes_along(stand: Bench, name: str, seen: str) -> None:
    stand.town.call(name=name)
    stand.event(CallOffered)
    desk = ring(stand, "one")
    assert desk.invite is not None
    assert seen in desk.invite.headers["from"]


def test_a_partner_call_is_srtp_on_both_ends(stand: Bench, announcement: str, tmp_path: Path) -> None:
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


def test_a_partner_without_srtp_is_refused(stand: Bench) -> None:
    caller = stand.town.call({"Origin": "hap-b"})
    stand.until(lambda: caller.code() == 488)
    finished(stand, "refused")


def test_options_is_answered(stand: Bench) -> None:
    probe = Phone(stand.town, "probe", 440)
    stand.town.phones["probe"] = probe
    probe.me, probe.other = "<sip:front@127.0.0.1>;tag=1", f"<{stand.town.worker_uri}>"
    probe.request("OPTIONS")
    stand.until(lambda: probe.code("OPTIONS") == 200)
