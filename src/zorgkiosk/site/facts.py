"""What the units of a site tell each other through their stores' `state`: the keys, who writes them, their shapes.

panel.db      `capacity/<code>` CapacityFact · `desk/<id>` DeskPresence · `overflow` OverflowSwitch
              (and for itself alone `pending/<code>`, a tap to be undone, `sent/<code>`, `lost`, `config-told`,
              `wrong-pins/<device>`)
telephony.db  `triage` contract Triage, put again at least every 20 s (silent for 60 s is unknown) · `line` LineFact
              (and for itself alone `unreported`, records on their way to the outbox)
sync.db       `acked/<stream>` contract Ack · `link` LinkFact · `partner/<site>` contract SiteState · `echo` EchoFact
              (and for itself alone `clock` SeenFact)

The instant of a fact is the `said` of its StateValue: putting `capacity/<code>` again unchanged confirms it, and that
of `partner/<site>` is when we, or the hub, heard it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from zorgkiosk.capacity.freshness import Fresh, end_at, left_s, rung
from zorgkiosk.contract.capacity import Capacity
from zorgkiosk.contract.names import Code, Count, Instant, Message, Seconds, Share
from zorgkiosk.contract.status import Freshness
from zorgkiosk.site.clock import Clock
from zorgkiosk.site.store import StateValue

CapacityFact = Capacity


class DeskPresence(Message):
    """Whether a triagist sits at the desk. A desk nobody has spoken of yet is away."""

    present: bool


class OverflowSwitch(Message):
    """`giving`: our callers may go to partners. `accepting`: we take partners' callers."""

    giving: bool = True
    accepting: bool = True


DeskState = Literal["away", "free", "ringing", "busy", "no-answer"]


class DeskFact(Message):
    id: Code
    state: DeskState
    since_uptime_ms: int


class OfferFact(Message):
    """A partner that was asked. The chances to meet the norm, here and there, are why."""

    partner: Code
    chance_home: Share | None = None
    chance_partner: Share | None = None


class CallFact(Message):
    """A caller in the line or in conversation: everything a screen shows and a restart needs, nothing of who it is.

    `arrived_uptime_ms` is by this boot; `waited_before_s` was spent elsewhere.
    """

    worker: Annotated[int, Field(ge=0, le=999)]
    sip_call_id: str
    origin: Code
    hops: Annotated[int, Field(ge=0, le=9)]
    urgent: bool
    arrived_uptime_ms: int
    waited_before_s: Seconds = 0
    talking_at: Code | None = None
    """Desk id, partner name or `last-resort` the caller talks to; None while waiting."""
    rings_at: Code | None = None
    """Desk whose phone rings for the caller."""
    offers: tuple[OfferFact, ...] = ()
    """Where the caller also waits; once a partner has picked up, the offer it took."""


class LineFact(Message):
    """The whole line, rewritten on each change. `lost` counts callers lost since the line's first start.

    `given_uptime_ms`: when partners took callers of ours in the last hour, for the agreement's cap.
    `ended`: SIP Call-IDs of the callers who left in the last seconds and are recorded.
    """

    desks: tuple[DeskFact, ...] = ()
    calls: tuple[CallFact, ...] = ()
    resting_partners: tuple[Code, ...] = ()
    given_uptime_ms: dict[Code, tuple[int, ...]] = Field(default_factory=dict)
    lost: Count = 0
    ended: tuple[str, ...] = ()


class LinkFact(Message):
    """The way to the hub. `problem` is None when connected, else a Dutch sentence for the panel."""

    connected: bool
    problem: str | None = None


class EchoFact(Message):
    """The row of sync's outbox that was asked for last, to see how long the hub's ack takes."""

    sequence: Count


class SeenFact(Message):
    """The last right time: after a reboot without a battery clock it is at least so late."""

    at: Instant


Fact = TypeVar("Fact", bound=Message)


def read(kind: type[Fact], value: StateValue | None) -> Fact | None:
    """The typed fact; None when it was never put."""
    return None if value is None else kind.model_validate(value.value)


UNTELLABLE_AGE_S = 3650 * 86_400.0
"""Age of a fact whose instant cannot be compared with now: older than any ladder, so it is shown as unknown."""


def age_s(value: StateValue, clock: Clock) -> float:
    """Seconds since the fact was put: by the boot's own clock when it is the same boot, else by the wall clock.

    After a reboot the wall clock counts only if it was right then and is right now: with one that was never set, a
    number of last week would look as fresh as one of this minute. It is UNTELLABLE_AGE_S old then.
    """
    now = clock.said()
    if value.said.boot_id == now.boot_id:
        return max(0.0, (now.uptime_ms - value.said.uptime_ms) / 1000)
    if not (value.said.clock_synced and now.clock_synced):
        return UNTELLABLE_AGE_S
    return max(0.0, (now.at - value.said.at).total_seconds())


def fresh(fact: CapacityFact, value: StateValue, ages: Freshness, clock: Clock) -> Fresh:
    """The rung on which the fact stands, which `value` holds."""
    age = age_s(value, clock)
    return rung(age, ages, left_s(fact.until, value.said.at, age))


def end_now(until: str | None, value: StateValue, clock: Clock) -> datetime | None:
    """The end that `value` was said with, by the clock as it now is and to the minute. None without an end.

    A clock that was set in between moves it along.
    """
    return end_at(left_s(until, value.said.at, age_s(value, clock)), clock.said().at)
