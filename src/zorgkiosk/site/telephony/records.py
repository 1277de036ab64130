"""From how a call ended to its record for the hub. Pure."""

from __future__ import annotations

from zorgkiosk.contract.events import CallHandled
from zorgkiosk.site.facts import CallFact, OfferFact
from zorgkiosk.site.telephony.floor import DESK, LAST_RESORT, PARTNER, Held, Offered
from zorgkiosk.site.telephony.messages import CallFinished

MOST_HOPS = 9
"""A record's own limit. A caller who comes with more is declined, and told of with this many."""


def handled(finished: CallFinished, why: Offered | OfferFact | None, *, redirects: bool) -> CallHandled:
    """Of a call whose worker told its end. `why`: the offer that moved it; `redirects`: refused then means sent on."""
    redirected = redirects and finished.outcome == "refused" and why is not None
    answered_by = PARTNER + why.partner if redirected and why is not None else finished.answered_by
    return CallHandled(
        waited_s=round(finished.waited_s, 1),
        talked_s=round(finished.talked_s, 1),
        urgent=finished.urgent,
        outcome="redirected" if redirected else finished.outcome,
        origin=finished.origin,
        hops=min(finished.hops, MOST_HOPS),
        chance_home=None if why is None else why.chance_home,
        chance_partner=None if why is None else why.chance_partner,
        **_who(answered_by),
    )


def lost(held: Held, now_s: float) -> CallHandled:
    """Of a caller whose worker died."""
    return CallHandled(
        waited_s=round(held.waited_s(now_s), 1),
        talked_s=0 if held.picked_up_s is None else round(now_s - held.picked_up_s, 1),
        urgent=held.call.urgent,
        outcome="lost",
        origin=held.call.origin,
        hops=held.call.hops,
        **_who(held.talking_at),
    )


def lost_while_away(call: CallFact, now_s: float) -> CallHandled:
    """Of a caller whom a line left to its worker, and who was gone when the next line came."""
    here_s = max(0.0, now_s - call.arrived_uptime_ms / 1000)
    return CallHandled(
        waited_s=round(call.waited_before_s + (0 if call.talking_at else here_s), 1),
        talked_s=0,
        urgent=call.urgent,
        outcome="lost",
        origin=call.origin,
        hops=call.hops,
    )


def _who(leg: str | None) -> dict[str, str | None]:
    """Which of `desk` and `partner` of a record a leg's name fills."""
    if leg is None:
        return {"desk": None, "partner": None}
    if leg.startswith(DESK) or leg == LAST_RESORT:
        return {"desk": leg.removeprefix(DESK), "partner": None}
    return {"desk": None, "partner": leg.removeprefix(PARTNER)}
