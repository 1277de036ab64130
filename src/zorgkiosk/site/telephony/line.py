"""The waiting line of a triage centre: start here.

The way of one call: the front places its INVITE on a worker, the worker says `CallOffered`, the line takes it
(`_offered`) and asks `overflow.decide` what to do (`_settle`): a desk rings (`Ring`), or the caller also waits at a
partner (`Offer`). The worker bridges whoever picks up first and says `LegAnswered`; when the caller has gone it says
`CallFinished`, the line records the call and tells the front that the worker is free.

The line holds no audio, no socket and no clock: events come in with `now_s`, commands go out through `Workers` and
`Front`. Orders to workers leave first: a worker keeps its legs and tells the next line of them, so nobody waits for the
store. A worker is free for the next caller only once the end of the last one is written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from zorgkiosk.overflow.accept import Decline, consider
from zorgkiosk.overflow.decide import decide
from zorgkiosk.overflow.forecast import learned_handling_s
from zorgkiosk.overflow.terms import Decision
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.config_telephony import Partner, Telephony
from zorgkiosk.site.facts import LineFact, OverflowSwitch
from zorgkiosk.site.telephony import records, situation
from zorgkiosk.site.telephony.announcer import Announcer
from zorgkiosk.site.telephony.floor import DESK, LAST_RESORT, PARTNER, Held
from zorgkiosk.site.telephony.journal import Journal
from zorgkiosk.site.telephony.line_state import LineState, desks_of
from zorgkiosk.site.telephony.messages import (
    TRUNK,
    AnswerCaller,
    Attached,
    Call,
    CallFinished,
    CallOffered,
    Event,
    LegAnswered,
    LegEnded,
    LegRinging,
    Refuse,
    UrgentPressed,
)
from zorgkiosk.site.telephony.orders import Orders
from zorgkiosk.site.telephony.ports import Front, Workers
from zorgkiosk.site.telephony.restart import LeftBehind, with_reasons
from zorgkiosk.site.telephony.situation import Heard

_LOG = logging.getLogger(__name__)

ABANDONED_AFTER_S = 5.0
_WITHDRAWN = 487


class Line:
    """One site's callers, desks and partners, and what happens to them."""

    def __init__(
        self,
        config: SiteConfig,
        telephony: Telephony,
        *,
        journal: Journal,
        announcer: Announcer,
        is_open: Callable[[Partner], bool],
        workers: Workers,
        front: Front,
    ) -> None:
        self._config = config
        self._telephony = telephony
        self._journal = journal
        self._is_open = is_open
        self._front = front
        self._state = LineState(config, telephony)
        self._orders = Orders(config, telephony, self._state, announcer, workers)
        self._left_behind = LeftBehind()
        self._free_workers: list[int] = []

    @property
    def busy_workers(self) -> set[int]:
        """Numbers of the workers that hold a caller."""
        return set(self._state.held)

    # --- what happens ---

    def resume(self, before: LineFact | None, now_s: float) -> None:
        """Take over from the line that was: its counts, its reasons, and the callers whose workers must come back."""
        if before is None:
            return
        self._state.lost = before.lost
        self._state.partners.resume(before.given_uptime_ms, now_s)
        self._left_behind.begin(before.calls, before.ended, now_s)

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
        held = self._state.held.pop(worker, None)
        if held is not None:
            _LOG.warning("worker %d died with a caller", worker)
            self._state.lost += 1
            self._state.free_desks_of(held, now_s)
            self._journal.record(records.lost(held, now_s))
        self._settle(now_s)

    def staffed(self, present: Iterable[str], switch: OverflowSwitch, now_s: float) -> None:
        """What the panel says: at which desks triagists are, and whether calls may be given and taken."""
        self._state.desks.man(set(present), now_s)
        self._state.switch = switch
        self._settle(now_s)

    def partners_said(self, heard: Mapping[str, Heard], now_s: float) -> None:
        """The partners' newest words, all of them."""
        self._state.heard = heard
        self._settle(now_s)

    def tick(self, now_s: float) -> None:
        """Time has passed."""
        for call in self._left_behind.given_up(now_s):
            _LOG.warning("a caller of the time before the restart is lost")
            self._state.lost += 1
            self._journal.record(records.lost_while_away(call, now_s))
        self._state.desks.tick(now_s)
        self._answer_who_waits_long(now_s)
        self._settle(now_s)

    def _answer_who_waits_long(self, now_s: float) -> None:
        """Before a trunk cuts early media. To a partner an answer means that somebody picked up, and nobody did."""
        for held in self._state.held.values():
            here_s = now_s - held.call.arrived_s
            unanswered = held.waiting and not held.answered_caller and not held.from_partner
            if unanswered and here_s >= self._telephony.answer_after_s:
                self._state.held[held.worker] = replace(held, answered_caller=True)
                self._orders.add(held.worker, AnswerCaller())

    # --- events of workers ---

    def _attached(self, worker: int, call: Call | None, now_s: float) -> None:
        if call is None:
            self._free_workers.append(worker)
            return
        held = Held.reattached(worker, call, now_s)
        if (before := self._left_behind.claim(call.sip_call_id)) is not None:
            held = with_reasons(held, before)
        self._state.held[worker] = held
        _LOG.info("worker %d is back with a caller", worker)
        for desk in desks_of(held):
            self._state.desks.set(desk, "busy" if held.talking_at == DESK + desk else "ringing", now_s)

    def _offered(self, worker: int, call: Call, now_s: float) -> None:
        if call.origin != TRUNK:
            call = replace(call, hops=max(1, call.hops))  # whatever it says of itself, it has been moved
        held = Held(worker, call)
        if held.from_partner and (declined := self._consider(call)) is not None:
            _LOG.info("a caller of %s is declined: %s", call.origin, declined.reason)
            self._orders.add(worker, Refuse(declined.code, declined.reason))
            return
        self._state.held[worker] = held
        if not held.from_partner:
            self._state.arrived(now_s)

    def _consider(self, call: Call) -> Decline | None:
        agreed = next((partner for partner in self._config.partner if partner.name == call.origin), None)
        if agreed is None:
            return Decline(403, "No agreement")
        here = situation.here(self._state.floor(), agreed, self._config.overflow, is_open=self._is_open(agreed))
        return consider(here, hops=call.hops)

    def _answered(self, worker: int, leg: str, now_s: float) -> None:
        held = self._state.held.get(worker)
        if held is None:
            return
        # A desk that still rings for this caller stays so until its phone has been told (LegEnded).
        rings_at = None if leg == DESK + (held.rings_at or "") else held.rings_at
        won = held.offered_at(leg.removeprefix(PARTNER)) if leg.startswith(PARTNER) else None
        self._state.held[worker] = replace(held, talking_at=leg, picked_up_s=now_s, rings_at=rings_at, won=won)
        if leg.startswith(DESK):
            self._state.desks.set(leg.removeprefix(DESK), "busy", now_s)
        else:
            self._state.partners.gave(leg.removeprefix(PARTNER), now_s)
        _LOG.info("worker %d: answered by %s after %.1f s", worker, leg, held.waited_s(now_s))

    def _leg_ended(self, worker: int, leg: str, code: int, now_s: float) -> None:
        held = self._state.held.get(worker)
        if held is None:
            return
        held = self._state.held[worker] = replace(held, leaving=held.leaving - {leg})
        if held.rings_at is not None and leg == DESK + held.rings_at:
            self._state.held[worker] = replace(held, rings_at=None)
            if code == _WITHDRAWN:
                self._state.desks.rang_in_vain(held.rings_at, now_s)
            else:
                _LOG.warning("desk %s did not take a call (%d)", held.rings_at, code)
                self._state.desks.set(held.rings_at, "no-answer", now_s)
        elif leg == LAST_RESORT:
            after_s = now_s if code == _WITHDRAWN else now_s + self._telephony.ring_s
            self._state.held[worker] = replace(held, last_resort_since_s=None, last_resort_after_s=after_s)
        elif held.waiting and (offer := held.offered_at(leg.removeprefix(PARTNER))) is not None:
            self._state.held[worker] = held.without_offer(offer.partner)
            if code != _WITHDRAWN:
                _LOG.warning("partner %s did not take a call (%d)", offer.partner, code)
                self._state.partners.rest(offer.partner, now_s)

    def _urgent(self, worker: int) -> None:
        held = self._state.held.get(worker)
        if held is not None and held.waiting:
            self._state.held[worker] = replace(held, call=replace(held.call, urgent=True))

    def _finished(self, worker: int, finished: CallFinished, now_s: float) -> None:
        held = self._state.held.get(worker)
        if held is not None and held.call.sip_call_id != finished.sip_call_id:
            held = None  # the worker's next caller is here already: this is the report of the one before
        else:
            self._state.held.pop(worker, None)
            self._free_workers.append(worker)
        if self._left_behind.is_told_again(finished.sip_call_id):
            return
        self._state.ended(finished.sip_call_id, now_s)
        before = self._left_behind.claim(finished.sip_call_id)
        why = held.why if held is not None else None
        if held is not None:
            self._state.free_desks_of(held, now_s)
        if finished.outcome == "lost":
            self._state.lost += 1
        if finished.outcome == "answered":
            self._state.handling_s = learned_handling_s(self._state.handling_s, finished.talked_s)
        if finished.outcome in ("abandoned", "withdrawn") and finished.waited_s < ABANDONED_AFTER_S:
            return
        reason = why or (before.offers[0] if before is not None and before.offers else None)
        self._journal.record(records.handled(finished, reason, redirects=self._orders.redirects))

    # --- deciding and doing ---

    def _settle(self, now_s: float) -> None:
        """Decide, act, say, write, and only then let go; what the hub hears of it can wait until that is done."""
        refused = self._orders.send()
        while decisions := self._decide(now_s):
            for decision in decisions:
                self._orders.carry_out(decision, now_s)
            refused |= self._orders.send()  # before the next look, which mostly finds nothing more to do
        self._orders.announce(refused, now_s)
        self._orders.send()
        self._write(now_s)
        freed, self._free_workers = self._free_workers, []
        for worker in freed:
            self._front.release(worker)
        self._journal.report()

    def _decide(self, now_s: float) -> list[Decision]:
        if self._left_behind.awaited:
            return []  # a desk that looks free may be in the middle of a conversation that is not back yet
        floor = self._state.floor()
        return decide(
            situation.callers(floor),
            situation.desks(floor),
            situation.partners(floor, self._config.partner, self._is_open, now_s),
            self._state.rules(now_s),
            now_s,
        )

    def _write(self, now_s: float) -> None:
        self._state.forget_old_ends(now_s)
        floor = self._state.floor()
        triage = situation.triage(floor, self._state.rules(now_s), now_s)
        self._journal.write(situation.line_fact(floor, now_s), triage, now_s=now_s)
        self._front.publish(triage)
