"""The region's own small certificate authority, kept in a folder: who is in the region, and who no longer is.

ca.pem, ca.key        the authority; the key is its owner's alone and leaves this folder never
issued/NAME.pem .key  the certificate in use of each member
serials.json          every certificate that was issued and has not ended: a renewed one is still good elsewhere
revoked.json, crl.pem serial numbers that are no longer trusted, and the same signed for brokers and fronts
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from zorgkiosk import durable
from zorgkiosk.contract.trust import CertificateRequest, serial, unpacked
from zorgkiosk.provision.certificates import CLOCK_SLACK, member, new_authority, new_key, pem
from zorgkiosk.provision.log import Note
from zorgkiosk.site.trust import number_of

CA_LIFETIME = timedelta(days=3650)
LIFETIME = timedelta(days=397)
RENEW_BEFORE = timedelta(days=60)
_CURE = "put back its backup, or remove it and run zorgkiosk provision: a new certificate is issued"


class AuthorityError(Exception):
    """The authority's folder cannot be used; one sentence says why and what to do."""


class RequestError(Exception):
    """A request for a certificate that is refused; one sentence says why and what to do."""


@dataclass(frozen=True)
class Member:
    """Who gets a certificate. `hosts`: names and IP addresses it is reached at, beside its own name."""

    name: str
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Authority:
    """`note` writes down what is done, each time before it is: nothing is issued that the journal does not know."""

    folder: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    note: Note

    @classmethod
    def open(cls, folder: Path, region: str, now: datetime, note: Note) -> Authority:
        """The authority in `folder`; made when the folder has none. Raises AuthorityError."""
        own, key_file = folder / "ca.pem", folder / "ca.key"
        if not own.exists() and not any((folder / name).exists() for name in ("issued", "crl.pem", "revoked.json")):
            # Nothing at all, or a first run that was cut after its key: nobody knows that one yet.
            return cls._create(folder, region, now, note)
        try:
            key = serialization.load_pem_private_key(key_file.read_bytes(), None)
            certificate = x509.load_pem_x509_certificate(own.read_bytes())
        except (OSError, ValueError) as error:
            raise AuthorityError(f"{folder}: the authority cannot be read: {error}: put back its backup") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise AuthorityError(f"{folder}: ca.key does not belong to ca.pem: put back the backup of both")
        if now >= certificate.not_valid_after_utc:
            raise AuthorityError(f"{folder}: the authority has expired: move the folder away, all boxes get new files")
        own_authority = cls(folder, certificate, key, note)
        own_authority._finish_revocations()
        return own_authority

    @classmethod
    def _create(cls, folder: Path, region: str, now: datetime, note: Note) -> Authority:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        certificate, key = new_authority(f"Zorgkiosk {region}", now, now + CA_LIFETIME)
        durable.put(folder / "ca.key", pem(key), durable.SECRET)
        durable.put(folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM))
        return cls(folder, certificate, key, note)

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def crl_file(self) -> Path:
        return self.folder / "crl.pem"

    def files_of(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of a member, whether they exist or not."""
        return self.folder / "issued" / f"{name}.pem", self.folder / "issued" / f"{name}.key"

    def has(self, name: str) -> bool:
        return all(file.exists() for file in self.files_of(name))

    def ensure(self, whom: Member, now: datetime, renew_before: timedelta = RENEW_BEFORE) -> str:
        """Issue or renew where needed; says in one word what was done and why, empty when nothing was.

        A renewed certificate is for the same key, so that a box far away needs nothing but the certificate.
        """
        reason = self._reason(whom, now, renew_before)
        if reason:
            self.note("certificate", whom.name, reason)
            self._issue(whom, now, keeps_key=reason == "renewed")
        return reason

    def answer(
        self, whom: Member, asked: CertificateRequest, now: datetime, renew_before: timedelta = RENEW_BEFORE
    ) -> x509.Certificate | None:
        """The certificate that the box should have instead of the one it shows; None while that one is right.

        The request has to be signed with the key of the certificate that was issued last. Raises RequestError.
        """
        if not self.has(whom.name):
            raise RequestError("has no certificate of this region: revoked, or not provisioned yet")
        certificate_file, _ = self.files_of(whom.name)
        issued = _certificate(certificate_file)
        try:
            csr = x509.load_der_x509_csr(unpacked(asked.csr))
            signed = csr.is_signature_valid
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise RequestError("sent what is no certificate request") from None
        if not signed or csr.public_key() != issued.public_key():
            raise RequestError("has another key than it was given: write its card anew from out/")
        if self._reason(whom, now, renew_before) not in ("", "renewed"):
            raise RequestError(
                "has a certificate of another authority: run zorgkiosk provision and write its card anew"
            )
        if self.ensure(whom, now, renew_before):
            issued = _certificate(certificate_file)
        return None if asked.in_force == serial(issued.serial_number) else issued

    def revoke(self, name: str, now: datetime) -> bool:
        """Trust none of the member's certificates any longer, and forget it; false when it has none.

        A box that was renewed or issued again still shows an earlier one as long as that has not ended.
        """
        revoked = self.revoked()
        serials = {serial for serial, entry in self._issued(now).items() if entry["name"] == name} - set(revoked)
        if not serials:
            return False
        self.note("revoke", name, "")
        at = {"name": name, "at": now.isoformat(timespec="seconds")}
        self._write("revoked.json", revoked | dict.fromkeys(sorted(serials), at))
        self.ensure_crl(now)
        self._finish_revocations()
        return True

    def was_revoked(self, name: str) -> bool:
        return any(entry["name"] == name for entry in self.revoked().values())

    def revoked(self) -> dict[str, dict[str, str]]:
        """Serial number (hexadecimal) → whose it was and when it was revoked."""
        return self._read("revoked.json", "at")

    def _finish_revocations(self) -> None:
        """Forget who is on the list: also where the power went between the two."""
        for name in {entry["name"] for entry in self.revoked().values()}:
            certificate_file, key_file = self.files_of(name)
            if certificate_file.exists() and _serial(_certificate(certificate_file)) in self.revoked():
                durable.remove(key_file)
                durable.remove(certificate_file)

    def _issued(self, now: datetime) -> dict[str, dict[str, str]]:
        """Serial number → whose certificate it is and when it ends, of all that are good or in use."""
        known = {
            serial: entry
            for serial, entry in self._read("serials.json", "ends").items()
            if datetime.fromisoformat(entry["ends"]) > now
        }
        for file in sorted((self.folder / "issued").glob("*.pem")):  # a folder of before has no serials.json
            certificate = _certificate(file)
            known[_serial(certificate)] = _entry(file.stem, certificate)
        return known

    def _read(self, name: str, instant: str) -> dict[str, dict[str, str]]:
        file = self.folder / name
        if not file.exists():
            return {}
        try:
            known: dict[str, dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
            whole = all(
                int(serial, 16) and isinstance(entry["name"], str) and datetime.fromisoformat(entry[instant]).tzinfo
                for serial, entry in known.items()
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            whole = False
        if not whole:
            raise AuthorityError(f"{file}: is damaged: put back its backup")
        return known

    def _write(self, name: str, entries: dict[str, dict[str, str]]) -> None:
        durable.put(self.folder / name, (json.dumps(entries, indent=2) + "\n").encode())

    def ensure_crl(self, now: datetime) -> bool:
        """The signed list says what `revoked` says; whether it had to be written. Each has a higher number.

        It ends with the authority: a list that ran out because nobody was there would refuse the whole region.
        """
        revoked, number = self.revoked(), 1
        if self.crl_file.exists():
            try:
                signed = x509.load_pem_x509_crl(self.crl_file.read_bytes())
            except ValueError:
                sentence = "is damaged: put back its backup, or copy out/hub/broker/revoked.pem there"
                raise AuthorityError(f"{self.crl_file}: {sentence}") from None
            ours = signed.is_signature_valid(self.key.public_key())
            if ours and {f"{one.serial_number:x}" for one in signed} == set(revoked):
                return False
            number = number_of(signed) + 1
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(now - CLOCK_SLACK).next_update(self.certificate.not_valid_after_utc)
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        for number_hex, entry in revoked.items():
            one = x509.RevokedCertificateBuilder().serial_number(int(number_hex, 16))
            builder = builder.add_revoked_certificate(one.revocation_date(datetime.fromisoformat(entry["at"])).build())
        crl = builder.sign(self.key, hashes.SHA256())
        durable.put(self.crl_file, crl.public_bytes(serialization.Encoding.PEM))
        return True

    def _reason(self, whom: Member, now: datetime, renew_before: timedelta) -> str:
        if not self.has(whom.name):
            return "issued"
        certificate_file, key_file = self.files_of(whom.name)
        certificate, key = _certificate(certificate_file), _key(key_file)
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return "issued again"
        if key.public_key() != certificate.public_key() or _names(certificate) != _wanted(whom):
            return "issued again"
        return "renewed" if now + renew_before >= certificate.not_valid_after_utc else ""

    def _issue(self, whom: Member, now: datetime, *, keeps_key: bool) -> None:
        ends = min(now + LIFETIME, self.certificate.not_valid_after_utc)
        certificate_file, key_file = self.files_of(whom.name)
        certificate_file.parent.mkdir(exist_ok=True, mode=0o700)
        if keeps_key:
            key = _certificate(certificate_file).public_key()
        else:
            fresh = new_key()
            durable.put(key_file, pem(fresh), durable.SECRET)
            key = fresh.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise AuthorityError(f"{certificate_file}: is for a key of another kind: remove it, a new one is issued")
        certificate = member((self.certificate, self.key), _wanted(whom), key, now, ends)
        # Before the certificate itself: one that a power cut kept from us may be on the list, none may be missing.
        self._write("serials.json", self._issued(now) | {_serial(certificate): _entry(whom.name, certificate)})
        durable.put(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))


def _wanted(member: Member) -> tuple[str, ...]:
    return tuple(dict.fromkeys((member.name, *member.hosts)))


def _certificate(file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except ValueError:
        raise AuthorityError(f"{file}: is damaged: {_CURE}") from None


def _key(file: Path) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(file.read_bytes(), None)
    except (ValueError, TypeError):
        raise AuthorityError(f"{file}: is damaged: {_CURE}") from None


def _serial(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:x}"


def _entry(name: str, certificate: x509.Certificate) -> dict[str, str]:
    return {"name": name, "ends": certificate.not_valid_after_utc.isoformat()}


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return tuple(str(name.value) for name in alternative)
