"""What a site's box listens on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from zorgkiosk.config_ports import Range, clashes, readable

if TYPE_CHECKING:
    from zorgkiosk.site.config import SiteConfig

RTP_PORTS_EACH = 20
"""Media ports of one worker: four legs of RTP and RTCP, and room so that a port is not taken again at once."""
_LOOPBACK = "127.0.0.1"


def port_problems(config: SiteConfig) -> Iterator[str]:
    """A sentence for each range that runs into another one or beyond the last port there is."""
    yield from clashes(list(ports_of(config)))


def ports_of(config: SiteConfig) -> Iterator[Range]:
    """All that the box listens on, as far as it could be read."""
    panel, front, telephony, broker = config.panel, config.front, config.telephony, config.local_broker
    yield from readable(lambda: Range.of("[panel] port", panel.address, panel.port))
    if front is not None and telephony is not None:
        yield from readable(
            lambda: Range.of("[front] sip_port", front.address, front.sip_port),
            lambda: Range.of("[front] tls_port", front.address, front.tls_port),
            lambda: Range.of("[front] internal_port", _LOOPBACK, front.internal_port),
            lambda: Range.of("[telephony] worker_sip_port", _LOOPBACK, telephony.worker_sip_port, telephony.workers),
            lambda: Range.of(
                "[telephony] worker_rtp_port",
                front.address,
                telephony.worker_rtp_port,
                telephony.workers * RTP_PORTS_EACH,
            ),
        )
    if broker is not None:
        yield from readable(lambda: Range.of("[local_broker] port", broker.address, broker.port))
