"""TLS that can start on a box whose clock was never set, and still refuses what is certainly over.

While the clock is right OpenSSL checks lifetimes as always. While it is not, its date proves nothing in either
direction, and all that is known is a floor: the right time is not before it. OpenSSL's own check of lifetimes is off
then, and a certificate that ended before the floor is refused here. Names, issuer and key are checked either way.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from zorgkiosk.site.config import Hub
from zorgkiosk.site.sync import trouble

_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL 1.1.0 and later (x509_vfy.h); Python's `ssl` has no name for it."""
_EXPIRED = 10


@dataclass(frozen=True)
class Guard:
    """How one connection is secured. `floor` is None while the clock is right."""

    context: ssl.SSLContext
    floor: datetime | None

    @classmethod
    def of(cls, hub: Hub, passed: datetime | None) -> Guard:
        """`passed` as `MqttUplink.clock_floor`. Raises OSError or ValueError for files that cannot be used."""
        context = ssl.create_default_context(cafile=str(hub.ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(str(hub.certificate_file), str(hub.key_file))
        if passed is None:
            return cls(context, None)
        context.verify_flags |= _NO_CHECK_TIME
        return cls(context, floor_of([*_read(hub.certificate_file), *_read(hub.ca_file)], passed))

    def check(self, connection: ssl.SSLSocket) -> None:
        """Of a connection that was just made. Raises ssl.SSLCertVerificationError."""
        certificate = connection.getpeercert(binary_form=True)
        if self.floor is None or certificate is None:
            return
        if trouble.of_lifetime([x509.load_der_x509_certificate(certificate)], self.floor):
            error = ssl.SSLCertVerificationError("certificate has expired")
            error.verify_code = _EXPIRED
            raise error


def floor_of(certificates: list[x509.Certificate], passed: datetime) -> datetime:
    """The newest instant that has certainly passed: `passed`, or when one of our own certificates began."""
    return max([passed, *(certificate.not_valid_before_utc for certificate in certificates)])


def _read(file: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(file.read_bytes())
