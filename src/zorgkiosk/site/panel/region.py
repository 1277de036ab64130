"""Who in the region has room: what the partners last said, with its age. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from zorgkiosk.capacity.catalog import CATEGORIES
from zorgkiosk.capacity.freshness import Fresh, rung
from zorgkiosk.contract.status import CapacityState, SiteState
from zorgkiosk.site import facts
from zorgkiosk.site.panel import words
from zorgkiosk.site.panel.known import Known

SILENT_S = 60.0
ROWS_A_PAGE = 4


@dataclass(frozen=True)
class Cell:
    label: str
    number: str
    state: str


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
    agreed = {partner.name: f"afspraak {words.date(partner.agreed_on)}" for partner in known.config.partner}
    titles = {partner.name: partner.title for partner in known.config.partner}
    heard = {key.removeprefix("partner/") for key in known.sync if key.startswith("partner/")}
    return [_row(known, name, titles.get(name), agreed.get(name, "")) for name in {*titles, *heard}]


def _row(known: Known, name: str, title: str | None, agreed: str) -> Row:
    value = known.sync.get(f"partner/{name}")
    state = facts.read(SiteState, value)
    if value is None or state is None:
        return Row(title or name, "nog niets gehoord", False, "onbekend", "?", (), agreed, 0)
    age_s = known.age_s(value)
    if age_s > SILENT_S:
        heard = f"stil, {words.age(age_s)}"
        return Row(title or state.title, heard, False, "onbekend", "?", (), agreed, 0)
    triage = state.triage
    cells = (*_desk_cells(state), *(_capacity_cell(capacity, age_s) for capacity in state.capacity))
    room = triage.desks_free if triage else sum(_free(capacity, age_s) or 0 for capacity in state.capacity)
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
    return (
        Cell("werkplekken vrij", f"{triage.desks_free} van {triage.desks_present}", "current"),
        Cell("wachtend", str(triage.waiting), "current"),
        Cell("neemt over", "ja" if triage.accepting_overflow else "nee", "current"),
    )


def _capacity_cell(capacity: CapacityState, heard_s: float) -> Cell:
    category = CATEGORIES.get(capacity.category)
    free = _free(capacity, heard_s)
    fresh = rung(capacity.age_s + heard_s, capacity.freshness)
    label = category.dutch if category else capacity.category
    return Cell(label, "?" if free is None else words.number(free), fresh.name.lower())


def _free(capacity: CapacityState, heard_s: float) -> int | None:
    fresh = rung(capacity.age_s + heard_s, capacity.freshness)
    return None if fresh is Fresh.UNKNOWN else capacity.free
