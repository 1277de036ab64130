"""When a value wants confirming: the line asks at once and silently; a chime only later, and never at night. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import time

from zorgkiosk.capacity.freshness import Fresh
from zorgkiosk.site import facts
from zorgkiosk.site.config_panel import Panel
from zorgkiosk.site.facts import CapacityFact
from zorgkiosk.site.panel import words
from zorgkiosk.site.panel.known import Known, Moment
from zorgkiosk.site.panel.language import say


def question(known: Known) -> str:
    """What the line asks; "" when every value is current, or was never told."""
    asked = [fresh for fresh, _ in _asked(known)]
    if not asked:
        return ""
    overdue = asked.count(Fresh.OVERDUE)
    numbers = words.many(len(asked), "aantal", "aantallen")
    late = say(", %(count)s verlopen", count=overdue) if overdue else ""
    return say("Klopt het nog? %(numbers)s te bevestigen%(late)s.", numbers=numbers, late=late)


def chimes(known: Known) -> int:
    """How many times the oldest question has called for a chime so far; 0 for silence. The screen plays each once."""
    waited_s = max((waited_s for _, waited_s in _asked(known)), default=None)
    return chime_count(known.config.panel, waited_s, words.local_time(known.now.at))


def chime_count(panel: Panel, waited_s: float | None, local: time) -> int:
    """`waited_s`: since when the oldest value wants confirming, None when none does."""
    if panel.sound_after_min is None or waited_s is None or is_quiet(panel.quiet, local):
        return 0
    return math.floor(waited_s / (panel.sound_after_min * 60))


def is_quiet(span: tuple[time, time] | None, local: time) -> bool:
    """Whether `local` is within the span, which may go over midnight; its end is not in it."""
    if span is None:
        return False
    begin, end = span
    return begin <= local < end if begin <= end else local >= begin or local < end


def _asked(known: Known) -> Iterator[tuple[Fresh, float]]:
    """Every value that is due or overdue, and for how many seconds it has been."""
    for item in known.config.capacity:
        value = known.panel.get(f"capacity/{item.code}")
        fact = facts.read(CapacityFact, value)
        if value is None or fact is None or f"pending/{item.code}" in known.panel:
            continue
        fresh = facts.fresh(fact, value, item.freshness, Moment(known.now))
        if fresh in (Fresh.DUE, Fresh.OVERDUE):
            yield fresh, max(0.0, known.age_s(value) - item.freshness.due_s)
