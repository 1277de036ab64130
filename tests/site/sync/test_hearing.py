"""Whatever comes from the network, a site reads it or counts it, and neither falls over nor believes a stranger."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_session import Rig, rig

from zorgkiosk.contract.names import ContractError
from zorgkiosk.contract.status import Ack, Ask, PartnerStates, SiteState, encode_status
from zorgkiosk.site.facts import read as read_fact
from zorgkiosk.site.sync.hearing import read
from zorgkiosk.site.sync.uplink import Opened, Received

__all__ = ["rig"]  # the fixture

REGION, SITE, PARTNER = "roaz-oost", "vvt-linde", "hap-zuid"
EPOCH = "0123456789abcdef"
STATE = SiteState(
    region=REGION,
    site=PARTNER,
    title="HAP Zuid",
    said_at="2026-03-02T12:00:00Z",
    boot_id="0" * 36,
    uptime_ms=5,
    clock_synced=True,
)
GOOD = {
    f"zorgkiosk/v1/{REGION}/{SITE}/ack": Ack(stream="panel", epoch=EPOCH, up_to=3),
    f"zorgkiosk/v1/{REGION}/{SITE}/ask": Ask(wanted=2),
    f"zorgkiosk/v1/{REGION}/{SITE}/partners": PartnerStates(partners=(STATE,), heard_age_s={PARTNER: 4.0}),
    f"zorgkiosk/v1/{REGION}/{PARTNER}/state": STATE,
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=10,
)
keys = sorted({key for message in GOOD.values() for key in message.model_dump()})
topics = (
    st.sampled_from(sorted(GOOD))
    | st.text(max_size=60)
    | st.from_regex(r"zorgkiosk/v1/[a-z-]{1,9}/[a-z-]{1,9}/[a-z]{1,9}")
)
payloads = st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode())


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[str, bytes]:
    """A good message with other values in place of some, a piece cut out, or bytes changed."""
    topic = draw(st.sampled_from(sorted(GOOD)))
    whole: dict[str, Any] = GOOD[topic].model_dump(mode="json") | draw(
        st.dictionaries(st.sampled_from(keys), json_values, max_size=3)
    )
    payload = bytearray(json.dumps(whole).encode())
    for at, byte in draw(st.lists(st.tuples(st.integers(0, len(payload) - 1), st.integers(0, 255)), max_size=3)):
        payload[at] = byte
    return topic, bytes(payload[: draw(st.integers(0, len(payload)))] if draw(st.booleans()) else payload)


messages = st.tuples(topics, payloads) | spoiled()


@pytest.mark.long
@given(messages)
def test_a_message_or_a_contract_error_and_nothing_else(message: tuple[str, bytes]) -> None:
    topic, payload = message
    try:
        heard = read(REGION, SITE, {PARTNER}, topic, payload)
    except ContractError as error:
        assert error.reason
        return
    assert topic in GOOD and type(heard) is type(GOOD[topic])
    assert read(REGION, SITE, {PARTNER}, topic, encode_status(heard)) == heard
    if isinstance(heard, SiteState):
        assert (heard.region, heard.site) == (REGION, PARTNER)


INFINITE = b'{"up_to":1e999,"wanted":1e999,"uptime_ms":1e999,"heard_age_s":{"hap-zuid":1e999}}'


@pytest.mark.parametrize("topic", sorted(GOOD))
@pytest.mark.parametrize(
    "payload",
    [b"[" * 100_000, INFINITE, b"\xff\xfe", b"", b"null", b'"' + b"a" * 70_000 + b'"', b'{"a":' * 5_000],
    ids=["nested", "infinite", "not utf-8", "empty", "null", "long", "nested objects"],
)
def test_the_classics_are_refused(topic: str, payload: bytes) -> None:
    with pytest.raises(ContractError):
        read(REGION, SITE, {PARTNER}, topic, payload)


@pytest.mark.long
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(messages, min_size=1, max_size=5), st.integers(0, 2**53))
def test_no_message_ends_sync_or_makes_it_forget_a_row(rig: Rig, heard: list[tuple[str, bytes]], up_to: int) -> None:
    """`rig` is one site for all examples: the longer it lives, the more it has heard."""
    if not rig.uplink.opens:
        rig.happen(Opened())
        rig.tap(1)
    for topic, payload in heard:
        rig.happen(Received(topic, payload))
    rig.hear("ack", Ack(stream="panel", epoch=EPOCH, up_to=up_to))
    rig.hear("ack", Ack(stream="nobody", epoch=EPOCH, up_to=up_to))
    newest = rig.panel.view().newest()
    if up_to > newest:
        rig.ack(up_to)
    kept = read_fact(Ack, rig.store.view().state().get("acked/panel"))
    assert kept is None or (kept.up_to <= newest and kept.epoch == rig.panel.view().epoch())
    rig.wait(1)
    rig.tap(2)
    rig.wait(1)
    assert "events" in rig.leaves(), "it goes on"
    rig.ack(rig.panel.view().newest())
