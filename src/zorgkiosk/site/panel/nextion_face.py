"""What stands on a serial display: the panel's screen in the components of its drawing. Pure.

The same view model and the same words as in the browser, fewer at a time. The usual font has no ✓ ◔ ▲, so a state is
told by its word, and its colour helps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from zorgkiosk.site.panel.detail import DetailPage
from zorgkiosk.site.panel.language import say, speaking
from zorgkiosk.site.panel.nextion_detail import detail_labels, page_of
from zorgkiosk.site.panel.nextion_label import ALARM, HIDDEN, INK, MUTED, ON, PRESSURES, STATES, TONES, Label
from zorgkiosk.site.panel.nextion_layout import DESKS, HELPS, PAGES, ROWS, TILES
from zorgkiosk.site.panel.nextion_protocol import brightness, text_is, value_is, visible
from zorgkiosk.site.panel.region import RegionPage, Row
from zorgkiosk.site.panel.screen import Screen
from zorgkiosk.site.panel.triage import DeskKey, TriagePage
from zorgkiosk.site.panel.view import CapacityPage, Tile

DAY_PERCENT, NIGHT_PERCENT = 100, 35
"""Brightness of the display."""


@dataclass(frozen=True)
class Face:
    """Everything that the display shows. `labels` names each text and key of the page, in the order to write them."""

    page: str
    labels: Mapping[str, Label]
    brightness: int


_DESKS = {"free": ON, "busy": STATES["pending"], "ringing": STATES["due"], "no-answer": STATES["overdue"]}


def face(screen: Screen, refusal: str | None = None) -> Face:
    """`refusal`: why the last tap did nothing, instead of the line."""
    with speaking(screen.language):
        labels = _labels(screen, refusal)
    page = page_of(screen)
    longest = {component.name: component.letters for component in PAGES[page].components}
    cut = {name: _cut(label, longest[name]) for name, label in labels.items()}
    return Face(page, cut, NIGHT_PERCENT if screen.header.night else DAY_PERCENT)


def _cut(label: Label, letters: int) -> Label:
    return label if label.text is None else replace(label, text=shorten(label.text, letters))


def _labels(screen: Screen, refusal: str | None) -> dict[str, Label]:
    match screen.body:
        case CapacityPage() as body:
            labels = dict(_capacity(screen, body))
        case TriagePage() as body:
            labels = dict(_triage(screen, body))
        case RegionPage() as body:
            labels = dict(_region(body))
        case DetailPage() as body:
            labels = dict(detail_labels(screen, body))
    return labels | _around(screen, refusal)


def shorten(text: str, letters: int) -> str:
    """At most so many letters; what was cut ends in three dots."""
    return text if len(text) <= letters else text[: max(0, letters - 3)].rstrip() + "..."[:letters]


def tile_texts(tile: Tile) -> dict[str, str]:
    """A tile's words by the letter of their component: name, number, "van 8" and what else is asked, state and age.

    The word of a status is too long for the large number's place: it stands where a number's state does.
    """
    more = say("Meer") + " »" if tile.detail else ""
    beside = "\n".join(filter(None, (tile.total, tile.expected, more)))
    if tile.kind == "status":
        status = tile.word if tile.shown is None else tile.number
        return {"t": tile.name, "n": "", "v": beside, "w": status, "a": f"{tile.word}\n{tile.age}"}
    return {
        "t": tile.name,
        "n": tile.number,
        "v": beside,
        "w": tile.word,
        "a": "\n".join(filter(None, (tile.age, tile.way_short))),
    }


def _capacity(screen: Screen, body: CapacityPage) -> Iterator[tuple[str, Label]]:
    for number in range(TILES):
        yield from _tile(number, body.tiles[number] if number < len(body.tiles) else None)
    asked = body.asked or say("alles hier is actueel")
    colour = STATES["due"] if body.asked else INK
    yield "ok", Label(say("Klopt nog") + f"\n{asked}", colour, visible=bool(body.seen))
    yield "undo", Label(say("Ongedaan\nmaken"), INK, visible=screen.line.undo)
    yield "btri", Label(say("Wachtrij"), INK, visible=screen.has_triage)
    yield "breg", Label(say("Regio"), INK)
    yield "bnext", _next(body.page, body.pages, body.asked_elsewhere)


def _tile(number: int, tile: Tile | None) -> Iterator[tuple[str, Label]]:
    if tile is None:
        yield from ((f"{letter}{number}", HIDDEN) for letter in "tnvwampe")
        return
    colours = {"n": INK, "t": INK, "w": STATES.get(tile.state, INK)}
    for letter, text in tile_texts(tile).items():
        yield f"{letter}{number}", Label(text, colours.get(letter, MUTED))
    yield f"e{number}", Label(None, INK, visible=bool(tile.detail))
    if tile.kind == "count":
        yield f"m{number}", Label("-", INK, visible=tile.can_take)
        yield f"p{number}", Label("+", INK, visible=tile.can_add)
    else:
        yield f"m{number}", Label("<", INK, visible=tile.beside(-1) is not None)
        yield f"p{number}", Label(">", INK, visible=tile.beside(1) is not None)


def _triage(screen: Screen, body: TriagePage) -> Iterator[tuple[str, Label]]:
    gauges = body.gauges
    yield "waiting", Label(gauges.waiting, INK)
    yield "waits", Label(say("wachtend"), MUTED)
    yield "longest", Label(say("langste") + f": {gauges.longest}", INK)
    yield "chance", Label(say("kans op 2 min") + f": {gauges.chance}", INK)
    pressure = say("druk: ") + say(gauges.pressure) if gauges.known else say(gauges.pressure)
    yield "pressure", Label(pressure, PRESSURES.get(gauges.pressure, INK))
    told = gauges.lost if body.alarm is None else ". ".join(body.alarm.sentences)
    yield "lost", Label(told, ALARM if gauges.lost_now or body.alarm else MUTED)
    yield "seen", Label(say("Gezien"), ALARM, visible=body.alarm is not None)
    for number in range(DESKS):
        yield f"d{number}", _desk(body.desks[number]) if number < len(body.desks) else HIDDEN
    yield "bnext", _next(body.page, body.pages, "")
    helps = body.overflow.helps
    for number in range(HELPS):
        yield f"help{number}", Label(helps[number] if number < len(helps) else "", INK)
    yield "reason", Label(body.overflow.reason, MUTED)
    yield "give", _switch(say("Hulp krijgen"), body.overflow.giving)
    yield "take", _switch(say("Hulp geven"), body.overflow.accepting)
    yield "bcap", Label(say("Capaciteit"), INK, visible=screen.has_capacity)
    yield "breg", Label(say("Regio"), INK)


def _desk(desk: DeskKey) -> Label:
    words = [shorten(desk.title, 24), desk.word, shorten(desk.since, 34)]
    return Label("\n".join(word for word in words if word), _DESKS.get(desk.state, INK))


def _switch(label: str, on: bool) -> Label:
    return Label(f"{label}\n" + (say("aan") if on else say("uit")), ON if on else MUTED)


def _region(body: RegionPage) -> Iterator[tuple[str, Label]]:
    for number in range(ROWS):
        if number < len(body.rows):
            yield from _row(number, body.rows[number])
        else:
            nobody = say("Nog van niemand in de regio iets gehoord.") if number == 0 else ""
            yield from ((f"{letter}{number}", Label(nobody * (letter == "r"), INK)) for letter in "rshc")
    yield "bhome", Label(say("Terug"), INK)
    yield "bnext", _next(body.page, body.pages, "")


def _row(number: int, row: Row) -> Iterator[tuple[str, Label]]:
    heard = f"{row.heard} - {row.agreed}" if row.agreed else row.heard
    cells = ", ".join(f"{cell.label}: {cell.number}" for cell in row.cells)
    yield f"r{number}", Label(row.title, INK)
    yield f"s{number}", Label(say(row.pressure) if row.pressure else "", PRESSURES.get(row.pressure, MUTED))
    yield f"h{number}", Label(heard, MUTED)
    yield f"c{number}", Label(cells, INK)


def _next(page: int, pages: int, note: str) -> Label:
    return Label(say("Meer") + f" {page}/{pages}" + f"\n{note}" * bool(note), INK, visible=pages > 1)


def _around(screen: Screen, refusal: str | None) -> dict[str, Label]:
    header, line = screen.header, screen.line
    text, detail, tone = (line.text, line.detail, TONES[line.tone]) if refusal is None else (say(refusal), "", ALARM)
    return {
        "title": Label(header.title, INK),
        "clock": Label(f"{header.date}  {header.clock}", INK),
        "conn": Label(header.connection, ON if header.connected else STATES["overdue"]),
        "says": Label(text, tone),
        "detail": Label(detail, MUTED),
    }


@dataclass(frozen=True)
class Step:
    """One instruction, and what the display has once it was carried out: `attribute` of `name` is `value`."""

    name: str
    attribute: str
    value: str | int
    instruction: bytes


Written = dict[tuple[str, str], str | int]
"""What a display has taken, by component and attribute."""


def fresh_page(page: str) -> Written:
    """What a display has right after it went to a page: everything is in sight, with the drawing's own texts."""
    return {(component.name, "vis"): 1 for component in PAGES[page].components}


def steps(face: Face, written: Written) -> list[Step]:
    """What is still to be written. Nothing is written to what is hidden: firmware may draw it."""
    wanted = [*_light(face.brightness), *(step for name, label in face.labels.items() for step in _steps(name, label))]
    return [step for step in wanted if written.get((step.name, step.attribute)) != step.value]


def _light(percent: int) -> Iterator[Step]:
    yield Step("", "dim", percent, brightness(percent))


def _steps(name: str, label: Label) -> Iterator[Step]:
    yield Step(name, "vis", int(label.visible), visible(name, shown=label.visible))
    if label.visible and label.text is not None:
        yield Step(name, "pco", label.colour, value_is(name, "pco", label.colour))
        yield Step(name, "txt", label.text, text_is(name, label.text))
