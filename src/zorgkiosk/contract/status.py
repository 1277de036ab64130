"""Messages about the present: a site's whole state, whether it is connected, the hub's acks and questions.

They may be lost without loss: each is said again when anything changes, on every connection and every few seconds.
"""

from __future__ import annotations

import json
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError

from zorgkiosk.contract.capacity import Capacity
from zorgkiosk.contract.events import Triage, first_problem
from zorgkiosk.contract.names import Code, ContractError, Count, Epoch, Instant, Message, Seconds

MAX_STATUS_BYTES = 65_536


class Freshness(Message):
    """Ages in seconds at which a value goes from actueel to bevestigen, to verlopen, to onbekend."""

    due_s: Seconds
    overdue_s: Seconds
    unknown_s: Seconds


class CapacityState(Capacity):
    """`age_s`: since staff last reported or confirmed it, measured at the site when the message was made.

    An age and not an instant: it stays true when the site's clock is wrong.
    """

    age_s: Seconds
    freshness: Freshness


class SiteState(Message):
    """Everything a site can say about now. The same boot's larger `uptime_ms` is the newer message."""

    region: Code
    site: Code
    title: Annotated[str, Field(max_length=60, pattern=r"^[^0-9]*([0-9]{1,3}[^0-9]+)*[0-9]{0,3}$")]
    said_at: Instant
    boot_id: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]
    uptime_ms: Annotated[int, Field(ge=0, le=2**53)]
    clock_synced: bool
    waiting_to_send: Annotated[int, Field(ge=0, le=2**53)] = 0
    capacity: Annotated[tuple[CapacityState, ...], Field(max_length=100)] = ()
    triage: Triage | None = None


class Online(Message):
    """`online` false is the last will: the broker says it for a site that fell silent."""

    site: Code
    online: bool


class Ack(Message):
    """All rows of this stream and epoch up to and including `up_to` are committed in the hub's database."""

    stream: Code
    epoch: Epoch
    up_to: Annotated[int, Field(ge=0, le=2**53)]


class PartnerStates(Message):
    """What the hub knows of a site's partners when the site connects. `heard_age_s` is by site name."""

    partners: Annotated[tuple[SiteState, ...], Field(max_length=50)] = ()
    heard_age_s: dict[Code, Seconds] = Field(default_factory=dict)


class Ask(Message):
    """The hub asks a site to publish its `state` now. `wanted` counts the hub's questions since it started.

    With `certificate` the region's provisioner asks which certificate is in force: the site answers with a `request`.
    """

    wanted: Count = 0
    certificate: bool | None = None


Status = TypeVar("Status", bound=Message)


def encode_status(message: Message) -> bytes:
    return message.model_dump_json(exclude_none=True).encode()


def decode_status(kind: type[Status], payload: bytes) -> Status:
    """A status message of the wanted kind. Raises ContractError: `size`, `json` or `data`."""
    if len(payload) > MAX_STATUS_BYTES:
        raise ContractError("size", f"{kind.__name__} of {len(payload)} bytes, {MAX_STATUS_BYTES} are allowed")
    try:
        return kind.model_validate(json.loads(payload))
    except ValidationError as error:
        raise ContractError("data", f"{kind.__name__}: {first_problem(error)}") from None
    except (ValueError, RecursionError):
        raise ContractError("json", f"{kind.__name__} is not JSON") from None
