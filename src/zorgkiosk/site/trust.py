"""Whom a box trusts and what it shows: the rules for a newer revocation list and for its own next certificate.

Nothing is believed for the way it came: list and certificate have to be signed by the region's authority, whose
certificate came with the box. A certificate has to be for the key that the box has: that key never leaves it.
Pure; what reads and writes files is at the end. Source: RFC 5280, RFC 2986 (PKCS #10).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from zorgkiosk.contract.trust import CertificateRequest, IssuedCertificate, RevocationList, packed, serial, unpacked
from zorgkiosk.site.config import SiteConfig

REVOKED = "revoked.pem"
RENEWED = "renewed.pem"


class DistrustError(Exception):
    """A list or certificate that is not believed; one sentence says why."""


@dataclass(frozen=True)
class Identity:
    """What a box was given: the region's authority, its own certificate, and the key that belongs to it."""

    authority: x509.Certificate
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def of(cls, config: SiteConfig) -> Identity:
        """Raises DistrustError when the files cannot be used."""
        hub = config.hub
        try:
            key = serialization.load_pem_private_key(hub.key_file.read_bytes(), None)
            authority = x509.load_pem_x509_certificate(hub.ca_file.read_bytes())
            certificate = x509.load_pem_x509_certificate(hub.certificate_file.read_bytes())
        except (OSError, ValueError, TypeError) as error:
            raise DistrustError(f"the files of [hub] cannot be used: {error}") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise DistrustError(f"{hub.key_file.name} is no key on an elliptic curve: the region renews no other")
        return cls(authority, certificate, key)


def request(identity: Identity) -> CertificateRequest:
    """A request for the next certificate, signed with the key of the one in force."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(identity.certificate.subject)
    signed = builder.sign(identity.key, hashes.SHA256())
    return CertificateRequest(
        csr=packed(signed.public_bytes(serialization.Encoding.DER)),
        in_force=serial(identity.certificate.serial_number),
    )


def accepted_certificate(given: x509.Certificate, identity: Identity) -> bool:
    """Whether it is newer than the one in force; the same one again is no news. Raises DistrustError.

    No clock decides: that it is valid now is proved by the broker, which is shown it before it comes into force.
    """
    ours = identity.certificate
    if not _issued_by(given, identity.authority):
        raise DistrustError("the region's authority has not issued it")
    if _spki(given.public_key()) != _spki(identity.key.public_key()):
        raise DistrustError("it is for another key than this box has")
    if given.subject != ours.subject or _names(given) != _names(ours):
        raise DistrustError("it is in another name than the one in force")
    if _constraints(given):
        raise DistrustError("it is an authority's")
    return given.not_valid_after_utc > ours.not_valid_after_utc


def accepted_list(given: x509.CertificateRevocationList, held: int, authority: x509.Certificate) -> bool:
    """Whether it is newer than number `held` (-1: none is held). Raises DistrustError.

    An older one is refused aloud: whoever says it again wants somebody back in.
    """
    if not _signed_by(given, authority):
        raise DistrustError("the region's authority has not signed it")
    if (number := number_of(given)) < held:
        raise DistrustError(f"it has number {number}, and number {held} is known")
    return number > held


def number_of(crl: x509.CertificateRevocationList) -> int:
    """The CRL number; 0 for a list without one."""
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return 0


def read_certificate(message: IssuedCertificate) -> x509.Certificate:
    """Raises DistrustError."""
    try:
        return x509.load_der_x509_certificate(unpacked(message.certificate))
    except ValueError:
        raise DistrustError("it is no certificate") from None


def read_list(message: RevocationList) -> x509.CertificateRevocationList:
    """Raises DistrustError."""
    try:
        return x509.load_der_x509_crl(unpacked(message.crl))
    except ValueError:
        raise DistrustError("it is no revocation list") from None


def _issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _signed_by(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    key = authority.public_key()
    return (
        isinstance(key, ec.EllipticCurvePublicKey) and crl.issuer == authority.subject and crl.is_signature_valid(key)
    )


def _constraints(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in names)


def _spki(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


# Files. A list lives where sync may write (data_dir); the one that came with the box lies beside the authority.


def list_files(config: SiteConfig) -> tuple[Path, Path]:
    return config.site.data_dir / REVOKED, config.hub.ca_file.with_name(REVOKED)


def newest_list(files: Iterable[Path], authority: x509.Certificate) -> x509.CertificateRevocationList | None:
    """The newest list among those files that the authority has signed. A damaged file counts as none."""
    found = []
    for file in files:
        try:
            crl = x509.load_pem_x509_crl(file.read_bytes())
        except (OSError, ValueError):
            continue
        if _signed_by(crl, authority):
            found.append(crl)
    return max(found, key=number_of, default=None)
