"""Real Mosquitto, real sync: a box far away is given its next certificate, and its key never moves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from provision_region import TEMPLATES, Hub, running_hub, unit, wait_for

from zorgkiosk.care.renewal import TRIAL, Renewal, connects, install
from zorgkiosk.cli import main
from zorgkiosk.provision.log import LOG
from zorgkiosk.provision.region import provision, revoke
from zorgkiosk.provision.renewal import RenewalError, renew
from zorgkiosk.site import trust
from zorgkiosk.site.config import SiteConfig, load_site
from zorgkiosk.site.facts import LinkFact, read
from zorgkiosk.site.store import StoreView

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=350)
"""A certificate of then ends in 47 days: within the 60 days in which it is renewed."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with running_hub(tmp_path, LONG_AGO) as hub:
        yield hub


@pytest.fixture
def box(hub: Hub) -> Iterator[SiteConfig]:
    """A nursing home's box of last year, connected."""
    file = hub.box("vvt-linde")
    config = load_site(file)
    with unit("sync", file):
        wait_for(lambda: connected(config), "sync has the broker")
        yield config


def connected(config: SiteConfig) -> bool:
    view = StoreView(config.sync_db)
    try:
        fact = read(LinkFact, view.state().get("link"))
    finally:
        view.close()
    return fact is not None and fact.connected


def journal(hub: Hub) -> list[tuple[str, str, str]]:
    """What the authority's journal says: verb, subject, value."""
    view = StoreView(hub.region / LOG)
    try:
        return [(row.line.verb, row.line.subject, row.line.value) for row in view.journal(skip=0, limit=99)]
    finally:
        view.close()


def serial(file: Path) -> int:
    return x509.load_pem_x509_certificate(file.read_bytes()).serial_number


def attempt(config: SiteConfig) -> tuple[Renewal, str]:
    return install(config, lambda hub: connects(hub, config.site.name))


def test_a_box_is_renewed_without_a_visit_and_then_left_alone(hub: Hub, box: SiteConfig) -> None:
    own, key = box.hub.certificate_file, box.hub.key_file.read_bytes()
    old = own.read_bytes()
    assert attempt(box) == (Renewal.NOTHING, "")
    said = renew(hub.region, NOW, within_s=5)
    assert [each for each in said if each.startswith("vvt-linde")] == [
        f"vvt-linde: certificate sent, good until {NOW + timedelta(days=397):%Y-%m-%d}"
    ]
    assert "hap-noord: did not answer, it is asked again next time" in said
    assert [each for each in journal(hub) if each[1:] == ("vvt-linde", "renewed")] == [
        ("certificate", "vvt-linde", "renewed")
    ]
    wait_for(lambda: (box.site.data_dir / trust.RENEWED).exists(), "the certificate is at the box")
    assert own.read_bytes() == old, "the old one stays until the new one has connected"
    outcome, why = attempt(box)
    assert outcome is Renewal.IN_FORCE and "good until" in why
    assert serial(own) == serial(hub.region / "pki" / "issued" / "vvt-linde.pem") and own.read_bytes() != old
    assert box.hub.key_file.read_bytes() == key
    assert not (box.site.data_dir / trust.RENEWED).exists() and not own.with_name(TRIAL).exists()
    assert connected(box), "sync was not disturbed"
    assert [each for each in renew(hub.region, NOW, within_s=5) if each.startswith("vvt-linde")] == []
    assert provision(hub.region, TEMPLATES, NOW)  # the others', and the bundle of a replacement
    assert serial(own) == serial(hub.region / "pki" / "issued" / "vvt-linde.pem")


def test_a_certificate_that_does_not_get_in_changes_nothing_and_is_tried_again(hub: Hub, box: SiteConfig) -> None:
    renew(hub.region, NOW, within_s=5)
    wait_for(lambda: (box.site.data_dir / trust.RENEWED).exists(), "the certificate is at the box")
    before = box.hub.certificate_file.read_bytes()
    hub.broker.stop()
    outcome, why = attempt(box)
    assert outcome is Renewal.LATER and why
    assert box.hub.certificate_file.read_bytes() == before and (box.site.data_dir / trust.RENEWED).exists()
    hub.broker.start()
    wait_for(lambda: attempt(box)[0] is Renewal.IN_FORCE, "it gets in")


def test_a_certificate_that_came_into_force_is_logged_by_its_digest(hub: Hub, box: SiteConfig) -> None:
    own = box.hub.certificate_file
    renew(hub.region, NOW, within_s=5)
    wait_for(lambda: (box.site.data_dir / trust.RENEWED).exists(), "the certificate is at the box")
    for _ in range(2):  # the second time there is none
        assert main(["install-certificate", "--config", str(own.with_name("site.toml"))]) == 0
    [row] = StoreView(box.care_db).journal(skip=0, limit=9)
    assert (row.line.verb, row.line.subject) == ("certificate", hashlib.sha256(own.read_bytes()).hexdigest())


def test_what_lies_in_the_way_of_a_certificate_is_removed_and_never_in_force(hub: Hub, box: SiteConfig) -> None:
    laid, before = box.site.data_dir / trust.RENEWED, box.hub.certificate_file.read_bytes()
    for planted in (b"no certificate", (hub.region / "pki" / "issued" / "hap-noord.pem").read_bytes()):
        laid.write_bytes(planted)
        assert attempt(box)[0] is Renewal.DISTRUSTED
        assert box.hub.certificate_file.read_bytes() == before and not laid.exists()


def test_a_stolen_box_is_not_renewed(hub: Hub, box: SiteConfig) -> None:
    revoke(hub.region, "vvt-linde", TEMPLATES, NOW)  # its broker has not heard of it yet
    assert [each for each in renew(hub.region, NOW, within_s=3) if each.startswith("vvt-linde")] == []
    assert not (box.site.data_dir / trust.RENEWED).exists()


def test_a_region_whose_broker_is_away_is_told_in_a_sentence(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.broker.stop()
    with pytest.raises(RenewalError, match="the region's broker: "):
        renew(hub.region, NOW, within_s=5)
    assert main(["renew", str(hub.region)]) == 69
    assert "the region's broker: " in capsys.readouterr().err
