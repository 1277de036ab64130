"""What a display without forms can press, by name, and what each key does: for serial and MQTT panels alike.

A display knows places on its screen, not categories: `more/2` is the plus of the second tile. What the key means is
read from the very screen that the display shows, so a key that was drawn a moment ago never acts on another tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.panel.actions import RefusedError, Taps
from zorgkiosk.site.panel.alarms import Alarm
from zorgkiosk.site.panel.detail import DetailPage
from zorgkiosk.site.panel.region import RegionPage
from zorgkiosk.site.panel.screen import Place, Screen, home
from zorgkiosk.site.panel.tile import Tile
from zorgkiosk.site.panel.triage import TriagePage
from zorgkiosk.site.panel.view import CapacityPage

Verb = Literal[
    "less",
    "more",
    "choose",
    "detail",
    "limit",
    "reason",
    "end",
    "desk",
    "confirm",
    "undo",
    "seen",
    "giving",
    "accepting",
    "home",
    "next",
    "capacity",
    "triage",
    "regio",
]
NUMBERED: frozenset[Verb] = frozenset({"less", "more", "choose", "detail", "limit", "reason", "end", "desk"})
_VERBS: dict[str, Verb] = {verb: verb for verb in Verb.__args__}  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Key:
    """`number` counts tiles, desks or options of the shown page from 1; 0 for the keys that stand once.

    `choose/4` is the first choice of the second tile when the first has three: choices count through the page.
    """

    verb: Verb
    number: int = 0

    def __str__(self) -> str:
        return f"{self.verb}/{self.number}" if self.number else self.verb


def parse_key(text: str) -> Key | None:
    """`more/2`, `confirm`; None for anything else."""
    name, slash, digits = text.partition("/")
    verb = _VERBS.get(name)
    if verb is None or (verb in NUMBERED) != bool(slash):
        return None
    if not slash:
        return Key(verb)
    plain = digits.isascii() and digits.isdigit() and len(digits) <= 2 and int(digits) > 0
    return Key(verb, int(digits)) if plain else None


def press(taps: Taps, config: SiteConfig, shown: Screen, key: Key, tap: str | None = None) -> Place:
    """Do it and return the place to show next.

    `tap` names this very tap: the same one again changes nothing. Raises RefusedError for a key that this screen
    does not have, StoreError when nothing was saved.
    """
    match key.verb, shown.body:
        case "less" | "more", CapacityPage(tiles=tiles) if key.number <= len(tiles):
            _step(taps, tiles[key.number - 1], 1 if key.verb == "more" else -1, tap)
        case "choose", CapacityPage(tiles=tiles) if key.number <= sum(len(tile.choices) for tile in tiles):
            code, status = [(tile.code, choice.code) for tile in tiles for choice in tile.choices][key.number - 1]
            taps.choose(code, status, tap=tap)
        case "detail", CapacityPage(tiles=tiles) if key.number <= len(tiles) and tiles[key.number - 1].detail:
            return Place("detail", tiles[key.number - 1].detail)
        case _, DetailPage() as page if key.verb in _ON_DETAIL:
            _say_more(taps, page, key, tap)
        case "confirm", CapacityPage(seen=seen):
            taps.confirm(dict(seen))
        case "undo", _:
            taps.undo()
        case "desk", TriagePage(desks=desks) if key.number <= len(desks):
            desk = desks[key.number - 1]
            taps.desk(desk.id, present=not desk.present)
        case ("giving" | "accepting") as switch, TriagePage(overflow=overflow):
            taps.overflow(switch, on=not getattr(overflow, switch))
        case "seen", TriagePage(alarm=Alarm() as alarm):
            taps.seen(alarm.lost, dict(alarm.failed))
        case "home", _:
            return home(config)
        case "next", CapacityPage() | TriagePage() | RegionPage() as page:
            return Place(shown.place.kind, page.next_page)
        case "capacity", DetailPage(back=back):
            return Place("capacity", back)
        case "capacity", _ if shown.has_capacity:
            return Place("capacity", 1)
        case "triage", _ if shown.has_triage:
            return Place("triage", 1)
        case "regio", _:
            return Place("regio", 1)
        case _:
            raise RefusedError("Deze toets hoort niet bij dit scherm.")
    return shown.place


def _step(taps: Taps, tile: Tile, step: Literal[-1, 1], tap: str | None) -> None:
    """One more or less; of a status, the one after or before: for displays that have no room for all of them."""
    if tile.kind == "count":
        taps.step(tile.code, step, tap=tap)
    elif (beside := tile.beside(step)) is not None:
        taps.choose(tile.code, beside.code, tap=tap)


_ON_DETAIL: frozenset[Verb] = frozenset({"less", "more", "limit", "reason", "end"})


def _say_more(taps: Taps, page: DetailPage, key: Key, tap: str | None) -> None:
    code, number = page.tile.code, key.number
    match key.verb:
        case "less" | "more" if number == 1:
            taps.expect(code, 1 if key.verb == "more" else -1, tap=tap)
        case "limit" if number <= len(page.limits):
            limit = page.limits[number - 1]
            taps.limit(code, limit.code, on=not limit.chosen, tap=tap)
        case "reason" if number <= len(page.reasons):
            reason = page.reasons[number - 1]
            taps.reason(code, reason.code, on=not reason.chosen, tap=tap)
        case "end" if number <= len(page.ends):
            taps.end(code, page.ends[number - 1].code, tap=tap)
        case _:
            raise RefusedError("Deze toets hoort niet bij dit scherm.")
