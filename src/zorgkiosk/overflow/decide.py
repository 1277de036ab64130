"""What to do with the waiting line now: which desk rings for whom, who is offered to which partner, what is withdrawn.

`decide` is a function of what it is given and nothing else. It is asked after every event and every second; whatever
it says is done at once, so it can be asked as often as one likes: once done, a decision is not repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from zorgkiosk.overflow.forecast import Norms, chance_within, time_left_s


@dataclass(frozen=True)
class Caller:
    """A caller who waits. Times are seconds on the clock of `now`; `waited_before_s` was spent at another centre."""

    id: str
    urgent: bool
    arrived_s: float
    waited_before_s: float = 0.0
    hops: int = 0
    rings_at: str | None = None
    ringing_since_s: float = 0.0
    offered_to: str | None = None
    offered_since_s: float = 0.0

    def waited_s(self, now_s: float) -> float:
        return self.waited_before_s + max(0.0, now_s - self.arrived_s)


@dataclass(frozen=True)
class Desk:
    """A desk where a triagist is present. `free_since_s` is None while it rings, talks or rests after no answer."""

    id: str
    free_since_s: float | None


@dataclass(frozen=True)
class Partner:
    """What is known of a partner, in the agreement's order. `status` None: nothing recent, so it is asked by trying.

    `ours_there` waits or talks there now, `given_last_hour` counts finished ones too. `resting`: it broke its word
    a moment ago and is left alone.
    """

    name: str
    status: PartnerStatus | None
    give_at_once: int
    give_per_hour: int
    patience_s: float
    ours_there: int = 0
    ours_waiting_there: int = 0
    given_last_hour: int = 0
    resting: bool = False


@dataclass(frozen=True)
class PartnerStatus:
    """A partner's own words, recent enough to be believed."""

    accepting: bool
    desks_present: int
    desks_free: int
    waiting: int


@dataclass(frozen=True)
class Rules:
    """`below_chance` and `margin`: when a call is offered. `giving`: the shift lead's switch."""

    giving: bool = True
    below_chance: float = 0.75
    margin: float = 0.1
    ring_s: float = 20.0
    handling_s: float = 360.0
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
    why: Literal["patience", "closed"]


Decision = Ring | StopRinging | Offer | Withdraw


def in_order(callers: Sequence[Caller], now_s: float) -> list[Caller]:
    """The line: urgent callers first, then by the whole time waited, wherever it was spent."""
    return sorted(callers, key=lambda caller: (not caller.urgent, -caller.waited_s(now_s), caller.id))


def decide(
    callers: Sequence[Caller], desks: Sequence[Desk], partners: Sequence[Partner], rules: Rules, now_s: float
) -> list[Decision]:
    """Every decision that is due at `now_s`, in the order in which it must be done."""
    line = in_order(callers, now_s)
    return [
        *_stop_ringing(line, rules, now_s),
        *_ring(line, desks),
        *_withdraw(line, partners, rules, now_s),
        *_offers(line, desks, partners, rules, now_s),
    ]


def _stop_ringing(line: Sequence[Caller], rules: Rules, now_s: float) -> list[Decision]:
    return [
        StopRinging(caller.id, caller.rings_at)
        for caller in line
        if caller.rings_at is not None and now_s - caller.ringing_since_s >= rules.ring_s
    ]


def _ring(line: Sequence[Caller], desks: Sequence[Desk]) -> list[Decision]:
    """The head of the line rings at the desk that has been free longest, and so on while there are both."""
    free = sorted((desk.free_since_s, desk.id) for desk in desks if desk.free_since_s is not None)
    unserved = [caller for caller in line if caller.rings_at is None]
    return [Ring(caller.id, desk) for caller, (_, desk) in zip(unserved, free, strict=False)]


def _withdraw(line: Sequence[Caller], partners: Sequence[Partner], rules: Rules, now_s: float) -> list[Decision]:
    patience_s = {partner.name: partner.patience_s for partner in partners}
    decisions: list[Decision] = []
    for caller in line:
        if caller.offered_to is None:
            continue
        if not rules.giving:
            decisions.append(Withdraw(caller.id, caller.offered_to, "closed"))
        elif now_s - caller.offered_since_s >= patience_s.get(caller.offered_to, 0.0):
            decisions.append(Withdraw(caller.id, caller.offered_to, "patience"))
    return decisions


def _offers(
    line: Sequence[Caller], desks: Sequence[Desk], partners: Sequence[Partner], rules: Rules, now_s: float
) -> list[Decision]:
    if not rules.giving:
        return []
    free = sum(1 for desk in desks if desk.free_since_s is not None)
    waiting = [caller for caller in line if caller.rings_at is None]
    decisions: list[Decision] = []
    for ahead, caller in enumerate(waiting):
        if caller.offered_to is not None or caller.hops > 0 or ahead < free:
            continue
        left_s = time_left_s(waited_s=caller.waited_s(now_s), urgent=caller.urgent, norms=rules.norms)
        home = chance_within(
            ahead=ahead, desks_present=len(desks), desks_free=free, handling_s=rules.handling_s, time_s=left_s
        )
        best = _best_partner(partners, left_s, rules)
        if best is None or home >= rules.below_chance or best[0] < home + rules.margin:
            continue
        chance, partner = best
        decisions.append(Offer(caller.id, partner.name, chance_home=home, chance_partner=chance))
        partners = [_one_more(other) if other is partner else other for other in partners]
    return decisions


def _best_partner(partners: Sequence[Partner], left_s: float, rules: Rules) -> tuple[float, Partner] | None:
    """The first in the agreement's order among those with the best chance; None when none may be asked."""
    best: tuple[float, Partner] | None = None
    for partner in partners:
        if partner.resting or partner.ours_there >= partner.give_at_once:
            continue
        if partner.given_last_hour >= partner.give_per_hour:
            continue
        chance = _chance_there(partner, left_s, rules)
        if chance is not None and (best is None or chance > best[0]):
            best = (chance, partner)
    return best


def _chance_there(partner: Partner, left_s: float, rules: Rules) -> float | None:
    """The chance at the partner; of one that nothing is known of, that it meets the norm: asking will tell."""
    status = partner.status
    if status is None:
        return None if partner.ours_waiting_there else rules.norms.short_share
    if not status.accepting:
        return None
    # Ours that wait there may not be in its last words yet; counting them twice only makes us careful.
    ahead = max(status.waiting, partner.ours_waiting_there)
    ours_talking = partner.ours_there - partner.ours_waiting_there
    return chance_within(
        ahead=ahead,
        desks_present=status.desks_present,
        desks_free=min(status.desks_free, max(0, status.desks_present - ours_talking)),
        handling_s=rules.handling_s,
        time_s=left_s,
    )


def _one_more(partner: Partner) -> Partner:
    return replace(
        partner,
        ours_there=partner.ours_there + 1,
        ours_waiting_there=partner.ours_waiting_there + 1,
        given_last_hour=partner.given_last_hour + 1,
    )
