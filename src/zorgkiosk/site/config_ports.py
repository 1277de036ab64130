"""Two services of one box that would listen on the same address and port."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zorgkiosk.site.config import SiteConfig

RTP_PORTS_EACH = 20
"""Media ports of one worker: four legs of RTP and RTCP, and room so that a port is not taken again at once."""
_LOOPBACK = "127.0.0.1"
_EVERY = "0.0.0.0"


@dataclass(frozen=True)
class Range:
    """Ports `first` to `last` on `address`, set by `key`."""

    key: str
    address: str
    first: int
    last: int

    def __str__(self) -> str:
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.key} ({ports} on {self.address})"


def ports_of(config: SiteConfig) -> Iterator[Range]:
    """All that the box listens on; UDP and TCP count as one, so that nobody has to know which is which."""
    yield Range("[panel] port", config.panel.address, config.panel.port, config.panel.port)
    yield from _ports_of_the_line(config)
    if (broker := config.local_broker) is not None:
        yield Range("[local_broker] port", str(broker.address), broker.port, broker.port)


def _ports_of_the_line(config: SiteConfig) -> Iterator[Range]:
    front, telephony = config.front, config.telephony
    if front is None or telephony is None:
        return
    outside = str(front.address)
    yield Range("[front] sip_port", outside, front.sip_port, front.sip_port)
    yield Range("[front] tls_port", outside, front.tls_port, front.tls_port)
    yield Range("[front] internal_port", _LOOPBACK, front.internal_port, front.internal_port)
    sip, rtp = telephony.worker_sip_port, telephony.worker_rtp_port
    yield Range("[telephony] worker_sip_port", _LOOPBACK, sip, sip + telephony.workers - 1)
    yield Range("[telephony] worker_rtp_port", outside, rtp, rtp + telephony.workers * RTP_PORTS_EACH - 1)


def port_problems(config: SiteConfig) -> list[str]:
    """A sentence for each range that runs into another one or beyond the last port there is."""
    ranges = list(ports_of(config))
    problems = [
        f"{one.key}: {one.first} leaves no room for all workers below 65536: write a lower port"
        for one in ranges
        if one.last > 65535
    ]
    for number, later in enumerate(ranges):
        problems += [
            f"{later.key}: {_span(later)} clashes with {earlier}: give each its own"
            for earlier in ranges[:number]
            if _meet(earlier, later)
        ]
    return problems


def _meet(one: Range, other: Range) -> bool:
    same_address = one.address == other.address or _EVERY in (one.address, other.address)
    return same_address and one.first <= other.last and other.first <= one.last


def _span(ports: Range) -> str:
    return str(ports.first) if ports.first == ports.last else f"{ports.first}-{ports.last}"
