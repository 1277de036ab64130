"""What any panel shows and can be tapped, in plain words: for a browser, a serial and an MQTT display alike. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from zorgkiosk.capacity.catalog import CATEGORIES
from zorgkiosk.capacity.freshness import Fresh, rung
from zorgkiosk.contract.status import Ack
from zorgkiosk.site import facts
from zorgkiosk.site.config import CapacityItem
from zorgkiosk.site.facts import CapacityFact, LinkFact
from zorgkiosk.site.panel import words
from zorgkiosk.site.panel.actions import HIGHEST_FREE, LOWEST_FREE
from zorgkiosk.site.panel.known import Known, PendingTap
from zorgkiosk.site.store import StateValue

TILES_A_PAGE = 4
ACK_USUAL_S = 10.0
"""The hub answers within milliseconds; after this long the line says that it does not."""

Tone = Literal["calm", "busy", "done", "alarm"]


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
class Tile:
    """One category. `shown` is the number as an integer, None when it is unknown and therefore hidden."""

    code: str
    name: str
    number: str
    total: str
    state: str
    shape: str
    word: str
    age: str
    shown: int | None
    can_add: bool
    can_take: bool


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
    def seen(self) -> tuple[tuple[str, int], ...]:
        """What "Klopt nog" on this page speaks of."""
        return tuple((tile.code, tile.shown) for tile in self.tiles if tile.shown is not None)


def header(known: Known) -> Header:
    link = _link(known)
    connected = link is not None and link.connected
    return Header(
        title=known.config.site.title,
        date=words.day(known.now.at) if known.now.clock_synced else "klok niet gelijk",
        clock=words.clock(known.now.at),
        connected=connected,
        connection="verbonden" if connected else "geen verbinding",
        night=words.is_night(known.now.at),
    )


def line(known: Known) -> Line:
    """Most pressing first: what was not saved, what can be undone, what waits, what has arrived."""
    pending = _pending(known)
    undo = bool(pending)
    if known.problem is not None:
        return Line(f"Kon niet bewaren: {known.problem}", "alarm", undo)
    if pending:
        rested_s = min(known.age_s(known.panel[f"pending/{code}"]) for code in pending)
        left_s = max(0, math.ceil(known.config.panel.undo_s - rested_s))
        soon = f"over {left_s} s" if left_s else "nu"
        if len(pending) == 1:
            return Line(f"Bewaard. Wordt {soon} verzonden.", "busy", undo)
        return Line(f"{len(pending)} wijzigingen bewaard. Worden {soon} verzonden.", "busy", undo)
    return _waiting(known) if known.waiting else _arrived(known)


def _waiting(known: Known) -> Line:
    link = _link(known)
    waits = words.many(known.waiting, "wijziging wacht", "wijzigingen wachten")
    if link is None or not link.connected:
        return Line(f"{waits}, {_offline(known)}.", "calm", detail=_cause(link))
    if known.oldest is None or known.age_s(StateValue(None, known.oldest)) < ACK_USUAL_S:
        return Line("Verzonden. De regio bevestigt zo.", "busy")
    return Line(f"{waits} sinds {words.when(known.oldest.at, known.now.at)}: de regio bevestigt nog niet.", "calm")


def _arrived(known: Known) -> Line:
    link, ack = _link(known), known.acked
    connected = link is not None and link.connected
    sent = facts.read(Ack, ack)
    if ack is None or sent is None or sent.up_to == 0:
        if connected:
            silent = " Hier is nog niets gemeld." if known.config.capacity else ""
            return Line(f"Verbonden met de regio.{silent}", "calm")
        sentence = _offline(known)
        kept = f"{sentence[0].upper()}{sentence[1:]}. Wat u tikt wordt hier bewaard."
        return Line(kept, "calm", detail=_cause(link))
    when = words.when(ack.said.at, known.now.at)
    if connected:
        return Line(f"De regio heeft het ✓ {when}", "done")
    return Line(f"De regio heeft alles (✓ {when}). Nu {_offline(known)}.", "calm", detail=_cause(link))


def _link(known: Known) -> LinkFact | None:
    return facts.read(LinkFact, known.sync.get("link"))


def _offline(known: Known) -> str:
    value = known.sync.get("link")
    if value is None:
        return "nog geen verbinding met de regio"
    return f"geen verbinding sinds {words.when(value.said.at, known.now.at)}"


def _cause(link: LinkFact | None) -> str:
    return link.problem or "" if link is not None else ""


def capacity_pages(known: Known) -> int:
    return math.ceil(len(known.config.capacity) / TILES_A_PAGE)


def capacity_page(known: Known, page: int) -> CapacityPage | None:
    """Page `page` (from 1); None when there is no such page."""
    pages = capacity_pages(known)
    if not 1 <= page <= pages:
        return None
    start = (page - 1) * TILES_A_PAGE
    here = known.config.capacity[start : start + TILES_A_PAGE]
    elsewhere = [item for item in known.config.capacity if item not in here]
    return CapacityPage(
        tiles=tuple(tile(known, item) for item in here),
        page=page,
        pages=pages,
        asked=_asked([tile(known, item) for item in here]),
        asked_elsewhere=_asked([tile(known, item) for item in elsewhere]),
    )


def tile(known: Known, item: CapacityItem) -> Tile:
    value = known.panel.get(f"capacity/{item.code}")
    fact = facts.read(CapacityFact, value)
    pending = facts.read(PendingTap, known.panel.get(f"pending/{item.code}"))
    age_s = None if value is None else known.age_s(value)
    fresh = rung(age_s, item.freshness)
    shown = pending.free if pending else fact.free if fact and fresh is not Fresh.UNKNOWN else None
    highest = HIGHEST_FREE if item.total is None else item.total
    return Tile(
        code=item.code,
        name=CATEGORIES[item.code].dutch,
        number="?" if shown is None else words.number(shown),
        total="" if item.total is None else f"van {item.total}",
        state="pending" if pending else fresh.name.lower(),
        shape="…" if pending else words.SHAPES[fresh],
        word="bewaard" if pending else fresh.value,
        age=_age_words(pending, age_s),
        shown=shown,
        can_add=shown is None or shown < highest,
        can_take=shown is None or shown > LOWEST_FREE,
    )


def _age_words(pending: PendingTap | None, age_s: float | None) -> str:
    if pending is not None:
        return "nog niet verzonden"
    return "nog nooit gemeld" if age_s is None else words.age(age_s)


def _asked(tiles: list[Tile]) -> str:
    unknown = sum(tile.shown is None for tile in tiles)
    if due := sum(tile.state in {"due", "overdue"} for tile in tiles):
        return f"{due} te bevestigen"
    return f"{unknown} onbekend" if unknown else ""


def _pending(known: Known) -> list[str]:
    return [item.code for item in known.config.capacity if f"pending/{item.code}" in known.panel]
