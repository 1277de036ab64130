"""The journal in plain words, newest first: what was done, when, at which device and in which role. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zorgkiosk.capacity.catalog import CATEGORIES, LIMIT_WORDS, REASON_WORDS
from zorgkiosk.contract.events import Said, parse_instant
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.journal import JournalLine, JournalRow
from zorgkiosk.site.panel import words
from zorgkiosk.site.panel.language import name as named
from zorgkiosk.site.panel.language import phrase, say, speaking

ROWS_A_PAGE = 7
MOST_PAGES = 999

_DEVICES = (phrase("paneel"), phrase("paneel 1 (touch)"), phrase("paneel (netwerk)"))
_WALL_PANEL = phrase("(wandpaneel)")
_LEADS = phrase("leiding")
"""Devices and a role, as the journal keeps them. What stands before the kind is a name of the site's own."""


@dataclass(frozen=True)
class Entry:
    when: str
    device: str
    role: str
    what: str


@dataclass(frozen=True)
class LogbookPage:
    entries: tuple[Entry, ...]
    page: int
    pages: int

    @property
    def next_page(self) -> int:
        return self.page % self.pages + 1


def logbook_page(
    config: SiteConfig, now: Said, length: int, page: int, rows: Callable[[int, int], Sequence[JournalRow]]
) -> LogbookPage | None:
    """Page `page` (from 1); None when there is no such page. `rows(skip, limit)` reads the journal."""
    pages = min(MOST_PAGES, max(1, -(-length // ROWS_A_PAGE)))
    if not 1 <= page <= pages:
        return None
    here = rows((page - 1) * ROWS_A_PAGE, ROWS_A_PAGE)
    with speaking(config.panel.language):
        return LogbookPage(tuple(_entry(config, now, row) for row in here), page, pages)


def _entry(config: SiteConfig, now: Said, row: JournalRow) -> Entry:
    when = words.when(row.said.at, now.at) if row.said.clock_synced else say("klok niet gelijk")
    role = say(_LEADS) if row.line.role == _LEADS else ""
    return Entry(when, _device(row.line.device), role, what(config, row.line))


def _device(device: str) -> str:
    return say(device) if device in _DEVICES else device.replace(_WALL_PANEL, say(_WALL_PANEL))


def what(config: SiteConfig, line: JournalLine) -> str:
    titles = {desk.id: desk.title for desk in config.desk}
    match line.verb, line.subject:
        case "step", code:
            return f"{_category(code)}: {words.number(int(line.value))}"
        case "expect", code:
            in_a_day = say("over 24 uur %(number)s", number=words.number(int(line.value)))
            return f"{_category(code)}: {in_a_day}"
        case "choose", code:
            choice = CATEGORIES[code].choice(line.value) if code in CATEGORIES else None
            return f"{_category(code)}: {line.value if choice is None else named(choice)}"
        case "limit" | "reason" | "end", code:
            return f"{_category(code)}: {_detail(line)}"
        case "confirm", codes:
            return say("Klopt nog") + ": " + ", ".join(_category(code) for code in codes.split())
        case "undo", _:
            return say("Ongedaan gemaakt")
        case "desk", desk:
            return f"{titles.get(desk, desk)}: " + (say("aanwezig") if line.value == "yes" else say("afwezig"))
        case "overflow", switch:
            state = say("aan") if line.value == "yes" else say("uit")
            return f"{say(words.SWITCHES.get(switch, switch))}: {state}"
        case "seen", "lost":
            return say("Gezien") + ": " + words.many(int(line.value), "oproep verloren", "oproepen verloren")
        case "seen", desk:
            return say("Gezien: %(desk)s nam niet op", desk=titles.get(desk, desk))
        case "pin", _:
            return say("Verkeerde pincode")
        case "unlogged", _:
            return say("Zeer veel getikt: een uur lang niet opgeschreven")
        case "config", _:
            return say("Andere instellingen van kracht")
        case "login", _:
            return say("Aangemeld via het netwerk")
    return " ".join(part for part in (line.verb, line.subject, line.value) if part)


def _detail(line: JournalLine) -> str:
    """What was said beside a number or a status; an empty one was taken back."""
    match line.verb, line.value:
        case "limit", codes:
            known: dict[str, str] = {code: named(word) for code, word in LIMIT_WORDS.items()}
            return say("beperkingen: ") + (", ".join(known.get(code, code) for code in codes.split()) or say("geen"))
        case "reason", code:
            reasons: dict[str, str] = {code: named(word) for code, word in REASON_WORDS.items()}
            return say("reden: ") + (reasons.get(code, code) or say("geen"))
        case _, until:
            return say("tot %(when)s", when=words.clock(parse_instant(until)) if until else say("onbekend"))


def _category(code: str) -> str:
    category = CATEGORIES.get(code)
    return code if category is None else named(category)
