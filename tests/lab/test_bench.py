"""The pure parts of the bench: figures, SIP text, audio gaps, and the configs it measures."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.lab.bench.dialog import Dialog
from zorgkiosk.lab.bench.figures import Figure, delays, percentile
from zorgkiosk.lab.bench.ground import beside_the_demo, enlarged
from zorgkiosk.lab.bench.media import Stream
from zorgkiosk.lab.bench.message import Message, audio_at, digest, parse, reply, routes, sdp, uri_in, user_of
from zorgkiosk.lab.region import CONFIGS

INVITE = Message(
    "INVITE sip:phone1@127.0.0.1:5060 SIP/2.0",
    (
        ("Via", "SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bK-1"),
        ("Via", "SIP/2.0/UDP 127.0.0.1:5081;branch=z9hG4bK-2"),
        ("Record-Route", "<sip:127.0.0.1:5080;lr>, <sip:127.0.0.1:5081;lr>"),
        ("Max-Forwards", "70"),
        ("From", "<sip:0205551001@127.0.0.1>;tag=a"),
        ("To", "<sip:phone1@127.0.0.1>"),
        ("Call-ID", "one"),
        ("CSeq", "7 INVITE"),
        ("Contact", "<sip:worker@127.0.0.1:5100>"),
    ),
    sdp("127.0.0.9", 40000),
)


def test_a_figure_is_one_json_line_of_four_fields() -> None:
    line = Figure("withdraw_ms_p99", 12.34567, "ms", 56).line()
    assert "\n" not in line
    assert json.loads(line) == {"name": "withdraw_ms_p99", "value": 12.346, "unit": "ms", "n": 56}


@pytest.mark.parametrize(
    ("samples", "part", "wanted"),
    [([5], 0.5, 5), ([3, 1, 2], 0.5, 2), ([4, 1, 3, 2], 0.5, 2), (range(1, 101), 0.99, 99), (range(1, 51), 0.99, 50)],
)
def test_nearest_rank(samples: list[float], part: float, wanted: float) -> None:
    assert percentile(list(samples), part) == wanted


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_percentile_is_a_sample_that_so_many_do_not_exceed(samples: list[float], part: float) -> None:
    found = percentile(samples, part)
    assert found in samples
    assert sum(each <= found for each in samples) >= part * len(samples) - 1e-6


def test_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile([], 0.5)


def test_delays_are_told_in_milliseconds() -> None:
    assert delays("ring", [0.001, 0.002, 0.003], 50, 99) == [
        Figure("ring_ms_p50", 2.0, "ms", 3),
        Figure("ring_ms_p99", 3.0, "ms", 3),
    ]


def test_a_message_is_read_as_it_was_written() -> None:
    read = parse(INVITE.encode(), arrived_s=1.5)
    assert (read.start, read.body, read.arrived_s) == (INVITE.start, INVITE.body, 1.5)
    assert read.headers == (*INVITE.headers, ("Content-Length", str(len(INVITE.body))))
    assert (read.method, read.cseq, read.uri, read.code) == ("INVITE", 7, "sip:phone1@127.0.0.1:5060", 0)
    assert user_of(read["From"]) == "0205551001" and user_of(read.uri) == "phone1"
    assert audio_at(read.body) == ("127.0.0.9", 40000)
    assert routes(read) == ["<sip:127.0.0.1:5080;lr>", "<sip:127.0.0.1:5081;lr>"]


@pytest.mark.parametrize("noise", [b"", b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"SIP/2.0 200 OK"])
def test_what_is_no_sip_message_is_said_so(noise: bytes) -> None:
    with pytest.raises(ValueError):
        parse(noise)


def test_a_reply_goes_back_the_way_the_request_came() -> None:
    answer = reply(INVITE, 200, "sip:phone1@127.0.0.1", "b", "v=0")
    assert (answer.code, answer.all("Via"), answer.all("Record-Route")) == (
        200, INVITE.all("Via"), INVITE.all("Record-Route"),
    )  # fmt: skip
    assert answer["To"].endswith(";tag=b") and answer.method == "INVITE"
    assert "tag" not in reply(INVITE, 100, "sip:x@y", "b")["To"]


def test_digest_of_the_example_in_the_rfc() -> None:
    """RFC 2617 §3.5 in the form without qop, whose right response is in the errata of RFC 2069 §2.4."""
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    answer = digest(challenge, "GET", "/dir/index.html", "Mufasa", "Circle Of Life")
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in answer


def called(outgoing: bool) -> tuple[Dialog, list[Message]]:
    said: list[Message] = []
    return Dialog(INVITE, "sip:me@127.0.0.1:5060", "t", said.append, outgoing, "0205551001", "phone1"), said


def test_the_called_side_hangs_up_along_the_recorded_route() -> None:
    dialog, said = called(outgoing=False)
    dialog.answer(200)
    dialog.hang_up()
    dialog.hang_up()
    _, bye = said
    assert bye.start == "BYE sip:worker@127.0.0.1:5100 SIP/2.0"
    assert bye.all("Route") == routes(INVITE)
    assert (bye["From"], bye["To"]) == ("<sip:phone1@127.0.0.1>;tag=t", INVITE["From"])


def test_the_calling_side_cancels_what_rings_and_ends_what_was_answered() -> None:
    dialog, said = called(outgoing=True)
    dialog.hang_up()
    assert (said[0].method, said[0].cseq, said[0].all("Via")) == ("CANCEL", 7, INVITE.all("Via")[:1])
    dialog, said = called(outgoing=True)
    dialog.acknowledge(reply(INVITE, 200, "sip:far@127.0.0.1", "b"))
    dialog.hang_up()
    ack, bye = said
    assert (ack.method, ack.cseq, bye.method) == ("ACK", 7, "BYE")
    assert bye.uri == uri_in("<sip:far@127.0.0.1>") and bye.all("Route") == routes(INVITE)[::-1]


def test_the_longest_gap_counts_the_one_that_lasts() -> None:
    stream = Stream(("127.0.0.1", 40000), last_s=10.0)
    for at_s in (10.02, 12.5, 12.52):
        stream.arrived(at_s)
    assert stream.gap_s(12.6) == pytest.approx(2.48)
    assert stream.gap_s(16.0) == pytest.approx(3.48)
    stream.forget(16.0)
    assert stream.gap_s(16.5) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["hap-noord", "hap-zuid"])
def test_the_demo_is_enlarged_and_stays_a_config(name: str) -> None:
    shipped = (Path(__file__).parents[2] / CONFIGS / name / "site.toml").read_text(encoding="utf-8")
    config = tomllib.loads(enlarged(shipped, 21))
    beside, there = tomllib.loads(beside_the_demo(shipped)), tomllib.loads(shipped)
    assert beside["front"]["address"] != there["front"]["address"] and beside["panel"]["port"] != there["panel"]["port"]
    assert beside["front"]["internal_port"] == there["front"]["internal_port"] + 400
    assert config["telephony"]["workers"] == 22
    assert len({desk["phone"] for desk in config["desk"]}) == 21
    [agreement] = config["partner"]
    assert (agreement["give_at_once"], agreement["take_at_once"], agreement["give_per_hour"]) == (99, 99, 999)
    assert config["overflow"]["line_length"] == 99
    assert config["site"] == tomllib.loads(shipped)["site"]
