"""One category of one site on the board: a number or a status, with how true it still is. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from zorgkiosk.capacity.catalog import CATEGORIES, LIMIT_WORDS, REASON_WORDS, Choice, Grade
from zorgkiosk.capacity.freshness import Fresh, end_at, left_s, rung
from zorgkiosk.contract.capacity import Limit, Reason
from zorgkiosk.contract.status import CapacityState
from zorgkiosk.hub.board import words
from zorgkiosk.hub.board.language import name as named
from zorgkiosk.hub.board.language import say


@dataclass(frozen=True)
class Heard:
    """The site's word the value is part of: said at `said_at` by the site's clock, heard `ago_s` before `now`."""

    said_at: datetime
    ago_s: float
    connected: bool
    now: datetime


@dataclass(frozen=True)
class Cell:
    """One category of one site: a number or a status. `age_s` stays known for the API when the rest is unknown.

    `grade` is what the status means (open, tight, shut), `number` its word or the number, `note` what else was said.
    `until` is by the hub's own clock, also when the site's is wrong.
    """

    category: str
    fresh: Fresh
    free: int | None
    total: int | None
    age_s: float | None
    number: str
    of_total: str
    age: str
    status: str | None = None
    grade: Grade | None = None
    reason: Reason | None = None
    until: datetime | None = None
    expected_free_24h: int | None = None
    limits: tuple[Limit, ...] = ()
    expected: str = ""
    note: str = ""


def cell(value: CapacityState, heard: Heard) -> Cell:
    """What the board shows of the value now."""
    age_s = value.age_s + heard.ago_s
    left = left_s(value.until, heard.said_at, heard.ago_s)
    fresh = rung(age_s if heard.connected else None, value.freshness, left)
    choice = CATEGORIES[value.category].choice(value.status)
    if value.free is None and choice is None:  # a status of a newer version
        fresh = Fresh.UNKNOWN
    ended = left is not None and left <= 0 and age_s < value.freshness.unknown_s
    age = say("eindtijd voorbij") if ended else words.ago(age_s)
    unknown = Cell(value.category, fresh, None, None, round(age_s, 1), "", "", age)
    if fresh is Fresh.UNKNOWN:
        return unknown
    return _counted(unknown, value) if choice is None else _chosen(unknown, value, choice, left, heard.now)


def _counted(cell: Cell, value: CapacityState) -> Cell:
    expected = value.expected_free_24h
    return replace(
        cell,
        free=value.free,
        total=value.total,
        number=words.number(value.free or 0),
        of_total=say("van %(total)s", total=value.total) if value.total is not None else "",
        expected_free_24h=expected,
        limits=value.limits,
        expected="" if expected is None else say("over 24 uur: %(number)s", number=words.number(expected)),
        note=", ".join(named(LIMIT_WORDS[limit]) for limit in value.limits),
    )


def _chosen(cell: Cell, value: CapacityState, choice: Choice, left: float | None, now: datetime) -> Cell:
    until = end_at(left, now)
    parts = [named(REASON_WORDS[value.reason])] if value.reason is not None else []
    if until is not None and choice.end is not None:
        parts.append(f"{named(choice.end)} {words.ahead(until, now)}")
    return replace(
        cell,
        number=named(choice),
        status=choice.code,
        grade=choice.grade,
        reason=value.reason,
        until=until,
        note=", ".join(parts),
    )
