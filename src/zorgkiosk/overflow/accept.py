"""Whether we take a caller that a partner offers. The receiving site decides, by its own rules, at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Here:
    """What the receiving site knows of itself. `taken_from_partner` are that partner's callers here now."""

    accepting: bool
    desks_present: int
    own_waiting: int
    taken_from_partner: int
    take_at_once: int


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
    if here.desks_present == 0:
        return Decline(480, "No desk manned")
    if here.taken_from_partner >= here.take_at_once:
        return Decline(486, "Agreed number taken")
    if here.own_waiting >= here.desks_present:
        return Decline(486, "Own callers wait")
    return None
