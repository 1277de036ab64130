"""What one centre's appliance holds and knows while it is simulated; the same as at a real one, and no more.

A partner's line is known from its last published status only, which is a moment old.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from zorgkiosk.lab.simulator.demand import Call, Hap
from zorgkiosk.overflow.accept import Here, consider
from zorgkiosk.overflow.decide import decide
from zorgkiosk.overflow.forecast import learned_handling_s
from zorgkiosk.overflow.terms import Caller, Decision, Desk, Partner, PartnerStatus, Rules, StandingOffer

_HOUR_S = 3600.0


WAIT_FIRST_S = 105.0
"""Fifteen seconds before the two-minute norm is missed: time for a partner with a free desk to pick up."""


@dataclass(frozen=True)
class Policy:
    """How the centres help each other; what is not said is what an agreement has when nothing else is written.

    `status_delay_s`: from a change at one centre until its partners know. `tick_s`: how often a line is looked at
    while somebody waits and nothing happens.
    """

    rules: Rules = field(default_factory=lambda: Rules(wait_first_s=WAIT_FIRST_S))
    give_at_once: int = 5
    give_per_hour: int = 60
    take_at_once: int = 5
    line_length: int = 10
    patience_s: float = 60.0
    rest_s: float = 60.0
    status_delay_s: float = 1.0
    tick_s: float = 1.0


class Centre:
    """One centre: its desks, who waits, what it heard of its partners. `partners` is the agreement's order."""

    def __init__(self, hap: Hap, partners: Sequence[str], policy: Policy, handling_s: float) -> None:
        self.name = hap.name
        self.partners = tuple(partners)
        self.waiting: dict[str, Caller] = {}
        self._heard: dict[str, PartnerStatus] = {}
        self.announced: PartnerStatus | None = None
        self.ticking = False
        self._known: list[Partner] = []
        self._known_until_s = -math.inf
        self._policy = policy
        self._rules = replace(policy.rules, handling_s=handling_s)
        self._desks = {f"desk-{i + 1:02d}": Desk(f"desk-{i + 1:02d}", 0.0) for i in range(hap.triagists)}
        self._talking_at: Counter[str] = Counter()
        self._waiting_at: Counter[str] = Counter()
        self._taken_from: Counter[str] = Counter()
        self._given_s: dict[str, deque[float]] = {name: deque() for name in partners}
        self._resting_until_s: dict[str, float] = dict.fromkeys(partners, 0.0)

    def status(self) -> PartnerStatus:
        """What it publishes."""
        free = sum(1 for desk in self._desks.values() if desk.free_since_s is not None)
        return PartnerStatus(True, len(self._desks), free, len(self.waiting))

    def decide(self, now_s: float) -> list[Decision]:
        """What the appliance would do now."""
        if not self.waiting:
            return []
        if now_s >= self._known_until_s:
            self._known = [self._partner(name, now_s) for name in self.partners]
            self._known_until_s = self._next_change_s(now_s)
        return decide(list(self.waiting.values()), list(self._desks.values()), self._known, self._rules, now_s)

    def _next_change_s(self, now_s: float) -> float:
        """When what is known of the partners changes by itself: a rest ends, an hour has passed."""
        rests_end_s = (until_s for until_s in self._resting_until_s.values() if until_s > now_s)
        hours_end_s = (given_s[0] + _HOUR_S for given_s in self._given_s.values() if given_s)
        return min(chain(rests_end_s, hours_end_s), default=math.inf)

    def _changed(self) -> None:
        self._known_until_s = -math.inf

    def hear(self, partner: str, status: PartnerStatus) -> None:
        self._heard[partner] = status
        self._changed()

    def _partner(self, name: str, now_s: float) -> Partner:
        given_s = self._given_s[name]
        while given_s and now_s - given_s[0] >= _HOUR_S:
            given_s.popleft()
        return Partner(
            name=name,
            status=self._heard.get(name),
            give_at_once=self._policy.give_at_once,
            give_per_hour=self._policy.give_per_hour,
            patience_s=self._policy.patience_s,
            ours_there=self._waiting_at[name] + self._talking_at[name],
            ours_waiting_there=self._waiting_at[name],
            given_last_hour=len(given_s),
            resting=now_s < self._resting_until_s[name],
        )

    # --- the desks ---

    def desk_taken(self, desk: str) -> None:
        self._desks[desk] = Desk(desk, None)

    def desk_free(self, desk: str, now_s: float) -> None:
        self._desks[desk] = Desk(desk, now_s)

    def talked(self, handling_s: float) -> None:
        """One of its callers was helped, here or elsewhere: the forecast learns as the appliance does."""
        self._rules = replace(self._rules, handling_s=learned_handling_s(self._rules.handling_s, handling_s))

    # --- callers of ours at a partner ---

    def offer(self, caller: str, partner: str, now_s: float) -> None:
        before = self.waiting[caller]
        self.waiting[caller] = replace(before, offers=(*before.offers, StandingOffer(partner, now_s)))
        self._waiting_at[partner] += 1
        self._changed()

    def take_back(self, caller: str, partner: str) -> None:
        """It waits here, and no longer there."""
        before = self.waiting[caller]
        self.waiting[caller] = replace(before, offers=tuple(o for o in before.offers if o.partner != partner))
        self._waiting_at[partner] -= 1
        self._changed()

    def picked_up(self, caller: str) -> list[str]:
        """Somebody has it: it waits nowhere any more. Names of the partners where it did."""
        names = [offer.partner for offer in self.waiting.pop(caller).offers]
        self._waiting_at.subtract(names)
        self._changed()
        return names

    def rest(self, partner: str, now_s: float) -> None:
        self._resting_until_s[partner] = now_s + self._policy.rest_s
        self._changed()

    def gave(self, partner: str, now_s: float) -> None:
        """The partner picked up."""
        self._talking_at[partner] += 1
        self._given_s[partner].append(now_s)
        self._changed()

    def given_finished(self, partner: str) -> None:
        self._talking_at[partner] -= 1
        self._changed()

    # --- callers of a partner here ---

    def accept(self, call: Call, waited_s: float, now_s: float) -> bool:
        """Whether it takes a partner's caller, who then waits here too."""
        here = Here(
            accepting=True,
            open=True,
            desks_present=len(self._desks),
            desks_free=sum(1 for desk in self._desks.values() if desk.free_since_s is not None),
            reserve_desks=self._rules.reserve_desks,
            waiting=len(self.waiting),
            line_length=self._policy.line_length,
            own_waiting=sum(1 for caller in self.waiting.values() if not caller.hops),
            taken_from_partner=self._taken_from[call.home],
            take_at_once=self._policy.take_at_once,
        )
        if consider(here, hops=1) is not None:
            return False
        self._taken_from[call.home] += 1
        self.waiting[call.id] = Caller(call.id, call.urgent, now_s, waited_before_s=waited_s, hops=1)
        return True

    def left(self, call: Call, *, talks: bool = False) -> None:
        """A partner's caller no longer waits here: it talks to us now, or was helped elsewhere, or is withdrawn."""
        del self.waiting[call.id]
        if not talks:
            self._taken_from[call.home] -= 1

    def given_back(self, call: Call) -> None:
        """A partner's caller has been helped here."""
        self._taken_from[call.home] -= 1
