"""Taps → the panel's own store. A tap is on disk before it is answered; after a moment to undo it is reported.

A number that was tapped stands as `pending/<code>` until the hand has rested `undo_s`. Then it becomes
`capacity/<code>` and an event in one transaction, however many taps it took. Both carry the instant of the tap.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from zorgkiosk.capacity.freshness import Fresh, rung
from zorgkiosk.contract.events import CapacityConfirmed, CapacityReported
from zorgkiosk.site import facts
from zorgkiosk.site.clock import Clock
from zorgkiosk.site.config import CapacityItem, SiteConfig
from zorgkiosk.site.facts import CapacityFact, DeskPresence, OverflowSwitch
from zorgkiosk.site.panel import words
from zorgkiosk.site.panel.known import LostSeen, Moment, PendingTap
from zorgkiosk.site.store import StateValue, Store, StoreError, Transaction

LOWEST_FREE = -99
HIGHEST_FREE = 999

log = logging.getLogger(__name__)


class RefusedError(Exception):
    """A tap that makes no sense here; the text is a short Dutch sentence for the screen. Nothing was changed."""


def is_ripe(pending: StateValue, now: Moment, undo_s: float) -> bool:
    """Whether the time to undo is over. A tap from before a reboot is ripe whatever the wall clock says now."""
    return pending.said.boot_id != now.at.boot_id or facts.age_s(pending, now) >= undo_s


def next_free(item: CapacityItem, fact: CapacityFact | None, pending: PendingTap | None, step: int) -> int:
    """The number after one tap, within −99 and the total. Minus on a number never told says 0, not −1."""
    highest = HIGHEST_FREE if item.total is None else item.total
    if pending is not None:
        free = pending.free + step
    elif fact is not None:
        free = fact.free + step
    else:
        free = max(step, 0)
    return max(LOWEST_FREE, min(free, highest))


class Taps:
    """Everything a hand can do on a panel. Each verb is one commit; all raise StoreError when nothing was saved.

    Safe to call from several threads. `problem` holds the Dutch sentence of a store that refuses, until it takes
    again.
    """

    def __init__(self, config: SiteConfig, store: Store, clock: Clock) -> None:
        self._config = config
        self._store = store
        self._clock = clock
        self.problem: str | None = None

    def step(self, code: str, step: Literal[-1, 1], tap: str | None = None) -> None:
        """One more or one less. The same `tap` again changes nothing. Raises RefusedError for a foreign code."""
        item = self._item(code)
        with self._change() as change:
            waiting = facts.read(PendingTap, change.get(f"pending/{code}"))
            if tap is not None and waiting is not None and waiting.tap == tap:
                return
            free = next_free(item, facts.read(CapacityFact, change.get(f"capacity/{code}")), waiting, step)
            change.put(f"pending/{code}", PendingTap(free=free, tap=tap).model_dump())
            if self._config.panel.undo_s == 0:
                self._report(change, item)

    def undo(self) -> None:
        """Forget every number that has not been reported yet."""
        with self._change() as change:
            for item in self._config.capacity:
                change.remove(f"pending/{item.code}")

    def confirm(self, seen: Mapping[str, int]) -> None:
        """ "Klopt nog" for the numbers that stood on the screen, by code: what was just tapped is reported at once.

        A number that is unknown, or is not what was seen, is not confirmed. Raises RefusedError when none is left.
        """
        items = [self._item(code) for code in seen]
        confirmed: list[str] = []
        reported = 0
        with self._change() as change:
            for item in items:
                waiting = facts.read(PendingTap, change.get(f"pending/{item.code}"))
                if waiting is not None:
                    if waiting.free == seen[item.code]:
                        self._report(change, item)
                        reported += 1
                elif self._still_known(item, change.get(f"capacity/{item.code}"), seen[item.code]):
                    change.put(f"capacity/{item.code}", _fact(item, seen[item.code]).model_dump())
                    confirmed.append(item.code)
            if confirmed:
                change.report(CapacityConfirmed(categories=tuple(confirmed)))
        if not confirmed and not reported:
            raise RefusedError("Er is niets te bevestigen: tik eerst het aantal.")
        log.info("capacity: confirmed %s, reported %d", ", ".join(confirmed) or "none", reported)

    def desk(self, desk_id: str, *, present: bool) -> None:
        """A triagist sits down or leaves. Raises RefusedError for a desk this site does not have."""
        if desk_id not in {desk.id for desk in self._config.desk}:
            raise RefusedError("Deze werkplek is hier niet bekend.")
        with self._change() as change:
            change.put(f"desk/{desk_id}", DeskPresence(present=present).model_dump())
        log.info("desk %s: %s", desk_id, "present" if present else "away")

    def overflow(self, switch: Literal["giving", "accepting"], *, on: bool) -> None:
        """Open or close one direction of the overflow. Raises RefusedError at a site without telephony."""
        if self._config.telephony is None:
            raise RefusedError("Deze locatie heeft geen overloop.")
        with self._change() as change:
            now = facts.read(OverflowSwitch, change.get("overflow")) or OverflowSwitch()
            change.put("overflow", now.model_copy(update={switch: on}).model_dump())
        log.info("overflow %s: %s", switch, "on" if on else "off")

    def report_ripe(self) -> int:
        """Report what was tapped once the hand has rested `undo_s` on every number; returns how many."""
        with self._change() as change:
            now = Moment(self._clock.said())
            waiting = {item.code: change.get(f"pending/{item.code}") for item in self._config.capacity}
            if not all(is_ripe(value, now, self._config.panel.undo_s) for value in waiting.values() if value):
                return 0
            return sum(self._report(change, item) for item in self._config.capacity if waiting[item.code])

    def prune(self, epoch: str, up_to: int) -> None:
        """Forget the events the hub has in its database."""
        with self._told():
            self._store.prune(epoch, up_to)

    def note_lost(self, count: int) -> None:
        """Remember when the line's count of lost callers rose."""
        with self._change() as change:
            seen = facts.read(LostSeen, change.get("lost"))
            if seen is None or seen.count != count:
                rose = seen is not None and count > seen.count
                change.put("lost", LostSeen(count=count, rose=rose).model_dump())

    def _report(self, change: Transaction, item: CapacityItem) -> bool:
        value = change.get(f"pending/{item.code}")
        waiting = facts.read(PendingTap, value)
        if value is None or waiting is None:
            return False
        fact = _fact(item, waiting.free)
        change.put(f"capacity/{item.code}", fact.model_dump(), said=value.said)
        change.report(CapacityReported.model_validate(fact.model_dump()), said=value.said)
        change.remove(f"pending/{item.code}")
        log.info("capacity %s: %d free reported", item.code, waiting.free)
        return True

    def _still_known(self, item: CapacityItem, value: StateValue | None, seen: int) -> bool:
        fact = facts.read(CapacityFact, value)
        if value is None or fact is None or fact.free != seen:
            return False
        return rung(facts.age_s(value, self._clock), item.freshness) is not Fresh.UNKNOWN

    def _item(self, code: str) -> CapacityItem:
        for item in self._config.capacity:
            if item.code == code:
                return item
        raise RefusedError("Deze soort capaciteit is hier niet bekend.")

    @contextmanager
    def _change(self) -> Iterator[Transaction]:
        with self._told(), self._store.transaction() as change:
            yield change

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Keeps `problem`, and logs only when it begins and ends."""
        try:
            yield
        except StoreError as error:
            if self.problem is None:
                log.error("panel store refuses: %s", error)
            self.problem = words.store_problem(str(error))
            raise
        if self.problem is not None:
            log.info("panel store takes again")
        self.problem = None


def _fact(item: CapacityItem, free: int) -> CapacityFact:
    return CapacityFact(category=item.code, free=free, total=item.total)
