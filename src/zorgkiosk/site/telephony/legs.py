"""Where a caller can ring: the orders for a desk, a partner and the last resort, and what the far end is told.

Who takes a partner's caller sees where the call comes from and how long it waited, in the headers that phones and
exchanges know: Diversion (RFC 5806), History-Info (RFC 7044) and User-to-User (RFC 7433, hexadecimal).
"""

from __future__ import annotations

from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.config_telephony import Desk, Telephony
from zorgkiosk.site.telephony.floor import DESK, LAST_RESORT, PARTNER, Held
from zorgkiosk.site.telephony.messages import RingLeg


def ring_desk(desk: Desk, held: Held, now_s: float) -> RingLeg:
    """At its own phone, or through the exchange."""
    uri = f"sip:{desk.phone}@desk" if desk.phone is not None else f"sip:{desk.extension}@exchange"
    headers = _moved_headers(held.call.origin, desk.id, held.waited_s(now_s)) if held.from_partner else {}
    return RingLeg(DESK + desk.id, uri, partner=False, headers=headers)


def ring_partner(partner: str, site: SiteConfig, held: Held, now_s: float) -> RingLeg:
    """Into the partner's line, with the time waited, so that the clock does not restart there."""
    waited_s = held.waited_s(now_s)
    headers = {
        "X-Zorgkiosk-Waited": f"{waited_s:.1f}",
        "X-Zorgkiosk-Hops": str(held.call.hops + 1),
        "X-Zorgkiosk-Urgent": "1" if held.call.urgent else "0",
        **_moved_headers(site.site.name, partner, waited_s),
    }
    return RingLeg(PARTNER + partner, f"sip:line@{partner}", partner=True, headers=headers)


def ring_last_resort(telephony: Telephony) -> RingLeg:
    return RingLeg(LAST_RESORT, f"sip:{telephony.last_resort}@exchange", partner=False, headers={})


def _moved_headers(origin: str, target: str, waited_s: float) -> dict[str, str]:
    first, second = f"<sip:line@{origin}>", f"<sip:line@{target}>"
    told = f"{origin} {waited_s:.0f}s".encode().hex()
    return {
        "Diversion": f"{first};reason=user-busy;counter=1",
        "History-Info": f"{first};index=1, {second};index=1.1;mp=1",
        "User-to-User": f"{told};encoding=hex",
    }
