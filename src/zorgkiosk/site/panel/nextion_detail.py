"""A category's own page on a serial display: a number's limits and what is expected, a status's reason and end.

Two pages of the drawing, so that a key means the same wherever it is touched. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from zorgkiosk.site.panel.detail import DetailPage
from zorgkiosk.site.panel.language import say
from zorgkiosk.site.panel.nextion_label import HIDDEN, INK, MUTED, ON, STATES, Label
from zorgkiosk.site.panel.nextion_layout import END_KEYS, LIMIT_KEYS, REASON_KEYS
from zorgkiosk.site.panel.screen import Screen
from zorgkiosk.site.panel.tile import Option


def page_of(screen: Screen) -> str:
    """The page of the drawing that shows this screen."""
    if isinstance(screen.body, DetailPage):
        return "expect" if screen.body.tile.kind == "count" else "why"
    return screen.place.kind


def detail_labels(screen: Screen, body: DetailPage) -> Iterator[tuple[str, Label]]:
    tile = body.tile
    yield "name", Label(tile.name, INK)
    value = f"{tile.number} {tile.total}".strip() if tile.shown is not None else ""
    yield "now", Label(" · ".join(filter(None, (value, tile.word, tile.age))), STATES.get(tile.state, INK))
    yield "bback", Label(say("Terug"), INK)
    yield "undo", Label(say("Ongedaan\nmaken"), INK, visible=screen.line.undo)
    if tile.kind == "count":
        yield from _expect(body)
    else:
        yield from _reason(body)


def _expect(body: DetailPage) -> Iterator[tuple[str, Label]]:
    limits = () if body.asked else body.limits
    yield "asklim", _question(body.asked, say("Beperkingen van wat vrij is") if limits else "")
    yield from _options("l", limits, LIMIT_KEYS)
    asked = bool(body.expected)
    yield "askexp", Label(say("Hoeveel zijn er over 24 uur vrij?"), MUTED, visible=asked)
    yield "less", Label("-", INK, visible=asked and body.can_take)
    yield "n24", Label(body.expected, INK, visible=asked)
    yield "v24", Label(body.tile.total, MUTED, visible=asked)
    yield "more", Label("+", INK, visible=asked and body.can_add)


def _reason(body: DetailPage) -> Iterator[tuple[str, Label]]:
    yield "askwhy", _question(body.asked, say("Waarom?") if body.reasons else "")
    yield from _options("y", body.reasons, REASON_KEYS)
    yield "askend", Label(body.end_word.capitalize(), MUTED, visible=bool(body.ends))
    yield from _options("z", body.ends, END_KEYS)


def _question(asked: str, question: str) -> Label:
    """What has to be tapped first stands where the question would."""
    return Label(asked or question, STATES["due"] if asked else MUTED)


def _options(prefix: str, options: tuple[Option, ...], count: int) -> Iterator[tuple[str, Label]]:
    """The chosen one says so in a word: a colour alone is not seen by everybody."""
    for number in range(count):
        if number >= len(options):
            yield f"{prefix}{number}", HIDDEN
            continue
        option = options[number]
        lines = (option.label, option.note, say("gekozen") if option.chosen else "")
        yield f"{prefix}{number}", Label("\n".join(filter(None, lines)), ON if option.chosen else INK)
