"""What a box believes about certificates: signed by its region, newer than what it has, for its own key and name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from zorgkiosk.contract.trust import unpacked
from zorgkiosk.provision.authority import Authority, Member, RequestError
from zorgkiosk.site import trust
from zorgkiosk.site.trust import DistrustError, Identity, accepted_certificate, accepted_list, newest_list, number_of

NOW = datetime(2026, 3, 2, tzinfo=UTC)
LATER = NOW + timedelta(days=350)
SITE = Member("vvt-linde")


@dataclass
class Region:
    authority: Authority

    def identity(self, name: str = SITE.name) -> Identity:
        certificate, key = self.authority.files_of(name)
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        return Identity(self.authority.certificate, x509.load_pem_x509_certificate(certificate.read_bytes()), loaded)

    def crl(self) -> x509.CertificateRevocationList:
        return x509.load_pem_x509_crl(self.authority.crl_file.read_bytes())


def made(folder: Path) -> Region:
    authority = Authority.open(folder, "oost", NOW, lambda *_: None)
    for member in (SITE, Member("hap-noord")):
        authority.ensure(member, NOW)
    authority.ensure_crl(NOW)
    return Region(authority)


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return made(tmp_path / "pki")


def renewed(region: Region, ours: Identity, now: datetime = LATER) -> x509.Certificate:
    issued = region.authority.answer(SITE, trust.request(ours), now)
    assert issued is not None
    return issued


def test_a_box_is_sent_its_next_certificate_for_the_key_it_has_and_believes_it(region: Region) -> None:
    ours = region.identity()
    asked = trust.request(ours)
    assert region.authority.answer(SITE, asked, NOW) is None, "the one in force is good for long"
    key_before = region.authority.files_of(SITE.name)[1].read_bytes()
    issued = renewed(region, ours)
    assert accepted_certificate(issued, ours)
    assert issued.public_key() == ours.certificate.public_key() and issued.not_valid_after_utc > LATER
    assert region.authority.files_of(SITE.name)[1].read_bytes() == key_before
    assert region.authority.answer(SITE, asked, LATER) == issued, (
        "until the box shows it, it is sent the same one again"
    )
    assert region.authority.answer(SITE, trust.request(region.identity()), LATER) is None


def test_the_request_holds_no_key_but_the_public_one(region: Region) -> None:
    ours = region.identity()
    csr = x509.load_der_x509_csr(unpacked(trust.request(ours).csr))
    assert csr.is_signature_valid and csr.public_key() == ours.certificate.public_key()


@pytest.mark.parametrize("thief", ["hap-noord", "another region"])
def test_a_request_with_another_key_is_refused(region: Region, tmp_path: Path, thief: str) -> None:
    other = region.identity("hap-noord") if thief == "hap-noord" else made(tmp_path / "b").identity()
    with pytest.raises(RequestError, match="has another key than it was given"):
        region.authority.answer(SITE, trust.request(other), LATER)


def test_a_stolen_box_gets_no_certificate_also_when_its_replacement_has_one(region: Region) -> None:
    stolen = trust.request(region.identity())
    region.authority.revoke(SITE.name, NOW)
    with pytest.raises(RequestError, match="has no certificate of this region"):
        region.authority.answer(SITE, stolen, LATER)
    region.authority.ensure(SITE, NOW)
    with pytest.raises(RequestError, match="has another key"):
        region.authority.answer(SITE, stolen, LATER)


def test_what_is_not_this_boxs_next_certificate_is_not_believed(region: Region, tmp_path: Path) -> None:
    ours, foreign = region.identity(), made(tmp_path / "b")
    assert not accepted_certificate(ours.certificate, ours), "the same again is no news"
    issued = renewed(region, ours)
    assert not accepted_certificate(ours.certificate, Identity(ours.authority, issued, ours.key)), "nor is an older one"
    for given, why in (
        (region.identity("hap-noord").certificate, "for another key"),
        (foreign.identity().certificate, "authority has not issued it"),
        (ours.authority, "for another key|has not issued"),
    ):
        with pytest.raises(DistrustError, match=why):
            accepted_certificate(given, ours)


def test_a_certificate_of_our_key_in_another_name_is_not_believed(region: Region) -> None:
    ours = region.identity()
    theirs = region.identity("hap-noord").certificate
    with pytest.raises(DistrustError, match="in another name"):
        accepted_certificate(renewed(region, ours), Identity(ours.authority, theirs, ours.key))


def test_a_newer_list_is_taken_an_older_one_refused_and_the_same_is_no_news(region: Region, tmp_path: Path) -> None:
    authority, first = region.authority, region.crl()
    assert accepted_list(first, -1, authority.certificate) and number_of(first) == 1
    authority.revoke("hap-noord", NOW)
    second = region.crl()
    assert number_of(second) == 2 and accepted_list(second, 1, authority.certificate)
    assert not accepted_list(second, 2, authority.certificate)
    with pytest.raises(DistrustError, match="it has number 1, and number 2 is known"):
        accepted_list(first, 2, authority.certificate)
    with pytest.raises(DistrustError, match="authority has not signed it"):
        accepted_list(made(tmp_path / "b").crl(), -1, authority.certificate)


def test_the_newest_readable_list_of_the_region_counts(region: Region, tmp_path: Path) -> None:
    old, new, damaged, foreign = (tmp_path / name for name in ("old", "new", "damaged", "foreign"))
    old.write_bytes(region.authority.crl_file.read_bytes())
    region.authority.revoke("hap-noord", NOW)
    new.write_bytes(region.authority.crl_file.read_bytes())
    damaged.write_bytes(new.read_bytes()[:100])
    foreign.write_bytes(made(tmp_path / "b").authority.crl_file.read_bytes())
    newest = newest_list((old, tmp_path / "none", damaged, new, foreign), region.authority.certificate)
    assert newest is not None and number_of(newest) == 2
    assert newest_list((damaged, foreign), region.authority.certificate) is None
