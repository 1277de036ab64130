"""What comes and goes about certificates: the region's list of revoked ones, our request, our next certificate.

Sync only keeps them in its own folder: the front takes up the list from there (site/telephony/front_trust.py), and a
certificate comes into force when `zorgkiosk install-certificate` has tried it.
"""

from __future__ import annotations

import logging

from cryptography.hazmat.primitives import serialization

from zorgkiosk import durable
from zorgkiosk.contract.status import encode_status
from zorgkiosk.contract.trust import IssuedCertificate, RevocationList
from zorgkiosk.site import trust
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.sync.health import Health
from zorgkiosk.site.trust import DistrustError, Identity

log = logging.getLogger(__name__)

_PEM = serialization.Encoding.PEM


class Certificates:
    """Reads the box's files each time: a certificate may have come into force since."""

    def __init__(self, config: SiteConfig, health: Health) -> None:
        self._config = config
        self._health = health
        self._asked = False

    def asked(self) -> None:
        """The provisioner wants to know which certificate is in force."""
        self._asked = True

    def take_request(self) -> bytes | None:
        """What to answer the provisioner, if it asked."""
        asked, self._asked = self._asked, False
        if not asked:
            return None
        try:
            return encode_status(trust.request(Identity.of(self._config)))
        except DistrustError as error:
            log.warning("sync: no request for a certificate: %s", error)
            return None

    def heard_list(self, message: RevocationList, now_s: float) -> None:
        """Keep it when it is newer. Raises StoreError."""
        own, shipped = trust.list_files(self._config)
        try:
            authority = Identity.of(self._config).authority
            given = trust.read_list(message)
            held = trust.newest_list((own, shipped), authority)
            if not trust.accepted_list(given, -1 if held is None else trust.number_of(held), authority):
                return
            durable.put(own, given.public_bytes(_PEM), durable.SHARED)
        except (DistrustError, OSError) as error:
            self._health.happened("list-refused", f"the list of revoked certificates is not taken: {error}", now_s)
            return
        log.info("sync: list %d of revoked certificates is here: %d of them", trust.number_of(given), len(given))

    def heard_certificate(self, message: IssuedCertificate, now_s: float) -> None:
        """Keep it beside the stores until it has been tried. Raises StoreError."""
        try:
            given = trust.read_certificate(message)
            if not trust.accepted_certificate(given, Identity.of(self._config)):
                return
            laid = self._config.site.data_dir / trust.RENEWED
            durable.put(laid, given.public_bytes(_PEM), durable.SHARED)
        except (DistrustError, OSError) as error:
            self._health.happened("certificate-refused", f"the next certificate is not taken: {error}", now_s)
            return
        log.info("sync: the next certificate is here, good until %s", f"{given.not_valid_after_utc:%Y-%m-%d}")
