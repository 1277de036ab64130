"""The waiting line of a triage centre: start here.

The way of one call: the front places its INVITE on a worker, the worker says `CallOffered`, the line takes it
(`_offered`) and asks `overflow.decide` what to do (`_settle`): a desk rings (`Ring`), or the caller also waits at a
partner (`Offer`). The worker bridges whoever picks up first and says `LegAnswered`; when the caller has gone it says
`CallFinished`, the line records the call and tells the front that the worker is free.

The line holds no audio, no socket and no clock: events come in with `now_s`, commands go out through `Workers` and
`Front`. Every settled change is in the store before any command leaves.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from zorgkiosk.contract.events import Triage
from zorgkiosk.overflow.accept import Decline, consider
from zorgkiosk.overflow.decide import (
    Decision,
    Offer,
    Ring,
    RingLastResort,
    Rules,
    StopLastResort,
    StopRinging,
    Withdraw,
    decide,
    in_order,
)
from zorgkiosk.overflow.forecast import expected_wait_s, learned_handling_s
from zorgkiosk.site import config as site_config
from zorgkiosk.site.config import SiteConfig, Telephony
from zorgkiosk.site.facts import LineFact, OverflowSwitch
from zorgkiosk.site.telephony import records, situation
from zorgkiosk.site.telephony.announcer import Announcer
from zorgkiosk.site.telephony.desks import Desks
from zorgkiosk.site.telephony.floor import DESK, LAST_RESORT, PARTNER, Held, Offered, PartnerStand
from zorgkiosk.site.telephony.journal import Journal
from zorgkiosk.site.telephony.legs import ring_desk, ring_last_resort, ring_partner
from zorgkiosk.site.telephony.messages import (
    TRUNK,
    AnswerCaller,
    Attached,
    Call,
    CallFinished,
    CallOffered,
    Command,
    Event,
    LegAnswered,
    LegEnded,
    LegRinging,
    Refuse,
    UrgentPressed,
    WithdrawLeg,
)
from zorgkiosk.site.telephony.restart import LeftBehind, with_reasons
from zorgkiosk.site.telephony.situation import Floor, Heard

_LOG = logging.getLogger(__name__)

ABANDONED_AFTER_S = 5.0
_WITHDRAWN = 487
_HOUR_S = 3600.0


class Workers(Protocol):
    """The pool, as the line sees it."""

    def send(self, worker: int, command: Command) -> None:
        """Tell a worker; one that is gone hears nothing and is reported by `Line.gone`."""


class Front(Protocol):
    """Kamailio, as the line sees it. All return at once; what cannot be told now is told when the front is back."""

    def release(self, worker: int) -> None:
        """The worker may have the next caller."""

    def worker_died(self, worker: int) -> None:
        """End what is left of its call at both ends and place nothing there."""

    def publish(self, triage: Triage) -> None:
        """What partners are answered who ask over SIP."""


class Line:
    """One site's callers, desks and partners, and what happens to them."""

    def __init__(
        self,
        config: SiteConfig,
        telephony: Telephony,
        *,
        journal: Journal,
        announcer: Announcer,
        is_open: Callable[[site_config.Partner], bool],
        workers: Workers,
        front: Front,
    ) -> None:
        self._config = config
        self._telephony = telephony
        self._journal = journal
        self._announcer = announcer
        self._is_open = is_open
        self._workers = workers
        self._front = front
        self._redirects = config.front is not None and config.front.handover == "redirect"
        self._held: dict[int, Held] = {}
        self._desks = Desks([desk.id for desk in config.desk], telephony.no_answer_rest_s)
        self._partners = {partner.name: PartnerStand(partner.name) for partner in config.partner}
        self._heard: Mapping[str, Heard] = {}
        self._switch = OverflowSwitch()
        self._handling_s = telephony.handling_s
        self._lost = 0
        self._arrivals_s: deque[float] = deque()
        self._left_behind = LeftBehind()
        self._commands: list[tuple[int, Command]] = []
        self._free_workers: list[int] = []

    @property
    def busy_workers(self) -> set[int]:
        """Numbers of the workers that hold a caller."""
        return set(self._held)

    # --- what happens ---

    def resume(self, before: LineFact | None, now_s: float) -> None:
        """Take over from the line that was: its counts, its reasons, and the callers whose workers must come back."""
        if before is None:
            return
        self._lost = before.lost
        for name, given_ms in before.given_uptime_ms.items():
            if name in self._partners:
                # After a reboot the old instants lie in the future of the new boot: they are worthless then.
                given_s = tuple(ms / 1000 for ms in given_ms if ms / 1000 <= now_s)
                self._partners[name] = replace(self._partners[name], given_s=given_s)
        self._left_behind.begin(before.calls, now_s)

    def handle(self, worker: int, event: Event, now_s: float) -> None:
        """An event of a worker."""
        match event:
            case Attached(call=call):
                self._attached(worker, call, now_s)
            case CallOffered(call=call):
                self._offered(worker, call, now_s)
            case LegAnswered(leg=leg):
                self._answered(worker, leg, now_s)
            case LegEnded(leg=leg, code=code):
                self._leg_ended(worker, leg, code, now_s)
            case UrgentPressed():
                self._urgent(worker)
            case CallFinished():
                self._finished(worker, event, now_s)
            case LegRinging():
                return
        self._settle(now_s)

    def gone(self, worker: int, now_s: float) -> None:
        """The worker's process has died: its caller is lost, and nobody else is."""
        self._front.worker_died(worker)
        held = self._held.pop(worker, None)
        if held is not None:
            _LOG.warning("worker %d died with a caller", worker)
            self._lost += 1
            self._free_desks_of(held, now_s)
            self._journal.record(records.lost(held, now_s))
        self._settle(now_s)

    def staffed(self, present: Iterable[str], switch: OverflowSwitch, now_s: float) -> None:
        """What the panel says: at which desks triagists are, and whether calls may be given and taken."""
        self._desks.man(set(present), now_s)
        self._switch = switch
        self._settle(now_s)

    def partners_said(self, heard: Mapping[str, Heard], now_s: float) -> None:
        """The partners' newest words, all of them."""
        self._heard = heard
        self._settle(now_s)

    def tick(self, now_s: float) -> None:
        """Time has passed."""
        for call in self._left_behind.given_up(now_s):
            _LOG.warning("a caller of the time before the restart is lost")
            self._lost += 1
            self._journal.record(records.lost_while_away(call, now_s))
        self._desks.tick(now_s)
        for held in self._held.values():
            here_s = now_s - held.call.arrived_s
            if held.waiting and not held.answered_caller and here_s >= self._telephony.answer_after_s:
                self._held[held.worker] = replace(held, answered_caller=True)
                self._commands.append((held.worker, AnswerCaller()))
        self._settle(now_s)

    # --- events of workers ---

    def _attached(self, worker: int, call: Call | None, now_s: float) -> None:
        if call is None:
            self._free_workers.append(worker)
            return
        held = Held.reattached(worker, call, now_s)
        if (before := self._left_behind.claim(call.sip_call_id)) is not None:
            held = with_reasons(held, before)
        self._held[worker] = held
        _LOG.info("worker %d is back with a caller", worker)
        for desk in _desks_of(held):
            self._desks.set(desk, "busy" if held.talking_at == DESK + desk else "ringing", now_s)

    def _offered(self, worker: int, call: Call, now_s: float) -> None:
        if call.origin != TRUNK:
            call = replace(call, hops=max(1, call.hops))  # whatever it says of itself, it has been moved
        held = Held(worker, call)
        if held.from_partner and (declined := self._consider(call)) is not None:
            _LOG.info("a caller of %s is declined: %s", call.origin, declined.reason)
            self._commands.append((worker, Refuse(declined.code, declined.reason)))
            return
        self._held[worker] = held
        if not held.from_partner:
            self._arrivals_s.append(now_s)

    def _consider(self, call: Call) -> Decline | None:
        agreed = next((partner for partner in self._config.partner if partner.name == call.origin), None)
        if agreed is None:
            return Decline(403, "No agreement")
        here = situation.here(self._floor(), agreed, self._config.overflow, is_open=self._is_open(agreed))
        return consider(here, hops=call.hops)

    def _answered(self, worker: int, leg: str, now_s: float) -> None:
        held = self._held.get(worker)
        if held is None:
            return
        # A desk that still rings for this caller stays so until its phone has been told (LegEnded).
        rings_at = None if leg == DESK + (held.rings_at or "") else held.rings_at
        won = held.offered_at(leg.removeprefix(PARTNER)) if leg.startswith(PARTNER) else None
        self._held[worker] = replace(held, talking_at=leg, picked_up_s=now_s, rings_at=rings_at, won=won)
        if leg.startswith(DESK):
            self._desks.set(leg.removeprefix(DESK), "busy", now_s)
        elif (partner := self._partners.get(leg.removeprefix(PARTNER))) is not None:
            self._partners[partner.name] = partner.gave(now_s)
        _LOG.info("worker %d: answered by %s after %.1f s", worker, leg, held.waited_s(now_s))

    def _leg_ended(self, worker: int, leg: str, code: int, now_s: float) -> None:
        held = self._held.get(worker)
        if held is None:
            return
        held = self._held[worker] = replace(held, leaving=held.leaving - {leg})
        if held.rings_at is not None and leg == DESK + held.rings_at:
            self._held[worker] = replace(held, rings_at=None)
            if code == _WITHDRAWN:
                self._desks.rang_in_vain(held.rings_at, now_s)
            else:
                _LOG.warning("desk %s did not take a call (%d)", held.rings_at, code)
                self._desks.set(held.rings_at, "no-answer", now_s)
        elif leg == LAST_RESORT:
            after_s = now_s if code == _WITHDRAWN else now_s + self._telephony.ring_s
            self._held[worker] = replace(held, last_resort_since_s=None, last_resort_after_s=after_s)
        elif held.waiting and (offer := held.offered_at(leg.removeprefix(PARTNER))) is not None:
            self._held[worker] = held.without_offer(offer.partner)
            if code != _WITHDRAWN:
                _LOG.warning("partner %s did not take a call (%d)", offer.partner, code)
                self._rest(offer.partner, now_s)

    def _urgent(self, worker: int) -> None:
        held = self._held.get(worker)
        if held is not None and held.waiting:
            self._held[worker] = replace(held, call=replace(held.call, urgent=True))

    def _finished(self, worker: int, finished: CallFinished, now_s: float) -> None:
        held = self._held.get(worker)
        if held is not None and held.call.sip_call_id != finished.sip_call_id:
            held = None  # the worker's next caller is here already: this is the report of the one before
        else:
            self._held.pop(worker, None)
            self._free_workers.append(worker)
        before = self._left_behind.claim(finished.sip_call_id)
        why = held.why if held is not None else None
        if held is not None:
            self._free_desks_of(held, now_s)
        if finished.outcome == "lost":
            self._lost += 1
        if finished.outcome == "answered":
            self._handling_s = learned_handling_s(self._handling_s, finished.talked_s)
        if finished.outcome == "abandoned" and finished.waited_s < ABANDONED_AFTER_S:
            return
        reason = why or (before.offers[0] if before is not None and before.offers else None)
        self._journal.record(records.handled(finished, reason, redirects=self._redirects))

    # --- desks and partners ---

    def _free_desks_of(self, held: Held, now_s: float) -> None:
        for desk in _desks_of(held):
            if held.talking_at == DESK + desk:
                self._desks.set(desk, "idle", now_s)
            else:
                self._desks.rang_in_vain(desk, now_s)

    def _rest(self, partner: str, now_s: float) -> None:
        if (stand := self._partners.get(partner)) is not None:
            self._partners[partner] = replace(stand, resting_until_s=now_s + self._config.overflow.rest_s)

    # --- deciding and doing ---

    def _floor(self) -> Floor:
        return Floor(
            held=tuple(self._held.values()),
            desks=self._desks.stands,
            partners=tuple(self._partners.values()),
            heard=self._heard,
            switch=self._switch,
            handling_s=self._handling_s,
            lost=self._lost,
        )

    def _rules(self, now_s: float) -> Rules:
        while self._arrivals_s and now_s - self._arrivals_s[0] > _HOUR_S:
            self._arrivals_s.popleft()
        return Rules(
            giving=self._switch.giving,
            wait_first_s=self._config.overflow.wait_first_s,
            margin=self._config.overflow.margin,
            ring_s=self._telephony.ring_s,
            handling_s=self._handling_s,
            reserve_desks=self._config.overflow.reserve_desks,
            calls_last_hour=len(self._arrivals_s),
            urgent_overflow_s=self._telephony.urgent_overflow_s,
            urgent_last_resort_s=self._telephony.urgent_last_resort_s,
            has_last_resort=self._telephony.last_resort is not None,
        )

    def _settle(self, now_s: float) -> None:
        """Decide, write, and only then act."""
        while decisions := self._decide(now_s):
            for decision in decisions:
                self._apply(decision, now_s)
        self._announce(now_s)
        self._write(now_s)
        commands, self._commands = self._commands, []
        for worker, command in commands:
            self._workers.send(worker, command)
        freed, self._free_workers = self._free_workers, []
        for worker in freed:
            self._front.release(worker)

    def _decide(self, now_s: float) -> list[Decision]:
        if self._left_behind.awaited:
            return []  # a desk that looks free may be in the middle of a conversation that is not back yet
        floor = self._floor()
        return decide(
            situation.callers(floor),
            situation.desks(floor),
            situation.partners(floor, self._config.partner, self._is_open, now_s),
            self._rules(now_s),
            now_s,
        )

    def _apply(self, decision: Decision, now_s: float) -> None:
        worker = int(decision.caller)
        held = self._held[worker]
        match decision:
            case Ring(desk=desk):
                self._desks.set(desk, "ringing", now_s)
                agreed = next(each for each in self._config.desk if each.id == desk)
                self._order(replace(held, rings_at=desk, ringing_since_s=now_s), ring_desk(agreed, held, now_s))
            case StopRinging(desk=desk):
                _LOG.warning("desk %s did not answer its phone", desk)
                self._desks.set(desk, "no-answer", now_s)
                self._order(replace(held, rings_at=None), WithdrawLeg(DESK + desk))
            case Offer():
                self._give(held, decision, now_s)
            case Withdraw(partner=partner, why=why):
                _LOG.info("worker %d is withdrawn from %s: %s", worker, partner, why)
                if why == "patience":
                    self._rest(partner, now_s)
                self._order(held.without_offer(partner), WithdrawLeg(PARTNER + partner))
            case RingLastResort():
                _LOG.warning("worker %d: nobody picked up an urgent caller, the last resort rings", worker)
                self._order(replace(held, last_resort_since_s=now_s), ring_last_resort(self._telephony))
            case StopLastResort():
                # Its place is taken until the leg has ended; then it rings again.
                self._order(replace(held, last_resort_since_s=now_s), WithdrawLeg(LAST_RESORT))

    def _give(self, held: Held, offer: Offer, now_s: float) -> None:
        """To the partner: as a second place to wait, or, where the trunk follows a redirect, altogether."""
        why = (offer.chance_home, offer.chance_partner)
        _LOG.info("worker %d is offered to %s: chance here %.2f, there %.2f", held.worker, offer.partner, *why)
        given = replace(held, offers=(*held.offers, Offered(offer.partner, now_s, *why)))
        agreed = next(each for each in self._config.partner if each.name == offer.partner)
        if self._redirects and not held.answered_caller:
            self._partners[offer.partner] = self._partners[offer.partner].gave(now_s)
            self._order(given, Refuse(302, "Moved Temporarily", contact=agreed.redirect_to))
        else:
            self._order(given, ring_partner(offer.partner, self._config, held, now_s))

    def _order(self, held: Held, command: Command) -> None:
        if isinstance(command, WithdrawLeg):
            held = replace(held, leaving=held.leaving | {command.leg})
        self._held[held.worker] = held
        self._commands.append((held.worker, command))

    def _announce(self, now_s: float) -> None:
        """Tell the waiting what is new for them, before anything rings that they were told of."""
        floor = self._floor()
        manned = len(situation.desks(floor))
        place = {caller.id: index for index, caller in enumerate(in_order(situation.callers(floor), now_s))}
        orders: list[tuple[int, Command]] = []
        refused = {worker for worker, command in self._commands if isinstance(command, Refuse)}
        for held in [each for each in self._held.values() if each.waiting and each.worker not in refused]:
            expected_s = expected_wait_s(place[str(held.worker)], manned, self._handling_s)
            holds, spoken = self._announcer.say(held, expected_s)
            orders += [(held.worker, hold) for hold in holds]
            self._held[held.worker] = replace(held, spoken=spoken)
        self._commands = [*orders, *self._commands]

    def _write(self, now_s: float) -> None:
        floor = self._floor()
        triage = situation.triage(floor, self._rules(now_s), now_s)
        self._journal.write(situation.line_fact(floor, now_s), triage, now_s=now_s)
        self._front.publish(triage)


def _desks_of(held: Held) -> list[str]:
    """Ids of the desks that this caller occupies: the one it talks to, the one that rings."""
    talking = held.talking_at if held.talking_at is not None and held.talking_at.startswith(DESK) else None
    return [desk for desk in (talking and talking.removeprefix(DESK), held.rings_at) if desk]
