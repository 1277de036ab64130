"""What the board shows of what the hub knows: reports + now → rows and cards. Pure.

A value is shown with its age, counted on from the age the site gave by the time since the hub heard it. Of a site that
is offline or silent for SILENCE_S no number is shown at all: its last one is no longer known to be true.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from zorgkiosk.capacity.catalog import CATEGORIES, Sector
from zorgkiosk.contract.events import Pressure, Triage, parse_instant
from zorgkiosk.hub.board import words
from zorgkiosk.hub.board.cell import Cell as Cell
from zorgkiosk.hub.board.cell import Heard, cell
from zorgkiosk.hub.board.language import name as named
from zorgkiosk.hub.board.language import phrase, say
from zorgkiosk.hub.outlook import SiteReport

SILENCE_S = 60.0

SECTORS: dict[Sector, str] = {
    "vvt-bedden": phrase("Bedden"),
    "vvt-wijk": phrase("Wijkverpleging"),
    "seh": phrase("Spoedeisende hulp"),
    "ggz": phrase("GGZ"),
    "so": phrase("Ouderenarts"),
    "apotheek": phrase("Apotheek"),
}


@dataclass(frozen=True)
class Filter:
    """What a screen was asked to show; None is everything."""

    sector: Sector | None = None
    subregion: str | None = None


@dataclass(frozen=True)
class Contact:
    """Whether a site is heard. `sentence` is empty while it is."""

    connected: bool
    sentence: str
    heard_at: datetime | None


@dataclass(frozen=True)
class Row:
    """A site with its cells in the order of the columns; None where it does not report that category.

    `reported` is false for a site of which nothing is known yet. `room` sums what is free and known, `open`
    counts the statuses that mean that there is room.
    """

    name: str
    title: str
    subregion: str | None
    contact: Contact
    reported: bool
    cells: tuple[Cell | None, ...]
    room: int
    open: int = 0


@dataclass(frozen=True)
class Help:
    """One centre taking another's calls."""

    partner: str
    title: str
    calls: int


@dataclass(frozen=True)
class Line:
    """A HAP's line and desks as it said them; `longest_wait_s` counted on to now."""

    pressure: Pressure
    desks_present: int
    desks_free: int
    waiting: int
    longest_wait_s: float
    longest_wait: str
    chance_2min: float
    chance_percent: int
    accepting_overflow: bool
    helping: tuple[Help, ...]
    helped_by: tuple[Help, ...]


@dataclass(frozen=True)
class Card:
    """A HAP. `line` is None when nothing is known to be true of it now."""

    name: str
    title: str
    subregion: str | None
    contact: Contact
    line: Line | None


@dataclass(frozen=True)
class Column:
    """`title`: its name in the board's language."""

    code: str
    dutch: str
    title: str
    sector: Sector


@dataclass(frozen=True)
class Board:
    """Everything on the screen. `notes` are sentences about what the history lacks."""

    region: str
    now: datetime
    date: str
    clock: str
    connected: int
    sites: int
    subregions: tuple[str, ...]
    sectors: tuple[Sector, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    cards: tuple[Card, ...]
    notes: tuple[str, ...]


def board(region: str, reports: Sequence[SiteReport], now: datetime, only: Filter | None = None) -> Board:
    """The screen at `now` (aware UTC). Columns are the categories that any site shown reports."""
    only = only or Filter()
    shown = [report for report in reports if only.subregion in (None, report.site.subregion)]
    titles = {report.site.name: report.site.title for report in reports}
    every_column = _columns(reports)
    columns = tuple(column for column in _columns(shown) if only.sector in (None, column.sector))
    rows = [_row(report, columns, now) for report in shown if _has_row(report, columns)]
    cards = tuple(_card(report, titles, now) for report in shown if report.site.kind == "hap")
    contacts = [contact(report, now) for report in shown]
    return Board(
        region=region,
        now=now,
        date=words.date(now),
        clock=words.clock(now),
        connected=sum(each.connected for each in contacts),
        sites=len(contacts),
        subregions=tuple(sorted({report.site.subregion for report in reports if report.site.subregion})),
        sectors=tuple(sector for sector in SECTORS if any(column.sector == sector for column in every_column)),
        columns=columns,
        rows=tuple(sorted(rows, key=_by_room)),
        cards=cards,
        notes=tuple(note for report in shown for note in _notes(report)),
    )


def contact(report: SiteReport, now: datetime) -> Contact:
    """Whether the site is heard: a state within SILENCE_S and no last will since."""
    if report.state is None or report.heard_at is None:
        return Contact(False, say("nog niets gehoord"), None)
    if report.online is False and report.online_since is not None:
        return Contact(False, _lost(report.online_since, now), report.heard_at)
    if (now - report.heard_at).total_seconds() > SILENCE_S:
        return Contact(False, _lost(report.heard_at, now), report.heard_at)
    return Contact(True, "", report.heard_at)


def _lost(instant: datetime, now: datetime) -> str:
    return say("geen verbinding %(since)s", since=words.since(instant, now))


def _columns(reports: Iterable[SiteReport]) -> tuple[Column, ...]:
    """In the catalogue's order; a category of a newer version has no name here and is not shown."""
    reported = {value.category for report in reports if report.state for value in report.state.capacity}
    return tuple(Column(c.code, c.dutch, named(c), c.sector) for c in CATEGORIES.values() if c.code in reported)


def _has_row(report: SiteReport, columns: Iterable[Column]) -> bool:
    if report.state is None:
        return report.site.kind != "hap"
    codes = {column.code for column in columns}
    return any(value.category in codes for value in report.state.capacity)


def _row(report: SiteReport, columns: Sequence[Column], now: datetime) -> Row:
    here = contact(report, now)
    values = {value.category: value for value in report.state.capacity} if report.state else {}
    said_at = parse_instant(report.state.said_at) if report.state else now
    heard = Heard(said_at, _heard_s(report, now), here.connected, now)
    cells = tuple(cell(values[column.code], heard) if column.code in values else None for column in columns)
    return Row(
        name=report.site.name,
        title=report.site.title,
        subregion=report.site.subregion,
        contact=here,
        reported=report.state is not None,
        cells=cells,
        room=sum(max(0, cell.free) for cell in cells if cell and cell.free is not None),
        open=sum(cell.grade == "open" for cell in cells if cell),
    )


def _heard_s(report: SiteReport, now: datetime) -> float:
    return max(0.0, (now - report.heard_at).total_seconds()) if report.heard_at else 0.0


def _by_room(row: Row) -> tuple[bool, int, int, str]:
    """Whoever has room first; whoever is not heard last."""
    return (not row.contact.connected, -row.room, -row.open, row.title)


def _card(report: SiteReport, titles: dict[str, str], now: datetime) -> Card:
    here = contact(report, now)
    triage = report.state.triage if report.state and here.connected else None
    line = None if triage is None else _line(triage, titles, _heard_s(report, now))
    return Card(report.site.name, report.site.title, report.site.subregion, here, line)


def _line(triage: Triage, titles: dict[str, str], heard_s: float) -> Line:
    longest_s = triage.longest_wait_s + heard_s if triage.waiting else 0.0
    return Line(
        pressure=triage.pressure,
        desks_present=triage.desks_present,
        desks_free=triage.desks_free,
        waiting=triage.waiting,
        longest_wait_s=round(longest_s, 1),
        longest_wait=words.duration(longest_s) if triage.waiting else "–",
        chance_2min=triage.chance_2min,
        chance_percent=_percent(triage.chance_2min),
        accepting_overflow=triage.accepting_overflow,
        helping=_helps(triage.helping, titles),
        helped_by=_helps(triage.helped_by, titles),
    )


def _percent(share: float) -> int:
    """Never rounded up to a promise; the small term is for shares like 0.29 that floats keep a hair too low."""
    return int(share * 100 + 1e-9)


def _helps(calls: dict[str, int], titles: dict[str, str]) -> tuple[Help, ...]:
    return tuple(Help(name, titles.get(name, name), count) for name, count in sorted(calls.items()) if count)


def _notes(report: SiteReport) -> list[str]:
    notes = []
    if report.missing:
        missing = words.counted(report.missing, "melding ontbreekt", "meldingen ontbreken")
        notes.append(say("%(site)s: %(missing)s in de geschiedenis", site=report.site.title, missing=missing))
    if report.set_aside:
        aside = words.counted(report.set_aside, "bericht", "berichten")
        notes.append(say("%(site)s: %(aside)s niet leesbaar, apart gezet", site=report.site.title, aside=aside))
    return notes
