"""A category's own page on a plate: its questions as rows of keys, all at once or three at a time. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from zorgkiosk.site.panel.detail import DetailPage
from zorgkiosk.site.panel.keys import Key, Verb
from zorgkiosk.site.panel.language import say
from zorgkiosk.site.panel.openhasp_pages import (
    EXPECTED,
    LOWER_ASKS,
    OPTIONS_A_ROW,
    TO_CAPACITY,
    UPPER_ASKS,
    WHOSE,
    Layout,
    lower_id,
    upper_id,
)
from zorgkiosk.site.panel.openhasp_protocol import Attributes
from zorgkiosk.site.panel.openhasp_words import CALM, STATE_COLOURS, key_of_plate, words_of
from zorgkiosk.site.panel.tile import Option

SMALL_ROW = 3


@dataclass(frozen=True)
class Choice:
    """A key of a row: what it does, what it says, and whether it is chosen or cannot be touched now."""

    key: Key
    text: str
    on: bool = False
    enabled: bool = True
    large: bool = False


@dataclass(frozen=True)
class Question:
    """`at` counts the places of its row from 1. `number` stands between − and +, "" in every other row."""

    asks: str
    at: Mapping[int, Choice]
    number: str = ""
    lower: bool = False

    def ids(self, layout: Layout) -> Iterator[tuple[int, Choice]]:
        place = lower_id if self.lower and not layout.goes_round else upper_id
        yield from ((place(n), choice) for n, choice in self.at.items())


def questions(page: DetailPage, layout: Layout) -> list[tuple[Question, ...]]:
    """What stands there at once, one screenful after the other; at least one, which may be empty."""
    asked = tuple(_questions(page, SMALL_ROW if layout.goes_round else OPTIONS_A_ROW))
    if not layout.goes_round:
        return [asked]
    return [(part,) for question in asked for part in _by_three(question)] or [()]


def _questions(page: DetailPage, places: int) -> Iterator[Question]:
    enabled = not page.asked
    if page.limits:
        yield Question(say("Beperkingen van wat vrij is"), _choices("limit", page.limits, enabled))
    if page.reasons:
        yield Question(say("Waarom?"), _choices("reason", page.reasons, enabled))
    if page.expected:
        steps = {
            1: Choice(Key("less", 1), "-", enabled=page.can_take, large=True),
            min(3, places): Choice(Key("more", 1), "+", enabled=page.can_add, large=True),
        }
        yield Question(say("Hoeveel zijn er over 24 uur vrij?"), steps, page.expected, True)
    if page.ends:
        yield Question(page.end_word.capitalize(), _choices("end", page.ends, enabled), lower=True)


def _choices(verb: Verb, options: tuple[Option, ...], enabled: bool) -> dict[int, Choice]:
    return {
        n: Choice(Key(verb, n), " ".join(filter(None, (option.label, option.note))), option.chosen, enabled)
        for n, option in enumerate(options, start=1)
    }


def _by_three(question: Question) -> Iterator[Question]:
    for begin in range(1, max(question.at) + 1, SMALL_ROW):
        here = {n - begin + 1: choice for n, choice in question.at.items() if begin <= n < begin + SMALL_ROW}
        yield replace(question, at=here)


def detail_objects(page: DetailPage, part: int, layout: Layout) -> dict[int, Attributes]:
    tile = page.tile
    value = f"{tile.number} {tile.total}".strip() if tile.shown is not None else ""
    now = " · ".join(filter(None, (value, f"{tile.shape} {tile.word}", tile.age)))
    objects: dict[int, Attributes] = {
        WHOSE: words_of(f"{tile.name}: {now}", STATE_COLOURS.get(tile.state, CALM)),
        UPPER_ASKS: words_of(page.asked, STATE_COLOURS["due"]),
        TO_CAPACITY: key_of_plate(say("Terug")),
    }
    for question in questions(page, layout)[part]:
        asks = f"{tile.name}: {question.asks}" if layout.goes_round else question.asks
        at = LOWER_ASKS if question.lower and not layout.goes_round else UPPER_ASKS
        objects[at] = words_of(page.asked, STATE_COLOURS["due"]) if page.asked and at == UPPER_ASKS else words_of(asks)
        if question.number:
            objects[EXPECTED] = words_of(question.number)
        for number, choice in question.ids(layout):
            shown = key_of_plate(choice.text, enabled=choice.enabled, on=choice.on)
            objects[number] = {**shown, "text_font": 32 if choice.large else 16}
    return objects
