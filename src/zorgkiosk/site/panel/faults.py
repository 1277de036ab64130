"""What is wrong with the stores of this site, in one sentence for the panel. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zorgkiosk.site.faults import CONDITIONS, coded
from zorgkiosk.site.panel.known import Known
from zorgkiosk.site.panel.language import phrase, say
from zorgkiosk.site.store import StateValue
from zorgkiosk.site.store_faults import DAMAGED, FULL, PREFIX

_BY_HAND = ("pending/", "capacity/", "desk/", "overflow")
"""Keys of panel.db that a tap puts. Whoever tapped after the fault began has had its sentence before their eyes."""

CALL = phrase("Bel de technicus.")
_FULL = phrase("De opslag is vol. Oude meldingen maken plaats voor nieuwe.")
_WHOSE = {"panel": phrase("dit paneel"), "telephony": phrase("de wachtrij"), "sync": phrase("de verbinding")}


@dataclass(frozen=True)
class Fault:
    """`text` says what is, `detail` what to do."""

    text: str
    detail: str


def fault(known: Known) -> Fault | None:
    """The most pressing one: a full store until there is room, a file that was replaced until somebody has tapped."""
    states: dict[str, Mapping[str, StateValue]] = {
        "panel": known.panel,
        "telephony": known.telephony,
        "sync": known.sync,
    }
    if any(PREFIX + FULL in state for state in states.values()):
        return Fault(say(_FULL), coded(say(CALL), CONDITIONS[FULL]))
    taps = [value for key, value in known.panel.items() if key.startswith(_BY_HAND)]
    for unit, state in states.items():
        damaged = state.get(PREFIX + DAMAGED)
        if damaged is not None and not any(known.age_s(tap) < known.age_s(damaged) for tap in taps):
            todo = say("Tik de aantallen opnieuw.") if unit == "panel" and known.config.capacity else say(CALL)
            return Fault(
                say("De opslag van %(whose)s was beschadigd en is vernieuwd.", whose=say(_WHOSE[unit])),
                coded(todo, CONDITIONS[DAMAGED]),
            )
    return None
