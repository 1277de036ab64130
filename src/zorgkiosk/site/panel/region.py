"""Who in the region has room: what the partners last said, with its age. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from zorgkiosk.capacity.catalog import CATEGORIES, LIMIT_WORDS, REASON_WORDS
from zorgkiosk.capacity.freshness import Fresh, end_at, left_s, rung
from zorgkiosk.contract.events import parse_instant
from zorgkiosk.contract.status import CapacityState, SiteState
from zorgkiosk.site import facts
from zorgkiosk.site.panel import words
from zorgkiosk.site.panel.known import Known
from zorgkiosk.site.panel.language import name as named
from zorgkiosk.site.panel.language import say

SILENT_S = 60.0
ROWS_A_PAGE = 4


@dataclass(frozen=True)
class Cell:
    """A number, or a status in a word with its shape; `note` says more of it, "" when there is no more."""

    label: str
    number: str
    state: str
    shape: str = ""
    note: str = ""


@dataclass(frozen=True)
class Row:
    """One site. `heard` is the age in words of what it last said; `room` sorts: who has most comes first."""

    title: str
    heard: str
    known: bool
    pressure: str
    pressure_shape: str
    cells: tuple[Cell, ...]
    agreed: str
    room: int


@dataclass(frozen=True)
class RegionPage:
    rows: tuple[Row, ...]
    page: int
    pages: int

    @property
    def next_page(self) -> int:
        return self.page % self.pages + 1


def region_page(known: Known, page: int) -> RegionPage | None:
    """Page `page` (from 1); None when there is no such page. Sites with room first, silent ones last."""
    rows = sorted(_rows(known), key=lambda row: (not row.known, -row.room, row.title))
    pages = max(1, math.ceil(len(rows) / ROWS_A_PAGE))
    if not 1 <= page <= pages:
        return None
    return RegionPage(tuple(rows[(page - 1) * ROWS_A_PAGE : page * ROWS_A_PAGE]), page, pages)


def _rows(known: Known) -> list[Row]:
    agreed = {
        partner.name: say("afspraak %(date)s", date=words.date(partner.agreed_on)) for partner in known.config.partner
    }
    titles = {partner.name: partner.title for partner in known.config.partner}
    heard = {key.removeprefix("partner/") for key in known.sync if key.startswith("partner/")}
    return [_row(known, name, titles.get(name), agreed.get(name, "")) for name in {*titles, *heard}]


def _row(known: Known, name: str, title: str | None, agreed: str) -> Row:
    value = known.sync.get(f"partner/{name}")
    state = facts.read(SiteState, value)
    if value is None or state is None:
        return Row(title or name, say("nog niets gehoord"), False, "onbekend", "?", (), agreed, 0)
    age_s = known.age_s(value)
    if age_s > SILENT_S:
        heard = say("stil, %(age)s", age=words.age(age_s))
        return Row(title or state.title, heard, False, "onbekend", "?", (), agreed, 0)
    triage = state.triage
    values = [_value(state, capacity, age_s, known.now.at) for capacity in state.capacity]
    cells = (*_desk_cells(state), *(cell for cell, _ in values))
    room = triage.desks_free if triage else sum(room for _, room in values)
    return Row(
        title=title or state.title,
        heard=words.age(age_s),
        known=True,
        pressure=triage.pressure if triage else "",
        pressure_shape=words.PRESSURE_SHAPES[triage.pressure] if triage else "",
        cells=cells,
        agreed=agreed,
        room=room,
    )


def _desk_cells(state: SiteState) -> tuple[Cell, ...]:
    if state.triage is None:
        return ()
    triage = state.triage
    desks = say("%(free)s van %(total)s", free=triage.desks_free, total=triage.desks_present)
    return (
        Cell(say("werkplekken vrij"), desks, "current"),
        Cell(say("wachtend"), str(triage.waiting), "current"),
        Cell(say("neemt over"), say("ja") if triage.accepting_overflow else say("nee"), "current"),
    )


def _value(state: SiteState, said: CapacityState, heard_s: float, now: datetime) -> tuple[Cell, int]:
    """The value as it is shown, and how much room it counts for: an open status as one place."""
    category = CATEGORIES.get(said.category)
    choice = category.choice(said.status) if category is not None else None
    left = left_s(said.until, parse_instant(state.said_at), heard_s)
    fresh = rung(said.age_s + heard_s, said.freshness, left)
    if said.free is None and choice is None:  # a status of a newer version
        fresh = Fresh.UNKNOWN
    label, known = named(category) if category else said.category, fresh is not Fresh.UNKNOWN
    if not known or choice is None:
        free = said.free if known and said.free is not None else None
        number = "?" if free is None else words.number(free)
        limits = ", ".join(named(LIMIT_WORDS[limit]) for limit in said.limits) if known else ""
        return Cell(label, number, fresh.name.lower(), note=limits), free or 0
    parts = [named(REASON_WORDS[said.reason])] if said.reason is not None else []
    if (until := end_at(left, now)) is not None and choice.end is not None:
        parts.append(f"{named(choice.end)} {words.ahead(until, now)}")
    cell = Cell(label, named(choice), fresh.name.lower(), words.GRADE_SHAPES[choice.grade], ", ".join(parts))
    return cell, int(choice.grade == "open")
