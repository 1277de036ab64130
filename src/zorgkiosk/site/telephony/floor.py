"""Who holds what in this building: the callers by worker, the desks, the partners. Values, and nothing that acts.

The line (`line.py`) changes these as events arrive; `situation.py` turns them into what `overflow.decide` is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from zorgkiosk.site.facts import DeskState
from zorgkiosk.site.telephony.messages import TRUNK, Call

DESK, PARTNER = "desk/", "partner/"
"""Prefixes of leg names."""
LAST_RESORT = "last-resort"

Activity = Literal["idle", "ringing", "busy", "no-answer"]


@dataclass(frozen=True)
class Offered:
    """A caller waits at a partner too. The chances are why it was offered; None when a restart forgot them."""

    partner: str
    since_s: float
    chance_home: float | None = None
    chance_partner: float | None = None


@dataclass(frozen=True)
class Spoken:
    """What a caller has been told: the one-off announcements by name, and the list that is repeated now."""

    once: frozenset[str] = frozenset()
    repeated: tuple[str, ...] = ()


@dataclass(frozen=True)
class Held:
    """A caller of ours in the hands of a worker.

    `talking_at` is a leg name once somebody has picked up, `picked_up_s` when that was (None: before our time).
    `won` is the offer that the partner took. `leaving` are legs that were withdrawn and have not ended yet.
    """

    worker: int
    call: Call
    rings_at: str | None = None
    ringing_since_s: float = 0.0
    offers: tuple[Offered, ...] = ()
    last_resort_since_s: float | None = None
    last_resort_after_s: float = 0.0
    leaving: frozenset[str] = frozenset()
    talking_at: str | None = None
    picked_up_s: float | None = None
    won: Offered | None = None
    answered_caller: bool = False
    spoken: Spoken = Spoken()

    @property
    def waiting(self) -> bool:
        return self.talking_at is None

    @property
    def from_partner(self) -> bool:
        return self.call.origin != TRUNK

    @property
    def why(self) -> Offered | None:
        """The offer that tells why the call was, or is, moved: the one that was taken, or the first that stands."""
        return self.won or next(iter(self.offers), None)

    def waited_s(self, now_s: float) -> float:
        """Until the pick-up, or until now; time at another centre included."""
        until_s = now_s if self.picked_up_s is None else self.picked_up_s
        return self.call.waited_before_s + max(0.0, until_s - self.call.arrived_s)

    def offered_at(self, partner: str) -> Offered | None:
        return next((offer for offer in self.offers if offer.partner == partner), None)

    def without_offer(self, partner: str) -> Held:
        return replace(self, offers=tuple(offer for offer in self.offers if offer.partner != partner))

    @classmethod
    def reattached(cls, worker: int, call: Call, now_s: float) -> Held:
        """What a worker still holds after the line itself was away: its legs tell all but the reasons."""
        held = cls(worker, call, talking_at=call.bridged)
        for leg in call.legs:
            if leg.name == call.bridged:
                continue
            if leg.name.startswith(DESK):
                held = replace(held, rings_at=leg.name.removeprefix(DESK), ringing_since_s=now_s)
            elif leg.name == LAST_RESORT:
                held = replace(held, last_resort_since_s=now_s)
            else:
                held = replace(held, offers=(*held.offers, Offered(leg.name.removeprefix(PARTNER), now_s)))
        return held


@dataclass(frozen=True)
class DeskStand:
    """A desk: whether a triagist is there, and what its phone does. `idle_since_s` survives a ring elsewhere won."""

    id: str
    present: bool = False
    activity: Activity = "idle"
    since_s: float = 0.0
    idle_since_s: float = 0.0

    @property
    def state(self) -> DeskState:
        if self.activity in ("ringing", "busy"):
            return "ringing" if self.activity == "ringing" else "busy"
        if not self.present:
            return "away"
        return "free" if self.activity == "idle" else "no-answer"


@dataclass(frozen=True)
class PartnerStand:
    """A partner as the line treats it. `given_s`: when it took callers of ours, newest last."""

    name: str
    resting_until_s: float = 0.0
    given_s: tuple[float, ...] = ()

    def gave(self, now_s: float) -> PartnerStand:
        return replace(self, given_s=(*(at for at in self.given_s if now_s - at < 3600), now_s))

    def given_last_hour(self, now_s: float) -> int:
        return sum(1 for at in self.given_s if now_s - at < 3600)
