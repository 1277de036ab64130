"""What the front wrote on an INVITE is read, and everything odd becomes something safe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.site.telephony.worker.headers import (
    LONGEST_HEADERS,
    LONGEST_WAIT_S,
    MOST_HOPS,
    contact,
    introduction,
    is_elsewhere,
    sendable,
)

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


HISTORY = {
    "Diversion": '"Praktijk" <sip:0201110000@pbx.example>;reason=unconditional;counter=1;privacy=off',
    "History-Info": "<sip:a@pbx.example>;index=1, <sip:b@pbx.example?Reason=SIP%3Bcause%3D302>;index=1.1;mp=1",
    "User-to-User": "56a390f3d2b7310023a2;encoding=hex;purpose=foo;content=bar",
    "X-Empty": "",
}


def test_where_a_call_has_been_goes_along_as_it_is() -> None:
    assert sendable(HISTORY) == HISTORY


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "1\r\nX-B: 2"),
        ("X-A", "1\nX-B: 2"),
        ("X-A", "1\r"),
        ("X-A", "1\n"),
        ("X-A", "Zo\u00eb"),
        ("X-A", "\udceb"),
        ("X-A", "\0"),
        ("X-A", "x" * LONGEST_HEADERS),
        ("X-A\r\nX-B", "1"),
        ("X-A: 1\r\nX-B", "1"),
        ("X A", "1"),
        ("X-A\n", "1"),
        ("X-\u00eb", "1"),
        ("", "1"),
    ],
)
def test_a_header_that_is_more_than_one_is_left_out_and_the_rest_goes(
    name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert sendable({"X-First": "1", name: value, "X-Last": "2"}) == {"X-First": "1", "X-Last": "2"}
    [record] = caplog.records
    assert "left out" in record.getMessage()
    assert not value or value not in record.getMessage() or value in "12"


def test_what_does_not_fit_on_an_invite_is_left_out() -> None:
    many = {f"X-{number}": "y" * 500 for number in range(6)}
    assert list(sendable(many)) == ["X-0", "X-1", "X-2"]


@given(st.dictionaries(st.text(), st.text()))
def test_whatever_is_sent_is_one_line_of_ascii_a_header(headers: dict[str, str]) -> None:
    for name, value in sendable(headers).items():
        assert f"{name}: {value}".isascii()
        assert len(f"{name}: {value}\r\n".splitlines()) == 1
        assert headers[name] == value


@pytest.mark.parametrize("uri", ["sip:post@hap-b.example", "sips:a@b:5061;transport=tls", "tel:+31201112222"])
def test_a_contact_is_an_address_in_brackets(uri: str) -> None:
    assert contact(uri) == f"<{uri}>"


@pytest.mark.parametrize(
    "uri", ["", "sip:", "hap-b", "http://x", "<sip:a@b>", "sip:a@b>;x", "sip:a b@c", "sip:a@b\n", "sip:\u00eb@b", "*"]
)
def test_anything_else_is_no_contact(uri: str) -> None:
    assert contact(uri) is None


@pytest.mark.parametrize(
    ("message", "elsewhere"),
    [
        ('BYE sip:a SIP/2.0\r\nReason: SIP ;cause=200 ;text="Call completed elsewhere"\r\n\r\n', True),
        ("BYE sip:a SIP/2.0\r\nreason:SIP;cause=200\r\n\r\n", True),
        ("BYE sip:a SIP/2.0\r\nReason: Q.850;cause=16\r\n\r\n", False),
        ("BYE sip:a SIP/2.0\r\nReason: SIP;cause=2000\r\n\r\n", False),
        ("BYE sip:a SIP/2.0\r\n\r\nReason: SIP;cause=200\r\n", False),
        ("INVITE sip:a SIP/2.0\r\nReason: SIP;cause=200\r\n\r\n", False),
        ("", False),
    ],
)
def test_a_bye_may_say_that_the_call_was_completed_elsewhere(message: str, elsewhere: bool) -> None:
    assert is_elsewhere(message) is elsewhere
