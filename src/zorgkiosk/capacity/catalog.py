"""The categories a site can report, by code. Names are the field's (Dutch care), the codes are ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zorgkiosk.contract.status import Freshness

Sector = Literal["vvt-bedden", "vvt-wijk"]

_MINUTE_S = 60.0
_HOUR_S = 3600.0


@dataclass(frozen=True)
class Category:
    """A thing that is counted. `freshness` holds the shipped times; a site's config may set others."""

    code: str
    sector: Sector
    dutch: str
    english: str
    freshness: Freshness


def _beds(code: str, dutch: str, english: str) -> Category:
    """Beds change a few times a day: confirmed each shift, unknown after a day."""
    ages = Freshness(due_s=8 * _HOUR_S, overdue_s=12 * _HOUR_S, unknown_s=24 * _HOUR_S)
    return Category(code, "vvt-bedden", dutch, english, ages)


def _visits(code: str, dutch: str, english: str) -> Category:
    """District nurses' spare visits change within the hour."""
    ages = Freshness(due_s=60 * _MINUTE_S, overdue_s=120 * _MINUTE_S, unknown_s=240 * _MINUTE_S)
    return Category(code, "vvt-wijk", dutch, english, ages)


CATEGORIES: dict[str, Category] = {
    category.code: category
    for category in (
        _beds("elv-laag", "ELV laag complex", "Short stay, low complexity"),
        _beds("elv-hoog", "ELV hoog complex", "Short stay, high complexity"),
        _beds("elv-palliatief", "ELV palliatief terminaal", "Short stay, palliative"),
        _beds("grz", "Geriatrische revalidatie", "Geriatric rehabilitation"),
        _beds("wlz-crisis", "Wlz-crisis", "Long-term care, crisis (within 24 h)"),
        _beds("wlz-spoed", "Wlz-spoed", "Long-term care, urgent"),
        _beds("respijt", "Respijt (logeeropvang)", "Respite care"),
        _beds("ongelabeld", "Ongelabeld bed", "Unlabelled bed"),
        _beds("hospice", "Hospice", "Hospice"),
        _visits("wijk-acuut", "Wijkverpleging acuut", "District nursing, unplanned visits"),
    )
}
