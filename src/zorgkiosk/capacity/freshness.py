"""The freshness ladder: a value that nobody confirms becomes unknown; its last number is then not shown.

A status that was said with an end is not known to hold after it: a stop whose end has passed is neither a stop nor
open until somebody at the site says which. That is the safe side for both, the patient who is on the way and the
department that is still full.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from zorgkiosk.contract.events import parse_instant
from zorgkiosk.contract.status import Freshness


class Fresh(StrEnum):
    """Rungs of the ladder, from true to unknown; the values are the words on the screens."""

    CURRENT = "actueel"
    DUE = "bevestigen"
    OVERDUE = "verlopen"
    UNKNOWN = "onbekend"


def rung(age_s: float | None, freshness: Freshness, left_s: float | None = None) -> Fresh:
    """The rung of a value that was last said or confirmed `age_s` ago; None when it never was.

    `left_s`: seconds until the end it was said with; None when it has none.
    """
    if age_s is None or age_s >= freshness.unknown_s or (left_s is not None and left_s <= 0):
        return Fresh.UNKNOWN
    if age_s >= freshness.overdue_s:
        return Fresh.OVERDUE
    if age_s >= freshness.due_s:
        return Fresh.DUE
    return Fresh.CURRENT


def left_s(until: str | None, said_at: datetime, age_s: float) -> float | None:
    """Seconds until the end of a value, said by the same clock as `until`, `age_s` ago. None without an end.

    The two instants are only compared with each other, so the site's clock may be wrong by any amount.
    """
    return None if until is None else (parse_instant(until) - said_at).total_seconds() - age_s


def end_at(left_s: float | None, now: datetime) -> datetime | None:
    """The end that is `left_s` away, to the nearest minute: what two clocks compute together is off by some seconds."""
    if left_s is None:
        return None
    return (now + timedelta(seconds=left_s + 30)).replace(second=0, microsecond=0)
