"""Reading what comes in on a topic."""

import json
import re
from typing import Any

import pytest
from hub_said import CALL, EPOCH, REGION, bed, event, state
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.contract.events import MAX_BATCH_BYTES, encode_batch, to_cloudevent
from zorgkiosk.contract.status import Online, encode_status
from zorgkiosk.hub.letters import EXCERPT_CHARS, Letter, Place, Unreadable, excerpt, read

SITES = {"hap-noord", "vvt-linde"}


def said(leaf: str, payload: bytes, site: str = "hap-noord", region: str = REGION) -> list[Letter]:
    return read(f"zorgkiosk/v1/{region}/{site}/{leaf}", payload, region=REGION, sites=SITES)


def the_unreadable(letters: list[Letter]) -> Unreadable:
    (letter,) = letters
    assert isinstance(letter, Unreadable)
    return letter


def item(**change: Any) -> dict[str, Any]:
    return to_cloudevent(event(7, 6)) | change


def test_what_a_site_says_is_read() -> None:
    now = state("hap-noord", bed("grz", 2, 30))
    assert said("events", encode_batch([event(1, 0), event(2)])) == [event(1, 0), event(2)]
    assert said("state", encode_status(now)) == [now]
    assert said("online", encode_status(Online(site="hap-noord", online=False))) == [
        Online(site="hap-noord", online=False)
    ]


@pytest.mark.parametrize(
    ("leaf", "payload", "reason"),
    [
        ("events", b"\xff\xfe", "json"),
        ("events", b"{}", "json"),
        ("events", b"[" * 100_000, "json"),
        ("events", b" " * (MAX_BATCH_BYTES + 1), "size"),
        ("events", b"[17]", "envelope"),
        ("events", encode_batch([event(1, 0, site="vvt-linde")]), "speaks-for"),
        ("state", b"{}", "data"),
        ("state", b"x" * 70_000, "size"),
        ("state", encode_status(state("vvt-linde")), "speaks-for"),
        ("state", encode_status(state("hap-noord").model_copy(update={"title": "Noord\x00"})), "data"),
        ("state", encode_status(state("hap-noord").model_copy(update={"said_at": "2026-13-45T99:00:00Z"})), "data"),
        ("online", encode_status(Online(site="vvt-linde", online=True)), "speaks-for"),
        ("ack", b"{}", "topic"),
    ],
)
def test_what_cannot_be_read_is_set_aside(leaf: str, payload: bytes, reason: str) -> None:
    letter = the_unreadable(said(leaf, payload))
    assert (letter.site, letter.leaf, letter.reason, letter.place) == ("hap-noord", leaf, reason, None)


def test_strangers_are_set_aside() -> None:
    assert the_unreadable(said("events", b"[]", site="hap-west")).reason == "unknown-site"
    assert the_unreadable(said("events", b"[]", region="andere-regio")).reason == "region"
    assert the_unreadable(read("other/topic", b"[]", region=REGION, sites=SITES)).reason == "topic"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "nl.zorgkiosk.call.invented.v1"}, "kind"),
        ({"type": "nl.zorgkiosk.call.handled.v2"}, "kind"),
        ({"data": CALL.model_dump() | {"hops": 77}}, "data"),
        ({"data": ["no", "object"]}, "envelope"),
    ],
)
def test_an_event_of_which_only_the_envelope_is_readable_keeps_its_place(change: dict[str, Any], reason: str) -> None:
    before, letter, after = said("events", json.dumps([item(sequence="6"), item(**change), item()]).encode())[0:3]
    assert isinstance(letter, Unreadable) and letter.reason == reason
    assert letter.place == Place("telephony", EPOCH, 7, 6, event(7).said)
    assert isinstance(before, Unreadable) and before.place is None, "6 after 6 is no place"
    assert after == event(7, 6)


def test_an_event_of_another_site_gets_no_place_whatever_its_data() -> None:
    assert the_unreadable(said("events", json.dumps([item(site="vvt-linde", data={})]).encode())).place is None


@pytest.mark.parametrize(
    "number", ["0612345678", "06-12345678", "+31 (0)6 12 34 56 78", "020/555.12.34", "٠٦١٢٣٤٥٦٧٨", "11223"]
)
def test_no_excerpt_holds_a_telephone_number(number: str) -> None:
    letter = the_unreadable(said("events", json.dumps([{"note": f"bel {number}", "free": 2}]).encode()))
    assert number not in letter.excerpt and not re.search(r"\d{5}", letter.excerpt)
    assert '"note": "bel' in letter.excerpt and '"free": 2' in letter.excerpt
    named = the_unreadable(said("events", json.dumps([item(type=f"bel {number}")]).encode()))
    assert named.reason == "kind" and number not in named.sentence + named.excerpt
    raw = the_unreadable(said("state", f"bel {number}!".encode()))
    assert raw.excerpt.startswith("bel ") and raw.excerpt.endswith("!") and number not in raw.excerpt


@given(st.text())
def test_an_excerpt_is_short_printable_and_without_long_numbers(text: str) -> None:
    short = excerpt(text)
    assert len(short) <= EXCERPT_CHARS and not re.search(r"\d{5}", short)
    assert not short or short.isprintable()


@given(st.binary(max_size=200), st.sampled_from(["events", "state", "online", "ack"]))
def test_no_payload_makes_it_raise(payload: bytes, leaf: str) -> None:
    for letter in said(leaf, payload):
        assert isinstance(letter, Unreadable)


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@pytest.mark.long
@given(st.sampled_from(sorted(item())), _json)
def test_an_event_with_any_one_field_changed_is_read_or_set_aside(field: str, value: object) -> None:
    (letter,) = said("events", json.dumps([item(**{field: value})]).encode())
    assert isinstance(letter, Unreadable) or letter == event(7, 6) or field in ("sequence", "previous", "clocksynced")
