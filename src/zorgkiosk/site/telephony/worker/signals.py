"""Facts, in the past tense, from the telephone network; acts, imperative, from the state of the call.

A party is one SIP dialog. The caller is `caller/<n>`, a leg has the name the line gave it (`desk/2`, `partner/hap-b`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zorgkiosk.site.telephony.messages import Event

# --- facts ---


@dataclass(frozen=True)
class Arrived:
    """An INVITE came in; only 100 was said. `protected`: its audio will be SRTP. `late_s`: since the front sent it."""

    party: str
    sip_call_id: str
    origin: str
    hops: int
    urgent: bool
    waited_s: float
    protected: bool
    late_s: float = 0.0


@dataclass(frozen=True)
class TurnedAway:
    """An INVITE that the SIP stack itself refused, as unreadable or without a common codec."""

    sip_call_id: str
    origin: str
    hops: int
    urgent: bool
    waited_s: float


@dataclass(frozen=True)
class Dialled:
    party: str
    sip_call_id: str


@dataclass(frozen=True)
class Ringing:
    """Any provisional answer above 100: a partner's waiting line says 183 where a phone says 180."""

    party: str


@dataclass(frozen=True)
class PickedUp:
    party: str


@dataclass(frozen=True)
class Gone:
    """The dialog is over; `code` and `reason` are those of the final answer (RFC 3261 §21).

    `elsewhere`: its BYE said that somebody else had the caller first (RFC 3326, cause 200).
    """

    party: str
    code: int
    reason: str
    elsewhere: bool = False


@dataclass(frozen=True)
class Digit:
    """A key, 0-9 * # A-D (RFC 4733 §3.2)."""

    party: str
    digit: str


@dataclass(frozen=True)
class Silent:
    """No packet of this party came for too long, although it should send: of who is bridged, or of a caller who waits
    (an exchange need not send before the answer)."""

    party: str


Fact = Arrived | TurnedAway | Dialled | Ringing | PickedUp | Gone | Digit | Silent

# --- acts ---


@dataclass(frozen=True)
class Announce:
    """Early media (183) unless answered already, with the WAV files as `messages.Hold` says."""

    party: str
    files: tuple[str, ...]
    repeat_s: float
    now: bool


@dataclass(frozen=True)
class Accept:
    party: str


@dataclass(frozen=True)
class Reject:
    party: str
    code: int
    reason: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class End:
    """CANCEL or BYE, whatever fits; an unanswered caller gets 503, so that the PBX takes its own route.

    `elsewhere`: the far end hears that somebody else had the caller first.
    """

    party: str
    elsewhere: bool = False


@dataclass(frozen=True)
class Withdraw:
    """CANCEL. `Gone` follows soon, or `PickedUp` when the far end was faster."""

    party: str


@dataclass(frozen=True)
class Beep:
    """A short tone, then BYE: whoever picked up came too late."""

    party: str


@dataclass(frozen=True)
class Farewell:
    """The announcement that the connection was lost, if there is one, then BYE."""

    party: str


@dataclass(frozen=True)
class Dial:
    """`caller` is the party whose From the INVITE carries."""

    party: str
    caller: str
    uri: str
    partner: bool
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Connect:
    caller: str
    leg: str


@dataclass(frozen=True)
class SendDigit:
    party: str
    digit: str


@dataclass(frozen=True)
class Tell:
    """Say this to the line."""

    event: Event


@dataclass(frozen=True)
class Stop:
    """The process may end."""


SipAct = Announce | Accept | Reject | End | Withdraw | Beep | Farewell | Dial | Connect | SendDigit
Act = SipAct | Tell | Stop
