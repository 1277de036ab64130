"""One category as any panel shows it: its number or status, how true that still is, and how far it got. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zorgkiosk.capacity.catalog import LIMIT_WORDS, REASON_WORDS, Choice
from zorgkiosk.capacity.freshness import Fresh
from zorgkiosk.contract.events import parse_instant
from zorgkiosk.contract.status import Ack
from zorgkiosk.site import facts
from zorgkiosk.site.config import CapacityItem
from zorgkiosk.site.facts import CapacityFact
from zorgkiosk.site.panel import draft, words
from zorgkiosk.site.panel.known import Known, Moment, PendingTap, SentFact
from zorgkiosk.site.panel.language import name as named
from zorgkiosk.site.panel.language import phrase, say

ON_DEVICE = phrase("op dit apparaat")


@dataclass(frozen=True)
class Option:
    """One of several that can be chosen. `grade` (open, tight, shut) is "" for what is neither good nor bad."""

    code: str
    label: str
    chosen: bool
    shape: str = ""
    grade: str = ""
    note: str = ""


@dataclass(frozen=True)
class Tile:
    """One category, a number to count or a status to choose.

    `number` is the number, or the word of the status, as it is to be read; `shown` is what "Klopt nog" speaks of: the
    integer or the code, None when the value is unknown and therefore hidden. `way` tells how far it got: on this
    device, or with the region; `way_short` does so in half the width. `note` is what else is said of it. `detail`
    numbers the page where more can be said, 0 when there is none.
    """

    code: str
    kind: Literal["count", "status"]
    name: str
    number: str
    total: str
    expected: str
    note: str
    state: str
    shape: str
    word: str
    age: str
    way: str
    way_short: str
    shown: int | str | None
    can_add: bool
    can_take: bool
    choices: tuple[Option, ...]
    detail: int
    detail_word: str

    def beside(self, step: Literal[-1, 1]) -> Option | None:
        """The choice after (1) or before (-1) the chosen one, None at the end; while none is chosen, the first."""
        chosen = next((index for index, option in enumerate(self.choices) if option.chosen), None)
        at = 0 if chosen is None else chosen + step
        return self.choices[at] if 0 <= at < len(self.choices) else None


def tile(known: Known, item: CapacityItem) -> Tile:
    told = says(known, item)
    now, highest = told.draft, draft.HIGHEST_FREE if item.total is None else item.total
    free, status = (now.free, now.status) if now is not None else (None, None)
    return Tile(
        code=item.code,
        kind="count" if item.category.counted else "status",
        name=named(item.category),
        number=_number(item, now),
        total="" if item.total is None else say("van %(total)s", total=item.total),
        expected=expected_words(item, now),
        note=_note(known, item, now),
        state="pending" if told.pending else told.fresh.name.lower(),
        shape="…" if told.pending else words.SHAPES[told.fresh],
        word=say("bewaard") if told.pending else say(told.fresh.value),
        age=_age_words(told),
        way=_way(known, item, told, say("regio heeft het ✓")),
        way_short=_way(known, item, told, say("regio ✓")),
        shown=free if item.category.counted else status,
        can_add=item.category.counted and (free is None or free < highest),
        can_take=item.category.counted and (free is None or free > draft.LOWEST_FREE),
        choices=tuple(_option(choice, now) for choice in item.category.choices),
        detail=known.config.capacity.index(item) + 1 if has_detail(item) else 0,
        detail_word=_detail_word(item),
    )


@dataclass(frozen=True)
class Told:
    """What staff said of a category: `draft` None when nothing is known to be true, ends by the clock as it now is.

    `pending`: it can still be undone. `age_s` is None when it was never reported, `ended` when its end has passed.
    """

    draft: PendingTap | None
    pending: bool
    fresh: Fresh
    age_s: float | None
    ended: bool = False


def says(known: Known, item: CapacityItem) -> Told:
    value = known.panel.get(f"capacity/{item.code}")
    fact = facts.read(CapacityFact, value)
    age_s = None if value is None else known.age_s(value)
    fresh, now = Fresh.UNKNOWN, None
    if value is not None and fact is not None and _still_a_choice(item, fact):
        fresh = facts.fresh(fact, value, item.freshness, Moment(known.now))
        now = draft.of_fact(fact, facts.end_now(fact.until, value, Moment(known.now)))
    ended = now is not None and fresh is Fresh.UNKNOWN and (age_s or 0) < item.freshness.unknown_s
    if (pending := facts.read(PendingTap, known.panel.get(f"pending/{item.code}"))) is not None:
        return Told(pending, True, fresh, age_s)
    return Told(None if fresh is Fresh.UNKNOWN else now, False, fresh, age_s, ended)


def _still_a_choice(item: CapacityItem, fact: CapacityFact) -> bool:
    """A status of an older or newer catalogue says nothing."""
    return item.category.counted or item.category.choice(fact.status) is not None


def _number(item: CapacityItem, now: PendingTap | None) -> str:
    if now is not None and now.free is not None:
        return words.number(now.free)
    choice = item.category.choice(now.status) if now is not None else None
    return "?" if choice is None else named(choice)


def expected_words(item: CapacityItem, now: PendingTap | None) -> str:
    if not item.ask_expected:
        return ""
    expected = None if now is None else now.expected_free_24h
    return say("24 u: %(number)s", number="–" if expected is None else words.number(expected))


def _note(known: Known, item: CapacityItem, now: PendingTap | None) -> str:
    """`drukte · tot 15:05`, `alleen vrouw`; "" when there is nothing more to say."""
    if now is None:
        return ""
    parts = [named(LIMIT_WORDS[limit]) for limit in now.limits]
    if now.reason is not None:
        parts.append(named(REASON_WORDS[now.reason]))
    choice = item.category.choice(now.status)
    if choice is not None and choice.end is not None and now.until is not None:
        parts.append(f"{named(choice.end)} {words.ahead(parse_instant(now.until), known.now.at)}")
    return " · ".join(parts)


def _option(choice: Choice, now: PendingTap | None) -> Option:
    chosen = now is not None and now.status == choice.code
    return Option(choice.code, named(choice), chosen, words.GRADE_SHAPES[choice.grade], choice.grade)


def has_detail(item: CapacityItem) -> bool:
    """Whether more can be said of it than its tile asks."""
    said_more = any(choice.reasons or choice.end for choice in item.category.choices)
    return bool(item.ask_expected or item.limits or said_more)


def _detail_word(item: CapacityItem) -> str:
    if item.category.counted:
        return say("Meer")
    return say("Reden en tijd") if any(choice.reasons for choice in item.category.choices) else say("Tijd")


def _age_words(told: Told) -> str:
    if told.pending:
        return say(ON_DEVICE)
    if told.ended:
        return say("eindtijd voorbij: kies opnieuw")
    return say("nog nooit gemeld") if told.age_s is None else words.age(told.age_s)


def _way(known: Known, item: CapacityItem, told: Told, arrived: str) -> str:
    """How far the report got that told this value; "" for what is unknown, pending, or from before this was kept."""
    value = known.panel.get(f"sent/{item.code}")
    sent = facts.read(SentFact, value)
    if told.pending or told.draft is None or value is None or sent is None:
        return ""
    if not sent.arrived:
        ack = known.acked
        if ack is None or Ack.model_validate(ack.value).up_to < sent.sequence:
            return say(ON_DEVICE)
        value = ack
    if words.day(value.said.at) != words.day(known.now.at):
        return arrived
    return f"{arrived} {words.clock(value.said.at)}"
