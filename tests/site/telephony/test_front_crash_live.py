"""A front that crashed has forgotten every call; who waited in early media must get the pick-up all the same."""

from __future__ import annotations

import pytest
from front_bench import STRANGER, Bench
from front_stage import AVP, final
from sip_peer import Message, Peer

pytest_plugins = ["front_fixtures"]
pytestmark = pytest.mark.integration
SILENCE_S = 0.1


def waiting(bench: Bench) -> tuple[Peer, Peer, Message, Message]:
    """A caller waits in early media and the front crashes: worker, trunk, the INVITE as sent and as it arrived."""
    worker, trunk = bench.worker(0), bench.caller()
    invite = bench.invite(trunk, body=AVP)
    arrived = worker.request_in("INVITE")
    worker.reply(arrived, 183, body=AVP)
    trunk.receive(lambda message: message.code == 183)
    bench.crash()
    return worker, trunk, invite, arrived


def test_a_waiting_caller_gets_the_pick_up_and_can_hang_up_after_it(bench: Bench) -> None:
    worker, trunk, invite, arrived = waiting(bench)
    worker.reply(arrived, 200, body=AVP)
    answer = trunk.reply_to(invite)
    assert (answer.code, answer.body) == (200, AVP)
    trunk.inside("ACK", invite, answer, cseq=1)
    worker.request_in("ACK")
    bye = trunk.inside("BYE", invite, answer, cseq=2)
    worker.reply(worker.request_in("BYE"), 200)
    assert trunk.reply_to(bye).code == 200


@pytest.mark.parametrize("code", [180, 183, 302, 486, 603])
def test_nothing_but_a_pick_up_is_passed_on_without_its_call(bench: Bench, code: int) -> None:
    worker, trunk, _, arrived = waiting(bench)
    worker.reply(arrived, code)
    assert trunk.maybe(lambda message: message.code >= 180, SILENCE_S) is None


def test_a_pick_up_that_a_stranger_made_up_is_not_passed_on(bench: Bench) -> None:
    _, trunk, _, arrived = waiting(bench)
    stranger = bench.caller(STRANGER)
    stranger.send(stranger.reply(arrived, 200, body=AVP), bench.outside)
    assert trunk.maybe(final, SILENCE_S) is None
