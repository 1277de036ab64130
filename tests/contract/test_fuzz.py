"""Whatever comes in, reading it gives a message or a ContractError, and nothing else."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import ALL_STATUSES, EVENTS

from zorgkiosk.contract import topics
from zorgkiosk.contract.capacity import LIMITS, REASONS
from zorgkiosk.contract.events import CapacityReported, Event, encode_batch, from_cloudevent, split_batch, to_cloudevent
from zorgkiosk.contract.names import ContractError, Message
from zorgkiosk.contract.status import decode_status, encode_status

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
envelope_keys = sorted(to_cloudevent(next(iter(EVENTS.values()))))
data_keys = sorted({key for event in EVENTS.values() for key in to_cloudevent(event)["data"]})
spoiled_envelope = st.dictionaries(st.sampled_from(envelope_keys), json_values, max_size=3)
spoiled_data = st.dictionaries(st.sampled_from(data_keys), json_values, max_size=3)


def read_batch(payload: bytes) -> list[Event]:
    events = []
    with suppress(ContractError):
        for item in split_batch(payload):
            with suppress(ContractError):
                events.append(from_cloudevent(item))
    return events


@given(st.binary(max_size=300) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_payload(payload: bytes) -> None:
    for event in read_batch(payload):
        assert isinstance(event, Event)
    for message in ALL_STATUSES.values():
        with suppress(ContractError):
            assert isinstance(decode_status(type(message), payload), type(message))


@pytest.mark.long
@settings(max_examples=300)
@given(st.sampled_from(list(EVENTS.values())), spoiled_envelope, spoiled_data)
def test_a_spoiled_event_is_refused_or_can_be_written_again(
    event: Event, envelope: dict[str, Any], data: dict[str, Any]
) -> None:
    item = to_cloudevent(event) | envelope
    if isinstance(item["data"], dict):
        item["data"] = item["data"] | data
    for read in read_batch(json.dumps([item]).encode()):
        assert read_batch(encode_batch([read])) == [read]


codes = st.sampled_from([*REASONS, *LIMITS, "stop", "open", "nieuwe-code", "jan jansen", "0612345678"])
instants = st.datetimes().map(lambda at: at.isoformat() + "Z") | st.sampled_from(["2026-02-30T00:00:00Z", "straks"])
values = st.fixed_dictionaries(
    {"category": codes},
    optional={
        "free": st.integers(-2000, 20_000) | st.none(),
        "status": codes | st.none(),
        "reason": codes | st.none(),
        "until": instants | st.none(),
        "limits": st.lists(codes, max_size=7) | st.none(),
        "expected_free_24h": st.integers(-2000, 20_000),
    },
)


@given(values)
def test_a_value_is_a_number_or_a_status_of_known_words_or_is_refused(data: dict[str, Any]) -> None:
    item = to_cloudevent(EVENTS["capacity.reported"]) | {"data": data}
    for read in read_batch(json.dumps([item]).encode()):
        assert isinstance(read.data, CapacityReported)
        assert (read.data.free is None) != (read.data.status is None)
        assert read.data.reason in (None, *REASONS) and set(read.data.limits) <= set(LIMITS)
        assert read_batch(encode_batch([read])) == [read]


@pytest.mark.long
@settings(max_examples=200)
@given(st.sampled_from(list(ALL_STATUSES.values())), st.data())
def test_a_spoiled_status_is_refused_or_can_be_written_again(message: Message, data: st.DataObject) -> None:
    content = json.loads(encode_status(message))
    spoiled = data.draw(st.dictionaries(st.sampled_from(sorted(content)), json_values, max_size=2))
    with suppress(ContractError):
        read = decode_status(type(message), json.dumps(content | spoiled).encode())
        assert decode_status(type(message), encode_status(read)) == read


def test_absurd_nesting_and_size_are_refused() -> None:
    for payload in (b"[" * 100_000, b"[" + b"1," * 200_000 + b"1]", b"9" * 5_000):
        assert read_batch(payload) == []


@given(
    st.text(max_size=60)
    | st.lists(st.text(max_size=8), min_size=3, max_size=3).map(lambda p: "/".join([topics.ROOT, *p]))
)
def test_any_topic(text: str) -> None:
    with suppress(ContractError):
        assert str(topics.parse(text)) == text
