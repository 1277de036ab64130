"""What the line and its call workers say to each other: one JSON object a line over a unix socket.

Events are in the past tense and come from the worker; commands are imperative and come from the line. A worker
holds one caller, so no message names a call twice. No message has a field for a caller's number: the number
travels on the SIP dialog only.
"""

from __future__ import annotations

import builtins
import json
import math
import types
import typing
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

LegState = Literal["calling", "ringing", "answered"]
Outcome = Literal["answered", "abandoned", "refused", "lost"]

TRUNK = "trunk"
"""Origin of a call that came from the centre's own PBX or trunk; any other origin is a partner's name."""


@dataclass(frozen=True)
class Leg:
    """An outbound leg of the worker's call. `name` is `desk/<desk id>` or `partner/<site>`."""

    name: str
    state: LegState
    sip_call_id: str


@dataclass(frozen=True)
class Call:
    """The caller a worker holds. `arrived_s` is CLOCK_MONOTONIC of this boot, the same in every process.

    `waited_before_s` was spent at the centre the call came from and counts here.
    `bridged` names the leg the caller is talking to.
    """

    sip_call_id: str
    origin: str
    hops: int
    urgent: bool
    arrived_s: float
    waited_before_s: float
    legs: tuple[Leg, ...] = ()
    bridged: str | None = None


# --- events: worker → line ---


@dataclass(frozen=True)
class Attached:
    """First message on every connection: who the worker is and what it holds, so that a new line can be rebuilt."""

    worker: int
    pid: int
    sip_uri: str
    call: Call | None


@dataclass(frozen=True)
class CallOffered:
    """An INVITE came in. Nothing but 100 was said to it yet; the line answers with `Hold` or `Refuse`."""

    call: Call


@dataclass(frozen=True)
class LegRinging:
    leg: str


@dataclass(frozen=True)
class LegAnswered:
    """This leg was answered first. The worker has answered the caller, bridged the two and withdrawn the rest."""

    leg: str


@dataclass(frozen=True)
class LegEnded:
    """The leg is over without having been bridged. `code` is the SIP status (RFC 3261 §21), 487 when withdrawn."""

    leg: str
    code: int
    reason: str


@dataclass(frozen=True)
class UrgentPressed:
    """The caller pressed 1 (RFC 4733 event 1) while waiting."""


@dataclass(frozen=True)
class CallFinished:
    """The caller's side is gone and so are all legs; the worker is idle again. Kept until a line has taken it.

    `waited_s` is until the pick-up, or until the end when nobody picked up; it includes `waited_before_s`.
    """

    sip_call_id: str
    origin: str
    hops: int
    urgent: bool
    waited_s: float
    talked_s: float
    answered_by: str | None
    outcome: Outcome


# --- commands: line → worker ---


@dataclass(frozen=True)
class Hold:
    """Keep the caller: 183 with early media, the WAV file `announcement` repeated every `repeat_s`."""

    announcement: str
    repeat_s: float = 20.0


@dataclass(frozen=True)
class AnswerCaller:
    """Send 200 to the waiting caller now: many trunks cut early media after one to three minutes."""


@dataclass(frozen=True)
class Refuse:
    """Final answer to a caller that was not answered yet."""

    code: int
    reason: str
    retry_after_s: int | None = None


@dataclass(frozen=True)
class RingLeg:
    """Call `uri` (through the front) as leg `leg`. `partner` legs demand SRTP. `headers` go on the INVITE."""

    leg: str
    uri: str
    partner: bool
    headers: dict[str, str]


@dataclass(frozen=True)
class WithdrawLeg:
    leg: str


@dataclass(frozen=True)
class HangUp:
    """End the caller's side and every leg."""


@dataclass(frozen=True)
class Retire:
    """End the process as soon as it is idle."""


Event = Attached | CallOffered | LegRinging | LegAnswered | LegEnded | UrgentPressed | CallFinished
Command = Hold | AnswerCaller | Refuse | RingLeg | WithdrawLeg | HangUp | Retire
Message = Event | Command

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Attached, CallOffered, LegRinging, LegAnswered, LegEnded, UrgentPressed, CallFinished,
        Hold, AnswerCaller, Refuse, RingLeg, WithdrawLeg, HangUp, Retire,
    )
}  # fmt: skip


def encode(message: Message) -> bytes:
    """One line of JSON, `{"kind": "LegRinging", ...fields}` and a newline."""
    return json.dumps({"kind": type(message).__name__, **asdict(message)}).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of one line. Raises ValueError for anything that `encode` does not make."""
    data = json.loads(line)
    kind = _KINDS.get(str(data.pop("kind", ""))) if isinstance(data, dict) else None
    if kind is None:
        raise ValueError(f"not a message of the line: {line[:80]!r}")
    message: Message = _build(kind, data)
    return message


def _build(kind: type[Any], data: dict[str, Any]) -> Any:
    hints = get_type_hints(kind)
    if unknown := set(data) - set(hints):
        raise ValueError(f"{kind.__name__} has no field {sorted(unknown)[0]!r}")
    values = {name: _value(f"{kind.__name__}.{name}", hints[name], value) for name, value in data.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"{kind.__name__}: {error}") from None


def _value(place: str, hint: Any, value: Any) -> Any:
    """`value`, as JSON gave it, in the type `hint` asks for."""
    inner = get_args(hint)
    match get_origin(hint), value:
        case typing.Literal, str() if value in inner:
            return value
        case types.UnionType, _:
            wanted = [each for each in inner if each is not types.NoneType]
            return None if value is None else _value(place, wanted[0], value)
        case builtins.tuple, list():
            return tuple(_value(place, inner[0], each) for each in value)
        case builtins.dict, dict() if all(isinstance(each, str) for each in value.values()):
            return value
        case None, dict() if isinstance(hint, type) and is_dataclass(hint):
            return _build(hint, value)
        case None, int() | float() if hint is float and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        case None, _ if type(value) is hint and hint is not float:
            return value
    raise ValueError(f"{place} cannot be {value!r:.60}")
