"""What the front wrote on an INVITE is read, and everything odd becomes something safe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.site.telephony.worker.headers import LONGEST_WAIT_S, MOST_HOPS, introduction

PLAIN = "v=0\r\nm=audio 4000 RTP/AVP 8 0\r\na=sendrecv\r\n"
SECURE = "v=0\r\nm=audio 4000 RTP/SAVP 8\r\na=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:x\r\n"


def invite(*headers: str, body: str = PLAIN) -> str:
    return "\r\n".join(["INVITE sip:hap@127.0.0.1 SIP/2.0", "Call-ID: abc@pbx", *headers]) + "\r\n\r\n" + body


def test_all_of_it() -> None:
    who = introduction(
        invite(
            "X-Zorgkiosk-Origin: hap-b",
            "x-zorgkiosk-waited: 61.5",
            "X-Zorgkiosk-Hops:1",
            "X-ZORGKIOSK-URGENT:  1 ",
            body=SECURE,
        )
    )
    assert (who.sip_call_id, who.origin, who.hops) == ("abc@pbx", "hap-b", 1)
    assert (who.urgent, who.waited_s, who.protected) == (True, 61.5, True)


def test_a_bare_invite_is_the_trunks() -> None:
    who = introduction("INVITE sip:x SIP/2.0\r\ni: short@pbx\r\n\r\n" + PLAIN)
    assert (who.sip_call_id, who.origin, who.hops, who.urgent, who.waited_s) == ("short@pbx", "trunk", 0, False, 0.0)
    assert not who.protected


@pytest.mark.parametrize("value", ["", "HAP B", "hap b", "-hap", "a" * 64, "hap;drop", "sip:0612345678@x"])
def test_an_unreadable_origin_is_the_trunks(value: str) -> None:
    assert introduction(invite(f"X-Zorgkiosk-Origin: {value}")).origin == "trunk"


@pytest.mark.parametrize(
    ("value", "waited_s"),
    [
        ("90", 90.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("1e9", LONGEST_WAIT_S),
    ],
)
def test_waited(value: str, waited_s: float) -> None:
    assert introduction(invite(f"X-Zorgkiosk-Waited: {value}")).waited_s == waited_s


@pytest.mark.parametrize(
    ("origin", "value", "hops"),
    [
        ("trunk", "2", 2),
        ("trunk", "x", 0),
        ("hap-b", "x", 1),
        ("hap-b", "", 1),
        ("hap-b", "-1", 1),
        ("hap-b", "9999", MOST_HOPS),
    ],
)
def test_hops_of_a_partner_are_never_none(origin: str, value: str, hops: int) -> None:
    assert introduction(invite(f"X-Zorgkiosk-Origin: {origin}", f"X-Zorgkiosk-Hops: {value}")).hops == hops


def test_the_first_of_a_repeated_header_counts_and_folded_lines_are_joined() -> None:
    text = invite(
        "X-Zorgkiosk-Urgent:\r\n 1", "X-Zorgkiosk-Urgent: 0", "X-Zorgkiosk-Origin: hap-a", "X-Zorgkiosk-Origin: hap-b"
    )
    assert introduction(text).urgent
    assert introduction(text).origin == "hap-a"


@pytest.mark.parametrize(
    ("origin", "body", "protected"),
    [
        ("trunk", PLAIN, False),
        ("trunk", SECURE, True),
        ("hap-b", PLAIN, False),
        ("hap-b", SECURE, True),
        ("hap-b", "", True),
        ("trunk", "", False),
        ("hap-b", SECURE + "m=audio 4002 RTP/AVP 8\r\n", False),
        ("hap-b", "m=audio 4000 RTP/SAVPF 8\r\n", True),
    ],
)
def test_srtp_is_what_every_audio_line_says(origin: str, body: str, protected: bool) -> None:
    assert introduction(invite(f"X-Zorgkiosk-Origin: {origin}", body=body)).protected is protected


@given(st.text(max_size=300))
def test_noise_is_read_too(text: str) -> None:
    who = introduction(text)
    assert 0 <= who.waited_s <= LONGEST_WAIT_S
    assert 0 <= who.hops <= MOST_HOPS
