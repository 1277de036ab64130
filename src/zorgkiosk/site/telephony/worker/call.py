"""The state of the one call a worker holds: facts and commands in, acts out. Pure: no clock, no socket, no pjsua2.

    idle ─Arrived─► offered ─Hold─► waiting ─first leg picked up─► bridged ─► ending ─all dialogs gone─► idle

Every `now_s` is CLOCK_MONOTONIC in seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

from zorgkiosk.site.telephony.messages import (
    TRUNK,
    AnswerCaller,
    Attached,
    Call,
    CallFinished,
    CallOffered,
    Command,
    HangUp,
    Hold,
    LegAnswered,
    LegEnded,
    LegRinging,
    Outcome,
    Refuse,
    Retire,
    RingLeg,
    UrgentPressed,
    WithdrawLeg,
)
from zorgkiosk.site.telephony.worker.headers import GIVEN_UP_S, rejection, sendable
from zorgkiosk.site.telephony.worker.held import Held, LegNow
from zorgkiosk.site.telephony.worker.signals import (
    Accept,
    Act,
    Announce,
    Arrived,
    Beep,
    Connect,
    Dial,
    Dialled,
    Digit,
    End,
    Fact,
    Farewell,
    Gone,
    PickedUp,
    Reject,
    Ringing,
    SendDigit,
    Silent,
    Stop,
    Tell,
    TurnedAway,
    Withdraw,
)

NO_LINE_REFUSE_S = 0.5
"""A new caller waits this long for a line that stays away; then the PBX takes its own route."""
LINE_RETURNS_S = 6.0
"""A line that was here a moment ago is being restarted: 1 s of `RestartSec`, and a few until it listens on a slow box.
Who calls in that gap waits for it. Not so a partner's caller, who has a place at home and may be offered elsewhere."""
UNDECIDED_REFUSE_S = 3.0
"""An attached line that says nothing about a new caller for this long hangs."""
UNDECIDED_AT_MOST_S = LINE_RETURNS_S + UNDECIDED_REFUSE_S
"""A line that comes and dies again and again keeps no caller longer than this."""
NO_LINE_END_S = 60.0
"""Nobody will ever ring for a waiting caller whose line stays away this long."""
PARTNER_SILENT_S = 3.0
"""A partner's line says 183 at once, and our front finds a dead one in 2.3 s. When neither is heard, something on the
way hangs that nobody foresaw, and the caller is not left to it."""
LONGEST_STALL_S = 60.0
"""A worker that was held up for longer than this is none; then it is the clock that was set."""
URGENT_KEY = "1"
MOST_LEGS = 3
"""A process of the pjsua2 wheel has four dialogs; one is the caller's."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Identity:
    """Who the worker is, as `Attached` says it."""

    worker: int
    pid: int
    sip_uri: str


CANCELLED = 487
"""Request Terminated: the caller's CANCEL came before any answer of ours (RFC 3261 §21.4.25)."""


class OneCall:
    """Decides what one fact or command means for the caller and the legs."""

    def __init__(self, identity: Identity, started_s: float) -> None:
        self._identity = identity
        self._held: Held | None = None
        self._attached = False
        self._line_changed_s = started_s
        self._retiring = False

    @property
    def idle(self) -> bool:
        return self._held is None

    def line_attached(self, now_s: float) -> list[Act]:
        """What a new line is told first. A caller nothing was decided about is offered again."""
        self._attached, self._line_changed_s = True, now_s
        held = self._held
        known = held is not None and (held.decided or held.ending)
        who = self._identity
        acts: list[Act] = [
            Tell(Attached(who.worker, who.pid, who.sip_uri, held.snapshot() if held and known else None))
        ]
        if held and not known:
            acts.append(Tell(CallOffered(held.call)))
        return acts

    def line_lost(self, now_s: float) -> None:
        self._attached, self._line_changed_s = False, now_s

    def fact(self, fact: Fact, now_s: float) -> list[Act]:
        """What to do about something that happened on the telephone network."""
        match fact:
            case Arrived():
                return list(self._arrived(fact, now_s))
            case TurnedAway():
                return list(self._turned_away(fact))
            case Gone():
                return list(self._gone(fact, now_s))
            case PickedUp(party):
                return list(self._picked_up(party, now_s))
            case Digit(party, digit):
                return list(self._digit(party, digit))
            case Silent(party):
                return list(self._silent(party, now_s))
            case Dialled(party, sip_call_id):
                if leg := self._leg(party):
                    leg.sip_call_id = sip_call_id
            case Ringing(party):
                if (leg := self._leg(party)) and leg.state == "calling" and not leg.leaving:
                    leg.state = "ringing"
                    return [Tell(LegRinging(party))]
        return []

    def command(self, command: Command, now_s: float) -> list[Act]:
        """What to do about an order of the line. An order that comes too late does nothing."""
        match command, self._held:
            case Retire(), held:
                self._retiring = True
                return [] if held else [Stop()]
            case RingLeg(), held:
                return list(self._ring(command, held, now_s))
            case _, None:
                log.info("%s came for no caller", type(command).__name__)
                return []
            case HangUp(), Held(left_behind=str(party)):
                return [End(party)]
            case _, held if held.ending or held.gone:
                return []
            case Hold(files, repeat_s, now), held if not held.bridged:
                held.decided = True
                return [Announce(held.party, files, repeat_s, now)]
            case AnswerCaller(), held:
                return list(self._accept(held))
            case Refuse(), held if not held.bridged:
                return list(self._refuse(held, command, now_s))
            case WithdrawLeg(name), held if name in held.legs and name != held.bridged:
                return list(self._leave(held, name))
            case HangUp(), held:
                return list(self._end(held, None if held.bridged else "refused", now_s))
        return []

    def tick(self, now_s: float) -> list[Act]:
        """Fail open: nobody waits for a line or a partner that is not there. Call it ten times a second or so."""
        held = self._held
        if held is None or held.bridged or held.ending:
            return []
        if held.call.urgent:
            # The key itself travels to a partner that was asked before it was pressed: it counts there as it does here.
            untold = [name for name, leg in held.legs.items() if leg.state == "ringing" and not leg.knows_urgency]
            for name in untold:
                held.legs[name].knows_urgency = True
            if untold:
                return [SendDigit(name, URGENT_KEY) for name in untold]
        if not held.decided and now_s >= self._undecided_until_s(held.call):
            log.warning("the line says nothing about a new caller; the PBX takes its own route")
            return list(self._refuse(held, Refuse(503, "No line"), now_s))
        if not self._attached and now_s - max(held.call.arrived_s, self._line_changed_s) >= NO_LINE_END_S:
            log.warning("no line for %d s; the waiting caller is let go", NO_LINE_END_S)
            return list(self._end(held, "lost", now_s))
        return list(self._give_up_silent(held, now_s))

    def _undecided_until_s(self, call: Call) -> float:
        if self._attached:
            until_s = max(call.arrived_s, self._line_changed_s) + UNDECIDED_REFUSE_S
        else:
            until_s = call.arrived_s + NO_LINE_REFUSE_S
            if call.origin == TRUNK:
                until_s = max(until_s, self._line_changed_s + LINE_RETURNS_S)
        return min(until_s, call.arrived_s + UNDECIDED_AT_MOST_S)

    # --- facts ---

    def _leg(self, party: str) -> LegNow | None:
        return self._held.legs.get(party) if self._held else None

    def _arrived(self, fact: Arrived, now_s: float) -> Iterator[Act]:
        if self._held or self._retiring:
            log.info("a second INVITE came; busy")
            yield Reject(fact.party, 486, "Busy Here")
            return
        if GIVEN_UP_S <= fact.late_s < LONGEST_STALL_S:
            log.warning("an INVITE came %.1f s late: another worker has its caller by now", fact.late_s)
            yield Reject(fact.party, 486, "Too Late")
            return
        call = Call(fact.sip_call_id, fact.origin, fact.hops, fact.urgent, now_s, fact.waited_s)
        self._held = held = Held(fact.party, call)
        if fact.origin != TRUNK and not fact.protected:
            log.warning("partner %s offers audio without SRTP; refused", fact.origin)
            yield from self._refuse(held, Refuse(488, "SRTP required"), now_s)
        else:
            yield Tell(CallOffered(call))
        log.info("caller from %s arrived, hops %d, urgent %s", fact.origin, fact.hops, fact.urgent)

    def _turned_away(self, fact: TurnedAway) -> Iterator[Act]:
        """The line has to know, or the front would think this worker busy."""
        if self._held is None:
            waited_s = fact.waited_s
            yield Tell(
                CallFinished(fact.sip_call_id, fact.origin, fact.hops, fact.urgent, waited_s, 0.0, None, "refused")
            )

    def _picked_up(self, party: str, now_s: float) -> Iterator[Act]:
        held, leg = self._held, self._leg(party)
        if held is None or leg is None or leg.too_late or party == held.bridged:
            return
        if held.bridged or held.ending or held.gone or leg.leaving:
            log.info("%s picked up too late", party)
            leg.leaving = leg.too_late = True
            yield Beep(party)
            return
        leg.state, held.bridged, held.picked_up_s = "answered", party, now_s
        log.info("%s picked up", party)
        yield from self._accept(held)
        yield Connect(held.party, party)
        yield Tell(LegAnswered(party))
        yield from self._withdraw_all(held)

    def _digit(self, party: str, digit: str) -> Iterator[Act]:
        held = self._held
        if held is None:
            return
        if held.bridged is not None and party in (held.party, held.bridged):
            yield SendDigit(held.bridged if party == held.party else held.party, digit)
        elif party == held.party and digit == URGENT_KEY and not held.call.urgent:
            held.call = replace(held.call, urgent=True)
            yield Tell(UrgentPressed())

    def _silent(self, party: str, now_s: float) -> Iterator[Act]:
        held = self._held
        if held is None:
            return
        if held.bridged is None:
            if party == held.party and held.call.origin != TRUNK and not held.ending:
                log.warning("nothing is heard of a partner's caller any more; the place is given up")
                yield from self._end(held, held.left, now_s)
        elif party == held.left_behind:
            yield End(party)
        elif not held.ending and party in (held.party, held.bridged):
            log.warning("no audio from %s any more; call ended", "the caller" if party == held.party else party)
            held.outcome, held.ended_s, held.ending = "lost", now_s, True
            held.legs[held.bridged].leaving = True
            held.left_behind = held.bridged if party == held.party else held.party
            yield End(party)
            yield Farewell(held.left_behind)

    def _gone(self, fact: Gone, now_s: float) -> Iterator[Act]:
        held = self._held
        if held is None:
            return
        if fact.party == held.party:
            held.gone = True
            helped_elsewhere = fact.elsewhere and held.call.origin != TRUNK
            if helped_elsewhere or (fact.code == CANCELLED and held.outcome is None):
                held.outcome = held.left  # a pick-up that crossed the CANCEL did not become a conversation
            yield from self._end(held, held.outcome, now_s)
        elif leg := held.legs.pop(fact.party, None):
            if fact.party == held.bridged:
                yield from self._end(held, held.outcome, now_s)
            elif not leg.given_up:
                left = LegEnded(fact.party, 487, "withdrawn")
                yield Tell(left if leg.leaving else LegEnded(fact.party, fact.code, fact.reason))
        if held.gone and not held.legs:
            self._held = None
            finished = held.finished(now_s)
            log.info("call finished, %s, waited %.1f s", finished.outcome, finished.waited_s)
            yield Tell(finished)
            if self._retiring:
                yield Stop()

    # --- orders ---

    def _ring(self, order: RingLeg, held: Held | None, now_s: float) -> Iterator[Act]:
        if held is None or held.ending or held.gone:
            yield Tell(LegEnded(order.leg, 481, "no caller"))
        elif order.leg in held.legs or order.leg == held.party:
            log.warning("%s is not over yet and cannot be called again", order.leg)
        elif held.bridged:
            yield Tell(LegEnded(order.leg, 487, "the caller is being helped"))
        elif len(held.legs) >= MOST_LEGS:
            yield Tell(LegEnded(order.leg, 503, f"{MOST_LEGS} legs already"))
        else:
            held.decided = True
            held.legs[order.leg] = (
                LegNow(held.call.urgent, heard_by_s=now_s + PARTNER_SILENT_S) if order.partner else LegNow()
            )
            yield Dial(order.leg, held.party, order.uri, order.partner, sendable(order.headers))

    def _accept(self, held: Held) -> Iterator[Act]:
        held.decided = True
        if not held.answered and not held.gone:
            held.answered = True
            yield Accept(held.party)

    def _refuse(self, held: Held, order: Refuse, now_s: float) -> Iterator[Act]:
        if not held.answered:
            held.ending = True
            held.outcome, held.ended_s = "refused", now_s
            yield rejection(held.party, order)
        yield from self._end(held, "refused", now_s)

    def _leave(self, held: Held, name: str) -> Iterator[Act]:
        if not held.legs[name].leaving:
            held.legs[name].leaving = True
            yield End(name) if name == held.bridged else Withdraw(name)

    def _give_up_silent(self, held: Held, now_s: float) -> Iterator[Act]:
        for name, leg in held.legs.items():
            if leg.state == "calling" and not leg.leaving and now_s >= leg.heard_by_s:
                log.warning("not a word from %s in %.0f s, nor from the front; given up", name, PARTNER_SILENT_S)
                leg.given_up = True
                yield Tell(LegEnded(name, 408, "not a word"))
                yield from self._leave(held, name)

    def _withdraw_all(self, held: Held) -> Iterator[Act]:
        for name in held.legs:
            if name != held.bridged:
                yield from self._leave(held, name)

    def _end(self, held: Held, outcome: Outcome | None, now_s: float) -> Iterator[Act]:
        """The caller's side is over, or is ended now; so are all legs, at once."""
        held.outcome = outcome
        if held.ended_s is None:
            held.ended_s = now_s
        if not held.ending and not held.gone:
            yield End(held.party)
        held.ending = True
        for name in held.legs:
            yield from self._leave(held, name)
