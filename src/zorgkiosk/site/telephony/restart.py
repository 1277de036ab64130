"""What a line that was restarted takes over from the one before: its reasons, and callers who must come back."""

from __future__ import annotations

from dataclasses import replace

from zorgkiosk.site.facts import CallFact
from zorgkiosk.site.telephony.floor import PARTNER, Held, Offered

GRACE_S = 3.0
"""How long the workers of the calls it left are waited for, before those count as lost."""


class LeftBehind:
    """The calls of the line before by SIP Call-ID, until each is claimed or given up."""

    def __init__(self) -> None:
        self._calls: dict[str, CallFact] = {}
        self._ended: frozenset[str] = frozenset()
        self._until_s = 0.0

    def begin(self, calls: tuple[CallFact, ...], ended: tuple[str, ...], now_s: float) -> None:
        self._calls = {call.sip_call_id: call for call in calls}
        self._ended = frozenset(ended)
        self._until_s = now_s + GRACE_S

    @property
    def awaited(self) -> bool:
        """Some callers are still to come back, and with them the desks that they talk to."""
        return bool(self._calls)

    def claim(self, sip_call_id: str) -> CallFact | None:
        """What was written of this call; None when the line before did not know it."""
        return self._calls.pop(sip_call_id, None)

    def is_told_again(self, sip_call_id: str) -> bool:
        """The line before has recorded the end of this call already."""
        return sip_call_id in self._ended

    def given_up(self, now_s: float) -> list[CallFact]:
        """The calls whose workers did not come back in time, told once."""
        if now_s < self._until_s:
            return []
        gone, self._calls = list(self._calls.values()), {}
        return gone


def with_reasons(held: Held, before: CallFact) -> Held:
    """A worker knows its legs; why the partners were asked stands in what the line wrote down."""
    why = {offer.partner: offer for offer in before.offers}
    offers = tuple(
        replace(offer, chance_home=why[offer.partner].chance_home, chance_partner=why[offer.partner].chance_partner)
        if offer.partner in why
        else offer
        for offer in held.offers
    )
    won = next((each for name, each in why.items() if held.talking_at == PARTNER + name), None)
    if won is not None:
        held = replace(held, won=Offered(won.partner, held.call.arrived_s, won.chance_home, won.chance_partner))
    return replace(held, offers=offers)
