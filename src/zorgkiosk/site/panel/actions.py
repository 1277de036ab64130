"""Taps → the panel's own store. A tap is on disk before it is answered; after a moment to undo it is reported.

What was tapped stands as `pending/<code>` until the hand has rested `undo_s`. Then it becomes `capacity/<code>` and an
event in one transaction, however many taps it took. Both carry the instant of the tap.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Literal

from zorgkiosk.capacity.freshness import Fresh
from zorgkiosk.contract.events import CapacityConfirmed, CapacityReported, JournalHead
from zorgkiosk.contract.status import Ack
from zorgkiosk.site import chain, facts
from zorgkiosk.site.clock import Clock
from zorgkiosk.site.config import CapacityItem, SiteConfig
from zorgkiosk.site.config_panel import PinAction
from zorgkiosk.site.facts import CapacityFact, DeskPresence, OverflowSwitch
from zorgkiosk.site.faults import numbered
from zorgkiosk.site.journal import JournalLine
from zorgkiosk.site.panel import draft, words
from zorgkiosk.site.panel.actor import NOBODY, Actor, Health, PinNeededError
from zorgkiosk.site.panel.draft import RefusedError as RefusedError
from zorgkiosk.site.panel.known import DeskFailed, LostSeen, Moment, PendingTap, SentFact
from zorgkiosk.site.panel.log_budget import LogBudget, Spent
from zorgkiosk.site.store import StateValue, Store, StoreError, Transaction

log = logging.getLogger(__name__)


Revision = Literal["step", "expect", "limit", "choose", "reason", "end"]
_SAYS: dict[Revision, str] = {
    "step": "free",
    "expect": "expected_free_24h",
    "limit": "limits",
    "choose": "status",
    "reason": "reason",
    "end": "until",
}
"""Which field of the draft a tap is about: the logbook keeps that."""


def is_ripe(pending: StateValue, now: Moment, undo_s: float) -> bool:
    """Whether the time to undo is over. A tap from before a reboot is ripe whatever the wall clock says now."""
    return pending.said.boot_id != now.at.boot_id or facts.age_s(pending, now) >= undo_s


class Taps:
    """Everything a hand can do on a panel. Each verb is one commit; all raise StoreError when nothing was saved.

    Safe to call from several threads. `problem` holds the Dutch sentence of a store that refuses, until it takes
    again.
    """

    def __init__(self, config: SiteConfig, store: Store, clock: Clock, actor: Actor = NOBODY) -> None:
        self._config = config
        self._store = store
        self._clock = clock
        self._actor = actor
        self._health = Health()
        self._budget = LogBudget()

    @property
    def problem(self) -> str | None:
        return self._health.problem

    def by(self, actor: Actor) -> Taps:
        """The same taps by another hand: what they do is logged as theirs, and allowed to them."""
        taps = copy.copy(self)
        taps._actor = actor
        return taps

    def step(self, code: str, step: Literal[-1, 1], tap: str | None = None) -> None:
        """One more or one less is free. The same `tap` again changes nothing, as in all that follow.

        Raises RefusedError for a code that this site does not count.
        """
        self._revise("step", code, tap, lambda item, told, known: draft.step(item, told, known, step))

    def expect(self, code: str, step: Literal[-1, 1], tap: str | None = None) -> None:
        """One more or one less will be free in 24 h. Raises RefusedError where that is not asked."""
        self._revise("expect", code, tap, lambda item, _told, known: draft.expect(item, known, step))

    def limit(self, code: str, limit: str, *, on: bool, tap: str | None = None) -> None:
        """What is free has this limit, or no longer. Raises RefusedError for a limit that is not in the config."""
        self._revise("limit", code, tap, lambda item, _told, known: draft.limit(item, known, limit, on=on))

    def choose(self, code: str, status: str, tap: str | None = None) -> None:
        """It is like this now.

        Raises RefusedError for a status that the category does not have, PinNeededError when it asks for the PIN first.
        """
        if status == "stop":
            self._may("stop")
        self._revise("choose", code, tap, lambda item, _told, known: draft.choose(item, known, status))

    def reason(self, code: str, reason: str, *, on: bool, tap: str | None = None) -> None:
        """Why, or no longer. Raises RefusedError when the status that stands there has no such reason."""
        self._revise("reason", code, tap, lambda item, _told, known: draft.reason(item, known, reason, on=on))

    def end(self, code: str, end: str, tap: str | None = None) -> None:
        """Until when, one of `draft.ENDS`. Raises RefusedError when the status that stands there has no end."""
        now = self._clock.said()
        self._revise("end", code, tap, lambda item, _told, known: draft.end(item, known, end, now))

    def undo(self) -> None:
        """Forget everything that has not been reported yet."""
        with self._change() as change:
            waiting = [key for item in self._config.capacity if change.get(key := f"pending/{item.code}")]
            for key in waiting:
                change.remove(key)
            if waiting:
                self._note(change, "undo")

    def confirm(self, seen: Mapping[str, int | str]) -> None:
        """ "Klopt nog" for the numbers and statuses that stood on the screen: what was just tapped is reported at once.

        A value that is unknown, or is not what was seen, is not confirmed. Raises RefusedError when none is left.
        """
        items = [self._item(code) for code in seen]
        confirmed: list[str] = []
        reported = 0
        with self._change() as change:
            for item in items:
                waiting = facts.read(PendingTap, change.get(f"pending/{item.code}"))
                if waiting is not None:
                    if seen[item.code] in (waiting.free, waiting.status):
                        self._report(change, item)
                        reported += 1
                elif (known := self._known(change, item)) and seen[item.code] in (known.free, known.status):
                    change.put(f"capacity/{item.code}", _fact(item, known).model_dump(mode="json"))
                    confirmed.append(item.code)
            if confirmed:
                sequence = change.report(CapacityConfirmed(categories=tuple(confirmed)))
                for code in confirmed:
                    change.put(f"sent/{code}", SentFact(sequence=sequence).model_dump())
            if confirmed or reported:
                self._note(change, "confirm", " ".join(item.code for item in items))
        if not confirmed and not reported:
            raise RefusedError("Er is niets te bevestigen: tik eerst wat er nu is.")
        log.info("capacity: confirmed %s, reported %d", ", ".join(confirmed) or "none", reported)

    def desk(self, desk_id: str, *, present: bool) -> None:
        """A triagist sits down or leaves. Raises RefusedError for a desk this site does not have."""
        if desk_id not in {desk.id for desk in self._config.desk}:
            raise RefusedError("Deze werkplek is hier niet bekend.")
        with self._change() as change:
            change.put(f"desk/{desk_id}", DeskPresence(present=present).model_dump())
            self._note(change, "desk", desk_id, "yes" if present else "no")
        log.info("desk %s: %s", desk_id, "present" if present else "away")

    def overflow(self, switch: Literal["giving", "accepting"], *, on: bool) -> None:
        """Open or close one direction of the overflow.

        Raises RefusedError at a site without telephony, PinNeededError when this asks for the PIN first.
        """
        if self._config.telephony is None:
            raise RefusedError("Deze locatie heeft geen overloop.")
        self._may(switch)
        with self._change() as change:
            now = facts.read(OverflowSwitch, change.get("overflow")) or OverflowSwitch()
            change.put("overflow", now.model_copy(update={switch: on}).model_dump())
            self._note(change, "overflow", switch, "yes" if on else "no")
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

    def note(self, verb: Literal["pin", "login"]) -> None:
        """Log what changes nothing: a wrong PIN, or a session that began."""
        with self._change() as change:
            self._note(change, verb)

    def wrong_pins(self) -> int:
        """How many wrong ones in a row there were at this device, also before a restart."""
        view = self._store.view()
        try:
            value = view.state().get(self._wrong_pins_key())
        finally:
            view.close()
        return value.value if value is not None and isinstance(value.value, int) else 0

    def remember_wrong_pins(self, count: int) -> None:
        with self._change() as change:
            if count:
                change.put(self._wrong_pins_key(), count)
            else:
                change.remove(self._wrong_pins_key())

    def _wrong_pins_key(self) -> str:
        return f"wrong-pins/{self._actor.device}"

    def note_config(self, digest: str) -> None:
        """Log which config is in force, by its SHA-256, when it is another one than at the last start."""
        with self._change() as change:
            told = change.get("config-told")
            if told is None or told.value != digest:
                change.put("config-told", digest)
                change.note(JournalLine(chain.OWN_DEVICE, chain.OWN_ROLE, "config", digest))

    def prune_journal(self) -> int:
        """Forget what was logged longer than `log_days` ago; returns how many lines."""
        with self._told():
            return self._store.prune_journal(self._clock.now() - timedelta(days=self._config.panel.log_days))

    def tell_journal(self) -> None:
        """Write the journal's last line into the file beside the store."""
        with self._told():
            self._store.tell_head()

    def report_journal(self) -> None:
        """Tell the hub the journal's last line, unless it has been told."""
        with self._change() as change:
            head, told = change.begin_journal(), change.get("journal-told")
            if told is None or told.value != str(head):
                change.put("journal-told", str(head))
                change.report(JournalHead(line=head.sequence, sha256=head.hash))

    def note_arrived(self, ack: StateValue) -> None:
        """Remember of which values the hub has the last report; `ack` is the hub's of the panel's own outbox."""
        up_to = Ack.model_validate(ack.value).up_to
        with self._change() as change:
            for item in self._config.capacity:
                sent = facts.read(SentFact, change.get(f"sent/{item.code}"))
                if sent is not None and not sent.arrived and sent.sequence <= up_to:
                    arrived = SentFact(sequence=sent.sequence, arrived=True)
                    change.put(f"sent/{item.code}", arrived.model_dump(), said=ack.said)

    def tend(self) -> None:
        """Look after the store. Raises StoreDamagedError when the panel must start anew to get a sound file."""
        with self._told():
            self._store.tend()

    def note_lost(self, count: int) -> None:
        """Remember when the line's count of lost callers rose."""
        with self._change() as change:
            seen = facts.read(LostSeen, change.get("lost"))
            if seen is None or seen.count != count:
                rose = seen is not None and count > seen.count
                known_up_to = count if seen is None else min(seen.seen, count)
                change.put("lost", LostSeen(count=count, rose=rose, seen=known_up_to).model_dump())

    def note_failed(self, failures: Mapping[str, DeskFailed]) -> None:
        """Remember desks that did not answer, by id, until somebody has seen it."""
        with self._change() as change:
            for desk_id, failed in failures.items():
                change.put(f"failed/{desk_id}", failed.model_dump())

    def seen(self, lost: int | None, failed: Mapping[str, int]) -> None:
        """ "Gezien" for what stood on the screen: lost callers up to a count, failures by desk id and uptime."""
        with self._change() as change:
            value = change.get("lost")
            told = facts.read(LostSeen, value)
            if lost is not None and value is not None and told is not None and told.seen < lost <= told.count:
                change.put("lost", told.model_copy(update={"seen": lost}).model_dump(), said=value.said)
                self._note(change, "seen", "lost", str(lost))
            for desk_id, since_ms in failed.items():
                at = change.get(f"failed/{desk_id}")
                failure = facts.read(DeskFailed, at)
                if at is not None and failure is not None and failure == DeskFailed(since_uptime_ms=since_ms):
                    change.put(
                        f"failed/{desk_id}", failure.model_copy(update={"seen": True}).model_dump(), said=at.said
                    )
                    self._note(change, "seen", desk_id)

    def _may(self, action: PinAction) -> None:
        if action in self._config.panel.pin_actions and self._actor.role != "leiding":
            raise PinNeededError("Hiervoor is de pincode nodig: gebruik het aanraakscherm.")

    def _note(self, change: Transaction, verb: str, subject: str = "", value: str = "") -> None:
        match self._budget.spend(self._actor.device, verb, self._clock.uptime_s()):
            case Spent.WITHIN:
                change.note(JournalLine(self._actor.device, self._actor.role, verb, subject, value))
            case Spent.FIRST_BEYOND:
                change.note(JournalLine(self._actor.device, self._actor.role, "unlogged"))
            case Spent.BEYOND:
                pass

    def _report(self, change: Transaction, item: CapacityItem) -> bool:
        value = change.get(f"pending/{item.code}")
        waiting = facts.read(PendingTap, value)
        if value is None or waiting is None:
            return False
        fact = _fact(item, waiting)
        change.put(f"capacity/{item.code}", fact.model_dump(mode="json"), said=value.said)
        sequence = change.report(CapacityReported.model_validate(fact.model_dump()), said=value.said)
        change.put(f"sent/{item.code}", SentFact(sequence=sequence).model_dump())
        change.remove(f"pending/{item.code}")
        log.info("capacity %s: %s reported", item.code, fact.status or f"{fact.free} free")
        return True

    def _revise(
        self,
        verb: Revision,
        code: str,
        tap: str | None,
        step: Callable[[CapacityItem, CapacityFact | None, PendingTap | None], PendingTap],
    ) -> None:
        """Put the next draft. `step` gets what was told last, however old, and what is known to be true now."""
        item = self._item(code)
        with self._change() as change:
            waiting = facts.read(PendingTap, change.get(f"pending/{code}"))
            if tap is not None and waiting is not None and waiting.tap == tap:
                return
            told = facts.read(CapacityFact, change.get(f"capacity/{code}"))
            revised = step(item, told, waiting or self._known(change, item)).model_copy(update={"tap": tap})
            change.put(f"pending/{code}", revised.model_dump(mode="json", exclude_none=True))
            self._note(change, verb, code, _plain(getattr(revised, _SAYS[verb])))
            if self._config.panel.undo_s == 0:
                self._report(change, item)

    def _known(self, change: Transaction, item: CapacityItem) -> PendingTap | None:
        """What is known to be true of the category now, its end by the clock as it now is."""
        value = change.get(f"capacity/{item.code}")
        fact = facts.read(CapacityFact, value)
        if value is None or fact is None or facts.fresh(fact, value, item.freshness, self._clock) is Fresh.UNKNOWN:
            return None
        return draft.of_fact(fact, facts.end_now(fact.until, value, self._clock))

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
            if self._health.problem is None:
                log.error("panel store refuses: %s", numbered(words.store_problem(str(error)), str(error)))
            self._health.problem = words.store_problem(str(error))
            raise
        if self._health.problem is not None:
            log.info("panel store takes again")
        self._health.problem = None


def _plain(said: object) -> str:
    """A number, a code, codes or an instant, as the logbook keeps it; "" for none."""
    return " ".join(said) if isinstance(said, tuple) else "" if said is None else str(said)


def _fact(item: CapacityItem, known: PendingTap) -> CapacityFact:
    return CapacityFact(category=item.code, total=item.total, **known.model_dump(exclude={"tap"}))
