"""The command as a technician types it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shipped import ANNOUNCEMENTS, FIRMWARE
from zorgkiosk.cli import main

DEMO = FIRMWARE / "demo"


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    shutil.copy(DEMO / "vvt-linde" / "site.toml", tmp_path)
    return tmp_path / "site.toml"


def test_check_of_a_good_file(site_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(site_file)]) == 0
    assert capsys.readouterr().out == f"{site_file}: good\n"


def test_check_says_every_problem_and_the_cure(site_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = site_file.read_text().replace("undo_s", "undo").replace('"elv-hoog"', '"elv-hog"').replace("port = 8883", "")
    site_file.write_text(text.replace('name = "vvt-linde"', 'name = "VVT Linde"'))
    assert main(["check", str(site_file)]) == 78
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3 and all(line.startswith(f"{site_file}: ") for line in said)
    assert any("panel.undo: is not a key of this section, did you mean 'undo_s'?" in line for line in said)
    assert any("capacity[1]: code 'elv-hog' is not known, did you mean 'elv-hoog'?" in line for line in said)
    assert any("site.name" in line for line in said)


def test_check_of_a_hub(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(DEMO / "hub" / "hub.toml")]) == 0
    assert "good" in capsys.readouterr().out


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
main(["run", "telephony", "--config", sys.argv[1]])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "site.toml")], capture_output=True, text=True, check=False, timeout=60
    )
    needs = ["zorgkiosk.lab.phone", "zorgkiosk.lab.softphone", "zorgkiosk.site.telephony.worker.sip"]
    assert done.stdout.strip() == str(needs), done.stderr
    assert done.returncode == 69 and "pjsua2 is not installed here" in done.stderr and "Traceback" not in done.stderr
