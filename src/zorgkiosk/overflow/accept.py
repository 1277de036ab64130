"""Whether we take a caller that a partner offers. The receiving site decides, by its own rules, at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Here:
    """What the receiving site knows of itself and of its agreement with the one that offers.

    `open`: these are hours of the agreement. `taken_from_partner` are that partner's callers here now, of at most
    `take_at_once`; `waiting` is the whole line, of at most `line_length`.
    """

    accepting: bool
    open: bool
    desks_present: int
    desks_free: int
    reserve_desks: int
    own_waiting: int
    waiting: int
    line_length: int
    taken_from_partner: int
    take_at_once: int


_BUSY = 480
"""Not 486: by that a worker says that it holds a caller already, and its front would try all the others in turn."""


@dataclass(frozen=True)
class Decline:
    """Answer to the partner: SIP status (RFC 3261 §21.4, §21.6) and a reason phrase."""

    code: int
    reason: str


def consider(here: Here, *, hops: int) -> Decline | None:
    """None when the caller may join our line, else why not. A caller is moved once: hop two is a loop."""
    if hops > 1:
        return Decline(482, "Loop Detected")
    if not here.accepting:
        return Decline(603, "Overflow closed")
    if not here.open:
        return Decline(603, "Outside agreed hours")
    if here.desks_present == 0:
        return Decline(480, "No desk manned")
    if here.taken_from_partner >= here.take_at_once:
        return Decline(_BUSY, "Agreed number taken")
    if here.own_waiting >= here.desks_present:
        return Decline(_BUSY, "Own callers wait")
    if here.waiting >= here.line_length:
        return Decline(_BUSY, "Line is long")
    if here.reserve_desks and here.desks_free <= here.reserve_desks:
        return Decline(_BUSY, "Desks kept for own callers")
    return None
