"""What the line tells its workers to do: each decision as orders, and what is said to those who wait."""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import groupby
from operator import itemgetter

from zorgkiosk.overflow.decide import in_order
from zorgkiosk.overflow.forecast import expected_wait_s
from zorgkiosk.overflow.terms import Decision, Offer, Ring, RingLastResort, StopLastResort, StopRinging, Withdraw
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.config_telephony import Telephony
from zorgkiosk.site.telephony import situation
from zorgkiosk.site.telephony.announcer import Announcer
from zorgkiosk.site.telephony.floor import DESK, LAST_RESORT, PARTNER, Held, Offered
from zorgkiosk.site.telephony.legs import ring_desk, ring_last_resort, ring_partner
from zorgkiosk.site.telephony.line_state import LineState
from zorgkiosk.site.telephony.messages import Command, Refuse, WithdrawLeg
from zorgkiosk.site.telephony.ports import Workers

_LOG = logging.getLogger(__name__)


class Orders:
    """Orders gather here and leave with `send`; the state changes with each, as if it were carried out."""

    def __init__(
        self, config: SiteConfig, telephony: Telephony, state: LineState, announcer: Announcer, workers: Workers
    ) -> None:
        self._config = config
        self._telephony = telephony
        self._state = state
        self._announcer = announcer
        self._workers = workers
        self.redirects = config.front is not None and config.front.handover == "redirect"
        self._commands: list[tuple[int, Command]] = []
        self._words: list[tuple[int, str, tuple[object, ...]]] = []

    def add(self, worker: int, command: Command) -> None:
        """One that changes nothing in the state."""
        self._commands.append((worker, command))

    def send(self) -> set[int]:
        """The orders so far, those of one worker in one piece; returns the workers whose callers they refuse."""
        commands, self._commands = self._commands, []
        for worker, orders in groupby(commands, key=itemgetter(0)):
            self._workers.send(worker, [command for _, command in orders])
        words, self._words = self._words, []
        for level, sentence, values in words:
            _LOG.log(level, sentence, *values)
        return {worker for worker, command in commands if isinstance(command, Refuse)}

    def _say(self, level: int, sentence: str, *values: object) -> None:
        """In the log, once the orders have left: a line there takes as long as a decision."""
        self._words.append((level, sentence, values))

    def carry_out(self, decision: Decision, now_s: float) -> None:
        """The decision as an order to the worker that holds the caller."""
        worker = int(decision.caller)
        held = self._state.held[worker]
        match decision:
            case Ring(desk=desk):
                self._state.desks.set(desk, "ringing", now_s)
                agreed = next(each for each in self._config.desk if each.id == desk)
                self._order(replace(held, rings_at=desk, ringing_since_s=now_s), ring_desk(agreed, held, now_s))
            case StopRinging(desk=desk):
                self._say(logging.WARNING, "desk %s did not answer its phone", desk)
                self._state.desks.set(desk, "no-answer", now_s)
                self._order(replace(held, rings_at=None), WithdrawLeg(DESK + desk))
            case Offer():
                self._give(held, decision, now_s)
            case Withdraw(partner=partner, why=why):
                self._say(logging.INFO, "worker %d is withdrawn from %s: %s", worker, partner, why)
                if why == "patience":
                    self._state.partners.rest(partner, now_s)
                self._order(held.without_offer(partner), WithdrawLeg(PARTNER + partner))
            case RingLastResort():
                self._say(
                    logging.WARNING, "worker %d: nobody picked up an urgent caller, the last resort rings", worker
                )
                self._order(replace(held, last_resort_since_s=now_s), ring_last_resort(self._telephony))
            case StopLastResort():
                # Its place is taken until the leg has ended; then it rings again.
                self._order(replace(held, last_resort_since_s=now_s), WithdrawLeg(LAST_RESORT))

    def _give(self, held: Held, offer: Offer, now_s: float) -> None:
        """To the partner: as a second place to wait, or, where the trunk follows a redirect, altogether."""
        why = (offer.chance_home, offer.chance_partner)
        self._say(
            logging.INFO, "worker %d is offered to %s: chance here %.2f, there %.2f", held.worker, offer.partner, *why
        )
        given = replace(held, offers=(*held.offers, Offered(offer.partner, now_s, *why)))
        agreed = next(each for each in self._config.partner if each.name == offer.partner)
        if self.redirects and not held.answered_caller:
            self._state.partners.gave(offer.partner, now_s)
            self._order(given, Refuse(302, "Moved Temporarily", contact=agreed.redirect_to))
        else:
            self._order(given, ring_partner(offer.partner, self._config, held, now_s))

    def _order(self, held: Held, command: Command) -> None:
        if isinstance(command, WithdrawLeg):
            held = replace(held, leaving=held.leaving | {command.leg})
        self._state.held[held.worker] = held
        self._commands.append((held.worker, command))

    def announce(self, refused: set[int], now_s: float) -> None:
        """Tell the waiting what is new for them, all but those who are `refused`."""
        floor = self._state.floor()
        manned = len(situation.desks(floor))
        place = {caller.id: index for index, caller in enumerate(in_order(situation.callers(floor), now_s))}
        for held in [each for each in self._state.held.values() if each.waiting and each.worker not in refused]:
            expected_s = expected_wait_s(place[str(held.worker)], manned, self._state.handling_s)
            holds, spoken = self._announcer.say(held, expected_s)
            self._commands += [(held.worker, hold) for hold in holds]
            self._state.held[held.worker] = replace(held, spoken=spoken)
