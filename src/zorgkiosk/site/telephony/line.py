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
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from zorgkiosk.contract.events import CallHandled
from zorgkiosk.overflow.accept import Decline, consider
from zorgkiosk.overflow.decide import Decision, Offer, Ring, Rules, StopRinging, Withdraw, decide
from zorgkiosk.overflow.forecast import learned_handling_s
from zorgkiosk.site.config import SiteConfig, Telephony
from zorgkiosk.site.facts import CallFact, LineFact, OverflowSwitch
from zorgkiosk.site.telephony import situation
from zorgkiosk.site.telephony.desks import Desks
from zorgkiosk.site.telephony.floor import DESK, PARTNER, Held, Offered, PartnerStand
from zorgkiosk.site.telephony.journal import Journal
from zorgkiosk.site.telephony.messages import (
    AnswerCaller,
    Attached,
    Call,
    CallFinished,
    CallOffered,
    Command,
    Event,
    Hold,
    LegAnswered,
    LegEnded,
    LegRinging,
    Refuse,
    RingLeg,
    UrgentPressed,
    WithdrawLeg,
)
from zorgkiosk.site.telephony.situation import Floor, Heard

_LOG = logging.getLogger(__name__)

ABANDONED_AFTER_S = 5.0
RESTART_GRACE_S = 3.0
"""How long a restarted line waits for the workers of the calls it left before it counts them as lost."""
_WITHDRAWN = 487


class Workers(Protocol):
    """The pool, as the line sees it."""

    def send(self, worker: int, command: Command) -> None:
        """Tell a worker; one that is gone hears nothing and is reported by `Line.gone`."""


class Front(Protocol):
    """Kamailio, as the line sees it. Both return at once; what cannot be told now is told when the front is back."""

    def release(self, worker: int) -> None:
        """The worker may have the next caller."""

    def worker_died(self, worker: int) -> None:
        """End what is left of its call at both ends and place nothing there."""


class Line:
    """One site's callers, desks and partners, and what happens to them."""

    def __init__(
        self, config: SiteConfig, telephony: Telephony, journal: Journal, workers: Workers, front: Front
    ) -> None:
        self._config = config
        self._telephony = telephony
        self._journal = journal
        self._workers = workers
        self._front = front
        self._held: dict[int, Held] = {}
        self._desks = Desks([desk.id for desk in config.desk], telephony.no_answer_rest_s)
        self._partners = {partner.name: PartnerStand(partner.name) for partner in config.partner}
        self._heard: Mapping[str, Heard] = {}
        self._switch = OverflowSwitch()
        self._handling_s = telephony.handling_s
        self._lost = 0
        self._left_behind: dict[str, CallFact] = {}
        self._left_behind_until_s = 0.0
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
        self._left_behind = {call.sip_call_id: call for call in before.calls}
        self._left_behind_until_s = now_s + RESTART_GRACE_S

    def handle(self, worker: int, event: Event, now_s: float) -> None:
        """An event of a worker."""
        match event:
            case Attached(call=call):
                self._attached(worker, call, now_s)
            case CallOffered(call=call):
                self._offered(worker, call)
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
            self._journal.record(
                CallHandled(
                    waited_s=round(held.waited_s(now_s), 1),
                    talked_s=0 if held.picked_up_s is None else round(now_s - held.picked_up_s, 1),
                    urgent=held.call.urgent,
                    outcome="lost",
                    origin=held.call.origin,
                    hops=held.call.hops,
                    **_who(held.talking_at),
                )
            )
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
        self._count_left_behind(now_s)
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
        before = self._left_behind.pop(call.sip_call_id, None)
        if held.offered is not None and before is not None:
            offered = replace(held.offered, chance_home=before.chance_home, chance_partner=before.chance_partner)
            held = replace(held, offered=offered)
        self._held[worker] = held
        _LOG.info("worker %d is back with a caller", worker)
        for desk in _desks_of(held):
            self._desks.set(desk, "busy" if held.talking_at == DESK + desk else "ringing", now_s)

    def _offered(self, worker: int, call: Call) -> None:
        held = Held(worker, call)
        declined = self._consider(call) if held.from_partner else None
        self._held[worker] = held
        if declined is not None:
            _LOG.info("a caller of %s is declined: %s", call.origin, declined.reason)
            self._commands.append((worker, Refuse(declined.code, declined.reason)))
            del self._held[worker]
            return
        self._commands.append((worker, Hold(str(self._telephony.announcement), self._telephony.announcement_every_s)))

    def _consider(self, call: Call) -> Decline | None:
        agreed = next((partner for partner in self._config.partner if partner.name == call.origin), None)
        if agreed is None:
            return Decline(403, "No agreement")
        return consider(situation.here(self._floor(), agreed), hops=max(1, call.hops))

    def _answered(self, worker: int, leg: str, now_s: float) -> None:
        held = self._held.get(worker)
        if held is None:
            return
        # A desk that still rings for this caller stays so until its phone has been told (LegEnded).
        rings_at = None if leg == DESK + (held.rings_at or "") else held.rings_at
        self._held[worker] = replace(held, talking_at=leg, picked_up_s=now_s, rings_at=rings_at)
        if leg.startswith(DESK):
            self._desks.set(leg.removeprefix(DESK), "busy", now_s)
        elif (partner := self._partners.get(leg.removeprefix(PARTNER))) is not None:
            self._partners[partner.name] = partner.gave(now_s)
        _LOG.info("worker %d: answered by %s after %.1f s", worker, leg, held.waited_s(now_s))

    def _leg_ended(self, worker: int, leg: str, code: int, now_s: float) -> None:
        held = self._held.get(worker)
        if held is None:
            return
        if held.rings_at is not None and leg == DESK + held.rings_at:
            self._held[worker] = replace(held, rings_at=None)
            if code == _WITHDRAWN:
                self._desks.rang_in_vain(held.rings_at, now_s)
            else:
                _LOG.warning("desk %s did not take a call (%d)", held.rings_at, code)
                self._desks.set(held.rings_at, "no-answer", now_s)
        elif held.offered is not None and leg == PARTNER + held.offered.partner and held.waiting:
            self._held[worker] = replace(held, offered=None)
            if code != _WITHDRAWN:
                _LOG.warning("partner %s did not take a call (%d)", held.offered.partner, code)
                self._rest(held.offered.partner, now_s)

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
        before = self._left_behind.pop(finished.sip_call_id, None)
        offered = held.offered if held is not None else None
        if held is not None:
            self._free_desks_of(held, now_s)
        if finished.outcome == "lost":
            self._lost += 1
        if finished.outcome == "answered":
            self._handling_s = learned_handling_s(self._handling_s, finished.talked_s)
        if finished.outcome == "abandoned" and finished.waited_s < ABANDONED_AFTER_S:
            return
        reason = offered or before
        self._journal.record(
            CallHandled(
                waited_s=round(finished.waited_s, 1),
                talked_s=round(finished.talked_s, 1),
                urgent=finished.urgent,
                outcome=finished.outcome,
                origin=finished.origin,
                hops=finished.hops,
                chance_home=None if reason is None else reason.chance_home,
                chance_partner=None if reason is None else reason.chance_partner,
                **_who(finished.answered_by),
            )
        )

    # --- partners, and callers of the time before ---

    def _free_desks_of(self, held: Held, now_s: float) -> None:
        for desk in _desks_of(held):
            if held.talking_at == DESK + desk:
                self._desks.set(desk, "idle", now_s)
            else:
                self._desks.rang_in_vain(desk, now_s)

    def _rest(self, partner: str, now_s: float) -> None:
        if (stand := self._partners.get(partner)) is not None:
            self._partners[partner] = replace(stand, resting_until_s=now_s + self._config.overflow.rest_s)

    def _count_left_behind(self, now_s: float) -> None:
        if not self._left_behind or now_s < self._left_behind_until_s:
            return
        for call in self._left_behind.values():
            _LOG.warning("a caller of the time before the restart is lost")
            self._lost += 1
            waited_s = call.waited_before_s + max(0.0, now_s - call.arrived_uptime_ms / 1000)
            self._journal.record(
                CallHandled(
                    waited_s=call.waited_before_s if call.talking_at else round(waited_s, 1),
                    talked_s=0,
                    urgent=call.urgent,
                    outcome="lost",
                    origin=call.origin,
                    hops=call.hops,
                )
            )
        self._left_behind = {}

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

    def _rules(self) -> Rules:
        overflow = self._config.overflow
        return Rules(
            giving=self._switch.giving,
            below_chance=overflow.below_chance,
            margin=overflow.margin,
            ring_s=self._telephony.ring_s,
            handling_s=self._handling_s,
        )

    def _settle(self, now_s: float) -> None:
        """Decide, write, and only then act."""
        while decisions := self._decide(now_s):
            for decision in decisions:
                self._apply(decision, now_s)
        self._write(now_s)
        commands, self._commands = self._commands, []
        for worker, command in commands:
            self._workers.send(worker, command)
        freed, self._free_workers = self._free_workers, []
        for worker in freed:
            self._front.release(worker)

    def _decide(self, now_s: float) -> list[Decision]:
        floor = self._floor()
        return decide(
            situation.callers(floor),
            situation.desks(floor),
            situation.partners(floor, self._config.partner, now_s),
            self._rules(),
            now_s,
        )

    def _apply(self, decision: Decision, now_s: float) -> None:
        worker = int(decision.caller)
        held = self._held[worker]
        match decision:
            case Ring(desk=desk):
                self._held[worker] = replace(held, rings_at=desk, ringing_since_s=now_s)
                self._desks.set(desk, "ringing", now_s)
                phone = next(each.phone for each in self._config.desk if each.id == desk)
                self._commands.append((worker, RingLeg(DESK + desk, f"sip:{phone}@desk", partner=False, headers={})))
            case StopRinging(desk=desk):
                _LOG.warning("desk %s did not answer its phone", desk)
                self._held[worker] = replace(held, rings_at=None)
                self._desks.set(desk, "no-answer", now_s)
                self._commands.append((worker, WithdrawLeg(DESK + desk)))
            case Offer(partner=partner):
                why = (decision.chance_home, decision.chance_partner)
                _LOG.info("worker %d is offered to %s: chance here %.2f, there %.2f", worker, partner, *why)
                self._held[worker] = replace(held, offered=Offered(partner, now_s, *why))
                headers = {
                    "X-Zorgkiosk-Waited": f"{held.waited_s(now_s):.1f}",
                    "X-Zorgkiosk-Hops": str(held.call.hops + 1),
                    "X-Zorgkiosk-Urgent": "1" if held.call.urgent else "0",
                }
                self._commands.append((worker, RingLeg(PARTNER + partner, f"sip:line@{partner}", True, headers)))
            case Withdraw(partner=partner, why=reason):
                _LOG.info("worker %d is withdrawn from %s: %s", worker, partner, reason)
                self._held[worker] = replace(held, offered=None)
                if reason == "patience":
                    self._rest(partner, now_s)
                self._commands.append((worker, WithdrawLeg(PARTNER + partner)))

    def _write(self, now_s: float) -> None:
        floor = self._floor()
        self._journal.write(
            situation.line_fact(floor, now_s), situation.triage(floor, self._rules(), now_s), now_s=now_s
        )


def _desks_of(held: Held) -> list[str]:
    """Ids of the desks that this caller occupies: the one it talks to, the one that rings."""
    talking = held.talking_at if held.talking_at is not None and held.talking_at.startswith(DESK) else None
    return [desk for desk in (talking and talking.removeprefix(DESK), held.rings_at) if desk]


def _who(leg: str | None) -> dict[str, str | None]:
    """Which of `desk` and `partner` of a call record a leg's name fills."""
    if leg is None:
        return {"desk": None, "partner": None}
    if leg.startswith(DESK):
        return {"desk": leg.removeprefix(DESK), "partner": None}
    return {"desk": None, "partner": leg.removeprefix(PARTNER)}
