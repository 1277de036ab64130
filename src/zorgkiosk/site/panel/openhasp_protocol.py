"""openHASP over MQTT: topics and payloads ↔ frozen dataclasses. Pure; nonsense becomes a named refusal.

Sources: openHASP's documentation (commands, objects) and its firmware 0.7 (`hasp_dispatch.cpp`, `hasp_event.cpp`,
`hasp_mqtt_esp.cpp`). A plate publishes `hasp/<plate>/LWT` (retained `online`, and `offline` as its last will) and
`hasp/<plate>/state/<what>`; it obeys `hasp/<plate>/command/<what>`. Its buffer holds 2 kB for topic and payload.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

PREFIX = "hasp"
MAX_HEARD_BYTES = 2_048
MAX_SENT_BYTES = 1_800
"""Room for the topic is left in the plate's buffer of 2,048 bytes; what is longer, the plate cuts off."""
MAX_PAGE, MAX_ID = 12, 254

_TOPIC = re.compile(rf"{PREFIX}/([a-z0-9-]{{1,40}})/(LWT|state/[A-Za-z0-9_/]{{1,40}})")
_OBJECT = re.compile(r"p([0-9]{1,2})b([0-9]{1,3})")

Why = Literal["topic", "plate", "too long", "not text", "not JSON", "not an object", "event", "id", "value"]
Event = Literal["down", "up", "long", "hold", "release", "lost", "changed"]
_EVENTS: dict[str, Event] = {event: event for event in Event.__args__}  # type: ignore[attr-defined]
RELEASES: frozenset[Event] = frozenset({"up", "release"})
"""A finger left the key: `up` after a short touch, `release` after a long one, never both."""

Attributes = Mapping[str, str | int | bool]


@dataclass(frozen=True)
class Online:
    plate: str


@dataclass(frozen=True)
class Offline:
    plate: str


@dataclass(frozen=True)
class Touched:
    plate: str
    page: int
    id: int
    event: Event


@dataclass(frozen=True)
class Status:
    """`statusupdate`, on connect and every five minutes. Sizes in pixels, 0 when not said."""

    plate: str
    uptime_s: int
    width: int
    height: int


@dataclass(frozen=True)
class Idled:
    plate: str
    state: Literal["off", "short", "long"]


@dataclass(frozen=True)
class Aside:
    """Something plates say that means nothing to us: backlight, sensors, the page they show."""

    plate: str


@dataclass(frozen=True)
class Refused:
    """`plate` is "" when not even that is known. The payload is not kept."""

    plate: str
    why: Why


Heard = Online | Offline | Touched | Status | Idled | Aside | Refused


@dataclass(frozen=True)
class Message:
    topic: str
    payload: bytes


def subscriptions(plates: Iterable[str]) -> list[str]:
    return [topic for plate in plates for topic in (f"{PREFIX}/{plate}/LWT", f"{PREFIX}/{plate}/state/#")]


def hear(topic: str, payload: bytes, plates: Collection[str]) -> Heard:
    """What a message means. Never raises."""
    match = _TOPIC.fullmatch(topic)
    if match is None:
        return Refused("", "topic")
    plate, what = match[1], match[2]
    if plate not in plates:
        return Refused("", "plate")
    if len(payload) > MAX_HEARD_BYTES:
        return Refused(plate, "too long")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        return Refused(plate, "not text")
    return _lwt(plate, text) if what == "LWT" else _state(plate, what.removeprefix("state/"), text)


def _lwt(plate: str, text: str) -> Heard:
    match text:
        case "online":
            return Online(plate)
        case "offline":
            return Offline(plate)
    return Refused(plate, "value")


def _state(plate: str, what: str, text: str) -> Heard:
    if match := _OBJECT.fullmatch(what):
        return _touch(plate, int(match[1]), int(match[2]), text)
    match what, text:
        case "idle", "off" | "short" | "long" as state:
            return Idled(plate, state)
        case "idle", _:
            return Refused(plate, "value")
        case "statusupdate", _:
            return _status(plate, text)
    return Aside(plate)


def _touch(plate: str, page: int, number: int, text: str) -> Heard:
    said = _object(plate, text)
    if isinstance(said, Refused):
        return said
    event = _EVENTS.get(str(said.get("event")))
    if event is None:
        return Refused(plate, "event")
    if not (1 <= page <= MAX_PAGE and 1 <= number <= MAX_ID):
        return Refused(plate, "id")
    return Touched(plate, page, number, event)


def _status(plate: str, text: str) -> Heard:
    said = _object(plate, text)
    if isinstance(said, Refused):
        return said
    uptime_s, width, height = (_number(said.get(key, 0)) for key in ("uptime", "tftWidth", "tftHeight"))
    if uptime_s is None or width is None or height is None:
        return Refused(plate, "value")
    return Status(plate, uptime_s, width, height)


def _number(said: object) -> int | None:
    return said if type(said) is int and 0 <= said < 2**32 else None


def _object(plate: str, text: str) -> dict[str, object] | Refused:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return Refused(plate, "not JSON")
    return said if isinstance(said, dict) else Refused(plate, "not an object")


def show_page(plate: str, page: int) -> Message:
    return Message(f"{PREFIX}/{plate}/command/page", str(page).encode())


def clear_page(plate: str, page: int) -> Message:
    return Message(f"{PREFIX}/{plate}/command/clearpage", str(page).encode())


def draw(plate: str, objects: Iterable[Attributes]) -> Iterator[Message]:
    """Objects, new ones and changes alike, one a line, in as few messages as the plate's buffer allows.

    JSON escapes keep it ASCII: the plate turns them into its own characters. Raises ValueError for one object that
    is longer than the buffer.
    """
    topic = f"{PREFIX}/{plate}/command/jsonl"
    batch: list[bytes] = []
    size = 0
    for attributes in objects:
        line = json.dumps(attributes, separators=(",", ":")).encode() + b"\n"
        if len(line) > MAX_SENT_BYTES:
            raise ValueError(f"object of {len(line)} bytes does not fit into a plate's buffer")
        if size + len(line) > MAX_SENT_BYTES:
            yield Message(topic, b"".join(batch))
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    if batch:
        yield Message(topic, b"".join(batch))
