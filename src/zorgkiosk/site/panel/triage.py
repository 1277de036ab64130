"""A HAP's own screen: the line, the desks, and who helps whom. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from zorgkiosk.contract.events import Triage
from zorgkiosk.site import facts
from zorgkiosk.site.config_telephony import Desk
from zorgkiosk.site.facts import DeskFact, DeskPresence, DeskState, LineFact, OverflowSwitch
from zorgkiosk.site.faults import numbered
from zorgkiosk.site.panel import words
from zorgkiosk.site.panel.alarms import Alarm, alarm
from zorgkiosk.site.panel.known import Known, LostSeen
from zorgkiosk.site.panel.language import phrase, say

DESKS_A_PAGE = 6
_SILENT = phrase("Onbekend: de telefonie is stil.")
TRIAGE_STALE_S = 25.0
"""Telephony says `triage` at least every 20 s, far more often while callers wait."""

LOST_ALARM_S = 600.0


@dataclass(frozen=True)
class Gauges:
    """The line in words. Without `known` telephony is silent, and every number is hidden.

    `pressure` is a word yet to be said in another language: it is a colour too.
    """

    known: bool
    waiting: str
    longest: str
    chance: str
    pressure: str
    pressure_shape: str
    lost: str
    lost_now: bool


@dataclass(frozen=True)
class DeskKey:
    id: str
    title: str
    present: bool
    state: str
    shape: str
    word: str
    since: str


@dataclass(frozen=True)
class Overflow:
    """Sentences on who helps whom, why a call last went to a partner, and the two switches."""

    helps: tuple[str, ...]
    reason: str
    giving: bool
    accepting: bool


@dataclass(frozen=True)
class TriagePage:
    gauges: Gauges
    desks: tuple[DeskKey, ...]
    overflow: Overflow
    alarm: Alarm | None
    page: int
    pages: int

    @property
    def next_page(self) -> int:
        return self.page % self.pages + 1


def triage_page(known: Known, page: int) -> TriagePage | None:
    """Page `page` (from 1) of the desks; None when there is no such page.

    With more pages one of the six places is the key to the next.
    """
    desks = known.config.desk
    a_page = DESKS_A_PAGE if len(desks) <= DESKS_A_PAGE else DESKS_A_PAGE - 1
    pages = math.ceil(len(desks) / a_page)
    if not 1 <= page <= pages:
        return None
    triage, line = heard(known)
    states = {desk.id: desk for desk in line.desks} if line else {}
    here = desks[(page - 1) * a_page : page * a_page]
    return TriagePage(
        gauges=_gauges(known, triage),
        desks=tuple(_desk(known, desk, states.get(desk.id), line) for desk in here),
        overflow=_overflow(known, triage, line),
        alarm=alarm(known),
        page=page,
        pages=pages,
    )


def heard(known: Known) -> tuple[Triage | None, LineFact | None]:
    """What telephony says now; nothing once it has been silent for `TRIAGE_STALE_S`."""
    value = known.telephony.get("triage")
    if value is None or value.said.boot_id != known.now.boot_id or known.age_s(value) > TRIAGE_STALE_S:
        return None, None
    return facts.read(Triage, value), facts.read(LineFact, known.telephony.get("line"))


def _gauges(known: Known, triage: Triage | None) -> Gauges:
    lost, lost_now = _lost(known)
    if triage is None:
        return Gauges(False, "?", "?", "?", "onbekend", "?", lost, lost_now)
    since_s = known.age_s(known.telephony["triage"])  # the longest wait grows while nothing else is said
    return Gauges(
        known=True,
        waiting=str(triage.waiting),
        longest=words.waited(triage.longest_wait_s + since_s) if triage.waiting else say("niemand"),
        chance=words.percent(triage.chance_2min),
        pressure=triage.pressure,
        pressure_shape=words.PRESSURE_SHAPES[triage.pressure],
        lost=lost,
        lost_now=lost_now,
    )


def _lost(known: Known) -> tuple[str, bool]:
    value = known.panel.get("lost")
    lost = facts.read(LostSeen, value)
    if value is None or lost is None or lost.count == 0:
        return "", False
    times = words.many(lost.count, "oproep verloren", "oproepen verloren")
    if not lost.rose:
        return times, False
    last = words.when(value.said.at, known.now.at)
    return say("%(times)s, laatst %(last)s", times=times, last=last), known.age_s(value) < LOST_ALARM_S


def _desk(known: Known, desk: Desk, fact: DeskFact | None, line: LineFact | None) -> DeskKey:
    """The switch is ours and shows at once; what the phone does is telephony's, and follows."""
    heard = line is not None
    presence = facts.read(DeskPresence, known.panel.get(f"desk/{desk.id}"))
    present = presence is not None and presence.present
    state, shape, word, since = "away", *_desk_words("away"), ""
    if not heard and present:
        state, shape, word = "unknown", "?", say("aangemeld, telefoon onbekend")
    elif fact is not None and fact.state != "away" and (present or fact.state == "busy"):
        state, (shape, word), since = (
            fact.state,
            _desk_words(fact.state),
            _guest(known, fact, line) or _since(known, fact),
        )
        word = word if present else say("in gesprek, dan afwezig")
    elif present:
        state, shape, word = "joining", "◔", say("meldt zich aan")
    elif fact is not None and fact.state == "away":
        since = _since(known, fact)
    return DeskKey(desk.id, desk.title, present, state, shape, word, since)


def _desk_words(state: DeskState) -> tuple[str, str]:
    shape, word = words.DESKS[state]
    return shape, say(word)


def _guest(known: Known, fact: DeskFact, line: LineFact | None) -> str:
    """For a partner's caller at this desk: where from, and how long they waited until it rang or was picked up."""
    titles = {partner.name: partner.title for partner in known.config.partner}
    for call in line.calls if line else ():
        if fact.id in (call.talking_at, call.rings_at) and call.origin in titles:
            waited_s = call.waited_before_s + max(0, fact.since_uptime_ms - call.arrived_uptime_ms) / 1000
            return say("voor %(who)s, wachtte %(span)s", who=titles[call.origin], span=words.span(waited_s))
    return ""


def _since(known: Known, fact: DeskFact) -> str:
    line = known.telephony["line"]
    if line.said.boot_id != known.now.boot_id:
        return ""
    since_s = (known.now.uptime_ms - fact.since_uptime_ms) / 1000
    return say("zojuist") if since_s < 60 else words.span(since_s)


def _overflow(known: Known, triage: Triage | None, line: LineFact | None) -> Overflow:
    titles = {partner.name: partner.title for partner in known.config.partner}
    switch = facts.read(OverflowSwitch, known.panel.get("overflow")) or OverflowSwitch()
    if triage is None:
        helps: tuple[str, ...] = (numbered(_SILENT, say(_SILENT)),)
    else:
        helps = (
            *(
                say("Wij krijgen hulp van %(who)s: %(calls)s", who=who, calls=calls)
                for who, calls in _counts(triage.helped_by, titles)
            ),
            *(
                say("Wij helpen %(who)s: %(calls)s", who=who, calls=calls)
                for who, calls in _counts(triage.helping, titles)
            ),
        ) or (say("Niemand helpt nu."),)
    return Overflow(helps, _reason(line, titles), switch.giving, switch.accepting)


def _counts(partners: Mapping[str, int], titles: Mapping[str, str]) -> list[tuple[str, str]]:
    return [
        (titles.get(name, name), words.many(count, "gesprek", "gesprekken"))
        for name, count in sorted(partners.items())
        if count
    ]


def _reason(line: LineFact | None, titles: Mapping[str, str]) -> str:
    """Why the latest call in the line was offered to a partner."""
    asked = [
        (call.arrived_uptime_ms, offer)
        for call in (line.calls if line else ())
        for offer in call.offers
        if offer.chance_home is not None and offer.partner in titles
    ]
    if not asked:
        return ""
    last = max(asked, key=lambda each: each[0])[1]
    there = "" if last.chance_partner is None else f", {titles[last.partner]} {words.percent(last.chance_partner)}"
    return say("Kans op 2 min: hier %(here)s", here=words.percent(last.chance_home or 0.0)) + there
