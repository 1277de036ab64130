"""What any panel shows and can be tapped, in plain words: for a browser, a serial and an MQTT display alike. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from zorgkiosk.contract.status import Ack
from zorgkiosk.site import facts
from zorgkiosk.site.config import CapacityItem, SiteConfig
from zorgkiosk.site.facts import LinkFact
from zorgkiosk.site.faults import GENERAL, number, numbered
from zorgkiosk.site.panel import reminder, words
from zorgkiosk.site.panel.cause import say_cause
from zorgkiosk.site.panel.faults import fault
from zorgkiosk.site.panel.known import Known
from zorgkiosk.site.panel.language import say
from zorgkiosk.site.panel.tile import Tile as Tile
from zorgkiosk.site.panel.tile import tile
from zorgkiosk.site.store import StateValue

TILES_A_PAGE = 4
ACK_USUAL_S = 10.0
"""The hub answers within milliseconds; after this long the line says that it does not."""

Tone = Literal["calm", "busy", "done", "asks", "alarm"]


@dataclass(frozen=True)
class Header:
    title: str
    date: str
    clock: str
    connected: bool
    connection: str
    night: bool


@dataclass(frozen=True)
class Line:
    """The one line that always tells what happens. `undo`: there is something to undo. `detail`: why, "" if none."""

    text: str
    tone: Tone
    undo: bool = False
    detail: str = ""


@dataclass(frozen=True)
class CapacityPage:
    """Tiles of one page. `asked` says in words what staff is asked for here, "" when nothing is."""

    tiles: tuple[Tile, ...]
    page: int
    pages: int
    asked: str
    asked_elsewhere: str

    @property
    def next_page(self) -> int:
        return self.page % self.pages + 1

    @property
    def seen(self) -> tuple[tuple[str, int | str], ...]:
        """What "Klopt nog" on this page speaks of."""
        return tuple((tile.code, tile.shown) for tile in self.tiles if tile.shown is not None)


def header(known: Known) -> Header:
    link = _link(known)
    connected = link is not None and link.connected
    return Header(
        title=known.config.site.title,
        date=words.day(known.now.at) if known.now.clock_synced else say("klok niet gelijk"),
        clock=words.clock(known.now.at),
        connected=connected,
        connection=say("verbonden") if connected else say("geen verbinding"),
        night=words.is_night(known.now.at),
    )


def line(known: Known) -> Line:
    """Most pressing first: what was not saved, what can be undone, a fault, what waits, what has arrived."""
    pending = _pending(known)
    undo = bool(pending)
    if known.problem is not None:
        told = say(known.problem)
        told = told if number(known.problem) == GENERAL else numbered(known.problem, told)  # "tap again" needs nobody
        return Line(say("Kon niet bewaren: %(problem)s", problem=told), "alarm", undo)
    if pending:
        rested_s = min(known.age_s(known.panel[f"pending/{code}"]) for code in pending)
        left_s = max(0, math.ceil(known.config.panel.undo_s - rested_s))
        return Line(_saved(len(pending), left_s), "busy", undo)
    if (broken := fault(known)) is not None:
        return Line(broken.text, "alarm", detail=broken.detail)
    if known.waiting:
        return _waiting(known)
    asked = reminder.question(known)
    return Line(asked, "asks") if asked else _arrived(known)


def _saved(count: int, left_s: int) -> str:
    soon = say("over %(seconds)s s", seconds=left_s) if left_s else say("nu")
    if count == 1:
        return say("Bewaard. Wordt %(soon)s verzonden.", soon=soon)
    return say("%(count)s wijzigingen bewaard. Worden %(soon)s verzonden.", count=count, soon=soon)


def _waiting(known: Known) -> Line:
    link = _link(known)
    waits = words.many(known.waiting, "wijziging wacht", "wijzigingen wachten")
    if link is None or not link.connected:
        return Line(f"{waits}, {_offline(known)}.", "calm", detail=_cause(link))
    if known.oldest is None or known.age_s(StateValue(None, known.oldest)) < ACK_USUAL_S:
        return Line(say("Verzonden. De regio bevestigt zo."), "busy")
    since = words.when(known.oldest.at, known.now.at)
    return Line(say("%(waits)s sinds %(since)s: de regio bevestigt nog niet.", waits=waits, since=since), "calm")


def _arrived(known: Known) -> Line:
    link, ack = _link(known), known.acked
    connected = link is not None and link.connected
    sent = facts.read(Ack, ack)
    if ack is None or sent is None or sent.up_to == 0:
        if connected:
            silent = " " + say("Hier is nog niets gemeld.") if known.config.capacity else ""
            return Line(say("Verbonden met de regio.") + silent, "calm")
        sentence = _offline(known)
        kept = f"{sentence[0].upper()}{sentence[1:]}. " + say("Wat u tikt wordt hier bewaard.")
        return Line(kept, "calm", detail=_cause(link))
    when = words.when(ack.said.at, known.now.at)
    if connected:
        return Line(say("De regio heeft het ✓ %(when)s", when=when), "done")
    everything = say("De regio heeft alles (✓ %(when)s). Nu %(offline)s.", when=when, offline=_offline(known))
    return Line(everything, "calm", detail=_cause(link))


def _link(known: Known) -> LinkFact | None:
    return facts.read(LinkFact, known.sync.get("link"))


def _offline(known: Known) -> str:
    value = known.sync.get("link")
    if value is None:
        return say("nog geen verbinding met de regio")
    return say("geen verbinding sinds %(since)s", since=words.when(value.said.at, known.now.at))


def _cause(link: LinkFact | None) -> str:
    return numbered(link.problem, say_cause(link.problem)) if link is not None and link.problem else ""


def page_items(config: SiteConfig) -> tuple[tuple[CapacityItem, ...], ...]:
    """The categories of each page, in the order of the config: a status needs the room of two numbers."""
    pages: list[tuple[CapacityItem, ...]] = [()]
    taken = 0
    for item in config.capacity:
        start = taken if item.category.counted else taken + taken % 2
        room = 1 if item.category.counted else 2
        if start + room > TILES_A_PAGE:
            pages.append(())
            start = 0
        pages[-1] += (item,)
        taken = start + room
    return tuple(page for page in pages if page)


def capacity_pages(known: Known) -> int:
    return len(page_items(known.config))


def capacity_page(known: Known, page: int) -> CapacityPage | None:
    """Page `page` (from 1); None when there is no such page."""
    pages = page_items(known.config)
    if not 1 <= page <= len(pages):
        return None
    here = pages[page - 1]
    elsewhere = [item for item in known.config.capacity if item not in here]
    return CapacityPage(
        tiles=tuple(tile(known, item) for item in here),
        page=page,
        pages=len(pages),
        asked=_asked([tile(known, item) for item in here]),
        asked_elsewhere=_asked([tile(known, item) for item in elsewhere]),
    )


def _asked(tiles: list[Tile]) -> str:
    unknown = sum(tile.shown is None for tile in tiles)
    if due := sum(tile.state in {"due", "overdue"} for tile in tiles):
        return say("%(count)s te bevestigen", count=due)
    return say("%(count)s onbekend", count=unknown) if unknown else ""


def _pending(known: Known) -> list[str]:
    return [item.code for item in known.config.capacity if f"pending/{item.code}" in known.panel]
