"""Messages about who is trusted: a site's request for its next certificate, the certificate, the list of revoked ones.

Nothing in them is secret, and none is believed for the way it came: each is signed, and whoever reads it checks that.
Source: PKCS #10 (RFC 2986), X.509 certificates and revocation lists (RFC 5280), as DER in base64 (RFC 4648 §4).
"""

from __future__ import annotations

import base64
from typing import Annotated

from pydantic import Field

from zorgkiosk.contract.names import Message

_DER = r"^MI[A-Za-z0-9+/]{90,}={0,2}$"
"""Base64 of an ASN.1 SEQUENCE of 128 bytes or more: nothing short, and so no number, looks like it."""

Der = Annotated[str, Field(pattern=_DER, max_length=8_192)]
LongDer = Annotated[str, Field(pattern=_DER, max_length=60_000)]
"""A revocation list: about a thousand entries fit into a message."""

Serial = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
"""A certificate's serial number, 20 octets in hexadecimal (RFC 5280 §4.1.2.2)."""


class CertificateRequest(Message):
    """A site asks for its next certificate. `csr` proves that it holds the key; `in_force` is what it shows now."""

    csr: Der
    in_force: Serial


class IssuedCertificate(Message):
    """The next certificate of a site, for the key that the site already has."""

    certificate: Der


class RevocationList(Message):
    """Which certificates of the region are trusted no longer. The larger CRL number (RFC 5280 §5.2.3) is newer."""

    crl: LongDer


def packed(der: bytes) -> str:
    """DER as a message carries it."""
    return base64.b64encode(der).decode()


def unpacked(text: str) -> bytes:
    """The DER of a message's field. Raises ValueError."""
    return base64.b64decode(text, validate=True)


def serial(number: int) -> str:
    return f"{number:040x}"
