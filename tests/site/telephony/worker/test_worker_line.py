"""The real worker and its line: orders, and what becomes of a caller when the line is away, silent or stopping."""

from __future__ import annotations

import signal

import pytest
from worker_bench import Bench
from worker_scenes import bridged, finished, held, talk

from zorgkiosk.site.telephony.messages import Attached, CallOffered, HangUp, Refuse, Retire
from zorgkiosk.site.telephony.worker.call import LINE_RETURNS_S

pytest.importorskip("pjsua2", reason="the call worker needs pjsua2")
pytest_plugins = ["worker_fixtures"]
pytestmark = pytest.mark.integration


def test_calls_go_on_without_a_line(stand: Bench, announcement: str) -> None:
    caller, desk = bridged(stand, announcement)
    stand.line.die()
    talk(stand, caller, desk)
    stand.line.open()
    call = stand.event(Attached).call
    assert call is not None
    assert call.sip_call_id == caller.call_id
    assert call.bridged == "desk/one"
    assert [(leg.name, leg.state, leg.sip_call_id) for leg in call.legs] == [("desk/one", "answered", desk.call_id)]
    talk(stand, caller, desk)
    stand.line.die()
    caller.request("BYE")
    stand.until(lambda: desk.got("BYE"))
    stand.line.open()
    assert stand.event(Attached).call is None
    assert finished(stand, "answered").sip_call_id == caller.call_id
    stand.town.call()
    stand.event(CallOffered)


def test_a_finished_call_is_told_until_a_line_has_read_it(stand: Bench, announcement: str) -> None:
    caller = held(stand, announcement)
    peer, stand.line.peer = stand.line.peer, None  # the line hangs: connected, but it reads nothing
    server, stand.line.server = stand.line.server, None
    caller.cancel()
    stand.until(lambda: caller.code() == 487)
    assert peer is not None
    assert server is not None
    peer.close()
    server.close()
    stand.line.open()
    stand.event(Attached)
    finished(stand, "abandoned")


def test_without_a_line_the_pbx_takes_its_own_route(stand: Bench) -> None:
    stand.line.die()
    caller = stand.town.call()
    stand.until(lambda: caller.code() == 503, timeout_s=LINE_RETURNS_S + 1)
    stand.line.open()
    stand.event(Attached)
    finished(stand, "refused")


def test_a_silent_line_does_not_keep_a_caller(stand: Bench) -> None:
    caller = stand.town.call()
    stand.event(CallOffered)
    stand.until(lambda: caller.code() == 503)
    finished(stand, "refused")


def test_the_line_may_refuse(stand: Bench) -> None:
    caller = stand.town.call()
    stand.event(CallOffered)
    stand.line.say(Refuse(503, "Full", retry_after_s=10))
    stand.until(lambda: caller.code() == 503)
    finished(stand, "refused")


def test_the_line_may_send_a_caller_elsewhere(stand: Bench) -> None:
    caller = stand.town.call()
    stand.event(CallOffered)
    stand.line.say(Refuse(302, "Moved Temporarily", contact="sip:post@hap-b.example"))
    stand.until(lambda: caller.code() == 302)
    assert caller.replies[-1].headers["contact"] == "<sip:post@hap-b.example>"
    finished(stand, "refused")


def test_the_line_hangs_up(stand: Bench, announcement: str) -> None:
    caller, desk = bridged(stand, announcement)
    stand.line.say(HangUp())
    stand.until(lambda: caller.got("BYE") and desk.got("BYE"))
    finished(stand, "answered")
    stand.line.say(Retire())
    stand.until_ended()
    assert stand.process.returncode == 0


def test_retire_waits_for_the_call(stand: Bench, announcement: str) -> None:
    caller, desk = bridged(stand, announcement)
    stand.line.say(Retire())
    talk(stand, caller, desk)
    desk.request("BYE")
    finished(stand, "answered")
    stand.until_ended()
    assert stand.process.returncode == 0


def test_a_shutdown_of_the_machine_ends_the_call_properly(stand: Bench, announcement: str) -> None:
    caller, desk = bridged(stand, announcement)
    stand.process.send_signal(signal.SIGTERM)
    stand.until_ended()
    assert stand.process.returncode == 0
    assert caller.got("BYE")
    assert desk.got("BYE")
    finished(stand, "answered")
