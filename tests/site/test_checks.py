"""Everything `check` finds, each with its line and its cure."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shipped import ANNOUNCEMENTS
from zorgkiosk.cli import main
from zorgkiosk.lab.authority import Authority
from zorgkiosk.site.checks import check_site
from zorgkiosk.site.panel.pin import hashed

NOW = datetime.now(UTC)
LATE = NOW - timedelta(days=10)
"""The throw-away CA's certificates live thirty days: seen from here they end in forty."""
VALID = NOW - timedelta(minutes=30)

SITE = f"""[site]
name = "hap-noord"
title = "Noord"
region = "oost"
[hub]
host = "hub.example"
ca_file = "ca.pem"
certificate_file = "hap-noord.pem"
key_file = "hap-noord.key"
[front]
address = "192.0.2.10"
trunk_addresses = ["192.0.2.1"]
[announcements]
folder = "{ANNOUNCEMENTS}"
[telephony]
workers = 4
[[desk]]
id = "desk-1"
title = "Werkplek 1"
phone = "phone1"
[[desk]]
id = "desk-2"
title = "Werkplek 2"
phone = "phone2"
[[partner]]
name = "hap-zuid"
title = "Zuid"
address = "203.0.113.5"
agreed_on = "2026-01-01"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    authority = Authority.create(tmp_path)
    authority.issue("hap-noord")
    authority.issue("hap-oud")
    secrets = tmp_path / "secrets.toml"
    secrets.write_text('[phones]\nphone1 = "lang-genoeg"\nphone2 = "lang-genoeg"\n')
    secrets.chmod(0o600)
    (tmp_path / "site.toml").write_text(SITE)
    return tmp_path


def found(folder: Path, now: datetime = LATE, region: set[str] | None = None) -> list[str]:
    """Problems without the folder's own path."""
    told = check_site(folder / "site.toml", now, region)
    return [
        ("" if problem.severity == "error" else "warning: ") + str(problem).replace(f"{folder}/", "")
        for problem in told
    ]


def test_a_good_site_has_no_problems(folder: Path) -> None:
    assert found(folder, VALID, {"hap-noord", "hap-zuid"}) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "hap-zuid"', 'nmae = "hap-zuid"', "26:1: partner[0].nmae: is not a key of this section, did you mean"),
        ("workers = 4", 'workers = "x"', "16:1: telephony.workers: "),
        ('phone = "phone2"', "", "21:1: desk[1]: a desk has either a phone or an extension: write one of them"),
        ('phone = "phone2"', 'phone = "phone3"', "24:1: [[desk]] desk-2: phone 'phone3' has no password: write it"),
        ('phone = "phone2"', 'phone = "phone1"', "24:1: [[desk]] phone 'phone1' stands twice"),
        ('phone = "phone2"', 'extension = "0112"', "24:1: desk[1].extension: '0112' is an emergency number"),
        ("workers = 4", 'last_resort = "112"', "16:1: telephony.last_resort: '112' is an emergency number"),
        (
            'agreed_on = "2026-01-01"',
            'agreed_on = "2026-01-01"\nredirect_to = "sip:112@pbx.example"',
            "30:1: partner[0].redirect_to: 'sip:112@pbx.example' is an emergency number",
        ),
        ("workers = 4", "worker_sip_port = 5070", "16:1: [telephony] worker_sip_port: 5070-5081 clashes with [front]"),
        ('address = "192.0.2.10"', 'address = "192.0.2.10"\ntls_port = 5060', "12:1: [front] tls_port: 5060 clashes"),
        (
            "workers = 4",
            "workers = 4\n[local_broker]\nport = 8080",
            "18:1: [local_broker] port: 8080 clashes with [panel]",
        ),
        ("workers = 4", "workers = 4\n[local_broker]\nport = 5061", "18:1: [local_broker] port: 5061 clashes"),
        ("workers = 4", "workers = 4\n[local_broker]\nport = 5080", "18:1: [local_broker] port: 5080 clashes"),
        ('address = "192.0.2.10"', 'address = "0.0.0.0"', "11:1: front.address: 0.0.0.0 is not the address of one"),
        ('address = "192.0.2.10"', 'address = "255.255.255.255"', "11:1: front.address: 255.255.255.255 is not the"),
        ('["192.0.2.1"]', '["0.0.0.0/0"]', "12:1: front.trunk_addresses: 0.0.0.0/0 lets everybody call in"),
        (
            'trunk_addresses = ["192.0.2.1"]',
            'trunk_addresses = ["192.0.2.1"]\nexchange_address = "192.0.2.10"',
            "13:1: [front] exchange_address is this box's own",
        ),
        (
            'address = "203.0.113.5"',
            'address = "192.0.2.10"',
            "28:1: [[partner]] hap-zuid: address '192.0.2.10' is thi",
        ),
        ("workers = 4", "worker_rtp_port = 65500", "16:1: [telephony] worker_rtp_port: 65500 leaves no room"),
        ('host = "hub.example"', 'host = "hub.example"\nca_flie = "x"', "7:1: hub.ca_flie: is not a key of this sect"),
        ("[hub]", "[hub", "5:5: is not TOML: "),
    ],
)
def test_each_mistake_in_the_text_has_its_line(folder: Path, old: str, new: str, told: str) -> None:
    assert old in SITE
    (folder / "site.toml").write_text(SITE.replace(old, new, 1))
    sentences = found(folder)
    assert any(sentence.startswith(f"site.toml:{told}") for sentence in sentences), sentences


def test_one_wrong_key_does_not_hide_what_does_not_fit_together(folder: Path) -> None:
    text = SITE.replace("workers = 4", "worker = 4").replace('phone = "phone2"', 'phone = "phone3"')
    (folder / "site.toml").write_text(text)
    first, second = found(folder, VALID)
    assert "telephony.worker: is not a key" in first and "phone 'phone3' has no password" in second


def test_a_missing_key_is_pointed_to_at_its_section(folder: Path) -> None:
    (folder / "site.toml").write_text(SITE.replace('host = "hub.example"\n', ""))
    assert "site.toml:5:1: hub.host: is missing: add it: text in quotes" in found(folder)


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (1, "warning: site.toml:8:1: hub.certificate_file: hap-noord.pem expires on"),
        (31, "site.toml:8:1: hub.certificate_file: hap-noord.pem has expired on"),
        (-1, "site.toml:8:1: hub.certificate_file: hap-noord.pem is valid from"),
    ],
)
def test_the_age_of_the_certificate_is_told(folder: Path, days: int, told: str) -> None:
    assert any(sentence.startswith(told) for sentence in found(folder, NOW + timedelta(days=days)))


def test_files_that_are_missing_or_somebody_else_s(folder: Path) -> None:
    text = SITE.replace("hap-noord.pem", "hap-oud.pem").replace("ca.pem", "weg.pem")
    (folder / "site.toml").write_text(text)
    told = "\n".join(found(folder))
    assert "site.toml:7:1: hub.ca_file: weg.pem is not there: put it there" in told
    assert (
        "site.toml:8:1: hub.certificate_file: hap-oud.pem is the certificate of 'hap-oud', not of 'hap-noord'" in told
    )
    assert "site.toml:9:1: hub.key_file: does not belong to certificate_file" in told


def test_a_file_that_is_no_certificate_and_a_ca_of_another_region(folder: Path) -> None:
    own = (folder / "ca.pem").read_bytes()
    shutil.copy(Authority.create(folder / "same-name").ca_file, folder / "ca.pem")
    assert (folder / "ca.pem").read_bytes() != own
    assert "site.toml:7:1: hub.ca_file: is not the CA that issued" in "\n".join(found(folder))
    shutil.copy(Authority.create(folder / "elders", "Elders").ca_file, folder / "ca.pem")
    assert "site.toml:7:1: hub.ca_file: is not the CA that issued" in "\n".join(found(folder))
    (folder / "hap-noord.pem").write_text("geen certificaat")
    assert "site.toml:8:1: hub.certificate_file: hap-noord.pem holds no certificate" in "\n".join(found(folder))


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        (0o600, []),
        (0o640, ["warning: secrets.toml:1:1: its group can read it (mode 0640): right only for"]),
        (0o660, ["secrets.toml:1:1: has mode 0660, wider than it needs: chmod 600"]),
        (0o644, ["secrets.toml:1:1: everybody can read it: chmod 600"]),
    ],
)
def test_secrets_are_their_owner_s(folder: Path, mode: int, told: list[str]) -> None:
    (folder / "secrets.toml").chmod(mode)
    sentences = [each for each in found(folder) if "secrets.toml" in each]
    assert len(sentences) == len(told)
    assert all(each.startswith(want) for each, want in zip(sentences, told, strict=True))


def test_an_agreement_with_a_site_the_region_does_not_have(folder: Path) -> None:
    sentence = "site.toml:26:1: partner[0].name: partner 'hap-zuid' is not known, did you mean 'hap-zuidd'?"
    assert found(folder, LATE, {"hap-noord", "hap-zuidd"})[-1:] == [sentence]
    assert found(folder, LATE, None)[-1:] != [sentence]


def test_the_region_around_the_file_is_found_and_told_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    region = folder / "region"
    site = region / "sites" / "hap-noord"
    site.mkdir(parents=True)
    for file in ("site.toml", "secrets.toml", "ca.pem", "hap-noord.pem", "hap-noord.key"):
        shutil.copy2(folder / file, site)
    (region / "region.toml").touch()
    assert main(["check", "--json", str(site / "site.toml")]) == 78
    told = json.loads(capsys.readouterr().out)
    last = told[-1]
    assert (last["line"], last["column"], last["key"], last["severity"]) == (26, 1, "partner[0].name", "error")
    assert "partner 'hap-zuid' is not known" in last["problem"] and last["file"] == str(site / "site.toml")


def test_config_show_tells_values_origins_and_no_secret(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", str(folder / "site.toml")]) == 0
    told = capsys.readouterr().out.splitlines()
    assert f"telephony.workers = 4  # {folder}/site.toml:16" in told
    assert "telephony.ring_s = 20  # default" in told and "panel.port = 8080  # default" in told
    assert f'desk[1].phone = "phone2"  # {folder}/site.toml:24' in told
    assert f'secrets.phones.phone1 = "••••••••"  # {folder}/secrets.toml:2' in told
    assert "lang-genoeg" not in "\n".join(told)


def test_a_folder_that_cannot_be_is_told(folder: Path) -> None:
    (folder / "site.toml").write_text(SITE.replace('region = "oost"', f'region = "oost"\ndata_dir = "/{"a" * 300}"'))
    assert "site.toml:5:1: site.data_dir: cannot be a folder (File name too long): write another" in found(folder)


@pytest.mark.parametrize("name", ["", "sites"])
def test_a_folder_instead_of_a_file_is_told(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sites").mkdir()
    assert main(["check", "--json", name]) == 78
    (told,) = json.loads(capsys.readouterr().out)
    assert told["problem"].startswith("is a folder: name the site.toml")


@pytest.mark.parametrize(
    ("old", "new"),
    [("workers = 4", "workers = 0"), ('name = "hap-zuid"', 'name = "hap-noord"')],
)
def test_a_mistake_in_the_text_does_not_hide_a_missing_file(folder: Path, old: str, new: str) -> None:
    (folder / "site.toml").write_text(SITE.replace("ca.pem", "weg.pem").replace(old, new))
    told = found(folder, VALID)
    assert len(told) == 2 and "site.toml:7:1: hub.ca_file: weg.pem is not there: put it there, or write" in told[1]


@pytest.mark.parametrize(
    "secrets", ["[phones]\nphone1 = geheim\n", '[phones]\nphone1 = "kort"\nphone2 = "lang-genoeg"\n']
)
def test_a_mistake_in_the_secrets_hides_nothing_of_the_site(folder: Path, secrets: str) -> None:
    (folder / "secrets.toml").write_text(secrets)
    (folder / "site.toml").write_text(SITE.replace("workers = 4", "workers = 0").replace("ca.pem", "weg.pem"))
    told = found(folder, VALID)
    assert len(told) == 3 and not any("geheim" in each or "has no password" in each for each in told), told
    for start in ("secrets.toml:2:", "site.toml:16:1: telephony.workers: ", "site.toml:7:1: hub.ca_file: weg.pem"):
        assert any(each.startswith(start) for each in told), told


def test_mistakes_in_both_texts_are_told_at_once(folder: Path) -> None:
    (folder / "secrets.toml").write_text("[phones")
    (folder / "site.toml").write_text(SITE.replace("[hub]", "[hub"))
    assert [each.partition(":")[0] for each in found(folder, VALID)] == ["site.toml", "secrets.toml"]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [(f'folder = "{ANNOUNCEMENTS}"', 'folder = "weg"', "13:1"), ("[front]", "[[front]]", "10:1")],
)
def test_a_section_that_is_wrong_is_not_called_missing(folder: Path, old: str, new: str, place: str) -> None:
    (folder / "site.toml").write_text(SITE.replace(old, new))
    (told,) = found(folder, VALID)
    assert told.startswith(f"site.toml:{place}: ")


def test_several_files_are_checked_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, wrong = folder / "site.toml", folder / "other.toml"
    wrong.write_text(SITE.replace("workers = 4", "workers = 0"))
    assert main(["check", str(good), str(wrong)]) == 78
    told = capsys.readouterr()
    assert told.out == f"{good}: good\n" and f"\n{wrong}:16:1: telephony.workers: " in told.err
    assert main(["check", str(good), str(good)]) == 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("workers = 4", "ring_s = nan", "16:1: telephony.ring_s: is no number with an end: write a number, 5 to 120"),
        (
            "[front]",
            '[[capacity]]\ncode = "so-dienst"\nunknown_min = inf\n[front]',
            "12:1: capacity[0].unknown_min: ",
        ),
    ],
)
def test_a_number_without_end_is_told_at_its_own_key(folder: Path, old: str, new: str, told: str) -> None:
    (folder / "site.toml").write_text(SITE.replace(old, new))
    (sentence,) = found(folder, VALID)
    assert sentence.startswith(f"site.toml:{told}")


@pytest.mark.parametrize(
    ("mode", "told"),
    [(0o600, ""), (0o640, ""), (0o660, "its group can change"), (0o644, "everybody can read"), (0o604, "everybody")],
)
def test_a_key_is_its_owner_s(folder: Path, mode: int, told: str) -> None:
    (folder / "hap-noord.key").chmod(mode)
    sentences = [each for each in found(folder, VALID) if "hub.key_file" in each]
    assert len(sentences) == bool(told) and all(f"key_file: {told}" in each for each in sentences)


def test_a_hub_is_known_by_its_sections_and_its_files_are_looked_at(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "oost.toml"
    text = (ANNOUNCEMENTS.parent / "hub" / "hub.toml").read_text()
    file.write_text(text)
    assert main(["check", str(file)]) == 78
    told = capsys.readouterr().err
    assert all(f"broker.{key}: {folder}/pki/" in told for key in ("ca_file", "certificate_file", "key_file")), told
    Authority.create(folder / "pki").issue("hub-intake")
    assert main(["check", str(file)]) == 0
    assert f"{file}: good" in capsys.readouterr().out
    shutil.copy(folder / "hap-noord.key", folder / "pki" / "hub-intake.key")
    assert main(["check", str(file)]) == 78
    assert "broker.key_file: does not belong to certificate_file" in capsys.readouterr().err


@pytest.mark.parametrize(("pin", "weak"), [("123456", True), ("000000", True), ("274951", False), ("198403", False)])
def test_a_pin_that_everybody_tries_first_is_told_at_its_line_and_not_repeated(
    folder: Path, pin: str, weak: bool
) -> None:
    secrets = folder / "secrets.toml"
    secrets.write_text(f'{secrets.read_text()}[panel]\npin_scrypt = "{hashed(pin)}"\n')
    told = found(folder, VALID)
    assert len(told) == weak and all(pin not in each for each in told)
    assert all(each.startswith("secrets.toml:5:1: secrets.panel.pin_scrypt: is a PIN that everybody") for each in told)


@pytest.mark.parametrize("name", ["region.toml", "oost.toml"])
def test_a_region_s_file_is_known_by_its_name_or_its_sections(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file, text = folder / name, (ANNOUNCEMENTS.parent / "region" / "region.toml").read_text()
    file.write_text(text)
    assert main(["check", str(file)]) == 0 and f"{file}: good" in capsys.readouterr().out
    assert main(["config", "show", str(file)]) == 0 and 'region.name = "oost"' in capsys.readouterr().out
    file.write_text(text.replace("port = 8883", "prot = 8883\nintakes = 20"))
    assert main(["check", str(file)]) == 78
    told = capsys.readouterr().err
    assert "broker.prot: is not a key of this section, did you mean 'port'?" in told
    assert "broker.intakes: is too large: write a whole number, 1 to 9" in told and "missing" not in told


def test_a_database_elsewhere_without_tls_is_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "hub.toml"
    text = (ANNOUNCEMENTS.parent / "hub" / "hub.toml").read_text()
    file.write_text(text.replace("sqlite:////var/lib/zorgkiosk/hub.db", "postgresql+psycopg://z@db.example/z", 1))
    Authority.create(folder / "pki").issue("hub-intake")
    assert main(["check", str(file)]) == 0
    told = capsys.readouterr().err
    assert f"warning: {file}:7:1: hub.database: is on another machine, without TLS: add sslmode=verify-full" in told


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (1, "warning: site.toml:7:1: hub.ca_file: ca.pem expires"),
        (31, "site.toml:7:1: hub.ca_file: ca.pem has expired"),
    ],
)
def test_the_age_of_the_authority_is_told_with_what_it_means(folder: Path, days: int, told: str) -> None:
    sentences = [each for each in found(folder, NOW + timedelta(days=days)) if "hub.ca_file" in each]
    assert len(sentences) == 1 and sentences[0].startswith(told), sentences
    assert "begin a new folder for the region, run zorgkiosk provision there, and bring every box" in sentences[0]


@pytest.mark.parametrize("where", ["data", "beside the authority"])
def test_a_certificate_on_the_stored_list_of_revoked_ones_is_told(folder: Path, where: str) -> None:
    (folder / "site.toml").write_text(SITE.replace("[hub]", 'data_dir = "data"\n[hub]'))
    (folder / "data").mkdir()
    authority = Authority.create(folder)  # anew: the list has to be signed by the same key
    other, _ = authority.issue("hap-oud")
    own, _ = authority.issue("hap-noord")
    stored = folder / "data" / "revoked.pem" if where == "data" else folder / "revoked.pem"
    for revoked in (other, own):
        shutil.move(authority.revoke(revoked), stored)
        sentences = found(folder, VALID)
        assert len(sentences) == (revoked == own), sentences
    assert sentences[0].startswith("site.toml:9:1: hub.certificate_file: hap-noord.pem is revoked since 20")
    assert "have zorgkiosk provision issue another" in sentences[0]


def test_a_list_that_somebody_else_signed_is_not_believed(folder: Path) -> None:
    own = folder / "hap-noord.pem"
    shutil.move(Authority.create(folder / "elders").revoke(own), folder / "revoked.pem")
    assert found(folder, VALID) == []


def test_a_mistake_in_a_hub_s_text_hides_no_missing_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "hub.toml"
    file.write_text((ANNOUNCEMENTS.parent / "hub" / "hub.toml").read_text().replace("port = 8090", 'port = "8090"'))
    assert main(["check", str(file)]) == 78
    told = capsys.readouterr().err
    assert "board.port: is text: write a whole number, 1 to 65535, without quotes" in told
    assert "broker.ca_file: " in told and "is not there: put it there" in told


@pytest.mark.parametrize("host", ["mqtt://192.0.2.10", "192.0.2.10:1883", "met spatie", ""])
def test_the_host_of_the_site_s_own_broker_is_a_name_alone(folder: Path, host: str) -> None:
    (folder / "site.toml").write_text(f'{SITE}[local_broker]\nhost = "{host}"\n')
    assert any(f"local_broker.host: '{host}' is no host: write a name" in each for each in found(folder, VALID))


@pytest.mark.parametrize(
    "wrong", ["workers = 0", "workers = 4\n[panel]\nport = true", "worker = 4", "workers = 4\nx = 1"]
)
def test_a_mistake_in_the_text_hides_no_unknown_partner_and_no_wrong_folder(folder: Path, wrong: str) -> None:
    text = SITE.replace("workers = 4", wrong).replace('region = "oost"', 'region = "oost"\ndata_dir = "ca.pem"')
    (folder / "site.toml").write_text(text)
    told = found(folder, VALID, {"hap-noord", "hap-west"})
    assert any("partner 'hap-zuid' is not known" in each for each in told), told
    assert any("site.data_dir: ca.pem is no folder" in each for each in told), told


def test_a_partner_whose_own_name_cannot_be_read_hides_no_other(folder: Path) -> None:
    other = '[[partner]]\nname = 5\ntitle = "West"\naddress = "203.0.113.6"\nagreed_on = "2026-01-01"\n'
    (folder / "site.toml").write_text(SITE.replace("[[partner]]", f"{other}[[partner]]"))
    told = found(folder, VALID, {"hap-noord", "hap-west"})
    assert ["partner[0].name: is a number" in told[0], "partner[1].name: partner 'hap-zuid'" in told[1]] == [True, True]
