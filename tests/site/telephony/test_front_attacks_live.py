"""Guessing, floods and crowds of connections against the real front, while those who belong here go on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import select
import socket
import statistics
import threading
import time
from collections.abc import Callable

import pytest
from front_bench import GOOD, PASSWORD, STRANGER, Bench
from front_stage import AVP, SAVP, SILENCE_S, an_invite, anything, besides, talking, uri
from sip_peer import Peer

pytest_plugins = ["front_fixtures"]
pytestmark = pytest.mark.integration

_LOG = logging.getLogger(__name__)
GUESSER, NEIGHBOUR = "127.0.71.68", "127.0.71.69"
CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01"
"""How a TLS handshake begins; the rest is never sent."""


def flood(peer: Peer, message: bytes, per_s: int) -> Callable[[threading.Event], None]:
    def send(stop: threading.Event) -> None:
        while not stop.wait(0.02):
            for _ in range(per_s // 50):
                peer.sock.sendto(message, peer.front)

    return send


def answer_times_s(bench: Bench, trunk: Peer, during_s: float) -> list[float]:
    """How long each OPTIONS of the trunk waited for its answer."""
    times, until = [], time.monotonic() + during_s
    while time.monotonic() < until:
        before = time.monotonic()
        assert bench.options(trunk).code in (200, 503)
        times.append(time.monotonic() - before)
        time.sleep(0.01)
    return times


def test_two_hundred_wrong_passwords_open_nothing_and_lock_nobody_else_out(bench: Bench) -> None:
    guesser, neighbour = bench.caller(GUESSER), bench.caller(NEIGHBOUR)
    codes = []
    for number in range(200):
        answer = bench.try_password(guesser, "desk1", f"guess-{number}")
        codes.append(answer.code if answer else 0)
        if number % 50 == 0:
            assert bench.register(neighbour, "desk1", PASSWORD).code == 200
    assert set(codes) == {401, 0}
    assert codes.count(401) <= 30
    assert codes[-100:] == [0] * 100
    before = time.monotonic()
    assert bench.register(neighbour, "desk2", PASSWORD).code == 200
    assert time.monotonic() - before < 0.2


def test_slow_guessing_is_cut_off_by_its_count(bench: Bench) -> None:
    """Few enough requests a second that they are no flood."""
    guesser = bench.caller("127.0.71.70")
    codes = []
    for number in range(13):
        answer = bench.try_password(guesser, "desk1", f"guess-{number}")
        codes.append(answer.code if answer else 0)
        time.sleep(0.3)
    assert codes == [401] * 10 + [0] * 3


def test_nobody_can_guess_in_the_name_of_another_address(bench: Bench) -> None:
    """A challenge is good only where it was sent, so forged senders cannot get a phone locked out."""
    guesser, phone = bench.caller("127.0.71.71"), bench.caller("127.0.71.72")
    for _ in range(12):
        bench.borrowed_challenge(guesser, phone, "desk1")
        time.sleep(0.3)
    assert bench.register(phone, "desk1", PASSWORD).code == 200


def test_a_stranger_with_300_invites_a_second_reaches_nobody_and_delays_nobody(bench: Bench) -> None:
    worker, trunk, stranger = bench.worker(0), bench.caller(), bench.caller(STRANGER)
    invite, answer = talking(bench, trunk, worker)
    other = bench.worker(1)
    sent = stranger.request("INVITE", f"sip:line@{bench.parameters.address}", body=AVP)
    times = []
    with besides(flood(stranger, sent.encode(), 300)):
        until = time.monotonic() + 3
        while time.monotonic() < until:
            before = time.monotonic()
            call = bench.invite(trunk, body=AVP)
            arrived = other.request_in("INVITE")
            assert arrived["Call-ID"] == call["Call-ID"]
            other.reply(arrived, 480)
            trunk.ack_failure(call, trunk.reply_to(call))
            times.append(time.monotonic() - before)
            asyncio.run(bench.rpc.release(uri(bench, 1)))
            time.sleep(0.15)
    _LOG.info("a trunk call during the flood: %.1f ms at most", max(times) * 1000)
    assert sorted(times)[len(times) * 9 // 10] < 0.05
    assert max(times) < 0.5  # one that met a busy machine
    bye = trunk.inside("BYE", invite, answer, cseq=2)  # the call that was there goes on to its end
    worker.reply(worker.request_in("BYE"), 200)
    assert trunk.reply_to(bye).code == 200
    assert {each["Call-ID"] for each in worker.heard if an_invite(each)} == {invite["Call-ID"]}
    assert sent["Call-ID"] not in {each.get("Call-ID") for each in other.heard}
    assert stranger.maybe(anything, 0.05) is None


def test_the_pbx_hears_within_50_ms_whether_we_take_calls_whatever_else_goes_on(bench: Bench) -> None:
    """Its OPTIONS decides where the next caller goes. Strangers and the trunk's own calls at once."""
    bench.worker(0)
    trunk, calling, stranger = bench.caller(), bench.caller(), bench.caller(STRANGER)
    noise = stranger.request("OPTIONS", "sip:100@1.1.1.1", headers=(("User-Agent", "friendly-scanner"),))

    def calls(stop: threading.Event) -> None:
        """Forty a second, each of its own; most hear 503, as on a busy evening."""
        while not stop.wait(0.025):
            bench.invite(calling, body=AVP)

    with besides(flood(stranger, noise.encode(), 300)), besides(calls):
        times = sorted(answer_times_s(bench, trunk, 3.0))
    _LOG.info("OPTIONS: p50 %.1f ms, at most %.1f ms", statistics.median(times) * 1000, times[-1] * 1000)
    assert times[len(times) * 99 // 100] < 0.05
    assert times[-1] < 0.5  # one that met a busy machine
    assert stranger.maybe(anything, 0.05) is None


SCANNERS = (
    b"OPTIONS sip:100@1.1.1.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.71.66:5;branch=z9hG4bK-1;rport\r\n"
    b"From: \"sipvicious\"<sip:100@1.1.1.1>;tag=1\r\nTo: \"sipvicious\"<sip:100@1.1.1.1>\r\n"
    b"Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nUser-Agent: friendly-scanner\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
    b"REGISTER sip:1.1.1.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.71.66:5;branch=z9hG4bK-2;rport\r\n"
    b"From: <sip:100@x>;tag=1\r\nTo: <sip:100@x>\r\nCall-ID: 2\r\nCSeq: 1 REGISTER\r\nMax-Forwards: 70\r\n\r\n",
    b"INVITE sip:900442012345678@1.1.1.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.71.66:5;branch=z9hG4bK-3;rport\r\n"
    b"From: <sip:1@x>;tag=1\r\nTo: <sip:2@x>\r\nCall-ID: 3\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n\r\n",
    b"\r\n\r\n", b"\0", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"OPTIONS", b"INVITE sip:1@x SIP/2.0\r\n\r\n",
)  # fmt: skip


def test_scanners_hear_nothing(bench: Bench) -> None:
    worker, stranger = bench.worker(0), bench.caller(STRANGER)
    for probe in SCANNERS:
        stranger.sock.sendto(probe, bench.outside)
    assert stranger.maybe(anything, SILENCE_S) is None
    assert worker.maybe(an_invite, 0.05) is None


def crowd(bench: Bench, count: int, first_bytes: bytes) -> contextlib.ExitStack:
    """So many connections of one stranger to our TLS port, each with these bytes and then silence."""
    opened = contextlib.ExitStack()
    for _ in range(count):
        sock = opened.enter_context(socket.socket())
        sock.bind((STRANGER, 0))
        sock.setblocking(False)
        sock.connect_ex((bench.parameters.address, bench.parameters.tls_port))
        if first_bytes:
            writable = select.poll()  # select(2) ends at 1024 files of a process
            writable.register(sock, select.POLLOUT)
            writable.poll(1000)
            sock.send(first_bytes)
    return opened


@pytest.mark.parametrize("first_bytes", [b"", CLIENT_HELLO], ids=["silent", "half a handshake"])
def test_300_idle_connections_of_one_source_keep_no_partner_out(bench: Bench, first_bytes: bytes) -> None:
    old = bench.partner(GOOD)
    with crowd(bench, 300, first_bytes):
        before = time.monotonic()
        assert bench.options(bench.partner(GOOD)).code == 503
        waited_s = time.monotonic() - before
        assert waited_s < 2.0  # 15 s before the surplus was turned away
        deadline = time.monotonic() + 3
        while bench.ask("core.tcp_info")["opened_connections"] > 100:  # the surplus is closed
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert bench.options(old).code == 503  # a partner's own connection is not
        worker = bench.worker(0)
        bench.invite(old, body=SAVP)
        worker.request_in("INVITE")
    _LOG.info("a partner connected and had its answer after %.0f ms", waited_s * 1000)


def test_300_connections_one_after_the_other_keep_no_partner_out(bench: Bench) -> None:
    worker, partner = bench.worker(0), bench.partner(GOOD)

    def churn(stop: threading.Event) -> None:
        for _ in range(300):
            with contextlib.suppress(OSError), bench.without_certificate():
                pass

    times = []
    with besides(churn):
        for _ in range(30):
            before = time.monotonic()
            assert bench.options(partner).code in (200, 503)
            times.append(time.monotonic() - before)
            time.sleep(0.03)
    _LOG.info("a partner's OPTIONS: %.0f ms at most", max(times) * 1000)
    assert max(times) < 0.3
    bench.again(worker, 0)
    bench.invite(partner, body=SAVP)
    worker.request_in("INVITE")
