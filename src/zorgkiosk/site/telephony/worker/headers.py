"""What the front wrote on an INVITE about the caller, whether the offer is SRTP, and what we may write. Pure."""

from __future__ import annotations

import functools
import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from zorgkiosk.site.telephony.messages import TRUNK, Refuse
from zorgkiosk.site.telephony.worker.signals import Reject

ORIGIN = "X-Zorgkiosk-Origin"
"""`trunk` or the partner's site name. Set by the front, from the source of the INVITE."""
WAITED = "X-Zorgkiosk-Waited"
"""Seconds waited at earlier centres, a decimal number."""
HOPS = "X-Zorgkiosk-Hops"
"""How many centres passed the call on, a whole number."""
URGENT = "X-Zorgkiosk-Urgent"
"""`1`: the caller pressed 1 for spoed at an earlier centre."""
PLACED = "X-Zorgkiosk-Placed"
"""When the front sent the INVITE to this worker: seconds since 1970, a decimal number, by the clock that both share."""
GIVEN_UP_S = 1.0
"""A worker that is silent on an INVITE for so long is thought dead, and another one gets the caller."""

ELSEWHERE = 200, "Call completed elsewhere"
"""The reason that a BYE tells whoever picked up too late (RFC 3326)."""
_ELSEWHERE = re.compile(r"^Reason[ \t]*:[ \t]*SIP[ \t]*;[ \t]*cause[ \t]*=[ \t]*200\b", re.MULTILINE | re.IGNORECASE)

LONGEST_WAIT_S = 4 * 3600.0
MOST_HOPS = 10
_SITE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
"""A header's name (RFC 3261 §25.1)."""
_TEXT = re.compile(r"[\t -~]*")
"""A header's value on one line. UTF-8 would be allowed, but old PBXs choke on it and the binding mangles it."""
_URI = re.compile(r"(?:sips?|tel):[!#-;=?-~]+", re.IGNORECASE)
"""Visible ASCII that cannot leave its angle brackets."""
LONGEST_HEADERS = 2000
"""Names and values together: an INVITE of more than 4000 bytes is one that the SIP stack cannot send."""
_AUDIO = re.compile(r"^m=audio\s+\d+(?:/\d+)?\s+(\S+)", re.MULTILINE)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Introduction:
    """What is known of a caller before anything is said. `protected`: audio with this caller will be SRTP."""

    sip_call_id: str
    origin: str
    hops: int
    urgent: bool
    waited_s: float
    protected: bool
    placed_s: float | None = None


def is_elsewhere(message: str) -> bool:
    """Whether the text of a message is a BYE that says that the call was completed elsewhere."""
    return message.startswith("BYE ") and _ELSEWHERE.search(message.partition("\r\n\r\n")[0]) is not None


@functools.lru_cache(maxsize=1)
def introduction(invite: str) -> Introduction:
    """Read the text of an INVITE. What is missing or unreadable gets a safe value.

    Without an origin the call counts as the own trunk's. A partner's call without readable hops counts as passed on
    once, so that it is not sent around for ever.
    """
    head, _, body = invite.replace("\r\n", "\n").partition("\n\n")
    fields = _fields(head)
    given = fields.get(ORIGIN.lower(), "").lower()
    origin = given if _SITE.fullmatch(given) else TRUNK
    return Introduction(
        sip_call_id=fields.get("call-id") or fields.get("i", ""),
        origin=origin,
        hops=_hops(fields.get(HOPS.lower(), ""), 0 if origin == TRUNK else 1),
        urgent=fields.get(URGENT.lower(), "") == "1",
        waited_s=_seconds(fields.get(WAITED.lower(), "")),
        protected=_protected(body, origin),
        placed_s=_seconds_since_1970(fields.get(PLACED.lower(), "")),
    )


def _fields(head: str) -> dict[str, str]:
    """First value of each header, names in lower case; continuation lines joined (RFC 3261 §7.3.1)."""
    fields: dict[str, str] = {}
    for line in re.sub(r"\n[ \t]+", " ", head).split("\n")[1:]:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), value.strip())
    return fields


def _hops(text: str, default: int) -> int:
    return min(int(text), MOST_HOPS) if re.fullmatch(r"[0-9]{1,4}", text) else default


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT_S) if math.isfinite(seconds) else 0.0


def _seconds_since_1970(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", text) else None


def _protected(offer: str, origin: str) -> bool:
    """Every audio line offered is SRTP (RFC 4568 §3.1.1). Without an offer it is up to us: a partner gets SRTP."""
    profiles = _AUDIO.findall(offer)
    return all(profile.startswith("RTP/SAVP") for profile in profiles) if profiles else origin != TRUNK


def sendable(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that fit on an INVITE as they are. Others are left out, with a word that tells no value."""
    good: dict[str, str] = {}
    room = LONGEST_HEADERS
    for name, value in headers.items():
        size = len(name) + len(value)
        if not _TOKEN.fullmatch(name):
            log.error("a header is left out: its name is no name (RFC 3261)")
        elif not _TEXT.fullmatch(value):
            log.error("header %s is left out: its value is more than a line of ASCII", name)
        elif size > room:
            log.error("header %s is left out: %d bytes are too many", name, size)
        else:
            good[name] = value
            room -= size
    return good


def contact(uri: str) -> str | None:
    """`uri` as the value of a Contact header (RFC 3261 §20.10); None when it is no SIP or telephone URI."""
    return f"<{uri}>" if _URI.fullmatch(uri) and len(uri) <= LONGEST_HEADERS else None


def rejection(party: str, order: Refuse) -> Reject:
    """A redirection that leads nowhere would leave the caller with nothing; 503 lets the PBX take its own route."""
    headers = {} if order.retry_after_s is None else {"Retry-After": str(order.retry_after_s)}
    if not 300 <= order.code <= 399:
        return Reject(party, order.code, order.reason, headers)
    where = contact(order.contact or "")
    if where is None:
        log.error("the line redirects a caller without a proper address; refused with 503")
        return Reject(party, 503, "Service Unavailable", headers)
    return Reject(party, order.code, order.reason, headers | {"Contact": where})
