"""openHASP's topics and payloads: a table of cases, and anything at all."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.site.panel.openhasp_protocol import (
    MAX_HEARD_BYTES,
    MAX_SENT_BYTES,
    Aside,
    Heard,
    Idled,
    Message,
    Offline,
    Online,
    Refused,
    Status,
    Touched,
    clear_page,
    draw,
    hear,
    show_page,
    subscriptions,
)

PLATES = ("balie", "post-2")
STATUS = {"node": "balie", "idle": "off", "version": "0.7.0", "uptime": 1813, "tftWidth": 480, "tftHeight": 320}


@pytest.mark.parametrize(
    ("topic", "payload", "heard"),
    [
        ("hasp/balie/LWT", b"online", Online("balie")),
        ("hasp/balie/LWT", b"offline", Offline("balie")),
        ("hasp/balie/LWT", b"ONLINE?", Refused("balie", "value")),
        ("hasp/balie/state/p1b14", b'{"event":"up"}', Touched("balie", 1, 14, "up")),
        ("hasp/post-2/state/p12b254", b'{"event":"release","val":1}', Touched("post-2", 12, 254, "release")),
        ("hasp/balie/state/p1b14", b'{"event":"down"}', Touched("balie", 1, 14, "down")),
        ("hasp/balie/state/p1b14", b'{"event":"changed","val":3}', Touched("balie", 1, 14, "changed")),
        ("hasp/balie/state/p1b14", b'{"event":"explode"}', Refused("balie", "event")),
        ("hasp/balie/state/p1b14", b'{"event":["up"]}', Refused("balie", "event")),
        ("hasp/balie/state/p1b14", b"{}", Refused("balie", "event")),
        ("hasp/balie/state/p1b14", b"up", Refused("balie", "not JSON")),
        ("hasp/balie/state/p1b14", b"[" * 2_000, Refused("balie", "not JSON")),
        ("hasp/balie/state/p1b14", b'["up"]', Refused("balie", "not an object")),
        ("hasp/balie/state/p1b14", b"\xff\xfe", Refused("balie", "not text")),
        ("hasp/balie/state/p1b14", b" " * (MAX_HEARD_BYTES + 1), Refused("balie", "too long")),
        ("hasp/balie/state/p13b1", b'{"event":"up"}', Refused("balie", "id")),
        ("hasp/balie/state/p0b1", b'{"event":"up"}', Refused("balie", "id")),
        ("hasp/balie/state/p1b255", b'{"event":"up"}', Refused("balie", "id")),
        ("hasp/balie/state/p1b1b1", b'{"event":"up"}', Aside("balie")),
        ("hasp/balie/state/idle", b"short", Idled("balie", "short")),
        ("hasp/balie/state/idle", b"asleep", Refused("balie", "value")),
        ("hasp/balie/state/statusupdate", json.dumps(STATUS).encode(), Status("balie", 1813, 480, 320)),
        ("hasp/balie/state/statusupdate", b"{}", Status("balie", 0, 0, 0)),
        ("hasp/balie/state/statusupdate", b'{"uptime":-1}', Refused("balie", "value")),
        ("hasp/balie/state/statusupdate", b'{"uptime":true}', Refused("balie", "value")),
        ("hasp/balie/state/statusupdate", b'{"uptime":1e400}', Refused("balie", "value")),
        ("hasp/balie/state/backlight", b'{"state":"on","brightness":255}', Aside("balie")),
        ("hasp/gang/LWT", b"online", Refused("", "plate")),
        ("hasp/balie/command/page", b"1", Refused("", "topic")),
        ("hasp/balie/state/", b"", Refused("", "topic")),
        ("hasp/balie/lwt", b"online", Refused("", "topic")),
        ("other/balie/LWT", b"online", Refused("", "topic")),
        ("", b"", Refused("", "topic")),
    ],
)
def test_what_a_plate_says(topic: str, payload: bytes, heard: Heard) -> None:
    assert hear(topic, payload, PLATES) == heard


LEAVES = st.sampled_from(["LWT", "state/p1b14", "state/idle", "state/statusupdate", "state/page", "command/page"])
TOPICS = st.text() | st.builds("hasp/{}/{}".format, st.sampled_from(["balie", "post-2", "gang"]), LEAVES | st.text())
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5)
PAYLOADS = st.binary() | st.dictionaries(st.sampled_from(["event", "val", "uptime", "tftWidth"]), JSON).map(
    lambda content: json.dumps(content).encode()
)


@pytest.mark.long
@given(TOPICS, PAYLOADS)
def test_anything_at_all_is_heard_or_refused_by_name(topic: str, payload: bytes) -> None:
    match hear(topic, payload, PLATES):
        case Refused(plate=plate):
            assert plate in ("", *PLATES)
        case Touched(plate=plate, page=page, id=number):
            assert plate in PLATES and 1 <= page <= 12 and 1 <= number <= 254
        case heard:
            assert heard.plate in PLATES


ATTRIBUTES = st.dictionaries(st.sampled_from(["text", "hidden", "page", "id"]), st.text(max_size=120) | st.integers())


@pytest.mark.long
@given(st.lists(ATTRIBUTES, max_size=60))
def test_objects_fit_into_a_plates_buffer_and_arrive_in_order(objects: list[dict[str, str | int]]) -> None:
    messages = list(draw("balie", objects))
    assert all(len(message.payload) <= MAX_SENT_BYTES for message in messages)
    assert all(message.topic == "hasp/balie/command/jsonl" for message in messages)
    arrived = [json.loads(line) for message in messages for line in message.payload.decode("ascii").splitlines()]
    assert arrived == objects


def test_an_object_that_no_plate_can_take_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        list(draw("balie", [{"text": "x" * MAX_SENT_BYTES}]))


def test_commands_and_subscriptions() -> None:
    assert show_page("balie", 2) == Message("hasp/balie/command/page", b"2")
    assert clear_page("balie", 3) == Message("hasp/balie/command/clearpage", b"3")
    assert subscriptions(["balie"]) == ["hasp/balie/LWT", "hasp/balie/state/#"]
