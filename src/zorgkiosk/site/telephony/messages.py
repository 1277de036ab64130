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
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

LegState = Literal["calling", "ringing", "answered"]
Outcome = Literal["answered", "abandoned", "withdrawn", "refused", "lost"]

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
    """First message on every connection: who the worker is and what it holds, so that a new line can be rebuilt.

    `call` is one the line took on before. A caller no line decided about yet follows as `CallOffered`, and finished
    calls that no line has read follow as `CallFinished`.
    """

    worker: int
    pid: int
    sip_uri: str
    call: Call | None


@dataclass(frozen=True)
class CallOffered:
    """An INVITE came in. Nothing but 100 was said to it yet; the line answers with `Hold`, `RingLeg` or `Refuse`.

    A line that says nothing for 3 s hangs: the worker refuses the caller with 503, so that the PBX takes over.
    """

    call: Call


@dataclass(frozen=True)
class LegRinging:
    """The far end said so, with 180 or another provisional answer: a partner's waiting line says 183. Told once."""

    leg: str


@dataclass(frozen=True)
class LegAnswered:
    """This leg was answered first. The worker has answered the caller, bridged the two and withdrawn the rest."""

    leg: str


@dataclass(frozen=True)
class LegEnded:
    """The leg is over without having been bridged. `code` is the SIP status (RFC 3261 §21).

    487 when withdrawn: at the far end's word, or 0.3 s after the CANCEL, when the phone may ring a moment longer. Who
    picks up all the same, too late, hears two beeps and gets BYE; then it comes within 0.6 s of the pick-up.
    408: the destination is dead, no answer at all came within 4 s. Also for a `RingLeg` that cannot be done: 481 there
    is no caller, 487 the caller is being helped, 503 three legs are under way already, or the address is of no use.
    """

    leg: str
    code: int
    reason: str


@dataclass(frozen=True)
class UrgentPressed:
    """The caller pressed 1 (RFC 4733 event 1) while waiting. Told once; `Call.urgent` is true from then on."""


@dataclass(frozen=True)
class CallFinished:
    """The caller's side is gone and so are all legs; the worker is idle again. Kept until a line has taken it.

    `waited_s` is until the pick-up, or until the end when nobody picked up; it includes `waited_before_s`.
    `outcome`: `answered`, someone picked up; `abandoned`, the caller left before; `withdrawn`, the partner that offered
    the caller took it back, or had somebody who picked up first; `refused`, by the line, or because
    there was no line, no SRTP, no offer that can be answered; `lost`, the audio of a conversation stopped for 10 s
    (`answered_by` is set, and it comes when the side that is left has heard so, up to 6 s later), or a waiting caller
    had no line for 60 s. A line that reads it twice, or after the next
    caller's `CallOffered`, tells them apart by `sip_call_id`.
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
    """Keep the caller: 183 with early media. The WAV `files` play one after another, then silence until `repeat_s`
    after their start, then all again; a list longer than `repeat_s` is never cut short.

    The files are mono, 16 bits, 8 kHz; one that cannot be played is left out, and no files are silence. Said again,
    it replaces the list and nothing else: at once, or without `now` where the running list would have come again.
    """

    files: tuple[str, ...]
    repeat_s: float = 20.0
    now: bool = True


@dataclass(frozen=True)
class AnswerCaller:
    """Send 200 to the waiting caller now: many trunks cut early media after one to three minutes."""


@dataclass(frozen=True)
class Refuse:
    """Final answer to a caller that was not answered yet; an answered one gets BYE, a bridged one stays.

    `contact` is the SIP or telephone URI where a 3xx sends the caller instead (RFC 3261 §21.3); a 3xx without a proper
    one becomes 503, so that the PBX takes its own route.
    """

    code: int
    reason: str
    retry_after_s: int | None = None
    contact: str | None = None


@dataclass(frozen=True)
class RingLeg:
    """Call `uri` (through the front) as leg `leg`. `partner` legs demand SRTP. `headers` go on the INVITE as they are,
    each a line of ASCII, 2000 bytes together; one that is not is left out, and the call is made without it.

    Three legs at a time. A name is free again after its `LegEnded`.
    """

    leg: str
    uri: str
    partner: bool
    headers: dict[str, str]


@dataclass(frozen=True)
class WithdrawLeg:
    """Stop calling this leg. `LegEnded` with 487 follows; nothing happens when it was bridged meanwhile."""

    leg: str


@dataclass(frozen=True)
class HangUp:
    """End the caller's side and every leg, also one that still hears why it is ended. An unanswered caller gets 503,
    and the PBX takes over."""


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
    return json.dumps({"kind": type(message).__name__, **vars(message)}, default=vars).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of one line. Raises ValueError for anything that `encode` does not make."""
    data = json.loads(line)
    kind = _KINDS.get(str(data.pop("kind", ""))) if isinstance(data, dict) else None
    if kind is None:
        raise ValueError(f"not a message of the line: {line[:80]!r}")
    message: Message = _build(kind, data)
    return message


def _build(kind: type[Any], data: dict[str, Any]) -> Any:
    fields = _FIELDS[kind]
    if unknown := data.keys() - fields.keys():
        raise ValueError(f"{kind.__name__} has no field {min(unknown)!r}")
    values = {}
    for name, value in data.items():
        place, read = fields[name]
        values[name] = read(place, value)
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"{kind.__name__}: {error}") from None


Reader = Callable[[str, Any], Any]
"""A value as JSON gave it, in the type that its field asks for. Raises ValueError with the place given."""


def _reader(hint: Any) -> Reader:
    """Of a field's type. Made once for each: looking at types takes longer than all else about a message."""
    inner = get_args(hint)
    match get_origin(hint):
        case typing.Literal:
            return _checked(lambda value: isinstance(value, str) and value in inner)
        case types.UnionType:
            there = _reader(next(each for each in inner if each is not types.NoneType))
            return lambda place, value: None if value is None else there(place, value)
        case builtins.tuple:
            each = _reader(inner[0])
            whole = _checked(lambda value: isinstance(value, list))
            return lambda place, value: tuple(each(place, one) for one in whole(place, value))
        case builtins.dict:
            return _checked(
                lambda value: isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
            )
    if is_dataclass(hint):
        kind, fields = typing.cast(type[Any], hint), _checked(lambda value: isinstance(value, dict))
        return lambda place, value: _build(kind, fields(place, value))
    if hint is float:
        number = _checked(lambda value: type(value) in (int, float) and math.isfinite(value))
        return lambda place, value: float(number(place, value))
    return _checked(lambda value: type(value) is hint)


def _checked(fits: Callable[[Any], bool]) -> Reader:
    def read(place: str, value: Any) -> Any:
        if not fits(value):
            raise ValueError(f"{place} cannot be {value!r:.60}")
        return value

    return read


_FIELDS: dict[type[Any], dict[str, tuple[str, Reader]]] = {
    kind: {name: (f"{kind.__name__}.{name}", _reader(hint)) for name, hint in get_type_hints(kind).items()}
    for kind in (*_KINDS.values(), Call, Leg)
}
"""Of each kind, its fields: what an error calls them, and their readers."""
