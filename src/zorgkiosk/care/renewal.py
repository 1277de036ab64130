"""A box's next certificate: tried with the region's broker first, and only then in force, in one rename.

Sync has laid it beside the stores (site/sync/certificates.py). The old one stays until the new one has connected, so a
certificate that does not work changes nothing; a power cut leaves either of the two whole. The key stays as it is.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from zorgkiosk import durable
from zorgkiosk.site import trust
from zorgkiosk.site.config import Hub, SiteConfig
from zorgkiosk.site.sync.uplink import Closed, MqttUplink, Opened
from zorgkiosk.site.trust import DistrustError, Identity

_TRY_S = 20.0
_POLL_S = 0.05
TRIAL = "renewed-trial.pem"


class Renewal(enum.Enum):
    NOTHING = "there is no newer certificate"
    DISTRUSTED = "the newer certificate is not one for this box, and was removed"
    LATER = "the newer certificate did not get in at the broker: the old one stays, and this one is tried again"
    IN_FORCE = "the newer certificate is in force"


def install(config: SiteConfig, attempt: Callable[[Hub], str]) -> tuple[Renewal, str]:
    """What became of the certificate that sync has laid aside, and why. `attempt` says why one does not get in, or "".

    Sync and the front need no restart: each connection of sync reads the file, the line tells the front.
    Raises OSError.
    """
    laid, in_force = config.site.data_dir / trust.RENEWED, config.hub.certificate_file
    try:
        given = x509.load_pem_x509_certificate(laid.read_bytes())
        # The folder is the group's: what lies there is believed no more than what came over the network.
        news = trust.accepted_certificate(given, Identity.of(config))
    except FileNotFoundError:
        return Renewal.NOTHING, ""
    except (ValueError, DistrustError) as error:
        laid.unlink()
        return Renewal.DISTRUSTED, str(error)
    if not news:
        laid.unlink()
        return Renewal.NOTHING, ""
    # Beside the one in force, where nobody but its owner writes: what is tried is what comes into force.
    trial = in_force.with_name(TRIAL)
    content = given.public_bytes(serialization.Encoding.PEM)
    durable.put(trial, content)
    try:
        if fault := attempt(config.hub.model_copy(update={"certificate_file": trial})):
            return Renewal.LATER, fault
    finally:
        trial.unlink()
    durable.put(in_force, content, in_force.stat().st_mode & 0o777)
    laid.unlink()
    return Renewal.IN_FORCE, f"good until {given.not_valid_after_utc:%Y-%m-%d}"


def connects(hub: Hub, name: str) -> str:
    """Why the broker does not let this certificate in, empty when it does. It is asked under a name of its own."""
    uplink = MqttUplink(hub, f"{name}-trial", None, clock_floor=lambda: None)
    uplink.open()
    until_s = time.monotonic() + _TRY_S
    try:
        while time.monotonic() < until_s:
            for happening in uplink.poll(_POLL_S):
                match happening:
                    case Opened():
                        return ""
                    case Closed(why):
                        return why.log
    finally:
        uplink.close()
    return "the broker does not answer"
