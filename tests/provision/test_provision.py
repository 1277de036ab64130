"""What `provision` makes, keeps and does not touch."""

from __future__ import annotations

import io
import re
import shutil
import stat
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from provision_region import SITES, TEMPLATES, make_region

from shipped import FIRMWARE
from zorgkiosk import durable
from zorgkiosk.care.take import Taken, take
from zorgkiosk.cli import main
from zorgkiosk.config_file import ConfigError
from zorgkiosk.provision.acceptance import as_issued
from zorgkiosk.provision.authority import Authority, AuthorityError, Member
from zorgkiosk.provision.bundle import SUMS, unpack
from zorgkiosk.provision.config import load_region
from zorgkiosk.provision.log import LOG
from zorgkiosk.provision.region import provision, revoke
from zorgkiosk.site.chain import Whole, verify
from zorgkiosk.site.checks import check_site
from zorgkiosk.site.config import load_site
from zorgkiosk.site.store import StoreView

NOW = datetime.now(UTC)


@pytest.fixture
def region(tmp_path: Path) -> Path:
    return make_region(tmp_path / "region")


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def unheard(verb: str, subject: str, value: str) -> None:
    """No journal: an authority of the test's own."""


def certificate(region: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((region / "pki" / "issued" / f"{name}.pem").read_bytes())


def test_a_second_run_changes_nothing(region: Path) -> None:
    first = provision(region, TEMPLATES, NOW)
    assert "vvt-linde: certificate issued" in first and "sites/hap-noord/secrets.toml: written" in first
    before = content(region)
    assert provision(region, TEMPLATES, NOW + timedelta(days=1)) == []
    assert content(region) == before


def test_the_unpacked_bundle_is_a_box_that_check_calls_good(region: Path, tmp_path: Path) -> None:
    provision(region, TEMPLATES, NOW)
    for name in SITES:
        root = tmp_path / name
        with tarfile.open(region / "out" / name / "zorgkiosk.tar") as tar:
            tar.extractall(root, filter="fully_trusted")  # noqa: S202 - we packed it ourselves
        etc = root / "etc" / "zorgkiosk"
        found = check_site(etc / "site.toml", NOW, set(SITES))
        assert found == (), [str(problem) for problem in found]
        page = (etc / "zorgkiosk-kiosk.env").read_text(encoding="utf-8").splitlines()[-1]
        assert page == f"ZORGKIOSK_PANEL_URL=http://127.0.0.1:{load_site(etc / 'site.toml').panel.port}/"


def test_a_bundle_holds_nothing_outside_the_folder_of_the_box(region: Path) -> None:
    """Units and the front's configuration are the package's: a copy of them would outlive its next version."""
    provision(region, TEMPLATES, NOW)
    for name in SITES:
        packed = unpack((region / "out" / name / "zorgkiosk.tar").read_bytes())
        assert {path for path in packed if not path.startswith("etc/zorgkiosk/")} == set()
        assert not [path for path in packed if "/front/" in path or path.endswith(".service")]


PLATES_TLS = '[local_broker]\nca_file = "tls/plates-ca.pem"\ncertificate_file = "site.pem"\nkey_file = "site-key.pem"\n'


def on_network(region: Path, panel: str) -> Path:
    """A nursing home whose panel and plates name files of their own; its folder."""
    own = region / "sites" / "vvt-linde"
    text = (own / "site.toml").read_text(encoding="utf-8")
    assert text.count("[panel]\n") == 1 and "[local_broker]" not in text
    (own / "site.toml").write_text(text.replace("[panel]\n", f"[panel]\n{panel}\n") + PLATES_TLS, encoding="utf-8")
    (own / "secrets.toml").write_text('[local_broker]\npanel = "wachtwoord-123"\n', encoding="utf-8")
    (own / "secrets.toml").chmod(0o600)
    authority = Authority.open(region.parent / "other-ca", "elsewhere", NOW, unheard)
    authority.ensure(Member("paneel"), NOW)
    for source, name in zip(authority.files_of("paneel"), ("panel.pem", "panel.key"), strict=True):
        (own / name).write_bytes(source.read_bytes())
        (own / name).chmod(0o600)
    (own / "tls").mkdir()
    (own / "tls" / "plates-ca.pem").write_bytes(authority.ca_file.read_bytes())
    return own


PANEL = 'certificate_file = "/etc/zorgkiosk/panel.pem"\nkey_file = "panel.key"'


def test_every_file_that_a_site_names_comes_along_and_the_box_takes_it(region: Path, tmp_path: Path) -> None:
    own = on_network(region, PANEL)
    provision(region, TEMPLATES, NOW)
    bundle, etc = region / "out" / "vvt-linde" / "zorgkiosk.tar", tmp_path / "etc"
    packed = unpack(bundle.read_bytes())
    assert packed["etc/zorgkiosk/panel.key"].content == (own / "panel.key").read_bytes()
    secret = {path: packed[f"etc/zorgkiosk/{path}"].secret for path in ("panel.key", "panel.pem", "tls/plates-ca.pem")}
    assert secret == {"panel.key": True, "panel.pem": False, "tls/plates-ca.pem": False}
    etc.mkdir()
    logged: list[str] = []
    assert take(bundle, etc, as_issued, logged.append) is Taken.NOW
    assert (etc / "tls" / "plates-ca.pem").exists() and len(logged) == 1


def test_a_named_file_that_is_not_there_or_lies_elsewhere_is_told_before_anything_is_made(region: Path) -> None:
    own = on_network(region, 'certificate_file = "../panel.pem"\nkey_file = "panel.key"')
    (own / "panel.key").unlink()
    with pytest.raises(ConfigError) as refused:
        provision(region, TEMPLATES, NOW)
    certificate, key = refused.value.problems
    assert "panel.certificate_file: " in certificate and "does not come along to the box" in certificate
    assert key.endswith(f"panel.key_file: {own}/panel.key is not there, and the box needs it: put it there")
    assert not (region / "out").exists() and not (region / "pki").exists()


def test_a_bundle_that_the_box_would_refuse_is_not_put_out(region: Path) -> None:
    """Each key is right by itself, and the box would find it out at its first start."""
    file = region / "sites" / "vvt-linde" / "site.toml"
    text, blocked = file.read_text(encoding="utf-8"), region / "a-file"
    blocked.touch()
    file.write_text(text.replace('data_dir = "data"', f'data_dir = "{blocked}/data"'), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"^{file}:6:1: site.data_dir: {blocked} is no folder"):
        provision(region, TEMPLATES, NOW)
    assert not (region / "out").exists()


def test_the_first_start_takes_the_bundle_and_then_starts_the_units(region: Path) -> None:
    provision(region, TEMPLATES, NOW)
    said = (region / "out" / "vvt-linde" / "user-data").read_text(encoding="utf-8")
    assert said.startswith("#cloud-config\n") and "{{" not in said
    steps = [
        "swapoff -a",
        "zorgkiosk_*_",
        "disable, --now, mosquitto",
        "start, zorgkiosk-take-bundle.service",
        "start, zorgkiosk-site",
    ]
    assert sorted(steps, key=said.index) == steps


def test_secrets_are_their_owner_s_everywhere(region: Path) -> None:
    provision(region, TEMPLATES, NOW)
    for file in region.rglob("*.key"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    bundle = region / "out" / "hap-noord" / "zorgkiosk.tar"
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600
    with tarfile.open(bundle) as tar:
        modes = {Path(member.name).name: member.mode for member in tar if member.isfile()}
        names = tar.getnames()
    secret = {name for name, mode in modes.items() if mode == 0o600}
    assert secret == {"site-key.pem", "secrets.toml"}
    assert not any("ca.key" in name for name in names)


def test_the_bundle_knows_no_clock_and_no_user(region: Path) -> None:
    provision(region, TEMPLATES, NOW)
    with tarfile.open(fileobj=io.BytesIO((region / "out" / "vvt-linde" / "zorgkiosk.tar").read_bytes())) as tar:
        members = tar.getmembers()
    assert {(each.mtime, each.uid, each.gid, each.uname) for each in members} == {(0, 0, 0, "")}
    names = [each.name for each in members]
    assert names[0] == SUMS and names[1:] == sorted(names[1:])


@pytest.mark.long
def test_a_certificate_is_renewed_in_time_and_the_others_are_left_alone(region: Path) -> None:
    provision(region, TEMPLATES, NOW)
    ends = certificate(region, "hap-noord").not_valid_after_utc
    assert provision(region, TEMPLATES, ends - timedelta(days=61)) == []
    said = provision(region, TEMPLATES, ends - timedelta(days=60))
    assert "hap-noord: certificate renewed" in said and "broker: certificate renewed" in said
    assert "out/hap-noord/zorgkiosk.tar: written" in said
    assert certificate(region, "hap-noord").not_valid_after_utc > ends
    assert any("renewed" in each for each in provision(region, TEMPLATES, NOW, renew_days=365 * 3))


def test_a_broker_with_another_address_gets_another_certificate(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path / "pki", "oost", NOW, unheard)
    assert authority.ensure(Member("broker", ("hub.example",)), NOW) == "issued"
    assert authority.ensure(Member("broker", ("hub.example",)), NOW) == ""
    assert authority.ensure(Member("broker", ("127.0.0.1",)), NOW) == "issued again"


def test_a_revoked_site_is_on_the_list_out_of_the_acl_and_gets_a_new_certificate_when_asked(region: Path) -> None:
    provision(region, TEMPLATES, NOW)
    serial = certificate(region, "vvt-linde").serial_number
    said = revoke(region, "vvt-linde", TEMPLATES, NOW)
    assert {"out/hub/broker/revoked.pem: written", "out/hub/broker/mosquitto.acl: written"} <= set(said)
    crl = x509.load_pem_x509_crl((region / "out" / "hub" / "broker" / "revoked.pem").read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(serial) is not None
    assert crl.next_update_utc is not None and crl.next_update_utc > NOW + timedelta(days=3000)
    acl = region / "out" / "hub" / "broker" / "mosquitto.acl"
    assert "user vvt-linde" not in acl.read_text() and "user hap-zuid" in acl.read_text()
    with pytest.raises(ConfigError, match="has no certificate: nothing to revoke"):
        revoke(region, "vvt-linde", TEMPLATES, NOW)
    assert "vvt-linde: certificate issued" in provision(region, TEMPLATES, NOW)
    assert certificate(region, "vvt-linde").serial_number != serial and "user vvt-linde" in acl.read_text()


def listed(region: Path) -> set[int]:
    crl = x509.load_pem_x509_crl((region / "out" / "hub" / "broker" / "revoked.pem").read_bytes())
    return {each.serial_number for each in crl}


def issue_again(region: Path, now: datetime) -> int:
    """A site's key was lost: its next certificate is for another one."""
    (region / "pki" / "issued" / "vvt-linde.key").unlink()
    assert "vvt-linde: certificate issued" in provision(region, TEMPLATES, now)
    return certificate(region, "vvt-linde").serial_number


def test_every_certificate_of_a_site_that_has_not_ended_is_revoked_with_it(region: Path) -> None:
    provision(region, TEMPLATES, NOW)
    others = certificate(region, "hap-noord").serial_number
    first, ends = certificate(region, "vvt-linde").serial_number, certificate(region, "vvt-linde").not_valid_after_utc
    later = ends - timedelta(days=30)
    provision(region, TEMPLATES, later)
    renewed = certificate(region, "vvt-linde").serial_number
    again = issue_again(region, later)
    assert len({first, renewed, again}) == 3
    revoke(region, "vvt-linde", TEMPLATES, later)
    assert listed(region) == {first, renewed, again} and others not in listed(region)


def test_a_certificate_that_has_ended_needs_no_place_on_the_list(region: Path) -> None:
    provision(region, TEMPLATES, NOW)
    ends = certificate(region, "vvt-linde").not_valid_after_utc
    provision(region, TEMPLATES, ends - timedelta(days=30))
    second = certificate(region, "vvt-linde").serial_number
    revoke(region, "vvt-linde", TEMPLATES, ends)
    assert listed(region) == {second}


def test_a_folder_of_an_earlier_version_is_taken_as_it_is(region: Path) -> None:
    """It knows the certificate in use alone, and not those before."""
    provision(region, TEMPLATES, NOW)
    first = certificate(region, "vvt-linde").serial_number
    (region / "pki" / "serials.json").unlink()
    again = issue_again(region, NOW)
    revoke(region, "vvt-linde", TEMPLATES, NOW)
    assert listed(region) == {first, again}


def test_a_bundle_that_is_refused_does_not_keep_a_thief_in(region: Path) -> None:
    provision(region, TEMPLATES, NOW)
    stolen = certificate(region, "vvt-linde").serial_number
    file, blocked = region / "sites" / "hap-noord" / "site.toml", region / "a-file"
    blocked.touch()
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('data_dir = "data"', f'data_dir = "{blocked}/data"'), encoding="utf-8")
    said = revoke(region, "vvt-linde", TEMPLATES, NOW)
    assert "out/hub/broker/revoked.pem: written" in said and listed(region) == {stolen}
    assert f"site.data_dir: {blocked} is no folder" in said[-1]


class PowerCutError(Exception):
    """Raised where the power goes."""


@pytest.fixture(params=["revoked.json", "crl.pem", "mosquitto.acl"])
def cut_revocation(region: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The power went after that file was written; the serial number of the box that was stolen."""
    provision(region, TEMPLATES, NOW)
    stolen, put = certificate(region, "vvt-linde").serial_number, durable.put

    def cut(path: Path, content: bytes, mode: int = durable.PUBLIC, group: int | None = None) -> None:
        put(path, content, mode, group)
        if path.name == request.param:
            raise PowerCutError

    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        patch.setattr(durable, "put", cut)
        revoke(region, "vvt-linde", TEMPLATES, NOW)
    return stolen


def test_after_a_revocation_that_was_cut_provision_ships_another_certificate(region: Path, cut_revocation: int) -> None:
    assert "vvt-linde: certificate issued" in provision(region, TEMPLATES, NOW)
    assert certificate(region, "vvt-linde").serial_number != cut_revocation
    assert listed(region) == {cut_revocation}


def test_a_revocation_that_was_cut_is_finished_by_the_same_command(region: Path, cut_revocation: int) -> None:
    assert revoke(region, "vvt-linde", TEMPLATES, NOW)
    assert listed(region) == {cut_revocation}
    assert "user vvt-linde" not in (region / "out" / "hub" / "broker" / "mosquitto.acl").read_text()


@pytest.mark.parametrize("name", ["broker", "hub-intake", "hub-board", "hub-provisioner"])
def test_the_hub_s_own_certificates_are_revoked_and_replaced_at_once(region: Path, name: str) -> None:
    provision(region, TEMPLATES, NOW)
    old = certificate(region, name).serial_number
    said = revoke(region, name, TEMPLATES, NOW)
    assert said[:2] == [f"{name}: certificate revoked", f"{name}: certificate issued"]
    assert listed(region) == {old} and certificate(region, name).serial_number != old
    assert provision(region, TEMPLATES, NOW) == []


@pytest.mark.parametrize("name", ["issued/vvt-linde.pem", "issued/vvt-linde.key", "crl.pem", "revoked.json"])
@pytest.mark.parametrize("damaged", [b"", b"[1]"])
def test_a_damaged_file_of_the_authority_is_named(region: Path, name: str, damaged: bytes) -> None:
    provision(region, TEMPLATES, NOW)
    revoke(region, "hap-zuid", TEMPLATES, NOW)
    (region / "pki" / name).write_bytes(damaged)
    with pytest.raises(AuthorityError, match=f"^{re.escape(str(region / 'pki' / name))}: is damaged: put back its"):
        provision(region, TEMPLATES, NOW)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "vvt-linde"', 'name = "vvt-eik"', "site.toml:3:1: site.name: is not the folder's name"),
        ('region = "oost"', 'region = "west"', "site.toml:5:1: site.region: is 'west', in region.toml it is 'oost'"),
        ("port = 8883", "port = 8884", "hub.port: is '8884', in region.toml it is '8883'"),
        ('ca_file = "region-ca.pem"', 'ca_file = "/opt/ca.pem"', "hub.ca_file: /opt/ca.pem does not come along"),
    ],
)
def test_a_site_that_does_not_fit_its_region_is_told(region: Path, old: str, new: str, told: str) -> None:
    file = region / "sites" / "vvt-linde" / "site.toml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ConfigError) as refused:
        provision(region, TEMPLATES, NOW)
    assert told in str(refused.value)


def test_an_agreement_with_a_stranger_is_told_with_its_line(region: Path) -> None:
    file = region / "sites" / "hap-noord" / "site.toml"
    file.write_text(file.read_text().replace('name = "hap-zuid"', 'name = "hap-zuit"'))
    with pytest.raises(ConfigError, match="partner 'hap-zuit' is not known, did you mean 'hap-zuid'"):
        provision(region, TEMPLATES, NOW)
    assert not (region / "out").exists()


PARTNER = """
[[partner]]
name = "vvt-linde"
title = "De Linde"
address = "127.0.13.1"
agreed_on = "2026-01-01"
"""


@pytest.mark.parametrize(
    ("site", "old", "new", "told"),
    [
        (
            "hap-noord",
            'address = "127.0.12.1"',
            'address = "127.0.12.9"',
            r"hap-noord/site.toml:\d+:1: partner\[0\].address: is 127.0.12.9, \[front\] address of 'hap-zuid' is ",
        ),
        (
            "hap-noord",
            'address = "127.0.12.1"',
            'address = "127.0.12.1"\ntls_port = 5062',
            r"partner\[0\].tls_port: is 5062, \[front\] tls_port of 'hap-zuid' is 5061: make them the same$",
        ),
    ],
)
def test_what_two_sites_say_differently_of_each_other_is_told(
    region: Path, site: str, old: str, new: str, told: str
) -> None:
    file = region / "sites" / site / "site.toml"
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        provision(region, TEMPLATES, NOW)
    assert [each for each in refused.value.problems if re.search(told, each)], refused.value.problems
    assert not (region / "pki").exists()


def test_two_sites_at_one_address_are_told(region: Path) -> None:
    for name in ("hap-noord", "hap-zuid"):
        file = region / "sites" / name / "site.toml"
        alone = file.read_text(encoding="utf-8").partition("[[partner]]")[0]
        file.write_text(alone.replace('address = "127.0.12.1"', 'address = "127.0.11.1"'), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        provision(region, TEMPLATES, NOW)
    [told] = refused.value.problems
    assert re.search(r"hap-zuid/site.toml:\d+:1: front.address: 127.0.11.1 is the address of 'hap-noord' too: ", told)
    assert not (region / "pki").exists()


def test_an_agreement_with_who_takes_no_calls_or_knows_of_none_is_told(region: Path) -> None:
    north, south = (region / "sites" / name / "site.toml" for name in ("hap-noord", "hap-zuid"))
    text = south.read_text(encoding="utf-8")
    south.write_text(text.partition("[[partner]]")[0], encoding="utf-8")
    north.write_text(north.read_text(encoding="utf-8") + PARTNER, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        provision(region, TEMPLATES, NOW)
    one_sided, home = refused.value.problems
    assert "partner[0].name: 'hap-zuid' has no agreement with 'hap-noord': write it there too" in one_sided
    assert "partner[1].name: 'vvt-linde' has no [front] and takes no calls: remove it here" in home


def test_what_a_removed_site_has_left_is_told_until_it_is_gone(region: Path) -> None:
    provision(region, TEMPLATES, NOW)
    shutil.rmtree(region / "sites" / "vvt-linde")
    certificate, box = (
        f"vvt-linde: is no longer in the region, and its certificate is good: zorgkiosk revoke {region} vvt-linde",
        "out/vvt-linde: belongs to no site of the region any more and holds its key: remove it",
    )
    said = provision(region, TEMPLATES, NOW)
    assert said[-2:] == [certificate, box] and "out/hub/broker/mosquitto.acl: written" in said
    assert "vvt-linde: certificate revoked" in revoke(region, "vvt-linde", TEMPLATES, NOW)
    assert provision(region, TEMPLATES, NOW) == [box]
    shutil.rmtree(region / "out" / "vvt-linde")
    assert provision(region, TEMPLATES, NOW) == []


def test_an_authority_that_lost_its_key_is_not_replaced_in_silence(region: Path) -> None:
    provision(region, TEMPLATES, NOW)
    (region / "pki" / "ca.key").unlink()
    with pytest.raises(AuthorityError, match="put back its backup"):
        provision(region, TEMPLATES, NOW)


def test_a_first_run_that_was_cut_after_the_authority_s_key_is_simply_run_again(region: Path) -> None:
    (region / "pki").mkdir()
    (region / "pki" / "ca.key").write_text("cut", encoding="utf-8")
    assert provision(region, TEMPLATES, NOW) and provision(region, TEMPLATES, NOW) == []
    (region / "pki" / "ca.pem").unlink()
    with pytest.raises(AuthorityError, match="put back its backup"):
        provision(region, TEMPLATES, NOW)


@pytest.mark.parametrize("command", [["provision"], ["revoke", "vvt-linde"]])
def test_templates_that_are_not_there_are_told_before_anything_is_changed(
    region: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(region)
    assert main([command[0], str(region), *command[1:], "--templates", "/nope"]) == 78
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("/nope/boot/user-data.j2:1:1: is not there: write --templates FOLDER") and len(said) == 4
    assert content(region) == before


@pytest.mark.parametrize("days", ["99999999999", "0", "-3", "ten", "366"])
def test_days_that_make_no_sense_are_refused(region: Path, days: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["provision", str(region), f"--renew-days={days}"])
    assert f"'{days}' is no number of days from 1 to 365" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["mqtts://hub.example", "hub x", "hub.example:8883", "-hub"])
def test_a_broker_s_host_that_no_certificate_can_name_is_told(region: Path, host: str) -> None:
    file = region / "region.toml"
    file.write_text(
        file.read_text(encoding="utf-8").replace('host = "127.0.0.1"', f'host = "{host}"'), encoding="utf-8"
    )
    with pytest.raises(ConfigError, match=r"region.toml:4:1: broker.host: is no host name and no address: write"):
        load_region(region)


def test_every_file_that_is_no_toml_is_told_at_once(region: Path) -> None:
    for name in ("hap-noord", "vvt-linde"):
        (region / "sites" / name / "site.toml").write_text("[site\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        provision(region, TEMPLATES, NOW)
    broken = [each for each in refused.value.problems if "is not TOML" in each]
    assert ["hap-noord" in broken[0], "vvt-linde" in broken[1], len(broken)] == [True, True, 2]


def test_the_command_says_what_it_did(region: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["provision", str(region), "--templates", str(FIRMWARE)]
    assert main(arguments) == 0 and "hap-noord: certificate issued" in capsys.readouterr().out
    assert main(arguments) == 0 and capsys.readouterr().out == "nothing to change\n"
    assert main(["revoke", str(region), "hap-zuid", "--templates", str(FIRMWARE)]) == 0
    assert "take it up by themselves" in capsys.readouterr().out
    assert main(["provision", str(region / "sites")]) == 78


def test_the_shipped_region_is_valid() -> None:
    region = load_region(FIRMWARE / "region")
    sites = [load_site(file) for file in (FIRMWARE / "example").glob("*/site.toml")]
    assert {site.site.region for site in sites} == {region.region.name}
    assert {site.hub.host for site in sites} == {region.broker.host}


def test_boxes_are_told_whose_releases_to_trust_once_the_region_says_so(region: Path) -> None:
    def bundled() -> bytes | None:
        with tarfile.open(region / "out" / "vvt-linde" / "zorgkiosk.tar") as tar:
            name = "etc/zorgkiosk/update-keys"
            return None if name not in tar.getnames() else (tar.extractfile(name) or io.BytesIO()).read()

    provision(region, TEMPLATES, NOW)
    assert bundled() is None
    (region / "update-keys").write_text("0123456789abcdef AAAA releases\n")
    assert "out/vvt-linde/zorgkiosk.tar: written" in provision(region, TEMPLATES, NOW)
    assert bundled() == b"0123456789abcdef AAAA releases\n"


def told(region: Path) -> list[tuple[str, str, str]]:
    """Role, verb and subject of the authority's journal, oldest first; its chain is whole."""
    view = StoreView(region / LOG)
    rows = [(row.line.role, row.line.verb, row.line.subject) for row in reversed(view.journal(skip=0, limit=99))]
    with view.chain() as chain:
        assert chain is not None and isinstance(verify(chain.links, chain.start), Whole)
    view.close()
    return rows


def issued(region: Path) -> list[str]:
    return [subject for _, verb, subject in told(region) if verb == "certificate"]


def test_what_was_done_with_the_authority_is_logged_in_a_chain(region: Path) -> None:
    provision(region, TEMPLATES, NOW)
    provision(region, TEMPLATES, NOW)
    revoke(region, "vvt-linde", TEMPLATES, NOW)
    names = issued(region)
    assert {*SITES, "broker", "hub-intake", "hub-board"} <= set(names) and len(names) == len(set(names))
    assert told(region)[-2:] == [("technicus", "provision", "oost"), ("technicus", "revoke", "vvt-linde")]


def test_a_certificate_is_in_the_journal_though_the_run_that_issued_it_ended_in_an_error(region: Path) -> None:
    file = region / "sites" / "vvt-linde" / "site.toml"
    good = file.read_text(encoding="utf-8")
    blocked = region / "a-file"
    blocked.touch()
    file.write_text(good.replace('data_dir = "data"', f'data_dir = "{blocked}/data"'), encoding="utf-8")
    with pytest.raises(ConfigError):
        provision(region, TEMPLATES, NOW)
    names = issued(region)
    assert {*SITES, "broker", "hub-intake", "hub-board", "hub-provisioner"} == set(names)
    file.write_text(good, encoding="utf-8")
    assert provision(region, TEMPLATES, NOW)
    assert issued(region) == names and told(region)[-1] == ("technicus", "provision", "oost")


def test_no_certificate_comes_before_its_line_in_the_journal(region: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put = durable.put

    def cut(path: Path, content: bytes, mode: int = durable.PUBLIC, group: int | None = None) -> None:
        put(path, content, mode, group)
        if path.name == "hap-noord.pem":
            raise PowerCutError

    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        patch.setattr(durable, "put", cut)
        provision(region, TEMPLATES, NOW)
    assert issued(region) == ["hap-noord"]
