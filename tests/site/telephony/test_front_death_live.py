"""A worker dies, and the real front tells everyone who was in its calls."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from front_bench import DESK, PASSWORD, Bench
from front_stage import AVP, states, talking, uri
from sip_peer import record_route, uri_of

from zorgkiosk.site.telephony.front_rpc import FrontError, FrontRpc

pytest_plugins = ["front_fixtures"]
pytestmark = pytest.mark.integration


def test_death_of_a_worker_tells_the_waiting_caller_and_the_ringing_desk(bench: Bench) -> None:
    worker, trunk, desk = bench.worker(0), bench.caller(), bench.caller(DESK)
    assert bench.register(desk, "desk1", PASSWORD).code == 200
    invite = bench.invite(trunk, body=AVP)
    worker.reply(worker.request_in("INVITE"), 183)
    worker.request("INVITE", "sip:desk1@desk", body=AVP)
    desk.reply(desk.request_in("INVITE"), 180)
    worker.receive(lambda message: message.code == 180)
    bench.close(worker)
    before = time.monotonic()
    assert asyncio.run(bench.rpc.worker_died(uri(bench, 0))) == 2
    refused = trunk.reply_to(invite)
    assert time.monotonic() - before < 0.1
    assert (refused.code, refused["Retry-After"]) == (503, "1")
    desk.request_in("CANCEL")
    status = states(bench)[uri(bench, 0)]
    assert (status.active, status.sip_call_id) == (False, None)


def test_death_of_a_worker_in_a_bridged_call_hangs_up_at_both_ends(bench: Bench) -> None:
    worker, trunk, desk = bench.worker(0), bench.caller(), bench.caller(DESK)
    assert bench.register(desk, "desk1", PASSWORD).code == 200
    invite, _ = talking(bench, trunk, worker)
    outgoing = worker.request("INVITE", "sip:desk1@desk", body=AVP)
    desk.reply(desk.request_in("INVITE"), 200, body=AVP)
    worker.inside("ACK", outgoing, worker.reply_to(outgoing), cseq=1)
    desk.request_in("ACK")
    bench.close(worker)
    before = time.monotonic()
    assert asyncio.run(bench.rpc.worker_died(uri(bench, 0))) == 2
    for end, call in ((trunk, invite), (desk, outgoing)):
        bye = end.request_in("BYE")
        assert bye["Call-ID"] == call["Call-ID"]
        end.reply(bye, 200)
    assert time.monotonic() - before < 0.2


def test_the_bye_for_a_dead_worker_continues_its_numbering(bench: Bench) -> None:
    """A far end refuses a CSeq that is not above the last it saw (RFC 3261 §12.2.2)."""
    worker, trunk = bench.worker(0), bench.caller()
    invite, answer = talking(bench, trunk, worker)
    arrived = next(message for message in reversed(worker.heard) if message.method == "INVITE")
    refresh = worker.request(
        "UPDATE", uri_of(arrived["Contact"]), cseq=4711, call_id=invite["Call-ID"], from_=answer["To"],
        to=invite["From"], headers=tuple(("Route", route) for route in record_route(arrived)),
    )  # fmt: skip
    trunk.reply(trunk.request_in("UPDATE"), 200)
    worker.reply_to(refresh)
    asyncio.run(bench.rpc.worker_died(uri(bench, 0)))
    assert trunk.request_in("BYE")["CSeq"] == "4712 BYE"


def test_one_dialog_can_be_ended_by_its_call_id(bench: Bench) -> None:
    worker, trunk = bench.worker(0), bench.caller()
    invite, _ = talking(bench, trunk, worker)
    assert asyncio.run(bench.rpc.end_dialog(invite["Call-ID"]))
    for end in (trunk, worker):
        end.reply(end.request_in("BYE"), 200)
    assert not asyncio.run(bench.rpc.end_dialog("no-such-call"))


def test_the_line_hears_when_the_front_is_away_or_unwilling(bench: Bench) -> None:
    nobody = FrontRpc(bench.parameters.directory / "run" / "nobody.sock")
    with pytest.raises(FrontError, match="no answer"):
        asyncio.run(nobody.status())
    with pytest.raises(FrontError) as caught:
        asyncio.run(bench.rpc.worker_ready("sip:127.0.0.1:1"))
    assert caught.value.code
    asyncio.run(bench.rpc.release("sip:127.0.0.1:1"))  # nothing to release is no fault


def test_a_front_that_crashes_leaves_no_core(bench: Bench) -> None:
    """Kamailio raises its own limit unless it is told not to, and the shell that starts a test may allow cores."""
    [line] = [
        each
        for each in Path(f"/proc/{bench.process.pid}/limits").read_text(encoding="ascii").splitlines()
        if each.startswith("Max core file size")
    ]
    assert line.split()[4] == "0", line
