"""A place on the panel (`capacity/1`, `detail/3`, `triage/2`, `regio/1`) and everything that stands there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.config_panel import Language
from zorgkiosk.site.panel import reminder
from zorgkiosk.site.panel.detail import DetailPage, detail_page
from zorgkiosk.site.panel.known import Known
from zorgkiosk.site.panel.language import speaking
from zorgkiosk.site.panel.region import RegionPage, region_page
from zorgkiosk.site.panel.triage import TriagePage, triage_page
from zorgkiosk.site.panel.view import CapacityPage, Header, Line, capacity_page, header, line

_PLACE = re.compile(r"(capacity|detail|triage|regio)/([1-9][0-9]?)")


@dataclass(frozen=True)
class Place:
    kind: str
    page: int

    def __str__(self) -> str:
        return f"{self.kind}/{self.page}"


@dataclass(frozen=True)
class Screen:
    """`home` is where "Terug" leads; the next two say which keys to other places this site has.

    `chimes`: how often a reminder has called for a sound so far; each new number is one chime.
    """

    place: Place
    home: Place
    header: Header
    line: Line
    body: CapacityPage | DetailPage | TriagePage | RegionPage
    has_capacity: bool
    has_triage: bool
    chimes: int = 0
    language: Language = "nl"


def parse_place(text: str) -> Place | None:
    match = _PLACE.fullmatch(text)
    return None if match is None else Place(match[1], int(match[2]))


def home(config: SiteConfig) -> Place:
    """Where the panel starts: a HAP with its line, other sites with what they report."""
    if config.telephony is not None:
        return Place("triage", 1)
    return Place("capacity", 1) if config.capacity else Place("regio", 1)


def screen(known: Known, place: Place) -> Screen | None:
    """What stands at `place`; None when this site has no such place."""
    with speaking(known.config.panel.language):
        return _screen(known, place)


def _screen(known: Known, place: Place) -> Screen | None:
    body: CapacityPage | DetailPage | TriagePage | RegionPage | None
    match place.kind:
        case "capacity":
            body = capacity_page(known, place.page)
        case "detail":
            body = detail_page(known, place.page)
        case "triage" if known.config.telephony is not None:
            body = triage_page(known, place.page)
        case "regio":
            body = region_page(known, place.page)
        case _:
            body = None
    if body is None:
        return None
    return Screen(
        place=place,
        home=home(known.config),
        header=header(known),
        line=line(known),
        body=body,
        has_capacity=bool(known.config.capacity),
        has_triage=known.config.telephony is not None,
        chimes=reminder.chimes(known),
        language=known.config.panel.language,
    )
