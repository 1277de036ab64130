"""The rendered front, run by the real Kamailio, between hand-made endpoints."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterator

import front_bench
import pytest
from front_bench import DESK, FOREIGN, GOOD, IMPOSTOR, NOBODY, PASSWORD, SILENT, STRANGER, Bench
from sip_peer import Message, Peer, record_route, sdp, uri_of

from zorgkiosk.site.telephony.front_rpc import FrontError, FrontRpc

pytestmark = pytest.mark.integration

AVP, SAVP = sdp("RTP/AVP"), sdp("RTP/SAVP")
SILENCE_S = 0.3


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with front_bench.running(tmp_path_factory.mktemp("f")) as bench:
        yield bench


@pytest.fixture
def bench(front: Bench) -> Iterator[Bench]:
    yield front
    front.quiet()


def uri(bench: Bench, index: int) -> str:
    return bench.parameters.worker_uris[index]


def anything(_: Message) -> bool:
    return True


def final(message: Message) -> bool:
    return message.code >= 200


def talking(bench: Bench, caller: Peer, worker: Peer) -> tuple[Message, Message]:
    """An answered call from the trunk: INVITE as sent, 200 as received."""
    invite = bench.invite(caller, body=AVP)
    worker.reply(worker.request_in("INVITE"), 200, body=AVP)
    answer = caller.reply_to(invite)
    caller.inside("ACK", invite, answer, cseq=1)
    worker.request_in("ACK")
    return invite, answer


# --- placement ---


def test_trunk_call_reaches_a_worker_with_our_origin_and_no_forged_header(bench: Bench) -> None:
    worker, trunk = bench.worker(0), bench.caller()
    forged = (("X-Zorgkiosk-Origin", GOOD), ("x-zorgkiosk-urgent", "1"), ("X-Zorgkiosk-Hops", "0"))
    invite = bench.invite(trunk, *forged, ("X-Other", "stays"), body=AVP)
    arrived = worker.request_in("INVITE")
    ours = [(name, value) for name, value in arrived.headers if name.lower().startswith("x-zorgkiosk")]
    assert ours == [("X-Zorgkiosk-Origin", "trunk")]
    assert arrived["X-Other"] == "stays"
    worker.reply(arrived, 183, headers=(("X-Zorgkiosk-Inside", "1"),))
    progress = trunk.reply_to(invite, over=100)
    assert (progress.code, progress.get("X-Zorgkiosk-Inside")) == (183, None)


def test_strangers_hear_nothing_and_reach_nobody(bench: Bench) -> None:
    worker, stranger = bench.worker(0), bench.caller(STRANGER)
    for method in ("INVITE", "OPTIONS", "REGISTER", "BYE"):
        stranger.request(method, f"sip:line@{bench.parameters.address}", body=AVP)
    assert stranger.maybe(anything, SILENCE_S) is None
    assert worker.maybe(lambda message: message.method == "INVITE", 0.05) is None
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


def test_a_worker_that_died_unnoticed_costs_half_a_second_not_the_call(bench: Bench) -> None:
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
        alive.reply(arrived, 183)
        # The call is the second worker's now, whoever had it first.
        assert asyncio.run(bench.rpc.worker_died(uri(bench, 1))) == 1
        assert trunk.reply_to(invite).code == 503
        asyncio.run(bench.rpc.worker_ready(uri(bench, 1)))
    assert 0.3 < max(waited) < 1.5
    states = {each.uri: each for each in asyncio.run(bench.rpc.status())}
    assert not states[uri(bench, 0)].active
    assert states[uri(bench, 1)].idle


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


# --- a worker dies ---


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
    status = {each.uri: each for each in asyncio.run(bench.rpc.status())}[uri(bench, 0)]
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


# --- inside a dialog ---


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


# --- desks ---


def test_a_phone_registers_with_its_password_and_is_rung_without_our_headers(bench: Bench) -> None:
    worker, desk = bench.worker(0), bench.caller(DESK)
    assert worker.reply_to(worker.request("INVITE", "sip:desk2@desk", body=AVP)).code == 480
    assert bench.register(desk, "desk2", "wrong").code == 401
    assert bench.register(desk, "desk2", PASSWORD).code == 200
    moved = bench.caller(DESK)  # the phone restarted: its newest address counts
    assert bench.register(moved, "desk2", PASSWORD).code == 200
    worker.request("INVITE", "sip:desk2@desk", body=AVP, headers=(("X-Zorgkiosk-Origin", "trunk"),))
    arrived = moved.request_in("INVITE")
    assert not [name for name, _ in arrived.headers if name.lower().startswith("x-zorgkiosk")]
    moved.reply(arrived, 486)
    assert moved.reply_to(bench.invite(moved, body=AVP)).code == 403  # a phone cannot call


def test_an_unknown_phone_hears_nothing_and_guessing_is_cut_off(bench: Bench) -> None:
    registrar = f"sip:{bench.parameters.address}"
    unknown, guesser = bench.caller(STRANGER), bench.caller("127.0.71.67")
    unknown.request("REGISTER", registrar, to="<sip:nobody@x>", from_="<sip:nobody@x>;tag=1")
    assert unknown.maybe(anything, SILENCE_S) is None
    for _ in range(60):
        guesser.request("REGISTER", registrar, to="<sip:desk1@x>", from_="<sip:desk1@x>;tag=1")
    challenged = 0
    while guesser.maybe(final, SILENCE_S):
        challenged += 1
    assert 0 < challenged < 40


def test_a_worker_dials_configured_destinations_only(bench: Bench) -> None:
    worker, stranger = bench.worker(0), bench.caller(STRANGER)
    for destination in (stranger.contact, "sip:line@nowhere", f"sip:0612345678@{GOOD}", "sip:112@desk.nl"):
        assert worker.reply_to(worker.request("INVITE", destination, body=SAVP)).code == 403
    assert stranger.maybe(anything, 0.05) is None


# --- partners who call us ---


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
    kept = {(name, value) for name, value in arrived.headers if name.startswith("X-Zorgkiosk")}
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


@pytest.mark.parametrize("body", [AVP, "", SAVP + "m=audio 40002 RTP/AVP 8\r\n"], ids=["clear", "none", "both"])
def test_a_partner_without_srtp_is_refused(bench: Bench, body: str) -> None:
    worker, partner = bench.worker(0), bench.partner(GOOD)
    assert partner.reply_to(bench.invite(partner, body=body)).code == 488
    assert worker.maybe(lambda message: message.method == "INVITE", 0.05) is None


def test_a_site_of_the_region_that_is_no_partner_hears_nothing(bench: Bench) -> None:
    worker, other = bench.worker(0), bench.partner("hap-unlisted")
    bench.invite(other, body=SAVP)
    assert other.maybe(anything, SILENCE_S) is None
    assert worker.maybe(lambda message: message.method == "INVITE", 0.05) is None


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


# --- partners we call ---


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


def test_no_caller_is_named_in_the_log(front: Bench) -> None:
    trunk = front.caller()
    trunk.sock.sendto(b"INVITE sip:0612345678@x SIP/2.0\r\nFrom: <sip:0612345678@@>\r\n\r\n", front.outside)
    assert front.options(trunk).code == 503  # read after the bad one
    front.quiet()
    log = front.log_file.read_text()
    assert "not configured" in log  # there is something to read
    assert "0612345678" not in log
