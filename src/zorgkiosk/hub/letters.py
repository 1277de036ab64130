"""What came in on a topic, read: events, a state, a presence, or something to set aside. Pure.

The broker's ACL already binds a certificate to a site; here the payload is held against its topic once more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass

from zorgkiosk.contract.events import Event, Said, from_cloudevent, split_batch
from zorgkiosk.contract.names import ContractError
from zorgkiosk.contract.status import Online, SiteState, decode_status
from zorgkiosk.contract.topics import Topic, parse

EXCERPT_CHARS = 600
NO_SITE = "-"

# Five digits or more, also when written with the marks people put into telephone numbers.
_DIGITS = re.compile(r"\d(?:[\s.()/+\-]{0,2}\d){4,}")
_STAND_IN = {"type": "nl.zorgkiosk.device.health.v1", "data": {"unit": "hub", "condition": "unread", "ok": False}}


@dataclass(frozen=True)
class Place:
    """Where an event stands in its outbox, known even when its data cannot be read."""

    stream: str
    epoch: str
    sequence: int
    previous: int
    said: Said


@dataclass(frozen=True)
class Unreadable:
    """Something to set aside. `reason` is a code for counting, `sentence` for the log.

    `sentence` and `excerpt` are at most EXCERPT_CHARS long and hold no run of five digits. With a `place`
    it is an event whose data cannot be read: it counts as handled, so that it does not hold up what follows.
    """

    site: str
    leaf: str
    reason: str
    sentence: str
    size_bytes: int
    excerpt: str
    place: Place | None = None


Letter = Event | SiteState | Online | Unreadable


def read(topic: str, payload: bytes, *, region: str, sites: Container[str]) -> list[Letter]:
    """The letters in one message, in their order. Never raises: what cannot be read is an Unreadable."""
    site, leaf = NO_SITE, "topic"
    try:
        address = parse(topic)
        site, leaf = address.site, address.leaf
        if address.region != region:
            raise ContractError("region", f"topic is of region {address.region}, this hub is of {region}")
        if site not in sites:
            raise ContractError("unknown-site", f"site {site} is not in hub.toml")
        return _read_known(address, payload)
    except ContractError as error:
        return [Unreadable(site, leaf, error.reason, excerpt(str(error)), len(payload), excerpt(_text(payload)))]


def _read_known(address: Topic, payload: bytes) -> list[Letter]:
    match address.leaf:
        case "events":
            return [_read_item(address, item) for item in split_batch(payload)]
        case "state":
            return [_read_state(address, payload)]
        case "online":
            online = decode_status(Online, payload)
            _speaks_for(address, address.region, online.site)
            return [online]
        case _:
            raise ContractError("topic", f"leaf {address.leaf} is not said by a site")


def _read_state(address: Topic, payload: bytes) -> SiteState:
    state = decode_status(SiteState, payload)
    _speaks_for(address, state.region, state.site)
    if not state.title.isprintable():
        raise ContractError("data", "SiteState: title: holds characters that cannot be shown")
    return state


def _read_item(address: Topic, item: object) -> Letter:
    place = None
    try:
        try:
            event = from_cloudevent(item)
        except ContractError:
            place = _place(address, item)
            raise
        _checked(address, event)
        return event
    except ContractError as error:
        text = _dump(item)
        return Unreadable(
            address.site, address.leaf, error.reason, excerpt(str(error)), len(text.encode()), excerpt(text), place
        )


def _place(address: Topic, item: object) -> Place | None:
    """Where the item stands, by its envelope alone: read with other data in place of its own."""
    if not isinstance(item, Mapping):
        return None
    try:
        event = _checked(address, from_cloudevent({**item, **_STAND_IN}))
    except ContractError:
        return None
    return Place(event.stream, event.epoch, event.sequence, event.previous, event.said)


def _checked(address: Topic, event: Event) -> Event:
    _speaks_for(address, event.region, event.site)
    if event.previous >= event.sequence:
        raise ContractError("envelope", "envelope: previous is not before sequence")
    return event


def _speaks_for(address: Topic, region: str, site: str) -> None:
    if (region, site) != (address.region, address.site):
        raise ContractError("speaks-for", f"payload speaks for {region}/{site} on a topic of {address.site}")


def excerpt(text: str) -> str:
    """The beginning of a text, printable, without anything that could be a telephone number."""
    masked = _DIGITS.sub("#", text)
    return "".join(sign if sign.isprintable() else " " for sign in masked[:EXCERPT_CHARS])


def _text(payload: bytes) -> str:
    return payload[: 4 * EXCERPT_CHARS].decode("utf-8", errors="replace")


def _dump(item: object) -> str:
    try:
        return json.dumps(item, ensure_ascii=False).encode("utf-8", errors="replace").decode()
    except RecursionError:
        return "(nested too deeply to be shown)"
