"""The clock of a simulated region: from event to event, asking each centre's `decide` what the appliance would do.

An event is a call that arrives, a conversation that ends, a status that reaches the partners, or a second that has
passed while somebody waits. Triagists pick up at once, callers do not hang up, and nobody goes on a break: what is
left is what staffing and policy can explain, and what Erlang's formula can check.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zorgkiosk.lab.simulator.centre import Centre, Policy
from zorgkiosk.lab.simulator.demand import Call, Hap, calls_of
from zorgkiosk.overflow.terms import Caller, Decision, Offer, PartnerStatus, Ring, Withdraw


@dataclass(frozen=True)
class Answered:
    """What came of a call. `moved`: a triagist of a partner answered it."""

    home: str
    at_s: float
    urgent: bool
    waited_s: float
    moved: bool


@dataclass(frozen=True)
class Arrives:
    call: Call


@dataclass(frozen=True)
class Ends:
    """A conversation at `centre` is over."""

    centre: str
    desk: str
    call: Call


@dataclass(frozen=True)
class Heard:
    """The partners of `centre` hear its status."""

    centre: str
    status: PartnerStatus


@dataclass(frozen=True)
class SecondPasses:
    centre: str


Event = Arrives | Ends | Heard | SecondPasses


def play(haps: Sequence[Hap], policy: Policy, handling_s: float, until_s: float, seed: int) -> list[Answered]:
    """What came of every call that arrives before `until_s` at these centres, which are each other's partners.

    With `policy.rules.giving` false the centres are islands. The same arguments give the same calls and answers.
    """
    region = _Region(haps, policy, handling_s)
    region.run(heapq.merge(*(calls_of(hap, handling_s, until_s, seed) for hap in haps), key=lambda call: call.at_s))
    return region.answered


class _Region:
    """Centres that are each other's partners; each one's agreement starts with the centre after it, and goes round."""

    def __init__(self, haps: Sequence[Hap], policy: Policy, handling_s: float) -> None:
        names = [hap.name for hap in haps] if policy.rules.giving else []
        self.answered: list[Answered] = []
        self._policy = policy
        self._centres = {
            hap.name: Centre(hap, [*names[i + 1 :], *names[:i]], policy, handling_s) for i, hap in enumerate(haps)
        }
        self._calls: dict[str, Call] = {}
        self._events: list[tuple[float, int, Event]] = []
        self._scheduled = 0

    def run(self, calls: Iterator[Call]) -> None:
        for centre in self._centres.values():
            self._publish(centre, 0.0)
        self._next_arrival(calls)
        while self._events:
            now_s, _, event = heapq.heappop(self._events)
            if isinstance(event, Arrives):
                self._next_arrival(calls)
            self._settle(self._happen(event, now_s), now_s)

    def _next_arrival(self, calls: Iterator[Call]) -> None:
        if (call := next(calls, None)) is not None:
            self._schedule(call.at_s, Arrives(call))

    def _schedule(self, at_s: float, event: Event) -> None:
        self._scheduled += 1
        heapq.heappush(self._events, (at_s, self._scheduled, event))

    def _happen(self, event: Event, now_s: float) -> list[Centre]:
        """The event, and the centres whose lines it may concern."""
        match event:
            case Arrives(call=call):
                self._calls[call.id] = call
                home = self._centres[call.home]
                home.waiting[call.id] = Caller(call.id, call.urgent, now_s)
                return [home]
            case Ends(centre=name, desk=desk, call=call):
                return self._ended(self._centres[name], desk, call, now_s)
            case Heard(centre=name, status=status):
                partners = [self._centres[other] for other in self._centres[name].partners]
                for partner in partners:
                    partner.hear(name, status)
                return partners
            case SecondPasses(centre=name):
                self._centres[name].ticking = False
                return [self._centres[name]]

    def _ended(self, centre: Centre, desk: str, call: Call, now_s: float) -> list[Centre]:
        centre.desk_free(desk, now_s)
        centre.talked(call.handling_s)
        if call.home == centre.name:
            return [centre]
        centre.given_back(call)
        home = self._centres[call.home]
        home.given_finished(centre.name)
        home.talked(call.handling_s)
        return [centre, home]

    def _settle(self, concerned: list[Centre], now_s: float) -> None:
        """Decide and do, wherever that leads, until nobody has anything left to do now; then say what changed."""
        open_lines, touched = list(concerned), dict.fromkeys(centre.name for centre in concerned)
        while open_lines:
            centre = open_lines.pop(0)
            for decision in centre.decide(now_s):
                others = self._do(centre, decision, now_s)
                open_lines += [centre, *others]
                touched |= dict.fromkeys(other.name for other in others)
        for name in touched:
            self._publish(self._centres[name], now_s)
            self._tick_later(self._centres[name], now_s)

    def _publish(self, centre: Centre, now_s: float) -> None:
        if centre.partners and (status := centre.status()) != centre.announced:
            centre.announced = status
            self._schedule(now_s + self._policy.status_delay_s, Heard(centre.name, status))

    def _tick_later(self, centre: Centre, now_s: float) -> None:
        """Without partners only an event can change what to do, so time may pass unseen."""
        if centre.partners and not centre.ticking and any(not caller.hops for caller in centre.waiting.values()):
            centre.ticking = True
            self._schedule(now_s + self._policy.tick_s, SecondPasses(centre.name))

    # --- what a decision does; each says which other centres it touched ---

    def _do(self, centre: Centre, decision: Decision, now_s: float) -> list[Centre]:
        if decision.caller not in centre.waiting:
            return []  # rung and withdrawn at the same moment: picked up already
        match decision:
            case Ring(caller=caller, desk=desk):
                return self._pick_up(centre, self._calls[caller], desk, now_s)
            case Offer(caller=caller, partner=name):
                call, partner = self._calls[caller], self._centres[name]
                if not partner.accept(call, now_s - call.at_s, now_s):
                    centre.rest(name, now_s)
                    return []
                centre.offer(caller, name, now_s)
                return [partner]
            case Withdraw(caller=caller, partner=name):
                self._centres[name].left(self._calls[caller])
                centre.take_back(caller, name)
                centre.rest(name, now_s)
                return [self._centres[name]]
            case _:
                raise AssertionError("a triagist picks up at once, and there is no last resort")

    def _pick_up(self, centre: Centre, call: Call, desk: str, now_s: float) -> list[Centre]:
        """The first desk on either side takes the caller; the other sides are told."""
        centre.desk_taken(desk)
        self._schedule(now_s + call.handling_s, Ends(centre.name, desk, call))
        del self._calls[call.id]
        home = self._centres[call.home]
        partners = [self._centres[name] for name in home.picked_up(call.id)]
        moved = home is not centre
        self.answered.append(Answered(call.home, call.at_s, call.urgent, now_s - call.at_s, moved))
        if moved:
            home.gave(centre.name, now_s)
        for partner in partners:
            partner.left(call, talks=partner is centre)
        return [home, *partners] if partners else []
