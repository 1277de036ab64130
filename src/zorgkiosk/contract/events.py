"""The six kinds of events and their envelope: CloudEvents 1.0, JSON batch format.

Source: CloudEvents core specification 1.0.2 and its JSON event format §4 (batch). Our extension attributes are
`stream`, `epoch`, `sequence`, `previous` (where the event stands in its site's outbox), and `bootid`, `uptimems`,
`clocksynced` (what is needed to correct a time told by an unset clock). Integers beyond 32 bits travel as digits in
a string, because CloudEvents' Integer is 32 bits wide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence as Items
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter, ValidationError

from zorgkiosk.contract.capacity import Capacity
from zorgkiosk.contract.names import (
    Code,
    ContractError,
    Count,
    Epoch,
    Instant,
    Message,
    Seconds,
    Sequence,
    Share,
)

MAX_BATCH_BYTES = 262_144
"""Largest payload a reader takes; a writer stays well below by sending fewer events at once."""

BATCH_CONTENT_TYPE = "application/cloudevents-batch+json"
_TYPE_PREFIX = "nl.zorgkiosk."
_TYPE_VERSION = ".v1"
_FIELD_NAME = re.compile(r"[a-z_]+([0-9]{1,2}[a-z_]+)*")


class CapacityReported(Capacity):
    KIND: ClassVar[str] = "capacity.reported"


class CapacityConfirmed(Message):
    """Staff said that these categories still hold what was reported last ("Klopt nog")."""

    KIND: ClassVar[str] = "capacity.confirmed"
    categories: Annotated[tuple[Code, ...], Field(min_length=1, max_length=100)]


Pressure = Literal["groen", "geel", "oranje", "rood"]
"""How a HAP stands against its norms. No national code list exists: these four are ours."""


class Triage(Message):
    """A HAP's line and desks. `chance_2min` is the forecast share of callers arriving now that meet 120 s."""

    desks_present: Count
    desks_free: Count
    waiting: Count
    longest_wait_s: Seconds
    accepting_overflow: bool
    pressure: Pressure
    chance_2min: Share
    helping: dict[Code, Count] = Field(default_factory=dict, max_length=50)
    helped_by: dict[Code, Count] = Field(default_factory=dict, max_length=50)


class TriageChanged(Triage):
    KIND: ClassVar[str] = "triage.changed"


class CallHandled(Message):
    """One caller, once, without anything that tells who. `waited_s` counts from the first appliance on.

    `withdrawn`: a partner's caller who was helped elsewhere or left; the centre that offered the call knows which.
    `redirected`: the trunk was sent to `partner` (SIP 302) and the call is out of our sight.

    `desk` is set when a desk of this site picked up, `partner` when the other centre did; neither for a caller
    who left, was refused or was lost. `chance_home` and `chance_partner` are why the call was offered to a partner.
    """

    KIND: ClassVar[str] = "call.handled"
    waited_s: Seconds
    talked_s: Seconds
    urgent: bool
    outcome: Literal["answered", "abandoned", "withdrawn", "refused", "lost", "redirected"]
    origin: Code
    hops: Annotated[int, Field(ge=0, le=9)]
    desk: Code | None = None
    partner: Code | None = None
    chance_home: Share | None = None
    chance_partner: Share | None = None


class DeviceHealth(Message):
    """A condition of a unit that began (`ok` false) or ended (`ok` true); `count` tells how often so far."""

    KIND: ClassVar[str] = "device.health"
    unit: Code
    condition: Code
    ok: bool
    count: Count = 1


class JournalHead(Message):
    """The last line of a unit's journal: its number and its SHA-256, which covers every line before it.

    The hub keeps it, so that lines cannot be taken out of a box's journal, or written anew, without a trace. It tells
    nothing of what the lines say. The chain is named by the event's own stream and epoch.
    """

    KIND: ClassVar[str] = "journal.head"
    line: Sequence
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


EventData = CapacityReported | CapacityConfirmed | TriageChanged | CallHandled | DeviceHealth | JournalHead
KINDS: dict[str, type[EventData]] = {
    kind.KIND: kind
    for kind in (CapacityReported, CapacityConfirmed, TriageChanged, CallHandled, DeviceHealth, JournalHead)
}


@dataclass(frozen=True)
class Said:
    """When a site said something, by both of its clocks (a Pi has no battery clock).

    `at` is aware UTC and only as good as `clock_synced`; `uptime_ms` counts since the boot called `boot_id`.
    """

    at: datetime
    boot_id: str
    uptime_ms: int
    clock_synced: bool


@dataclass(frozen=True)
class Event:
    """One row of an outbox on its way. `(site, stream, epoch, sequence)` is unique in the world.

    `previous` is the sequence of the row before it that the site still holds or has had acknowledged, 0 when it
    holds nothing older: whoever has `previous` knows that nothing is missing between the two.
    """

    region: str
    site: str
    stream: str
    epoch: str
    sequence: int
    previous: int
    said: Said
    data: EventData


class _Envelope(Message):
    specversion: Literal["1.0"]
    id: str
    source: str
    type: Annotated[str, Field(max_length=80)]
    time: Instant
    datacontenttype: Literal["application/json"] = "application/json"
    region: Code
    site: Code
    stream: Code
    epoch: Epoch
    sequence: Annotated[str, Field(pattern=r"^[0-9]{1,15}$")]
    previous: Annotated[str, Field(pattern=r"^[0-9]{1,15}$")]
    bootid: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]
    uptimems: Annotated[str, Field(pattern=r"^[0-9]{1,15}$")]
    clocksynced: bool
    data: dict[str, Any]


_SEQUENCE: TypeAdapter[int] = TypeAdapter(Sequence)


def to_cloudevent(event: Event) -> dict[str, Any]:
    """The event as a CloudEvents JSON object."""
    return {
        "specversion": "1.0",
        "id": f"{event.site}/{event.stream}/{event.epoch}/{event.sequence}",
        "source": f"/zorgkiosk/{event.region}/{event.site}/{event.stream}",
        "type": _TYPE_PREFIX + event.data.KIND + _TYPE_VERSION,
        "time": format_instant(event.said.at),
        "datacontenttype": "application/json",
        "region": event.region,
        "site": event.site,
        "stream": event.stream,
        "epoch": event.epoch,
        "sequence": str(event.sequence),
        "previous": str(event.previous),
        "bootid": event.said.boot_id,
        "uptimems": str(event.said.uptime_ms),
        "clocksynced": event.said.clock_synced,
        "data": event.data.model_dump(mode="json", exclude_none=True),
    }


def from_cloudevent(item: object) -> Event:
    """The event of one CloudEvents JSON object. Raises ContractError: `envelope`, `kind` or `data`."""
    try:
        envelope = _Envelope.model_validate(item)
        sequence = _SEQUENCE.validate_python(int(envelope.sequence))
    except ValidationError as error:
        raise ContractError("envelope", f"envelope: {first_problem(error)}") from None
    kind = KINDS.get(envelope.type.removeprefix(_TYPE_PREFIX).removesuffix(_TYPE_VERSION))
    if kind is None or envelope.type != _TYPE_PREFIX + kind.KIND + _TYPE_VERSION:
        # Whoever wrote it could have put anything there, a number too: it goes to a log without its digits.
        shown = re.sub(r"\d", "#", envelope.type)
        raise ContractError("kind", f"kind {shown!r} is not one of version 1")
    try:
        data = kind.model_validate(envelope.data)
    except ValidationError as error:
        raise ContractError("data", f"{kind.KIND}: {first_problem(error)}") from None
    return Event(
        region=envelope.region,
        site=envelope.site,
        stream=envelope.stream,
        epoch=envelope.epoch,
        sequence=sequence,
        previous=int(envelope.previous),
        said=Said(
            at=parse_instant(envelope.time),
            boot_id=envelope.bootid,
            uptime_ms=int(envelope.uptimems),
            clock_synced=envelope.clocksynced,
        ),
        data=data,
    )


def encode_batch(events: Items[Event]) -> bytes:
    return json.dumps([to_cloudevent(event) for event in events], separators=(",", ":")).encode()


def split_batch(payload: bytes) -> list[object]:
    """The items of a batch, unread. Raises ContractError when it is no batch at all: `size` or `json`."""
    if len(payload) > MAX_BATCH_BYTES:
        raise ContractError("size", f"batch of {len(payload)} bytes, {MAX_BATCH_BYTES} are allowed")
    try:
        items = json.loads(payload)
    except (ValueError, RecursionError):
        raise ContractError("json", "batch is not JSON") from None
    if not isinstance(items, list):
        raise ContractError("json", "batch is not a JSON array")
    return items


def format_instant(instant: datetime) -> str:
    """RFC 3339 in UTC with microseconds and `Z`."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_instant(text: str) -> datetime:
    """Aware UTC of an RFC 3339 text. Raises ContractError(`envelope`) for a date that does not exist."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ContractError("envelope", f"time {text!r} is no instant") from None


def first_problem(error: ValidationError) -> str:
    """`field: what is wrong` of the first problem, without the offending value or key (it could be anything)."""
    problem = error.errors(include_url=False, include_input=False)[0]
    parts = [str(part) if isinstance(part, int) or _FIELD_NAME.fullmatch(part) else "?" for part in problem["loc"]]
    return f"{'.'.join(parts) or 'value'}: {problem['msg']}"
