"""When the hub tells the list of revoked certificates, and which one it does not tell."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from shipped import FIRMWARE
from zorgkiosk.contract.trust import unpacked
from zorgkiosk.hub.config import load_hub
from zorgkiosk.hub.revocation import LOOK_S, REPEAT_S, Revoked
from zorgkiosk.lab.authority import Authority
from zorgkiosk.provision.config import Broker
from zorgkiosk.provision.render import REVOKED


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority.create(tmp_path / "ca")
    made.revoke(made.issue("hap-noord")[0])
    return made


def der(file: Path) -> bytes:
    return x509.load_pem_x509_crl(file.read_bytes()).public_bytes(Encoding.DER)


def test_it_is_told_when_it_changes_and_every_so_often(authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "revoked.pem"
    revoked = Revoked(file, authority.ca_file)
    assert revoked.due(0) is None, "there is none yet"
    file.write_bytes((authority.directory / "revoked.pem").read_bytes())
    said = revoked.due(LOOK_S)
    assert said is not None and unpacked(said.crl) == der(file) and revoked.current == said
    assert revoked.due(LOOK_S + REPEAT_S - 1) is None
    assert revoked.due(LOOK_S + REPEAT_S) == said
    newer = authority.revoke(authority.issue("hap-zuid")[0])
    newer.replace(file)
    again = revoked.due(2 * LOOK_S + REPEAT_S)
    assert again is not None and again != said and unpacked(again.crl) == der(file)


def test_a_list_of_another_authority_is_not_told(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = Authority.create(tmp_path / "other")
    revoked = Revoked(other.revoke(), authority.ca_file)
    assert revoked.due(0) is None and revoked.current is None
    assert "is not signed by" in caplog.text


def test_a_hub_without_a_list_tells_nothing(authority: Authority) -> None:
    revoked = Revoked(None, authority.ca_file)
    assert revoked.due(0) is None and revoked.due(1000) is None


def test_a_list_that_is_not_there_is_missed_once_and_told_when_it_comes(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "revoked.pem"
    revoked = Revoked(file, authority.ca_file)
    assert [revoked.due(number * LOOK_S) for number in range(60)] == [None] * 60
    assert caplog.text.count("cannot be told to the sites") == 1
    file.write_bytes((authority.directory / "revoked.pem").read_bytes())
    assert revoked.due(60 * LOOK_S) is not None


def test_the_shipped_hub_tells_the_list_of_its_broker() -> None:
    assert (
        load_hub(FIRMWARE / "hub" / "hub.toml").broker.revoked_file == Broker(host="mqtt.example").directory / REVOKED
    )
