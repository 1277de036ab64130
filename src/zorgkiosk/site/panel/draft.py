"""What one tap makes of what stands there: pure steps from one draft to the next.

A draft is what will be reported once the hand has rested. It starts as what is known to be true of the category; of a
value that has become unknown nothing but its number is taken along, and that only to count on from.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, cast, get_args

from zorgkiosk.capacity.catalog import EXCLUDES, Choice
from zorgkiosk.contract.capacity import Limit
from zorgkiosk.contract.events import Said, format_instant
from zorgkiosk.site.config import CapacityItem
from zorgkiosk.site.facts import CapacityFact
from zorgkiosk.site.panel import words
from zorgkiosk.site.panel.known import PendingTap

LOWEST_FREE = -99
HIGHEST_FREE = 999

End = Literal["1-uur", "2-uur", "4-uur", "18-uur", "8-uur", "geen"]
"""When a status ends: so many hours from now, at the next 18:00 or 8:00, or nobody can say."""
ENDS: tuple[End, ...] = get_args(End)
_HOURS_ON: dict[End, int] = {"1-uur": 1, "2-uur": 2, "4-uur": 4}
_AT_HOUR: dict[End, int] = {"18-uur": 18, "8-uur": 8}
_ROUNDED_UP_TO_MIN = 5


class RefusedError(Exception):
    """A tap that makes no sense here; the text is a short Dutch sentence for the screen. Nothing was changed."""


def next_free(item: CapacityItem, fact: CapacityFact | None, pending: PendingTap | None, step: int) -> int:
    """The number after one tap, within −99 and the total. Minus on a number never told says 0, not −1."""
    if pending is not None and pending.free is not None:
        free = pending.free + step
    elif fact is not None and fact.free is not None:
        free = fact.free + step
    else:
        free = max(step, 0)
    return _bounded(item, free)


def step(item: CapacityItem, told: CapacityFact | None, draft: PendingTap | None, by: int) -> PendingTap:
    """One more or less free."""
    if not item.category.counted:
        raise RefusedError("Kies hier hoe het nu is.")
    return (draft or PendingTap()).model_copy(update={"free": next_free(item, told, draft, by)})


def of_fact(fact: CapacityFact, until: datetime | None) -> PendingTap:
    """A draft that says what the fact says; `until` is its end by the clock as it now is."""
    return PendingTap(
        free=fact.free,
        expected_free_24h=fact.expected_free_24h,
        limits=fact.limits,
        status=fact.status,
        reason=fact.reason,
        until=None if until is None else format_instant(until),
    )


def expect(item: CapacityItem, draft: PendingTap | None, step: int) -> PendingTap:
    """One more or less expected in 24 h; the first tap counts on from what is free now."""
    if not item.ask_expected:
        raise RefusedError("Dit aantal wordt hier niet gevraagd.")
    draft = _counted(draft)
    base = draft.free if draft.expected_free_24h is None else draft.expected_free_24h
    return draft.model_copy(update={"expected_free_24h": _bounded(item, (base or 0) + step)})


def limit(item: CapacityItem, draft: PendingTap | None, code: str, *, on: bool) -> PendingTap:
    """Set or clear one limit; in the order of the config, so that the same limits are the same report."""
    if code not in item.limits:
        raise RefusedError("Deze beperking is hier niet bekend.")
    draft = _counted(draft)
    gone = {code, EXCLUDES.get(cast(Limit, code))} if on else {code}
    kept = {one for one in draft.limits if one not in gone} | ({code} if on else set())
    return draft.model_copy(update={"limits": tuple(one for one in item.limits if one in kept)})


def choose(item: CapacityItem, draft: PendingTap | None, status: str) -> PendingTap:
    """Another status has neither the reason nor the end of the one before; the same one keeps its own."""
    if item.category.choice(status) is None:
        raise RefusedError("Deze keuze is hier niet bekend.")
    if draft is not None and draft.status == status:
        return draft
    return PendingTap(status=status)


def reason(item: CapacityItem, draft: PendingTap | None, code: str, *, on: bool) -> PendingTap:
    """Say why, or take it back."""
    chosen, draft = _chosen(item, draft)
    if code not in chosen.reasons:
        raise RefusedError("Deze reden hoort niet bij deze keuze.")
    if on:
        return draft.model_copy(update={"reason": code})
    return draft.model_copy(update={"reason": None}) if draft.reason == code else draft


def end(item: CapacityItem, draft: PendingTap | None, code: str, now: Said) -> PendingTap:
    """Say when it is expected to end."""
    chosen, draft = _chosen(item, draft)
    if chosen.end is None or code not in ENDS:
        raise RefusedError("Bij deze keuze hoort geen eindtijd.")
    if code not in ends(now):
        raise RefusedError("De klok is niet gelijk: kies een aantal uren.")
    until = end_at(code, now.at)
    return draft.model_copy(update={"until": None if until is None else format_instant(until)})


def ends(now: Said) -> tuple[End, ...]:
    """What can be chosen: with a clock that may be wrong only what is counted from now."""
    return tuple(code for code in ENDS if now.clock_synced or code not in _AT_HOUR)


def end_at(code: End, now: datetime) -> datetime | None:
    """The instant that the key means when it is pressed at `now`; hours from now are rounded up to five minutes."""
    if code in _AT_HOUR:
        local = now.astimezone(words.AMSTERDAM).replace(hour=_AT_HOUR[code], minute=0, second=0, microsecond=0)
        return local if local > now else local + timedelta(days=1)
    if code not in _HOURS_ON:
        return None
    exact = now + timedelta(hours=_HOURS_ON[code])
    whole = exact.replace(minute=exact.minute // _ROUNDED_UP_TO_MIN * _ROUNDED_UP_TO_MIN, second=0, microsecond=0)
    return whole if whole == exact else whole + timedelta(minutes=_ROUNDED_UP_TO_MIN)


def _bounded(item: CapacityItem, free: int) -> int:
    highest = HIGHEST_FREE if item.total is None else item.total
    return max(LOWEST_FREE, min(free, highest))


def _counted(draft: PendingTap | None) -> PendingTap:
    if draft is None or draft.free is None:
        raise RefusedError("Tik eerst hoeveel er nu vrij is.")
    return draft


def _chosen(item: CapacityItem, draft: PendingTap | None) -> tuple[Choice, PendingTap]:
    chosen = item.category.choice(draft.status) if draft is not None else None
    if chosen is None or draft is None:
        raise RefusedError("Kies eerst hoe het nu is.")
    return chosen, draft
