"""Partners who call us and partners we call, through the real front."""

from __future__ import annotations

import asyncio
import ssl
import time

import front_bench
import pytest
from front_bench import FOREIGN, GOOD, IMPOSTOR, NOBODY, SILENT, Bench
from front_stage import AVP, SAVP, SILENCE_S, an_invite, anything, uri

from zorgkiosk.site.telephony.front import TLS_IDLE_S, TLS_OPENED_IDLE_S

pytest_plugins = ["front_fixtures"]
pytestmark = pytest.mark.integration


def test_a_partner_calls_over_tls_with_its_name_and_what_its_caller_waited(bench: Bench) -> None:
    worker, partner = bench.worker(0), bench.partner(GOOD)
    assert bench.options(partner).code == 200
    assert partner.reply_to(partner.request("REGISTER", "sip:desk1@x")).code == 405  # phones do that, at the other port
    ours = (
        ("X-Zorgkiosk-Waited", "61.5"), ("X-Zorgkiosk-Hops", "1"), ("X-Zorgkiosk-Urgent", "1"),
        ("X-Zorgkiosk-Origin", "trunk"), ("X-Zorgkiosk-Else", "x"),
    )  # fmt: skip
    invite = bench.invite(partner, *ours, body=SAVP)
    arrived = worker.request_in("INVITE")
    kept = {(name, value) for name, value in arrived.headers if name.startswith("X-Zorgkiosk") and "Placed" not in name}
    assert kept == {*ours[:3], ("X-Zorgkiosk-Origin", GOOD)}
    worker.reply(arrived, 200, body=SAVP)
    answer = partner.reply_to(invite)
    partner.inside("ACK", invite, answer, cseq=1)
    worker.request_in("ACK")
    clear = partner.inside("INVITE", invite, answer, cseq=2, body=AVP)
    assert partner.reply_to(clear).code == 488  # no way back to clear audio either
    bye = partner.inside("BYE", invite, answer, cseq=3)
    worker.reply(worker.request_in("BYE"), 200)
    assert partner.reply_to(bye).code == 200


def test_headers_of_a_partner_that_do_not_fit_are_dropped(bench: Bench) -> None:
    worker, partner = bench.worker(0), bench.partner(GOOD)
    bench.invite(partner, ("X-Zorgkiosk-Waited", "-1"), ("X-Zorgkiosk-Hops", "a lot"), body=SAVP)
    arrived = worker.request_in("INVITE")
    assert (arrived.get("X-Zorgkiosk-Waited"), arrived.get("X-Zorgkiosk-Hops")) == (None, None)


QUOTED = (
    b"INVITE sip:line@x SIP/2.0\r\nVia: SIP/2.0/TLS 0612345678:99999999;;;branch\r\nContent-Length: 0\r\n\r\n",
    b"INVITE sip:0612345678:5060:x@[bad SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.9;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
)
"""What the parser of the core, and the sanity module, would put into the log as they came."""


@pytest.mark.parametrize("broken", QUOTED)
def test_a_front_that_let_a_partner_prove_its_name_still_quotes_nobody(bench: Bench, broken: bytes) -> None:
    """A log level that was set while it runs has been lost where a paused transaction goes on (kamailio #708)."""
    worker = bench.worker(0)
    with front_bench.facing(bench) as there:
        theirs = there.worker(0)
        worker.request("INVITE", f"sip:line@{GOOD}", body=SAVP)
        theirs.request_in("INVITE")
        partner, trunk = bench.partner(GOOD), bench.caller()
        partner.sock.sendall(broken)
        trunk.sock.sendto(broken, bench.outside)
        assert bench.options(trunk).code == bench.options(bench.partner(GOOD)).code == 200  # read after the broken ones
        there.quiet()
    assert "0612345678" not in bench.log_file.read_text()


@pytest.mark.parametrize("body", [AVP, "", SAVP + "m=audio 40002 RTP/AVP 8\r\n"], ids=["clear", "none", "both"])
def test_a_partner_without_srtp_is_refused(bench: Bench, body: str) -> None:
    worker, partner = bench.worker(0), bench.partner(GOOD)
    assert partner.reply_to(bench.invite(partner, body=body)).code == 488
    assert worker.maybe(an_invite, 0.05) is None


def test_a_site_of_the_region_that_is_no_partner_hears_nothing(bench: Bench) -> None:
    worker, other = bench.worker(0), bench.partner("hap-unlisted")
    bench.invite(other, body=SAVP)
    assert other.maybe(anything, SILENCE_S) is None
    assert worker.maybe(an_invite, 0.05) is None


def test_no_certificate_or_one_of_a_foreign_authority_gets_no_connection(bench: Bench) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):  # TLS 1.3 tells the client with its first read
        bench.without_certificate().recv(1)
    stranger = bench.partner(GOOD, authority=bench.foreign)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        stranger.sock.recv(1)


def test_an_answer_finds_the_partner_after_its_connection_was_lost(bench: Bench) -> None:
    worker = bench.worker(0)
    partner = bench.partner(GOOD, listens_on=bench.port_of(GOOD))
    invite = bench.invite(partner, body=SAVP)
    arrived = worker.request_in("INVITE")
    worker.reply(arrived, 183)
    partner.reply_to(invite, over=100)
    with bench.listening(GOOD) as listener:
        bench.close(partner)
        time.sleep(0.1)  # let the front see the end of the connection; without it the answer takes the same way
        worker.reply(arrived, 200, body=SAVP)
        back = bench.accept(listener, GOOD)
        assert back.reply_to(invite).code == 200


def test_a_worker_calls_a_partner_over_tls_with_our_headers(bench: Bench) -> None:
    worker = bench.worker(0)
    with bench.listening(GOOD) as listener:
        headers = (("X-Zorgkiosk-Waited", "61.5"), ("X-Zorgkiosk-Hops", "1"))
        invite = worker.request("INVITE", f"sip:line@{GOOD}", body=SAVP, headers=headers)
        partner = bench.accept(listener, GOOD)
        proof = partner.request_in("OPTIONS")  # the name is proven before the caller is mentioned
        assert "INVITE" not in [each.method for each in partner.heard]
        partner.reply(proof, 503)
        arrived = partner.request_in("INVITE")
        assert (arrived["X-Zorgkiosk-Waited"], arrived["X-Zorgkiosk-Hops"]) == ("61.5", "1")
        partner.reply(arrived, 200, body=SAVP)
        answer = worker.reply_to(invite)
        worker.inside("ACK", invite, answer, cseq=1)
        partner.request_in("ACK")
        worker.inside("BYE", invite, answer, cseq=2)
        partner.reply(partner.request_in("BYE"), 200)
        worker.request("INVITE", f"sip:line@{GOOD}", body=SAVP)
        partner.request_in("INVITE")
        assert [each.method for each in partner.heard].count("OPTIONS") == 1  # proven once a connection
    assert worker.reply_to(worker.request("INVITE", f"sip:line@{GOOD}", body=AVP)).code == 488


def test_who_opened_a_connection_ends_it_first_so_that_no_message_meets_its_end(bench: Bench) -> None:
    worker = bench.worker(0)
    with bench.listening(GOOD) as listener:
        worker.request("INVITE", f"sip:line@{GOOD}", body=SAVP)
        partner = bench.accept(listener, GOOD)
        partner.reply(partner.request_in("OPTIONS"), 200)
        partner.request_in("INVITE")
        [opened] = bench.ask("core.tcp_list")
        came_in = bench.partner(GOOD)
        came_in.request("OPTIONS", f"sip:line@{bench.parameters.site}")
        came_in.receive(anything)
        [accepted] = [each for each in bench.ask("core.tcp_list") if each["id"] != opened["id"]]
        assert (opened["lifetime"], accepted["lifetime"]) == (TLS_OPENED_IDLE_S, TLS_IDLE_S)
        assert TLS_OPENED_IDLE_S < TLS_IDLE_S - 2, "the front looks once in a while"


def test_two_fronts_carry_a_call_and_both_ends_hear_when_a_worker_dies(bench: Bench) -> None:
    with front_bench.facing(bench) as there:
        ours, theirs = bench.worker(1), there.worker(0)
        before = time.monotonic()
        invite = ours.request("INVITE", f"sip:line@{GOOD}", body=SAVP, headers=(("X-Zorgkiosk-Hops", "1"),))
        arrived = theirs.request_in("INVITE")
        assert time.monotonic() - before < 0.5
        assert (arrived["X-Zorgkiosk-Origin"], arrived["X-Zorgkiosk-Hops"]) == (bench.parameters.site, "1")
        theirs.reply(arrived, 200, body=SAVP)
        ours.inside("ACK", invite, ours.reply_to(invite), cseq=1)
        theirs.request_in("ACK")
        bench.close(ours)
        before = time.monotonic()
        assert asyncio.run(bench.rpc.worker_died(uri(bench, 1))) == 1
        theirs.reply(theirs.request_in("BYE"), 200)
        assert time.monotonic() - before < 0.5
        there.quiet()


@pytest.mark.parametrize(("partner", "name", "foreign"), [(IMPOSTOR, GOOD, False), (FOREIGN, FOREIGN, True)])
def test_nobody_can_pose_as_a_partner(bench: Bench, partner: str, name: str, foreign: bool) -> None:
    """Another site of the region at the partner's address, or the right name signed by someone else."""
    worker = bench.worker(0)
    with bench.listening(partner) as listener:
        invite = worker.request("INVITE", f"sip:line@{partner}", body=SAVP)
        try:
            far = bench.accept(listener, name, authority=bench.foreign if foreign else None)
            far.reply(far.request_in("OPTIONS"), 200)
            assert far.maybe(anything, 2.0) is None  # until the front hangs up
        except (ssl.SSLError, ConnectionError):
            pass
        assert worker.reply_to(invite, timeout_s=4).code in (408, 503)


def test_a_call_to_a_partner_can_be_withdrawn_before_and_after_the_partner_is_proven(bench: Bench) -> None:
    worker = bench.worker(0)
    with bench.listening(GOOD) as listener:
        early = worker.request("INVITE", f"sip:line@{GOOD}", body=SAVP)
        partner = bench.accept(listener, GOOD)
        proof = partner.request_in("OPTIONS")
        worker.cancel(early)
        assert worker.reply_to(early).code == 487
        partner.reply(proof, 200)
        late = worker.request("INVITE", f"sip:line@{GOOD}", body=SAVP)
        partner.answers_probes = True  # it may have to prove itself again: the first answer is still under way
        arrived = partner.request_in("INVITE")
        assert arrived["Call-ID"] == late["Call-ID"]  # not the withdrawn one
        partner.reply(arrived, 183)
        worker.reply_to(late, over=100)
        worker.cancel(late)
        partner.reply(partner.request_in("CANCEL"), 200)
        partner.reply(arrived, 487)
        assert worker.reply_to(late).code == 487


@pytest.mark.parametrize(
    ("withdrawn", "reason"), [(True, 'SIP;cause=200;text="Call completed elsewhere"'), (False, None)]
)
def test_a_pick_up_that_crosses_the_withdrawal_hears_that_somebody_else_was_first(
    bench: Bench, withdrawn: bool, reason: str | None
) -> None:
    """SIP stacks end such a call by themselves and give no reason (RFC 3261 §9.1)."""
    with front_bench.facing(bench) as there:
        ours, theirs = bench.worker(1), there.worker(0)
        invite = ours.request("INVITE", f"sip:line@{GOOD}", body=SAVP)
        arrived = theirs.request_in("INVITE")
        theirs.reply(arrived, 180)
        ours.receive(lambda message: message.code == 180)
        theirs.reply(arrived, 200, body=SAVP)
        if withdrawn:
            ours.cancel(invite)
        answer = ours.receive(lambda message: message.code == 200 and message["CSeq"].endswith("INVITE"))
        ours.inside("ACK", invite, answer, cseq=1)
        ours.inside("BYE", invite, answer, cseq=2)
        assert theirs.request_in("BYE").get("Reason") == reason
        there.quiet()


@pytest.mark.parametrize("partner", [NOBODY, SILENT])
def test_a_dead_partner_is_known_within_three_seconds(bench: Bench, partner: str) -> None:
    worker = bench.worker(0)
    before = time.monotonic()
    if partner == NOBODY:
        failed = worker.reply_to(worker.request("INVITE", f"sip:line@{partner}", body=SAVP), timeout_s=4)
    else:
        with bench.listening(partner):
            failed = worker.reply_to(worker.request("INVITE", f"sip:line@{partner}", body=SAVP), timeout_s=4)
    assert failed.code in (408, 503)
    assert time.monotonic() - before < 3.5
