"""The panel's screen on a plate: which object shows which words, and which key of the screen a touched object is. Pure.

A plate shows a `View`: a place of the panel, and on a small plate which part of it (one tile, one desk, one row). The
screen is cut down to that part first, so a key, and "Klopt nog" above all, speaks only of what can be seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from zorgkiosk.site.panel.detail import DetailPage
from zorgkiosk.site.panel.keys import Key
from zorgkiosk.site.panel.language import say, speaking, spoken
from zorgkiosk.site.panel.openhasp_detail import detail_objects, questions
from zorgkiosk.site.panel.openhasp_pages import (
    ACCEPTING,
    ASKED,
    CONFIRM,
    CONNECTION,
    GAUGES,
    GIVING,
    HELPS,
    KEYS,
    LESS,
    LINE,
    MORE,
    NAME,
    NEXT,
    NUMBER,
    PAGES,
    SAY_MORE,
    SEEN,
    STATE,
    TITLE,
    TO_CAPACITY,
    TO_TRIAGE,
    UNDO,
    WORDS,
    Layout,
    desk_id,
    row_id,
    tile_id,
)
from zorgkiosk.site.panel.openhasp_protocol import Attributes
from zorgkiosk.site.panel.openhasp_words import ALARM, CALM, STATE_COLOURS, key_of_plate, on_plate, words_of
from zorgkiosk.site.panel.region import RegionPage, Row
from zorgkiosk.site.panel.screen import Place, Screen
from zorgkiosk.site.panel.triage import DeskKey, TriagePage
from zorgkiosk.site.panel.view import CapacityPage, Tile


@dataclass(frozen=True)
class View:
    """`part` counts from 0."""

    place: Place
    part: int = 0


@dataclass(frozen=True)
class Drawing:
    """`objects`: what each object of `page` shows. `screen` is the part of the panel's screen that stands there.

    `keys`: what the keys of its tiles mean now.
    """

    view: View
    page: int
    screen: Screen
    objects: Mapping[int, Attributes]
    keys: Mapping[int, Key]


def parts(screen: Screen, layout: Layout) -> int:
    """How many screenfuls of this plate the place has."""
    if not layout.goes_round:
        return 1
    match screen.body:
        case CapacityPage(tiles=tiles):
            return max(1, len(tiles))
        case TriagePage(desks=desks):
            return len(desks) + 2  # and the two switches
        case RegionPage(rows=rows):
            return max(1, len(rows))
        case DetailPage() as page:
            return len(questions(page, layout))


def drawing(screen: Screen, view: View, layout: Layout, told: str = "") -> Drawing:
    """What the plate shows. `told`: a sentence of a refusal that stands in the place of the line."""
    part = min(view.part, parts(screen, layout) - 1)
    cut = _cut(screen, part, layout)
    page = PAGES[screen.place.kind]
    with speaking(screen.language):
        shown = {**_frame(cut, told), **_body(cut, part, screen, layout)}
    objects = {number: shown.get(number, {"hidden": True}) for at, number in layout.where if at == page}
    return Drawing(View(screen.place, part), page, cut, objects, _keys(cut, part, layout))


def key_of(shown: Drawing, number: int) -> Key | None:
    """The key that this object is now; None for words, for hidden keys and for ids that are not there."""
    key = shown.keys.get(number)
    attributes = shown.objects.get(number)
    if key is None or attributes is None or attributes["hidden"] or not attributes.get("enabled", True):
        return None
    return key


def after(view: View, screen: Screen, layout: Layout) -> View | None:
    """Where "Verder" leads on a plate that goes round; None when the panel's own next page is meant."""
    if not layout.goes_round:
        return None
    if view.part + 1 < parts(screen, layout):
        return View(view.place, view.part + 1)
    if isinstance(screen.body, DetailPage):
        return back(screen.body, layout)
    if view.place.page < _pages(screen):
        return View(Place(view.place.kind, view.place.page + 1))
    there = [
        kind for kind, is_there in (("capacity", screen.has_capacity), ("triage", screen.has_triage)) if is_there
    ] + ["regio"]
    return View(Place(there[(there.index(view.place.kind) + 1) % len(there)], 1))


def back(page: DetailPage, layout: Layout) -> View:
    """The view of a category's tile."""
    return View(Place("capacity", page.back), page.at - 1 if layout.goes_round else 0)


def _pages(screen: Screen) -> int:
    return 1 if isinstance(screen.body, DetailPage) else screen.body.pages


def _cut(screen: Screen, part: int, layout: Layout) -> Screen:
    if not layout.goes_round:
        return screen
    match screen.body:
        case CapacityPage() as page:
            return replace(screen, body=replace(page, tiles=page.tiles[part : part + 1]))
        case TriagePage() as page:
            return replace(screen, body=replace(page, desks=page.desks[part : part + 1]))
        case RegionPage() as page:
            return replace(screen, body=replace(page, rows=page.rows[part : part + 1]))
        case DetailPage():
            return screen


def _frame(screen: Screen, told: str) -> dict[int, Attributes]:
    head, line = screen.header, screen.line
    text = (told and say(told)) or " ".join(filter(None, (line.text, line.detail)))
    colour = ALARM if told or line.tone == "alarm" else CALM
    return {
        TITLE: words_of(f"{head.title} · {head.date} {head.clock}"),
        CONNECTION: words_of(head.connection, CALM if head.connected else STATE_COLOURS["overdue"]),
        LINE: words_of(text, colour),
        UNDO: key_of_plate(say("Ongedaan maken"), enabled=line.undo),
        **{
            number: {"hidden": screen.place.kind == KEYS[number].verb or not there, **_fixed(number)}
            for number, there in ((TO_CAPACITY, screen.has_capacity), (TO_TRIAGE, screen.has_triage))
        },
        **{number: {"hidden": False, **_fixed(number)} for number in KEYS if KEYS[number].verb in ("home", "regio")},
    }


def _fixed(number: int) -> Attributes:
    """The word of a key that never changes: in Dutch it stands in the plate's own drawing."""
    return {} if spoken() == "nl" else {"text": on_plate(say(WORDS[number]))}


def _body(cut: Screen, part: int, whole: Screen, layout: Layout) -> dict[int, Attributes]:
    more = layout.goes_round or _pages(whole) > 1
    at = 1 if isinstance(whole.body, DetailPage) else whole.body.page
    label = say("Verder") if layout.goes_round else say("Meer") + f" {at}/{_pages(whole)}"
    following: dict[int, Attributes] = {NEXT: {**key_of_plate(label), "hidden": not more}}
    match cut.body:
        case CapacityPage() as page:
            return {**following, **_capacity(page, layout)}
        case TriagePage() as page:
            return {**following, **_triage(page, part, whole, layout)}
        case RegionPage(rows=rows):
            texts = [_row(row) for row in rows] or [say("Nog geen andere locaties gehoord.")]
            return {**following, **{row_id(n): words_of(text) for n, text in enumerate(texts, start=1)}}
        case DetailPage() as detail:
            return {**following, **detail_objects(detail, part, layout)}


def _slots(page: CapacityPage) -> list[tuple[int, Tile]]:
    """Where each tile stands, from 1; a status takes a row of two, as `view.page_items` counts."""
    slots, taken = [], 0
    for tile in page.tiles:
        start = taken if tile.kind == "count" else taken + taken % 2
        slots.append((start + 1, tile))
        taken = start + (1 if tile.kind == "count" else 2)
    return slots


def _choice_ids(slot: int) -> tuple[int, ...]:
    """The keys of a row, from left to right, that are the choices of a status."""
    return tile_id(slot, LESS), tile_id(slot, MORE), tile_id(slot + 1, LESS), tile_id(slot + 1, MORE)


def _keys(screen: Screen, part: int, layout: Layout) -> dict[int, Key]:
    if isinstance(screen.body, DetailPage):
        asked = questions(screen.body, layout)[part]
        return KEYS | {number: choice.key for question in asked for number, choice in question.ids(layout)}
    if not isinstance(screen.body, CapacityPage):
        return KEYS
    keys = {number: key for number, key in KEYS.items() if key.verb not in ("less", "more", "detail")}
    chosen = 0
    for index, (slot, tile) in enumerate(_slots(screen.body), start=1):
        keys[_more_id(slot, tile, layout)] = Key("detail", index)
        if tile.kind == "count" or layout.goes_round:
            keys |= {tile_id(slot, LESS): Key("less", index), tile_id(slot, MORE): Key("more", index)}
        else:
            ids = _choice_ids(slot)[: len(tile.choices)]
            keys |= {number: Key("choose", chosen + n) for n, number in enumerate(ids, start=1)}
        chosen += len(tile.choices)
    return keys


def _more_id(slot: int, tile: Tile, layout: Layout) -> int:
    """What leads to the tile's own page: its number, or in a row of choices the free place between the last two."""
    return tile_id(slot if tile.kind == "count" or layout.goes_round else slot + 1, SAY_MORE)


def _capacity(page: CapacityPage, layout: Layout) -> dict[int, Attributes]:
    asked = " · ".join(filter(None, (page.asked, page.asked_elsewhere and say("elders") + f" {page.asked_elsewhere}")))
    objects: dict[int, Attributes] = {ASKED: words_of(asked), CONFIRM: key_of_plate(say("Klopt nog"))}
    for slot, tile in _slots(page):
        objects |= {tile_id(slot, part): attributes for part, attributes in _tile(tile).items()}
        more = _more_id(slot, tile, layout)
        objects[more] = {"hidden": not tile.detail}
        if tile.kind == "status" and not layout.goes_round:
            objects[tile_id(slot, NAME)] = words_of(tile.name)
            objects[tile_id(slot + 1, NAME)] = words_of(tile.detail_word + " »" if tile.detail else "")
            choices = (
                {**key_of_plate(f"{option.shape} {option.label}".strip(), on=option.chosen), "text_font": 16}
                for option in tile.choices
            )
            objects |= dict(zip(_choice_ids(slot), choices, strict=False))
    return objects


def _tile(tile: Tile) -> dict[int, Attributes]:
    """All that a plate says of one category. A small one has no room for every choice: it goes from one to the next."""
    colour = STATE_COLOURS.get(tile.state, CALM)
    if tile.kind == "count":
        less, more, can_take, can_add = "-", "+", tile.can_take, tile.can_add
    else:
        less, more, can_take, can_add = "<", ">", tile.beside(-1) is not None, tile.beside(1) is not None
    said = (f"{tile.shape} {tile.word}", tile.age, tile.way_short, tile.note, tile.expected)
    return {
        NAME: words_of(tile.name + (" »" if tile.detail else "")),
        NUMBER: words_of(f"{tile.number} {tile.total}".strip(), colour),
        STATE: words_of(" · ".join(filter(None, said)), colour),
        LESS: {**key_of_plate(less, enabled=can_take), "hidden": False, "text_font": 32},
        MORE: {**key_of_plate(more, enabled=can_add), "hidden": False, "text_font": 32},
    }


def _triage(page: TriagePage, part: int, whole: Screen, layout: Layout) -> dict[int, Attributes]:
    gauges, overflow = page.gauges, page.overflow
    lines = (
        say("Wachtend: %(waiting)s, langste %(longest)s. ", waiting=gauges.waiting, longest=gauges.longest)
        + say("Kans op 2 min: %(chance)s. ", chance=gauges.chance)
        + f"{gauges.pressure_shape} {say(gauges.pressure)}. "
        + (gauges.lost if page.alarm is None else ". ".join(page.alarm.sentences))
    )
    objects: dict[int, Attributes] = {
        GAUGES: words_of(lines, ALARM if gauges.lost_now or page.alarm else CALM),
        SEEN: {**key_of_plate("✓ " + say("Gezien")), "hidden": page.alarm is None},
        HELPS: words_of(" · ".join(filter(None, (*overflow.helps, overflow.reason)))),
    }
    switches = {
        GIVING: key_of_plate(say("Hulp krijgen") + f": {_on(overflow.giving)}", on=overflow.giving),
        ACCEPTING: key_of_plate(say("Hulp geven") + f": {_on(overflow.accepting)}", on=overflow.accepting),
    }
    if layout.goes_round:
        desks = len(whole.body.desks) if isinstance(whole.body, TriagePage) else 0
        switches = {number: key for n, (number, key) in enumerate(switches.items()) if part == desks + n}
    return {**objects, **switches, **{desk_id(n): _desk(desk) for n, desk in enumerate(page.desks, start=1)}}


def _desk(desk: DeskKey) -> Attributes:
    return key_of_plate(" ".join(filter(None, (desk.title, "·", desk.shape, desk.word, desk.since))), on=desk.present)


def _row(row: Row) -> str:
    cells = ", ".join(f"{cell.label} {cell.number}" for cell in row.cells)
    pressure = f"{row.pressure_shape} {say(row.pressure)}" if row.pressure else ""
    return " · ".join(filter(None, (row.title, pressure, row.heard, cells, row.agreed)))


def _on(on: bool) -> str:
    return say("aan") if on else say("uit")
