"""What a front that was started anew has forgotten ends quickly, and does not keep it from the calls that it has."""

from __future__ import annotations

import asyncio
import logging
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from front_bench import GOOD, STRANGER, Bench
from front_stage import AVP, SAVP, anything, besides, talking, uri
from sip_peer import Message, Peer

from zorgkiosk.site.telephony.front import ENDED_S, ENDS, FORGOTTEN_PER_S

pytest_plugins = ["front_fixtures"]
pytestmark = pytest.mark.integration

_LOG = logging.getLogger(__name__)
STORM_PER_S = 6_000
"""What one PJSIP 2.15.1 sends, which answers a 481 to its BYE with another BYE."""


def forgotten(bench: Bench) -> tuple[Peer, Peer, Message, Message]:
    """A caller waits in early media and the front crashes: worker, trunk, the INVITE, the 183."""
    worker, trunk = bench.worker(0), bench.caller()
    invite = bench.invite(trunk, body=AVP)
    worker.reply(worker.request_in("INVITE"), 183, body=AVP)
    ringing = trunk.receive(lambda message: message.code == 183)
    bench.crash()
    return worker, trunk, invite, ringing


def is_bye(message: Message) -> bool:
    return message.method == "BYE"


def ended(message: Message) -> bool:
    return message.code == 481


def drain(peer: Peer) -> int:
    """How many 481 lie there."""
    count = 0
    while (message := peer.maybe(anything, 0.2)) is not None:
        count += ended(message)
    return count


def setup_ms(bench: Bench, trunk: Peer, worker: Peer, calls: int) -> list[float]:
    """INVITE of the trunk → its 200, each call ended before the next."""
    times = []
    for _ in range(calls):
        before = time.monotonic()
        invite = bench.invite(trunk, body=AVP)
        worker.reply(worker.request_in("INVITE"), 200, body=AVP)
        answer = trunk.reply_to(invite)
        times.append((time.monotonic() - before) * 1000)
        trunk.inside("ACK", invite, answer, cseq=1)
        worker.request_in("ACK")
        bye = trunk.inside("BYE", invite, answer, cseq=2)
        worker.reply(worker.request_in("BYE"), 200)
        assert trunk.reply_to(bye).code == 200
        asyncio.run(bench.rpc.release(uri(bench, 1)))
        time.sleep(0.12)  # fewer a second than one worker may get
    return times


def storm(peer: Peer, bye: Message, sent: list[int]) -> Callable[[threading.Event], None]:
    """BYEs of one call, each a transaction of its own; `sent` grows by one for each."""
    template, branch = bye.encode(), bye["Via"].split("branch=")[1].split(";")[0].encode()
    assert template.count(branch) == 1

    def send(stop: threading.Event) -> None:
        began_s = time.monotonic()
        while not stop.wait(0.005):
            while len(sent) < (time.monotonic() - began_s) * STORM_PER_S:
                peer.sock.sendto(template.replace(branch, b"%s-%d" % (branch, len(sent))), peer.front)
                sent.append(1)

    return send


def test_a_cancel_of_a_forgotten_call_is_answered(bench: Bench) -> None:
    """RFC 3261 §9.2; so is one that comes again, and one of a partner."""
    worker, trunk, invite, _ = forgotten(bench)
    for _ in range(2):
        trunk.cancel(invite)
        answer = trunk.receive(ended)
        assert answer["CSeq"] == "1 CANCEL" and answer["Call-ID"] == invite["Call-ID"] and "tag=" in answer["To"]
    assert worker.maybe(lambda message: message.method == "CANCEL", 0.1) is None
    partner = bench.partner(GOOD)
    never = partner.request("OPTIONS", f"sip:line@{bench.parameters.address}", body=SAVP)
    partner.cancel(replace(never, start=never.start.replace("OPTIONS", "INVITE")))
    assert partner.receive(ended)["CSeq"] == "1 CANCEL"
    stranger = bench.caller(STRANGER)
    stranger.cancel(invite)
    assert stranger.maybe(anything, 0.1) is None


def test_a_cancel_of_a_call_that_is_known_still_ends_it(bench: Bench) -> None:
    worker, trunk = bench.worker(0), bench.caller()
    invite = bench.invite(trunk, body=AVP)
    arrived = worker.request_in("INVITE")
    worker.reply(arrived, 180)
    trunk.receive(lambda message: message.code == 180)
    trunk.cancel(invite)
    assert trunk.receive(lambda message: message.get("CSeq") == "1 CANCEL").code == 200
    worker.reply(worker.request_in("CANCEL"), 200)
    worker.reply(arrived, 487)
    assert trunk.reply_to(invite).code == 487


def test_who_answers_each_481_with_another_bye_is_soon_not_answered_and_is_again_when_it_was_still(
    bench: Bench,
) -> None:
    """As PJSIP does: the front is what ends it."""
    worker, trunk, invite, ringing = forgotten(bench)
    for number in range(2, ENDS + 2):
        bye = trunk.inside("BYE", invite, ringing, cseq=number)
        worker.reply(worker.request_in("BYE"), 481)
        assert trunk.reply_to(bye).code == 481
    trunk.inside("BYE", invite, ringing, cseq=ENDS + 2)
    assert trunk.maybe(ended, 0.3) is None and worker.maybe(is_bye, 0.1) is None
    time.sleep(ENDED_S + 1.5)  # this is the time that the front promises to wait; it counts in whole seconds
    bye = trunk.inside("BYE", invite, ringing, cseq=ENDS + 3)
    worker.reply(worker.request_in("BYE"), 481)
    assert trunk.reply_to(bye).code == 481


@pytest.mark.parametrize("routed", [True, False], ids=["through us to a worker", "to nobody"])
def test_a_storm_of_byes_from_the_trunk_leaves_its_other_calls_alone(bench: Bench, routed: bool) -> None:
    worker, storming, invite, ringing = forgotten(bench)
    bench.again(worker, 0)
    trunk, calling = bench.caller(), bench.caller()
    call, answer = talking(bench, trunk, worker)
    other = bench.worker(1)
    before = setup_ms(bench, calling, other, 10)
    if routed:
        bye = storming.inside("BYE", invite, ringing, cseq=2)
    else:
        bye = storming.request("BYE", f"sip:line@{bench.outside[0]}", to=ringing["To"], from_=invite["From"])
    sent, began_s = list[int](), time.monotonic()
    with besides(storm(storming, bye, sent)):
        during = setup_ms(bench, calling, other, 20)
        rate_per_s = len(sent) / (time.monotonic() - began_s)
    assert rate_per_s > STORM_PER_S / 6, "a machine too busy for a storm shows nothing"
    _LOG.info(
        "a call's setup: %.1f ms before the storm (at most %.1f), %.1f ms in it (at most %.1f) with %.0f BYEs a second",
        *(statistics.median(before), max(before), statistics.median(during), max(during), rate_per_s),
    )
    assert 1 <= drain(storming) + routed <= ENDS
    bye = trunk.inside("BYE", call, answer, cseq=2)  # the call that was there goes on to its end
    ending = worker.receive(lambda message: is_bye(message) and message["Call-ID"] == call["Call-ID"])
    worker.reply(ending, 200)
    assert trunk.reply_to(bye).code == 200
    # Each once; tm repeats what this worker does not answer.
    passed_on = {each["Via"] for each in worker.heard if is_bye(each) and each["Call-ID"] == invite["Call-ID"]}
    assert len(passed_on) <= ENDS


def test_many_forgotten_calls_at_once_hear_so_many_answers_a_second(bench: Bench) -> None:
    """Each BYE of a call of its own, so that no count of one call ends them."""
    trunk = bench.caller()
    began_s = time.monotonic()
    for _ in range(10 * FORGOTTEN_PER_S):
        trunk.request("BYE", f"sip:line@{bench.outside[0]}", to="<sip:line@x>;tag=gone")
    answered, took_s = drain(trunk), time.monotonic() - began_s
    assert 1 <= answered <= FORGOTTEN_PER_S * (took_s + 1)
    assert answered < 10 * FORGOTTEN_PER_S
