"""Callers and idle workers, through the real front."""

from __future__ import annotations

import asyncio
import time

import pytest
from front_bench import GOOD, STRANGER, Bench
from front_stage import AVP, SILENCE_S, an_invite, anything, final, states, talking, uri

pytest_plugins = ["front_fixtures"]
pytestmark = pytest.mark.integration


def test_trunk_call_reaches_a_worker_with_our_origin_and_no_forged_header(bench: Bench) -> None:
    worker, trunk = bench.worker(0), bench.caller()
    forged = (
        ("X-Zorgkiosk-Origin", GOOD),
        ("x-zorgkiosk-urgent", "1"),
        ("X-Zorgkiosk-Hops", "0"),
        ("X-Zorgkiosk-Placed", "1"),
    )
    invite = bench.invite(trunk, *forged, ("X-Other", "stays"), body=AVP)
    arrived = worker.request_in("INVITE")
    ours = [(name, value) for name, value in arrived.headers if name.lower().startswith("x-zorgkiosk")]
    assert ours.pop()[0] == "X-Zorgkiosk-Placed" and ours == [("X-Zorgkiosk-Origin", "trunk")]
    assert arrived["X-Other"] == "stays"
    worker.reply(arrived, 183, headers=(("X-Zorgkiosk-Inside", "1"),))
    progress = trunk.reply_to(invite, over=100)
    assert (progress.code, progress.get("X-Zorgkiosk-Inside")) == (183, None)


def test_strangers_hear_nothing_and_reach_nobody(bench: Bench) -> None:
    worker, stranger = bench.worker(0), bench.caller(STRANGER)
    for method in ("INVITE", "OPTIONS", "REGISTER", "BYE"):
        stranger.request(method, f"sip:line@{bench.parameters.address}", body=AVP)
    assert stranger.maybe(anything, SILENCE_S) is None
    assert worker.maybe(an_invite, 0.05) is None
    assert bench.options(bench.caller()).code == 200  # and the front is well


def test_all_workers_busy_is_503_with_retry_after_until_one_is_released(bench: Bench) -> None:
    worker, trunk = bench.worker(0), bench.caller()
    assert bench.options(trunk).code == 200
    bench.invite(trunk, body=AVP)
    worker.reply(worker.request_in("INVITE"), 183)
    before = time.monotonic()
    refused = trunk.reply_to(bench.invite(trunk, body=AVP))
    assert time.monotonic() - before < 0.1
    assert (refused.code, refused["Retry-After"]) == (503, "10")
    health = bench.options(trunk)
    assert (health.code, health["Retry-After"]) == (503, "10")
    asyncio.run(bench.rpc.release(uri(bench, 0)))
    assert bench.options(trunk).code == 200
    bench.invite(trunk, body=AVP)
    worker.request_in("INVITE")


def test_workers_count_only_once_they_answer(bench: Bench) -> None:
    worker, trunk = bench.worker(0, ready=False), bench.caller()
    assert bench.options(trunk).code == 503
    probe = worker.request_in("OPTIONS", timeout_s=4)
    worker.reply(probe, 200)
    deadline = time.monotonic() + 2
    while bench.options(trunk).code != 200:
        assert time.monotonic() < deadline


def test_a_worker_that_died_unnoticed_costs_a_second_not_the_call(bench: Bench) -> None:
    dead, alive, trunk = bench.worker(0), bench.worker(1), bench.caller()
    bench.close(dead)
    waited = []
    for _ in range(2):  # the workers take turns: one of the two calls meets the dead one
        before = time.monotonic()
        invite = bench.invite(trunk, body=AVP)
        arrived = alive.request_in("INVITE", timeout_s=3)
        waited.append(time.monotonic() - before)
        assert arrived.all("X-Zorgkiosk-Origin") == ["trunk"]
        assert len(arrived.all("Record-Route")) == 2
        [placed_s] = arrived.all("X-Zorgkiosk-Placed")
        assert abs(time.time() - float(placed_s)) < 0.5, "it is told when it got the call, not when the other one did"
        alive.reply(arrived, 183)
        assert trunk.reply_to(invite, over=100).code == 183  # so the front has seen it, and drawn its conclusion
        # The call is the second worker's now, whoever had it first.
        assert asyncio.run(bench.rpc.worker_died(uri(bench, 1))) == 1
        assert trunk.reply_to(invite).code == 503
        asyncio.run(bench.rpc.worker_ready(uri(bench, 1)))
    assert 0.8 < max(waited) < 2
    seen = states(bench)
    assert not seen[uri(bench, 0)].active
    assert seen[uri(bench, 1)].idle


def test_an_invite_that_two_workers_are_silent_on_is_blamed_itself(bench: Bench) -> None:
    """No worker is taken out of service for a message that it could not read."""
    worker, other, trunk = bench.worker(0), bench.worker(1), bench.caller()
    refused = trunk.reply_to(bench.invite(trunk, body=AVP), timeout_s=3)
    assert (refused.code, refused["Retry-After"]) == (503, "10")
    for peer in (worker, other):
        assert peer.maybe(an_invite, 0.05) is not None
    assert all(each.idle for each in states(bench).values())


def test_a_caller_that_makes_no_offer_reaches_a_worker(bench: Bench) -> None:
    worker, trunk = bench.worker(0), bench.caller()
    invite = bench.invite(trunk, body="")
    arrived = worker.request_in("INVITE")
    assert arrived.body == ""
    worker.reply(arrived, 200, body=AVP)
    answer = trunk.reply_to(invite)
    trunk.inside("ACK", invite, answer, cseq=1, body=AVP)
    assert worker.request_in("ACK").body == AVP


def test_a_refusal_of_the_worker_reaches_the_caller_as_it_is(bench: Bench) -> None:
    worker, trunk = bench.worker(0), bench.caller()
    for code in (480, 503):
        invite = bench.invite(trunk, body=AVP)
        worker.reply(worker.request_in("INVITE"), code)
        assert trunk.reply_to(invite).code == code
        asyncio.run(bench.rpc.release(uri(bench, 0)))


def test_a_caller_who_hangs_up_while_waiting_is_taken_from_the_worker(bench: Bench) -> None:
    worker, trunk = bench.worker(0), bench.caller()
    invite = bench.invite(trunk, body=AVP)
    arrived = worker.request_in("INVITE")
    worker.reply(arrived, 183)
    trunk.reply_to(invite, over=100)
    trunk.cancel(invite)
    worker.reply(worker.request_in("CANCEL"), 200)
    worker.reply(arrived, 487)
    assert trunk.reply_to(invite).code == 487


def test_a_flood_from_the_trunk_is_cut_off_at_the_limit(bench: Bench) -> None:
    trunk = bench.caller()
    for _ in range(100):
        bench.invite(trunk, body=AVP)
    answers = [trunk.receive(final) for _ in range(100)]
    reasons = [answer.start.split(" ", 2)[2] for answer in answers]
    assert {answer.code for answer in answers} == {503}
    assert reasons.count("Too many calls at once") >= 30
    deadline = time.monotonic() + 3  # the window passes
    while "Too many" in trunk.reply_to(bench.invite(trunk, body=AVP)).start:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_requests_inside_a_dialog_pass_but_refer_and_relay_do_not(bench: Bench) -> None:
    worker, trunk = bench.worker(0), bench.caller()
    invite, answer = talking(bench, trunk, worker)
    hold = trunk.inside("INVITE", invite, answer, cseq=2, body=AVP)
    worker.reply(worker.receive(lambda message: message.get("CSeq") == "2 INVITE"), 200, body=AVP)
    assert trunk.reply_to(hold).code == 200
    trunk.inside("ACK", invite, answer, cseq=2)
    worker.receive(lambda message: message.get("CSeq") == "2 ACK")
    assert trunk.reply_to(trunk.inside("REFER", invite, answer, cseq=3)).code == 603
    assert trunk.reply_to(trunk.inside("MESSAGE", invite, answer, cseq=4)).code == 405
    elsewhere = bench.caller(STRANGER)
    route = ("Route", f"<sip:{bench.outside[0]}:{bench.outside[1]};lr>")
    relay = trunk.request("INVITE", elsewhere.contact, to=answer["To"], from_=invite["From"], cseq=5, headers=(route,))
    assert trunk.reply_to(relay).code == 403
    lost = trunk.request("BYE", f"sip:line@{bench.outside[0]}", to=answer["To"], from_=invite["From"])
    assert trunk.reply_to(lost).code == 481
    bye = trunk.inside("BYE", invite, answer, cseq=6)
    worker.reply(worker.request_in("BYE"), 200)
    assert trunk.reply_to(bye).code == 200
    assert elsewhere.maybe(anything, 0.05) is None


def test_a_route_chosen_by_the_caller_is_ignored(bench: Bench) -> None:
    worker, trunk, elsewhere = bench.worker(0), bench.caller(), bench.caller(STRANGER)
    here, there = bench.outside, elsewhere.local
    routes = (("Route", f"<sip:{here[0]}:{here[1]};lr>"), ("Route", f"<sip:{there[0]}:{there[1]};lr>"))
    bench.invite(trunk, *routes, body=AVP)
    assert worker.request_in("INVITE").get("Route") is None
    assert elsewhere.maybe(anything, 0.05) is None
