"""What more can be said of one category, on a page of its own so that the tiles stay calm. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from zorgkiosk.capacity.catalog import LIMIT_WORDS, REASON_WORDS
from zorgkiosk.contract.capacity import LIMITS
from zorgkiosk.site.config import CapacityItem
from zorgkiosk.site.panel import draft, words
from zorgkiosk.site.panel.draft import HIGHEST_FREE, LOWEST_FREE, End, end_at
from zorgkiosk.site.panel.known import Known, PendingTap
from zorgkiosk.site.panel.language import name as named
from zorgkiosk.site.panel.language import phrase, say
from zorgkiosk.site.panel.tile import Option, Tile, has_detail, says, tile
from zorgkiosk.site.panel.view import page_items

_HOURS: dict[End, str] = {
    "1-uur": phrase("over 1 uur"),
    "2-uur": phrase("over 2 uur"),
    "4-uur": phrase("over 4 uur"),
}


@dataclass(frozen=True)
class DetailPage:
    """`expected` is the number expected in 24 h, "" when it is not asked.

    `back` is the page its tile stands on, `at` which tile of that page it is, from 1. Nothing can be tapped while its
    tile's value is unknown: `asked` then says what to tap first.
    """

    tile: Tile
    page: int
    back: int
    at: int
    asked: str
    expected: str
    can_add: bool
    can_take: bool
    limits: tuple[Option, ...]
    reasons: tuple[Option, ...]
    ends: tuple[Option, ...]
    end_word: str


def detail_page(known: Known, page: int) -> DetailPage | None:
    """Of category `page` (from 1, in the order of the config); None when there is no more to say of it."""
    items = known.config.capacity
    if not 1 <= page <= len(items) or not has_detail(items[page - 1]):
        return None
    item = items[page - 1]
    now = says(known, item).draft
    expected = now.expected_free_24h if now is not None else None
    base = expected if expected is not None or now is None else now.free
    choice = item.category.choice(now.status) if now is not None else None
    counts = item.ask_expected and base is not None
    back, beside = next((number, here) for number, here in enumerate(page_items(known.config), 1) if item in here)
    return DetailPage(
        tile=tile(known, item),
        page=page,
        back=back,
        at=beside.index(item) + 1,
        asked=_asked(item, now),
        expected=("–" if expected is None else words.number(expected)) if item.ask_expected else "",
        can_add=counts and (base or 0) < (HIGHEST_FREE if item.total is None else item.total),
        can_take=counts and (base or 0) > LOWEST_FREE,
        limits=tuple(
            Option(limit, named(LIMIT_WORDS[limit]), now is not None and limit in now.limits)
            for limit in LIMITS
            if limit in item.limits
        ),
        reasons=tuple(
            Option(reason, named(REASON_WORDS[reason]), now is not None and now.reason == reason)
            for reason in (choice.reasons if choice is not None else ())
        ),
        ends=tuple(_end(known, code, now) for code in draft.ends(known.now))
        if choice is not None and choice.end is not None
        else (),
        end_word=named(choice.end) if choice is not None and choice.end is not None else "",
    )


def _asked(item: CapacityItem, now: PendingTap | None) -> str:
    if now is None:
        return say("Tik eerst hoeveel er nu vrij is.") if item.category.counted else say("Kies eerst hoe het nu is.")
    choice = item.category.choice(now.status)
    if choice is not None and not choice.reasons and choice.end is None:
        return say("Bij '%(choice)s' hoeft niets meer gezegd.", choice=named(choice))
    return ""


def _end(known: Known, code: End, now: PendingTap | None) -> Option:
    at = end_at(code, known.now.at)
    if at is None:
        return Option(code, say("onbekend"), now is not None and now.until is None)
    if code in _HOURS:
        return Option(code, say(_HOURS[code]), False, note=words.clock(at))
    day, _, clock = words.ahead(at, known.now.at).rpartition(" ")
    return Option(code, clock, False, note=day or say("vandaag"))
