"""Desk phones and what a worker may dial, through the real front."""

from __future__ import annotations

import time

import pytest
from front_bench import DESK, GOOD, PASSWORD, STRANGER, Bench
from front_stage import AVP, SAVP, SILENCE_S, an_invite, anything, final
from sip_peer import Message, Peer, record_route, uri_of

pytest_plugins = ["front_fixtures"]
pytestmark = pytest.mark.integration


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


ELSEWHERE = (
    "<sip:112@{exchange}>", "<sip:09061234567@{exchange}>", "sip:112@{exchange}", "<tel:112>",
    "sip:{own};maddr={exchange_host}", "sip:112@{exchange};expires=60", "sip:{own}, sip:112@{exchange}",
    "<sip:112@{own};maddr={exchange_host}>", "<sip:{own}>, <sip:112@{exchange}>", '"<sip:{own}>" <sip:112@{exchange}>',
    "<sip:{own};transport=tcp>", "<sip:{own};user=phone;transport=TLS>", "<sip:{own};ob;MADDR={exchange_host}>",
    "<sip:112@localhost>", "<sip:112@{own}?Route=%3Csip:{exchange}%3E>",
)  # fmt: skip


def test_a_phone_is_rung_at_its_own_address_only_whatever_contact_it_names(bench: Bench) -> None:
    worker, desk, exchange = bench.worker(0), bench.caller("127.0.71.61"), bench.exchange()
    address, port = exchange.local
    places = {"exchange": f"{address}:{port}", "exchange_host": address, "own": "{}:{}".format(*desk.local)}
    named: list[tuple[tuple[str, str], ...]] = [(("Contact", each.format(**places)),) for each in ELSEWHERE]
    named.append((("m", f"<sip:112@{address}:{port}>"),))
    named.append((("Contact", f"<{desk.contact}>"), ("Contact", f"<sip:112@{address}:{port}>")))
    everywhere = (("Contact", "*"),)
    signed_off = bench.try_password(desk, "desk2", PASSWORD, expires_s=0, headers=everywhere, timeout_s=2.0)
    assert signed_off is not None and signed_off.code == 200
    for headers in named:
        answer = bench.try_password(desk, "desk2", PASSWORD, headers=headers, timeout_s=2.0)
        assert answer is not None and answer.code == 403, headers
        time.sleep(0.3)  # so few a second that they are no flood
    assert worker.reply_to(worker.request("INVITE", "sip:desk2@desk", body=AVP)).code == 480
    assert exchange.maybe(an_invite, 0.05) is None
    for own in (
        f'"Desk 2" <{desk.contact};user=phone;transport=UDP;ob>;+sip.instance="<urn:uuid:1>"',
        f"{desk.contact};expires=60",  # RFC 3261 §20.10: without brackets what follows is the header's
    ):
        answer = bench.try_password(desk, "desk2", PASSWORD, headers=(("Contact", own),), timeout_s=2.0)
        assert answer is not None and answer.code == 200, own
    ringing(worker, desk, "sip:desk2@desk")


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


def ringing(worker: Peer, phone: Peer, destination: str) -> Message:
    """The INVITE as it reaches the phone; the call is over afterwards."""
    invite = worker.request("INVITE", destination, body=AVP)
    arrived = phone.request_in("INVITE")
    phone.reply(arrived, 486)
    assert worker.reply_to(invite).code == 486
    return arrived


def kept(bench: Bench, user: str) -> str:
    return (bench.parameters.directory / "phones" / user).read_text()


def until_kept(bench: Bench, user: str, words: str) -> None:
    """The front writes it down right after its 200."""
    deadline = time.monotonic() + 2
    while words not in kept(bench, user):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_phone_is_rung_at_once_after_the_front_was_killed(bench: Bench) -> None:
    worker, desk, other = bench.worker(0), bench.caller(DESK), bench.caller(DESK)
    assert bench.register(desk, "desk1", PASSWORD).code == 200
    assert bench.register(other, "desk2", PASSWORD).code == 200
    until_kept(bench, "desk1", desk.contact)
    until_kept(bench, "desk2", other.contact)
    before = time.monotonic()
    bench.crash()
    worker = bench.again(worker, 0)
    ringing(worker, desk, "sip:desk1@desk")
    assert time.monotonic() - before < 2.0  # the start of all processes included
    ringing(worker, other, "sip:desk2@desk")
    # Its address is known, too: what it says inside a call that outlived the front is heard.
    assert desk.reply_to(bench.invite(desk, body=AVP)).code == 403


def test_a_phone_that_signed_off_or_moved_is_not_rung_at_its_old_place_after_a_crash(bench: Bench) -> None:
    worker, desk, gone, moved = bench.worker(0), bench.caller(DESK), bench.caller(DESK), bench.caller(DESK)
    for phone, user in ((desk, "desk1"), (gone, "desk2")):
        assert bench.register(phone, user, PASSWORD).code == 200
        until_kept(bench, user, phone.contact)
    assert bench.register(gone, "desk2", PASSWORD, expires_s=0).code == 200
    assert bench.register(moved, "desk1", PASSWORD).code == 200
    until_kept(bench, "desk1", moved.contact)
    until_kept(bench, "desk2", "signed off")
    bench.crash()
    worker = bench.again(worker, 0)
    ringing(worker, moved, "sip:desk1@desk")
    assert worker.reply_to(worker.request("INVITE", "sip:desk2@desk", body=AVP)).code == 480
    assert bench.register(gone, "desk2", PASSWORD).code == 200  # a recalled phone is no hindrance to a new place
    assert bench.register(desk, "desk1", PASSWORD).code == 200
    ringing(worker, desk, "sip:desk1@desk")
    ringing(worker, gone, "sip:desk2@desk")


@pytest.mark.parametrize(
    "spoiled",
    ["", "17", "{soon} 127.0.71.60 {contact}", "{past} 127.0.71.60 {contact} end", "{far} 127.0.71.60 {contact} end",
     '{soon} 127.0.71.60 sip:x@y","x":" end'],
)  # fmt: skip
def test_only_a_whole_and_valid_place_is_recalled(bench: Bench, spoiled: str) -> None:
    worker, desk = bench.worker(0), bench.caller(DESK)
    now_s = int(time.time())
    times = {"soon": now_s + 60, "past": now_s - 1, "far": now_s + 86_400}
    (bench.parameters.directory / "phones" / "desk1").write_text(spoiled.format(contact=desk.contact, **times))
    bench.crash()
    worker = bench.again(worker, 0)
    assert worker.reply_to(worker.request("INVITE", "sip:desk1@desk", body=AVP)).code == 480


# --- the exchange ---


def test_a_worker_dials_listed_extensions_at_the_exchange_and_no_others(bench: Bench) -> None:
    worker, exchange = bench.worker(0), bench.exchange()
    ours = (
        ("X-Zorgkiosk-Origin", "trunk"),
        ("X-Zorgkiosk-Hops", "1"),
        ("Diversion", "<sip:0201234567@pbx>;reason=unavailable"),
    )
    address, port = exchange.local
    for extension in ("200", "huisarts1"):
        invite = worker.request("INVITE", f"sip:{extension}@exchange", body=AVP, headers=ours)
        arrived = exchange.request_in("INVITE")
        assert arrived.uri == f"sip:{extension}@{address}:{port}"
        assert not [name for name, _ in arrived.headers if name.lower().startswith("x-zorgkiosk")]
        assert arrived["Diversion"] == ours[2][1]
        exchange.reply(arrived, 180)
        worker.reply_to(invite, over=100)
        exchange.reply(arrived, 200, body=AVP)
        worker.inside("ACK", invite, worker.reply_to(invite), cseq=1)
        exchange.request_in("ACK")
        hang_up(worker, exchange, arrived)
    for number in ("201", "0612345678", "112", "Huisarts1", "200%20", "200;x=1", "%32%30%30", "", "line"):
        destination = f"sip:{number}@exchange" if number else "sip:exchange"
        assert worker.reply_to(worker.request("INVITE", destination, body=AVP)).code == 403
    assert worker.reply_to(worker.request("OPTIONS", "sip:200@exchange")).code == 403
    assert worker.reply_to(worker.request("INVITE", f"sip:200@{address}:{port}", body=AVP)).code == 403
    assert exchange.maybe(an_invite, 0.05) is None


def hang_up(worker: Peer, exchange: Peer, arrived: Message) -> None:
    """The exchange, which is no trunk of ours here, ends the call that we made to it."""
    to = next(each["To"] for each in reversed(worker.heard) if each.code == 200)
    bye = exchange.request(
        "BYE", uri_of(arrived["Contact"]), cseq=7, call_id=arrived["Call-ID"], from_=to, to=arrived["From"],
        headers=tuple(("Route", route) for route in record_route(arrived)),
    )  # fmt: skip
    worker.reply(worker.request_in("BYE"), 200)
    assert exchange.reply_to(bye).code == 200


def test_the_exchange_may_ring_for_long_but_not_be_silent(bench: Bench) -> None:
    worker, exchange = bench.worker(0), bench.exchange()
    before = time.monotonic()
    silent = worker.request("INVITE", "sip:200@exchange", body=AVP)
    refused = worker.reply_to(silent, timeout_s=4)
    worker.ack_failure(silent, refused)
    assert refused.code == 408
    assert time.monotonic() - before < 3.5
    while exchange.maybe(an_invite, 0.01):
        pass
    rings = worker.request("INVITE", "sip:200@exchange", body=AVP)
    arrived = exchange.receive(lambda message: message.method == "INVITE" and message["Call-ID"] == rings["Call-ID"])
    exchange.reply(arrived, 180)
    assert worker.maybe(final, 3.0) is None
    worker.cancel(rings)
    exchange.reply(exchange.request_in("CANCEL"), 200)
    exchange.reply(arrived, 487)
    assert worker.reply_to(rings, over=200).code == 487


def test_the_exchange_itself_places_no_calls_unless_it_is_a_trunk(bench: Bench) -> None:
    worker, exchange = bench.worker(0), bench.exchange()
    assert exchange.reply_to(bench.invite(exchange, body=AVP)).code == 403
    assert worker.maybe(an_invite, 0.05) is None


def test_no_caller_is_named_in_the_log(front: Bench) -> None:
    trunk = front.caller()
    trunk.sock.sendto(b"INVITE sip:0612345678@x SIP/2.0\r\nFrom: <sip:0612345678@@>\r\n\r\n", front.outside)
    assert front.options(trunk).code == 503  # read after the bad one
    front.quiet()
    log = front.log_file.read_text()
    assert "not configured" in log  # there is something to read
    assert "0612345678" not in log
