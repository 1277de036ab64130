"""The command as a technician types it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from shipped import ANNOUNCEMENTS, FIRMWARE
from zorgkiosk.cli import main
from zorgkiosk.lab.authority import Authority
from zorgkiosk.lab.ports import free_port
from zorgkiosk.site.config import Secrets
from zorgkiosk.site.panel.pin import hashed, matches

DEMO = FIRMWARE / "demo"


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    shutil.copy(DEMO / "vvt-linde" / "site.toml", tmp_path)
    authority = Authority.create(tmp_path)
    certificate, key = authority.issue("vvt-linde")
    authority.ca_file.rename(tmp_path / "region-ca.pem")
    certificate.rename(tmp_path / "site.pem")
    key.rename(tmp_path / "site-key.pem")
    return tmp_path / "site.toml"


def test_check_of_a_good_file(site_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(site_file)]) == 0
    assert capsys.readouterr().out == f"{site_file}: good\n"


def test_check_says_every_problem_and_the_cure(site_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = site_file.read_text().replace("undo_s", "undo").replace('"elv-hoog"', '"elv-hog"').replace("port = 8883", "")
    site_file.write_text(text.replace('name = "vvt-linde"', 'name = "VVT Linde"'))
    assert main(["check", str(site_file)]) == 78
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3 and all(line.startswith(f"{site_file}:") for line in said)
    assert any("panel.undo: is not a key of this section, did you mean 'undo_s'?" in line for line in said)
    assert any("capacity[1]: code 'elv-hog' is not known, did you mean 'elv-hoog'?" in line for line in said)
    assert any("site.name" in line for line in said)


def test_check_of_a_hub(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(DEMO / "hub" / "hub.toml")]) == 78
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 3 and all("is not there: put it there, or write where it is" in each for each in told)


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot be read: No such file"), ("[site", "is not TOML"), ("", "site: is missing: add it")],
)
def test_a_unit_does_not_start_on_a_broken_config(
    tmp_path: Path, content: str | None, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "site.toml"
    if content is not None:
        file.write_text(content)
    assert main(["run", "panel", "--config", str(file)]) == 78
    assert says in capsys.readouterr().err


def test_telephony_of_a_nursing_home_has_nothing_to_run(site_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "telephony", "--config", str(site_file)]) == 78
    assert "this site has no [telephony] and [front]" in capsys.readouterr().err


@pytest.mark.long
def test_without_pjsua2_everything_imports_and_only_telephony_declines(tmp_path: Path) -> None:
    """A 64-bit Pi without the binding: an interpreter that cannot find it."""
    folder = tmp_path / "hap"
    shutil.copytree(DEMO / "hap-noord", folder)
    shutil.copytree(ANNOUNCEMENTS, folder / "announcements")
    secrets = folder / "secrets.toml"
    secrets.write_text('[phones]\nphone1 = "12345678"\nphone2 = "12345678"\n')
    secrets.chmod(0o600)
    code = """
import pkgutil, sys
sys.modules["pjsua2"] = None  # what Python keeps for a module that cannot be found
import zorgkiosk
needs = set()
for module in pkgutil.walk_packages(zorgkiosk.__path__, "zorgkiosk."):
    if module.name.endswith(("__main__", ".env")) or ".versions." in module.name:
        continue
    try:
        __import__(module.name)
    except ModuleNotFoundError as error:
        assert error.name == "pjsua2", error
        needs.add(module.name)
print(sorted(needs))
from zorgkiosk.cli import main
from zorgkiosk.site.config import Secrets
from zorgkiosk.site.panel.pin import hashed, matches
main(["run", "telephony", "--config", sys.argv[1]])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "site.toml")], capture_output=True, text=True, check=False, timeout=60
    )
    needs = ["zorgkiosk.lab.phone", "zorgkiosk.lab.softphone", "zorgkiosk.site.telephony.worker.sip"]
    assert done.stdout.strip() == str(needs), done.stderr
    assert done.returncode == 69 and "pjsua2 is not installed here" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("typed", "code", "says"),
    [
        (["274951", "274951"], 0, ""),
        (["12345"], 64, "a PIN is six to eight digits"),
        (["274951", "274952"], 64, "these two differ"),
        (["345678"], 64, "everybody tries this PIN first: choose one"),
        (["000000"], 64, "everybody tries this PIN first"),
        (["98765432"], 64, "everybody tries this PIN first"),
        (["890123"], 64, "everybody tries this PIN first"),
    ],
)
def test_a_pin_is_read_without_echo_and_printed_as_a_hash(
    typed: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(typed)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(answers))
    assert main(["pin"]) == code
    printed = capsys.readouterr()
    assert says in printed.err and not any(pin in printed.out + printed.err for pin in typed)
    if code == 0:
        secrets = Secrets.model_validate(tomllib.loads(printed.out))
        assert secrets.panel.pin_scrypt is not None and matches("274951", secrets.panel.pin_scrypt)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_panel_does_not_go_on_the_network_with_a_certificate_it_cannot_use(
    tmp_path: Path, content: str | None, site_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = 'address = "127.0.0.2"\ncertificate_file = "panel.pem"\nkey_file = "panel-key.pem"\n'
    site_file.write_text(site_file.read_text().replace("port = 8083", f"{keys}port = {free_port()}"))
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(f'[panel]\npin_scrypt = "{hashed("274951")}"\n')
    secrets.chmod(0o600)
    for name in ("panel.pem", "panel-key.pem"):
        if content is not None:
            (tmp_path / name).write_text(content)
    assert main(["run", "panel", "--config", str(site_file)]) == 78
    assert "panel: certificate_file or key_file cannot be used: " in capsys.readouterr().err
