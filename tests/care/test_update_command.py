"""`zorgkiosk update` as people type it."""

from __future__ import annotations

import getpass
import platform
from dataclasses import replace
from pathlib import Path

import pytest
from test_doctor import GOOD
from update_box import box, deb

from zorgkiosk.care.doctor import findings
from zorgkiosk.care.update.slots import Begun
from zorgkiosk.cli import main

DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is typed where a passphrase is asked for."""
    answers: list[str] = []
    monkeypatch.setattr(getpass, "getpass", lambda _: answers.pop(0))
    return answers


@pytest.fixture(autouse=True)
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals and modes stay this process's own."""
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("os.umask", lambda _: 0o022)


def test_from_a_key_to_a_refused_downgrade(
    tmp_path: Path, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    of, _ = box(tmp_path, "0.3.0")
    key, keys, file = tmp_path / "release.pem", tmp_path / "update-keys", deb(tmp_path, "0.2.0", architecture=DEBIAN)
    typed += ["geheim", "geheim"]
    assert main(["update", "key", str(key), "--name", "releases"]) == 0
    keys.write_text(capsys.readouterr().out)
    keys.chmod(0o644)
    typed += ["geheim"]
    assert main(["update", "sign", str(file), "--key", str(key)]) == 0
    assert capsys.readouterr().out == f"{file}.signed: 0.2.0 for {DEBIAN}\n"
    here = ["--home", str(of.slots.home), "--config", str(of.config)]
    assert main(["update", "install", str(file), "--keys", str(keys), *here]) == 65
    assert capsys.readouterr().err.startswith("0.2.0 is older than 0.3.0, which has run here")
    assert main(["update", "status", *here]) == 0
    assert capsys.readouterr().out == "0.3.0 in a; b: nothing\n"
    assert main(["update", "resume", *here]) == 0
    assert "0.3.0 in directory a is in force: nothing was begun" in capsys.readouterr().out


def test_no_key_is_made_of_two_passphrases(
    tmp_path: Path, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    typed += ["geheim", "geheym"]
    assert main(["update", "key", str(tmp_path / "release.pem")]) == 65
    assert "the two are not the same" in capsys.readouterr().err and not (tmp_path / "release.pem").exists()


@pytest.mark.parametrize("words", [["sign", "nothing.deb", "--key", "nothing.pem"], ["status", "--home", "nowhere"]])
def test_what_is_not_there_is_named(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["update", *words]) == 65
    assert "no" in capsys.readouterr().err


def test_the_doctor_says_the_versions_in_one_line(tmp_path: Path) -> None:
    of, _ = box(tmp_path)
    facts = replace(GOOD, versions=of.slots.told())
    assert "✓ version: 0.1.0 in a; b: nothing" in [str(each) for each in findings(facts)]
    of.slots.begin(Begun("b", "0.2.0", True, ()))
    waits = [str(each) for each in findings(replace(facts, versions=of.slots.told(), waits_for_proof=True))]
    assert (
        "✗ version: 0.1.0 in a; b: nothing; 0.2.0 waits for its proof → wait two minutes, else zorgkiosk update resume"
        in waits
    )
