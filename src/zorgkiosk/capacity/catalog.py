"""The categories a site can report, by code. Names are the field's (Dutch care), the codes are ours.

A category is counted (beds, visits) or has a status out of its own list. Ambulance services read the region's board
and report nothing here: what they have is in their own control room's system.

`wijk-acuut-4-uur` is a category of its own and not a second number of `wijk-acuut`: a planner looks ahead at other
moments than a nurse looks around, so each needs its own age, its own "Klopt nog" and its own place on a display.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from zorgkiosk.contract.capacity import Limit, Reason
from zorgkiosk.contract.status import Freshness

Sector = Literal["vvt-bedden", "vvt-wijk", "seh", "ggz", "so", "apotheek"]
Grade = Literal["open", "tight", "shut"]
"""What a status means to who looks for a place, whatever its word: yes, ask first, no."""

_MINUTE_S = 60.0
_HOUR_S = 3600.0


@dataclass(frozen=True)
class Word:
    """A code in the languages of the screens."""

    dutch: str
    english: str


@dataclass(frozen=True)
class Choice:
    """A status of a category. `end` says what `until` means for it; without it the status holds until another one."""

    code: str
    dutch: str
    english: str
    grade: Grade
    reasons: tuple[Reason, ...] = ()
    end: Word | None = None


@dataclass(frozen=True)
class Category:
    """A thing that is reported; counted when it has no choices.

    `freshness` holds the shipped times; a site's config may set others.
    """

    code: str
    sector: Sector
    dutch: str
    english: str
    freshness: Freshness
    choices: tuple[Choice, ...] = ()

    @property
    def counted(self) -> bool:
        return not self.choices

    def choice(self, status: str | None) -> Choice | None:
        """The status of this code; None for one this category does not have."""
        return next((choice for choice in self.choices if choice.code == status), None)


REASON_WORDS: dict[Reason, Word] = {
    "drukte": Word("drukte", "crowded"),
    "personeel": Word("te weinig personeel", "too few staff"),
    "geen-bedden": Word("geen bedden in huis", "no beds in the house"),
    "storing": Word("storing", "technical failure"),
    "calamiteit": Word("calamiteit", "major incident"),
    "anders": Word("andere reden", "another reason"),
}
LIMIT_WORDS: dict[Limit, Word] = {
    "gesloten-afdeling": Word("gesloten afdeling", "closed ward"),
    "isolatie": Word("isolatie", "isolation"),
    "bariatrisch": Word("bariatrisch", "bariatric"),
    "alleen-m": Word("alleen man", "men only"),
    "alleen-v": Word("alleen vrouw", "women only"),
}
EXCLUDES: dict[Limit, Limit] = {"alleen-m": "alleen-v", "alleen-v": "alleen-m"}
"""A limit that ends another when it is set."""

_UNTIL = Word("tot", "until")
_OPENS = Word("open om", "opens at")
_REASONS: tuple[Reason, ...] = tuple(REASON_WORDS)


def _hours(due: float, overdue: float, unknown: float) -> Freshness:
    return Freshness(due_s=due * _HOUR_S, overdue_s=overdue * _HOUR_S, unknown_s=unknown * _HOUR_S)


def _beds(code: str, dutch: str, english: str) -> Category:
    """Beds change a few times a day: confirmed each shift, unknown after a day."""
    return Category(code, "vvt-bedden", dutch, english, _hours(8, 12, 24))


def _visits(code: str, dutch: str, english: str) -> Category:
    """District nurses' spare visits change within the hour."""
    ages = Freshness(due_s=60 * _MINUTE_S, overdue_s=120 * _MINUTE_S, unknown_s=240 * _MINUTE_S)
    return Category(code, "vvt-wijk", dutch, english, ages)


def _emergency_department() -> Category:
    """Changes within hours, and ambulances drive by it: confirmed every two hours, unknown after a shift."""
    choices = (
        Choice("open", "open", "open", "open"),
        Choice("dreigend", "dreigende stop", "stop expected", "tight", _REASONS),
        Choice("stop", "stop", "stop", "shut", _REASONS, _UNTIL),
    )
    return Category("seh", "seh", "Spoedeisende hulp (SEH)", "Emergency department", _hours(2, 4, 8), choices)


def _crisis_service() -> Category:
    """One team on its way changes it: confirmed twice a shift, unknown after a shift and a half."""
    choices = (
        Choice("beschikbaar", "beschikbaar", "available", "open"),
        Choice("beperkt", "beperkt", "limited", "tight", _REASONS),
        Choice("vol", "vol", "full", "shut", _REASONS, _UNTIL),
    )
    return Category("ggz-crisis", "ggz", "GGZ-crisisdienst", "Mental health crisis service", _hours(4, 8, 12), choices)


def _elderly_care_physician() -> Category:
    """Said once a duty; a visit keeps the physician busy for a stated time."""
    choices = (
        Choice("bereikbaar", "bereikbaar", "on call", "open"),
        Choice("bezet", "bezet", "busy", "tight", end=_UNTIL),
        Choice("geen", "geen dienst", "nobody on call", "shut", end=_UNTIL),
    )
    name = "Specialist ouderengeneeskunde"
    return Category("so-dienst", "so", name, "Elderly care physician on call", _hours(12, 16, 24), choices)


def _duty_pharmacy() -> Category:
    """While it is closed nobody is there to confirm: the times are longer than a closed day."""
    choices = (
        Choice("open", "open", "open", "open"),
        Choice("dicht", "dicht", "closed", "shut", end=_OPENS),
    )
    return Category("apotheek", "apotheek", "Dienstapotheek", "Duty pharmacy", _hours(12, 16, 24), choices)


def _by_code(categories: Iterable[Category]) -> dict[str, Category]:
    return {category.code: category for category in categories}


CATEGORIES: dict[str, Category] = _by_code(
    (
        _beds("elv-laag", "ELV laag complex", "Short stay, low complexity"),
        _beds("elv-hoog", "ELV hoog complex", "Short stay, high complexity"),
        _beds("elv-palliatief", "ELV palliatief terminaal", "Short stay, palliative"),
        _beds("grz", "Geriatrische revalidatie", "Geriatric rehabilitation"),
        _beds("wlz-crisis", "Wlz-crisis", "Long-term care, crisis (within 24 h)"),
        _beds("wlz-spoed", "Wlz-spoed", "Long-term care, urgent"),
        _beds("respijt", "Respijt (logeeropvang)", "Respite care"),
        _beds("ongelabeld", "Ongelabeld bed", "Unlabelled bed"),
        _beds("hospice", "Hospice", "Hospice"),
        _visits("wijk-acuut", "Wijkverpleging acuut", "District nursing, unplanned visits now"),
        _visits("wijk-acuut-4-uur", "Wijkverpleging over 4 uur", "District nursing, unplanned visits in 4 h"),
        _emergency_department(),
        _crisis_service(),
        _elderly_care_physician(),
        _duty_pharmacy(),
    )
)
