"""A throw-away certificate authority: the region's CA for the demo and the tests, never for a real region."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from zorgkiosk import durable
from zorgkiosk.provision.certificates import CLOCK_SLACK, member, new_authority, new_key, pem

_LIFETIME = timedelta(days=30)


@dataclass(frozen=True)
class Authority:
    """A CA with its key in memory. `directory` receives the PEM files; keys are readable by their owner alone."""

    directory: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, directory: Path, name: str = "Zorgkiosk lab region") -> Authority:
        """Make a CA and write `ca.pem` to `directory`, which is created when missing."""
        directory.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        certificate, key = new_authority(name, now, now + _LIFETIME)
        authority = cls(directory, certificate, key)
        authority.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return authority

    @property
    def ca_file(self) -> Path:
        """The CA's certificate, what every member of the region trusts."""
        return self.directory / "ca.pem"

    def issue(
        self,
        name: str,
        addresses: tuple[str, ...] = (),
        dns: tuple[str, ...] = (),
        *,
        lifetime: tuple[datetime, datetime] | None = None,
    ) -> tuple[Path, Path]:
        """Certificate and key file of `name`, for use as server and as client; valid from now unless `lifetime` says.

        The common name is `name`; it is a DNS alternative name too, beside `dns` and the IP `addresses`.
        """
        now = datetime.now(UTC)
        begin, end = lifetime or (now - CLOCK_SLACK, now + _LIFETIME)
        names = (name, *dns, *addresses)
        key = new_key()
        certificate = member((self.certificate, self.key), names, key.public_key(), begin + CLOCK_SLACK, end)
        certificate_file, key_file = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        durable.put(key_file, pem(key), durable.SECRET)
        return certificate_file, key_file

    def revoke(self, *certificate_files: Path) -> Path:
        """Write the list of revoked certificates (`revoked.pem`): these and no others."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - CLOCK_SLACK)
            .next_update(now + _LIFETIME)
        )
        for file in certificate_files:
            serial = x509.load_pem_x509_certificate(file.read_bytes()).serial_number
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - CLOCK_SLACK)
            builder = builder.add_revoked_certificate(revoked.build())
        list_file = self.directory / "revoked.pem"
        list_file.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return list_file
