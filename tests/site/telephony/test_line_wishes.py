"""What callers are told, urgent callers, desks on the exchange, and trunks that follow a redirect."""

from __future__ import annotations

from pathlib import Path

import pytest
from centre import Centre, config, heard, open_centre

from zorgkiosk.site.facts import OverflowSwitch
from zorgkiosk.site.telephony.messages import (
    AnswerCaller,
    Command,
    LegAnswered,
    LegEnded,
    Refuse,
    RingLeg,
    UrgentPressed,
    WithdrawLeg,
)

EXCHANGE = {"exchange_address": "127.0.11.9"}


def in_a_rush(centre: Centre) -> Centre:
    """Both desks talk; hap-zuid has three free ones."""
    for worker, desk in ((0, "desk/desk-1"), (1, "desk/desk-2")):
        centre.call(worker)
        centre.answered(worker, desk)
    centre.line.partners_said({"hap-zuid": heard(free=3)}, centre.now_s)
    centre.workers.take()
    return centre


def legs(sent: list[tuple[int, Command]]) -> list[str]:
    return [command.leg for _, command in sent if isinstance(command, RingLeg)]


def test_a_waiting_caller_is_welcomed_once_and_told_how_long(tmp_path: Path) -> None:
    centre = in_a_rush(open_centre(config(tmp_path)))
    centre.line.partners_said({}, centre.now_s)
    centre.line.staffed(["desk-1", "desk-2"], OverflowSwitch(giving=False), centre.now_s)
    centre.call(2)
    assert centre.spoken() == [
        (2, ["welkom", "wachten", "minuten-3"], True),
        (2, ["wachten", "minuten-3"], False),
    ]
    centre.call(3)
    assert centre.spoken()[0] == (3, ["welkom", "wachten", "minuten-6"], True)
    centre.finished(0, "answered", "desk/desk-1")
    centre.answered(2, "desk/desk-1")
    assert (3, ["wachten", "minuten-3"], False) in centre.spoken(), "one place further"
    centre.later(1)
    assert centre.spoken() == []


def test_a_caller_hears_that_a_partner_may_help_in_the_same_breath_as_it_is_asked(tmp_path: Path) -> None:
    centre = in_a_rush(open_centre(config(tmp_path)))
    centre.line.staffed(["desk-1", "desk-2"], OverflowSwitch(giving=False), centre.now_s)
    centre.call(2)
    centre.workers.take()
    centre.line.staffed(["desk-1", "desk-2"], OverflowSwitch(giving=True), centre.now_s)
    names = [type(command).__name__ for _, command in centre.workers.sent]
    assert names == ["RingLeg", "Hold", "Hold"]
    assert centre.spoken()[0] == (2, ["partner"], True)


def test_one_makes_a_caller_urgent_and_first(tmp_path: Path) -> None:
    centre = in_a_rush(open_centre(config(tmp_path, front=EXCHANGE, telephony={"last_resort": "201"})))
    centre.line.staffed(["desk-1", "desk-2"], OverflowSwitch(giving=False), centre.now_s)
    for worker in (2, 3):
        centre.call(worker)
        centre.now_s += 1
    centre.workers.take()
    centre.line.handle(3, UrgentPressed(), centre.now_s)
    assert (3, ["spoed"], True) in centre.spoken()
    centre.finished(0, "answered", "desk/desk-1")
    assert centre.sent() == [(3, RingLeg("desk/desk-1", "sip:phone1@desk", False, {}))]


def test_nobody_picks_up_an_urgent_caller_so_the_last_resort_rings_and_may_win(tmp_path: Path) -> None:
    centre = in_a_rush(open_centre(config(tmp_path, front=EXCHANGE, telephony={"last_resort": "201"})))
    centre.line.partners_said({}, centre.now_s)
    centre.line.staffed(["desk-1", "desk-2"], OverflowSwitch(giving=False), centre.now_s)
    centre.call(2, urgent=True)
    centre.later(59)
    assert legs(centre.sent()) == []
    centre.later(1)
    assert (2, RingLeg("last-resort", "sip:201@exchange", False, {})) in centre.sent()
    centre.later(20)
    assert centre.sent() == [(2, WithdrawLeg("last-resort"))]
    centre.line.handle(2, LegEnded("last-resort", 487, "withdrawn"), centre.now_s)
    assert legs(centre.sent()) == ["last-resort"], "it rings again at once"
    centre.line.handle(2, LegAnswered("last-resort"), centre.now_s)
    centre.finished(2, "answered", "last-resort")
    [record] = [record for record in centre.records() if record.waited_s == 8.0 and record.desk == "last-resort"]
    assert record.partner is None


def test_a_last_resort_that_is_busy_is_called_again_after_a_ring_time(tmp_path: Path) -> None:
    centre = in_a_rush(open_centre(config(tmp_path, front=EXCHANGE, telephony={"last_resort": "201"})))
    centre.line.staffed(["desk-1", "desk-2"], OverflowSwitch(giving=False), centre.now_s)
    centre.call(2, urgent=True)
    centre.later(60)
    centre.workers.take()
    centre.line.handle(2, LegEnded("last-resort", 486, "Busy Here"), centre.now_s)
    centre.later(19)
    assert legs(centre.sent()) == []
    centre.later(1)
    assert legs(centre.sent()) == ["last-resort"]


def test_a_desk_on_the_exchange_is_rung_through_it(tmp_path: Path) -> None:
    desks = [{"id": "desk-1", "title": "Belgroep", "extension": "600"}]
    site = config(tmp_path, front=EXCHANGE)
    centre = open_centre(site.model_validate({**site.model_dump(), "desk": desks}))
    centre.call(0)
    assert centre.sent() == [(0, RingLeg("desk/desk-1", "sip:600@exchange", False, {}))]


def test_a_caller_waits_at_home_first_where_the_centre_wants_it(tmp_path: Path) -> None:
    centre = in_a_rush(open_centre(config(tmp_path, overflow={"wait_first_s": 50})))
    centre.call(2)
    centre.later(49)
    centre.line.partners_said({"hap-zuid": heard(free=3, at_s=centre.now_s)}, centre.now_s)
    assert legs(centre.sent()) == []
    centre.later(1)
    assert legs(centre.sent()) == ["partner/hap-zuid"]


def test_a_desk_sees_where_a_partners_caller_comes_from(tmp_path: Path) -> None:
    centre = open_centre(config(tmp_path))
    centre.call(0, origin="hap-zuid", hops=1)
    [(_, order)] = centre.sent()
    assert isinstance(order, RingLeg) and order.headers["Diversion"].startswith("<sip:line@hap-zuid>")
    assert bytes.fromhex(order.headers["User-to-User"].split(";")[0]).decode() == "hap-zuid 0s"


@pytest.fixture
def redirecting(tmp_path: Path) -> Centre:
    partner = {"redirect_to": "sip:zuid@trunk.example"}
    return in_a_rush(open_centre(config(tmp_path, front={"handover": "redirect"}, partner=partner)))


def test_a_trunk_that_follows_is_sent_to_the_partner(redirecting: Centre) -> None:
    redirecting.call(2)
    assert redirecting.workers.take() == [(2, Refuse(302, "Moved Temporarily", contact="sip:zuid@trunk.example"))]
    redirecting.finished(2, "refused")
    [record] = redirecting.records()
    assert (record.outcome, record.partner) == ("redirected", "hap-zuid")


def test_a_caller_who_was_answered_cannot_be_redirected_and_is_bridged(redirecting: Centre) -> None:
    redirecting.line.staffed(["desk-1", "desk-2"], OverflowSwitch(giving=False), redirecting.now_s)
    redirecting.call(2)
    redirecting.later(45)
    assert (2, AnswerCaller()) in redirecting.sent()
    redirecting.line.partners_said({"hap-zuid": heard(free=3, at_s=redirecting.now_s)}, redirecting.now_s)
    redirecting.line.staffed(["desk-1", "desk-2"], OverflowSwitch(giving=True), redirecting.now_s)
    assert legs(redirecting.sent()) == ["partner/hap-zuid"]


def test_partners_are_told_over_sip_what_the_region_is_told(tmp_path: Path) -> None:
    centre = in_a_rush(open_centre(config(tmp_path)))
    assert centre.front.published[-1].desks_free == 0 and centre.front.published[-1].desks_present == 2
