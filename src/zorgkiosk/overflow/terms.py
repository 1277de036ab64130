"""What `decide` is asked, and what it may answer: callers, desks, partners, rules, and the decisions. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from zorgkiosk.overflow.forecast import Norms

MOST_LEGS = 3
"""Places where one caller can ring at once: a worker process has four legs, and one is the caller's."""


@dataclass(frozen=True)
class StandingOffer:
    """The caller waits at this partner too."""

    partner: str
    since_s: float


@dataclass(frozen=True)
class Caller:
    """A caller who waits. Times are seconds on the clock of `now`; `waited_before_s` was spent at another centre.

    `hops` above 0: another centre's caller, who is never passed on. `last_resort_since_s`: the last resort rings;
    when it has just refused, it is not tried before `last_resort_after_s`. `leaving`: places that were told to stop
    ringing and have not done so yet.
    """

    id: str
    urgent: bool
    arrived_s: float
    waited_before_s: float = 0.0
    hops: int = 0
    rings_at: str | None = None
    ringing_since_s: float = 0.0
    offers: tuple[StandingOffer, ...] = ()
    last_resort_since_s: float | None = None
    last_resort_after_s: float = 0.0
    leaving: int = 0

    def waited_s(self, now_s: float) -> float:
        return self.waited_before_s + max(0.0, now_s - self.arrived_s)

    @property
    def legs(self) -> int:
        """How many places ring for the caller now, or are not free again yet."""
        ringing = (self.rings_at is not None) + len(self.offers) + (self.last_resort_since_s is not None)
        return ringing + self.leaving


@dataclass(frozen=True)
class Desk:
    """A desk where a triagist is present. `free_since_s` is None while it rings, talks or rests after no answer."""

    id: str
    free_since_s: float | None


@dataclass(frozen=True)
class PartnerStatus:
    """A partner's own words, recent enough to be believed."""

    accepting: bool
    desks_present: int
    desks_free: int
    waiting: int


@dataclass(frozen=True)
class Partner:
    """What is known of a partner, in the agreement's order. `status` None: nothing recent, so it is asked by trying.

    `open`: these are hours of the agreement. `ours_there` waits or talks there now, `given_last_hour` counts finished
    ones too; `give_share` caps it as a share of the calls that reached us in that hour. `resting`: it broke its word
    a moment ago and is left alone.
    """

    name: str
    status: PartnerStatus | None
    give_at_once: int
    give_per_hour: int
    patience_s: float
    give_share: float = 1.0
    open: bool = True
    ours_there: int = 0
    ours_waiting_there: int = 0
    given_last_hour: int = 0
    resting: bool = False


@dataclass(frozen=True)
class Rules:
    """What the centre has decided beforehand.

    `giving`: the shift lead's switch. `margin`: the part of the chance to miss the norm here that a partner must take
    away before a call is offered.
    `wait_first_s`: a caller who is not urgent waits so long here before a partner is asked, unless nobody is at a desk
    here: most callers are helped in that time, and a partner with a free desk helps the others just as well then.
    `reserve_desks`: so many free desks are kept from other centres' callers. An urgent caller also rings at partners
    after `urgent_overflow_s`, and at the last resort, where there is one, after `urgent_last_resort_s`.
    """

    giving: bool = True
    margin: float = 0.1
    wait_first_s: float = 0.0
    ring_s: float = 20.0
    handling_s: float = 360.0
    reserve_desks: int = 0
    calls_last_hour: int = 0
    urgent_overflow_s: float = 15.0
    urgent_last_resort_s: float = 60.0
    has_last_resort: bool = False
    norms: Norms = field(default_factory=Norms)


@dataclass(frozen=True)
class Ring:
    """The desk rings for the caller."""

    caller: str
    desk: str


@dataclass(frozen=True)
class StopRinging:
    """Nobody picked up in `ring_s`: the caller is back at their place, the desk is skipped for a while."""

    caller: str
    desk: str


@dataclass(frozen=True)
class Offer:
    """The caller also waits at the partner from now on. The chances are why."""

    caller: str
    partner: str
    chance_home: float
    chance_partner: float


@dataclass(frozen=True)
class Withdraw:
    """The caller no longer waits at the partner."""

    caller: str
    partner: str
    why: Literal["patience", "closed", "last-resort"]


@dataclass(frozen=True)
class RingLastResort:
    """Nobody has picked up an urgent caller: the destination that the centre named for this rings too."""

    caller: str


@dataclass(frozen=True)
class StopLastResort:
    """Nobody picked up there in `ring_s` either; it rings again at once."""

    caller: str


Decision = Ring | StopRinging | Offer | Withdraw | RingLastResort | StopLastResort
