"""Asking the other end with OPTIONS: what counts as an answer."""

from __future__ import annotations

import socket
import threading

import pytest

from zorgkiosk.care.sip_options import answer, over_udp, request

BRANCH = "0011223344556677"


def test_a_request_is_well_formed_and_asks_for_nothing() -> None:
    lines = request("192.0.2.1:5060", ("192.0.2.9", 40_000), "UDP", BRANCH).decode().split("\r\n")
    assert lines[0] == "OPTIONS sip:192.0.2.1:5060 SIP/2.0" and lines[-2:] == ["", ""]
    headers = {line.split(":", 1)[0] for line in lines[1:-2]}
    # RFC 3261 §8.1.1: what every request has to hold.
    assert headers >= {"To", "From", "CSeq", "Call-ID", "Max-Forwards", "Via"}


@pytest.mark.parametrize(
    ("packet", "said"),
    [
        (f"SIP/2.0 200 OK\r\nVia: x;branch=z9hG4bK{BRANCH}\r\n\r\n", "200"),
        (f"SIP/2.0 503 No \x1b[31mworker\r\nVia: x;branch=z9hG4bK{BRANCH}\r\n\r\n", "503"),
        (f"SIP/2.0 404 Number 0612345678 unknown\r\nVia: x;branch=z9hG4bK{BRANCH}\r\n\r\n", "404"),
        (f"SIP/2.0 403\r\nVia: x;branch=z9hG4bK{BRANCH}\r\n\r\n", None),
        (f"SIP/2.0 100 Trying\r\nVia: x;branch=z9hG4bK{BRANCH}\r\n\r\n", None),
        ("SIP/2.0 200 OK\r\nVia: x;branch=z9hG4bKsomebody-elses\r\n\r\n", None),
        (f"OPTIONS sip:x SIP/2.0\r\nVia: x;branch=z9hG4bK{BRANCH}\r\n\r\n", None),
        ("", None),
    ],
)
def test_only_a_final_answer_to_this_request_counts(packet: str, said: str | None) -> None:
    assert answer(packet.encode(), BRANCH) == said


def test_who_does_not_listen_and_who_says_nothing_are_told_apart() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        host, port = silent.getsockname()
        assert over_udp(host, port, "127.0.0.1", BRANCH, within_s=0.02) == (False, "no answer in 0.02 s")
        assert silent.recv(4096).startswith(b"OPTIONS ")
    assert over_udp(host, port, "127.0.0.1", BRANCH, within_s=1) == (False, "nobody listens there")
    good, told = over_udp(host, port, "192.0.2.254", BRANCH, within_s=1)
    assert not good and told.startswith("not reached (")


@pytest.mark.long
def test_a_request_that_was_lost_is_sent_again() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf_at_first:
        deaf_at_first.bind(("127.0.0.1", 0))
        deaf_at_first.settimeout(5)

        def respond() -> None:
            deaf_at_first.recvfrom(4096)
            packet, sender = deaf_at_first.recvfrom(4096)
            via = next(line for line in packet.decode().split("\r\n") if line.startswith("Via"))
            deaf_at_first.sendto(f"SIP/2.0 200 OK\r\n{via}\r\n\r\n".encode(), sender)

        thread = threading.Thread(target=respond, daemon=True)
        thread.start()
        assert over_udp("127.0.0.1", deaf_at_first.getsockname()[1], "127.0.0.1", BRANCH, within_s=5) == (
            True,
            "answers 200",
        )
        thread.join(5)
