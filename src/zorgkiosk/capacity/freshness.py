"""The freshness ladder: a value that nobody confirms becomes unknown; its last number is then not shown."""

from __future__ import annotations

from enum import StrEnum

from zorgkiosk.contract.status import Freshness


class Fresh(StrEnum):
    """Rungs of the ladder, from true to unknown; the values are the words on the screens."""

    CURRENT = "actueel"
    DUE = "bevestigen"
    OVERDUE = "verlopen"
    UNKNOWN = "onbekend"


def rung(age_s: float | None, freshness: Freshness) -> Fresh:
    """The rung of a value that was last said or confirmed `age_s` ago; None when it never was."""
    if age_s is None or age_s >= freshness.unknown_s:
        return Fresh.UNKNOWN
    if age_s >= freshness.overdue_s:
        return Fresh.OVERDUE
    if age_s >= freshness.due_s:
        return Fresh.DUE
    return Fresh.CURRENT
