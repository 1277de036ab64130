"""A change of config that is cut at any moment ends in a config that worked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from care_box import NoUnits, write_site

from zorgkiosk import durable
from zorgkiosk.care import apply as care_apply
from zorgkiosk.care.apply import Outcome, apply, resume
from zorgkiosk.care.pair import Files, New
from zorgkiosk.cli import main
from zorgkiosk.config_file import ConfigError, Problem
from zorgkiosk.lab.authority import Authority
from zorgkiosk.site.checks import check_site


class PowerCutError(Exception):
    pass


def check(file: Path, secrets: Path) -> tuple[Problem, ...]:
    return tuple(each for each in check_site(file, datetime.now(UTC), secrets=secrets) if each.severity == "error")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_site(tmp_path / "etc", Authority.create(tmp_path / "ca"), 1)


@pytest.fixture
def new(config: Path, tmp_path: Path) -> Path:
    file = tmp_path / "new.toml"
    file.write_text(config.read_text().replace("total = 4", "total = 5"))
    return file


def left(config: Path) -> set[str]:
    return {file.name for file in config.parent.glob("site.toml*")}


def test_what_check_refuses_is_never_in_force(config: Path, new: Path) -> None:
    old = config.read_text()
    new.write_text(old.replace("total = 4", "totaal = 5"))
    units = NoUnits()
    with pytest.raises(ConfigError) as refused:
        apply(New(new), config, units, check)
    assert str(refused.value).startswith(f"{new}:18:1: capacity[0].totaal: is not a key of this section, did you mean")
    assert config.read_text() == old and left(config) == {"site.toml"} and units.done == []


def test_what_does_not_prove_itself_goes_back(config: Path, new: Path) -> None:
    old, units = config.read_text(), NoUnits()
    assert apply(New(new), config, units, check, within_s=0.2) is Outcome.BACK
    assert config.read_text() == old and units.done == ["restart", "restart"]
    assert left(config) == {"site.toml", "site.toml.good"}


@pytest.mark.parametrize("step", range(1, 11))
@pytest.mark.parametrize("before", [True, False])
def test_a_power_cut_at_each_rename_ends_in_the_old_config(
    config: Path, new: Path, monkeypatch: pytest.MonkeyPatch, step: int, before: bool
) -> None:
    """Nothing proves itself here, so that the old config has to come back whenever the new one was in force."""
    old, real, count = config.read_text(), durable.rename, 0

    def cut(source: Path, target: Path) -> None:
        nonlocal count
        count += 1
        if count == step and before:
            raise PowerCutError
        real(source, target)
        if count == step:
            raise PowerCutError

    monkeypatch.setattr(durable, "rename", cut)
    try:
        apply(New(new), config, NoUnits(), check, within_s=0)
    except PowerCutError:
        assert step <= 8
    else:
        assert step > 8, "the cut came nowhere"
    monkeypatch.setattr(durable, "rename", real)
    assert config.read_text() in (old, new.read_text())
    resume(config, NoUnits(), within_s=0)
    assert config.read_text() == old and not Files(config).applying.exists()
    assert resume(config, NoUnits(), within_s=0) is Outcome.NOTHING


def test_a_power_cut_while_the_units_restart(config: Path, new: Path) -> None:
    old = config.read_text()

    class Cut(NoUnits):
        def restart(self) -> None:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        apply(New(new), config, Cut(), check, within_s=0)
    assert config.read_text() == new.read_text()
    with pytest.raises(ConfigError, match="end it first with zorgkiosk apply --resume"):
        apply(New(new), config, NoUnits(), check, within_s=0)
    assert resume(config, NoUnits(), within_s=0) is Outcome.BACK
    assert config.read_text() == old


def test_a_config_that_was_lost_halfway_comes_back(config: Path, new: Path) -> None:
    old = config.read_text()
    units: Callable[[], None] = config.unlink

    class Cut(NoUnits):
        def restart(self) -> None:
            units()
            raise PowerCutError

    with pytest.raises(PowerCutError):
        apply(New(new), config, Cut(), check)
    assert resume(config, NoUnits(), within_s=0) is Outcome.BACK and config.read_text() == old


BROKEN = "total = 4", "totaal = 4"


def test_a_box_whose_config_is_broken_takes_a_good_one_and_keeps_the_last_good_one_to_go_back_to(
    config: Path, new: Path
) -> None:
    good = config.read_text()
    Files(config).good.write_text(good)
    config.write_text(good.replace(*BROKEN))
    assert apply(New(new), config, NoUnits(), check, within_s=0) is Outcome.BACK
    assert config.read_text() == good and left(config) == {"site.toml", "site.toml.good"}


def test_without_a_last_good_one_a_checked_config_is_better_than_a_broken_one(config: Path, new: Path) -> None:
    config.write_text(config.read_text().replace(*BROKEN))
    units = NoUnits()
    assert apply(New(new), config, units, check, within_s=0) is Outcome.UNPROVED
    assert config.read_text() == new.read_text() and left(config) == {"site.toml"} and units.done == ["restart"]


def test_a_good_config_proves_itself_on_a_box_whose_config_was_broken(
    config: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(config.read_text().replace(*BROKEN))
    monkeypatch.setattr(care_apply, "works", lambda *_: True)
    assert apply(New(new), config, NoUnits(), check, within_s=1, settled_s=0) is Outcome.CONFIRMED
    assert Files(config).good.read_text() == config.read_text() == new.read_text()


def test_a_unit_that_ran_before_has_to_run_again(config: Path, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site without calls has none of their units: what a config takes out on purpose is not waited for."""
    old = config.read_text()
    monkeypatch.setattr(care_apply, "works", lambda *_: True)

    class Loses(NoUnits):
        def __init__(self, unit: str) -> None:
            super().__init__()
            self.unit = unit

        def active(self) -> frozenset[str]:
            return frozenset({"zorgkiosk-sync"} if self.done else {"zorgkiosk-sync", self.unit})

    assert apply(New(new), config, Loses("zorgkiosk-panel"), check, within_s=0.2, settled_s=0) is Outcome.BACK
    assert config.read_text() == old
    assert apply(New(new), config, Loses("zorgkiosk-telephony"), check, within_s=1, settled_s=0) is Outcome.CONFIRMED
    assert config.read_text() == new.read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nope.toml"], "nope.toml:1:1: No such file or directory: nothing was changed"),
        (["."], "site.toml:1:1: No such file or directory: nothing was changed"),
        (["new.toml", "--config", "nope/site.toml"], "nope/site.toml:1:1: there is no such file"),
        (["--resume"], "write it anew, then remove"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(
    config: Path,
    new: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(new.parent)
    monkeypatch.setattr("zorgkiosk.care.box.undisturbed", lambda **_: None)
    if words == ["--resume"]:
        Files(config).applying.write_text("0 0\n")
        config.unlink()
    where = [] if "--config" in words else ["--config", str(config)]
    assert main(["apply", *words, *where, "--home", str(new.parent)]) == 78
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["-5", "0", "19", "nan", "inf", "soon"])
def test_a_time_that_proves_nothing_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["apply", "new.toml", f"--within={seconds}"])
    assert f"write 20 to 3600 seconds, not '{seconds}'" in capsys.readouterr().err
