"""The bytes on the wire are a promise to sites in the field: these files change only with a new version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
from samples import ALL_STATUSES, EVENTS, STATUSES

from zorgkiosk.contract.events import KINDS, CapacityReported, encode_batch, from_cloudevent, split_batch
from zorgkiosk.contract.names import ContractError
from zorgkiosk.contract.status import decode_status, encode_status
from zorgkiosk.contract.topics import Leaf, Topic, every_site, parse

GOLDEN = Path(__file__).parent.parent / "golden"


def test_every_kind_and_every_leaf_has_its_golden_file() -> None:
    assert {event.data.KIND for event in EVENTS.values()} == set(KINDS)
    assert set(STATUSES) | {"events"} == set(get_args(Leaf))
    assert {file.stem for file in GOLDEN.glob("*.json")} >= {*EVENTS, *ALL_STATUSES}


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_is_written_and_read_as_its_golden_file(kind: str) -> None:
    golden = json.loads((GOLDEN / f"{kind}.json").read_text())
    assert json.loads(encode_batch([EVENTS[kind]])) == golden
    assert [from_cloudevent(item) for item in split_batch(json.dumps(golden).encode())] == [EVENTS[kind]]


@pytest.mark.parametrize("leaf", ALL_STATUSES)
def test_a_status_is_written_and_read_as_its_golden_file(leaf: str) -> None:
    payload, message = (GOLDEN / f"{leaf}.json").read_bytes(), ALL_STATUSES[leaf]
    assert json.loads(encode_status(message)) == json.loads(payload)
    assert decode_status(type(message), payload) == message


@pytest.mark.parametrize("kind", EVENTS)
def test_fields_of_a_newer_version_are_passed_over(kind: str) -> None:
    (item,) = json.loads((GOLDEN / f"{kind}.json").read_text())
    item["newattribute"] = 1
    item["data"]["new_field"] = {"a": [1]}
    assert from_cloudevent(item) == EVENTS[kind]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "nl.zorgkiosk.capacity.reported.v2"}, "kind"),
        ({"type": "capacity.reported"}, "kind"),
        ({"specversion": "0.3"}, "envelope"),
        ({"sequence": "0"}, "envelope"),
        ({"sequence": 42}, "envelope"),
        ({"time": "2026-02-30T00:00:00Z"}, "envelope"),
        ({"time": "2026-03-02T20:15:04+01:00"}, "envelope"),
        ({"site": "Hap Noord"}, "envelope"),
        ({"site": "hap-0612345678"}, "envelope"),
        ({"data": {"category": "elv-laag", "free": 10_000}}, "data"),
        ({"data": {"category": "elv-laag", "free": "veel"}}, "data"),
        ({"data": {"category": "seh"}}, "data"),
        ({"data": {"category": "seh", "free": 1, "status": "open"}}, "data"),
        ({"data": {"category": "seh", "status": "stop", "until": "2026-02-30T00:00:00Z"}}, "data"),
        ({"data": {"category": "seh", "status": "stop", "until": "morgen"}}, "data"),
        ({"data": {"category": "seh", "status": "mevrouw Jansen"}}, "data"),
        ({"data": {"category": "seh", "status": "stop", "reason": "mevrouw Jansen"}}, "data"),
        ({"data": {"category": "grz", "free": 1, "limits": ["mevrouw Jansen"]}}, "data"),
        ({"data": {"category": "grz", "free": 1, "limits": ["isolatie"] * 6}}, "data"),
        ({"data": None}, "envelope"),
    ],
)
def test_what_is_not_of_this_version_is_refused_with_its_reason(change: dict[str, object], reason: str) -> None:
    (item,) = json.loads((GOLDEN / "capacity.reported.json").read_text())
    with pytest.raises(ContractError) as refused:
        from_cloudevent(item | change)
    assert refused.value.reason == reason


def test_a_code_of_a_newer_list_is_read_as_the_least_it_can_mean() -> None:
    (item,) = json.loads((GOLDEN / "capacity.reported.status.json").read_text())
    newer = from_cloudevent(item | {"data": item["data"] | {"reason": "hitteplan"}}).data
    assert isinstance(newer, CapacityReported) and (newer.status, newer.reason) == ("stop", "anders")
    (item,) = json.loads((GOLDEN / "capacity.reported.limits.json").read_text())
    newer = from_cloudevent(item | {"data": item["data"] | {"limits": ["alleen-kind", "isolatie"]}}).data
    assert isinstance(newer, CapacityReported) and newer.limits == ("isolatie",)


def test_the_sentence_of_a_refusal_repeats_no_value_and_no_key() -> None:
    (item,) = json.loads((GOLDEN / "triage.changed.json").read_text())
    for spoiled in ({"helping": {"0612345678": 1}}, {"pressure": "0612345678"}):
        with pytest.raises(ContractError) as refused:
            from_cloudevent(item | {"data": item["data"] | spoiled})
        assert "0612" not in str(refused.value)


def test_topics() -> None:
    topic = Topic("roaz-oost", "hap-noord", "events")
    assert str(topic) == "zorgkiosk/v1/roaz-oost/hap-noord/events" and parse(str(topic)) == topic
    assert every_site("roaz-oost", "state") == "zorgkiosk/v1/roaz-oost/+/state"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "zorgkiosk/v1/a/b",
        "zorgkiosk/v2/a/b/ack",
        "zorgkiosk/v1/a/b/weg",
        "zorgkiosk/v1/a/+/ack",
        "zorgkiosk/v1/a/b/ack/",
        "zorgkiosk/v1/a/b\n/ack",
        "zorgkiosk/v1/A/b/ack",
        f"zorgkiosk/v1/{'a' * 41}/b/ack",
    ],
)
def test_other_topics_are_refused(text: str) -> None:
    with pytest.raises(ContractError):
        parse(text)
