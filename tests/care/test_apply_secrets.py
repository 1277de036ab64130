"""A change of site.toml and secrets.toml together is one step: both in force, or both as they were."""

from __future__ import annotations

import itertools
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from care_box import NoUnits, write_site

from zorgkiosk import durable
from zorgkiosk.care import apply as care_apply
from zorgkiosk.care.apply import Outcome, apply, resume
from zorgkiosk.care.pair import Files, New, digest, usable
from zorgkiosk.cli import main
from zorgkiosk.config_file import ConfigError, Problem
from zorgkiosk.lab.authority import Authority
from zorgkiosk.site.checks import check_site
from zorgkiosk.site.config import load_site
from zorgkiosk.site.panel.pin import hashed
from zorgkiosk.site.store import StoreView

OLD_PASSWORD, NEW_PASSWORD = "wachtwoord-van-gisteren", "wachtwoord-van-vandaag"
OLD = f'[phones]\nphone1 = "{OLD_PASSWORD}"\n'
NEW = f'[phones]\nphone1 = "{NEW_PASSWORD}"\n[panel]\npin_scrypt = "{hashed("246810", bytes(16))}"\n'
ASKS_A_PIN = "port = 8080", 'port = 8080\npin_actions = ["stop"]'


class PowerCutError(Exception):
    pass


def check(file: Path, secrets: Path) -> tuple[Problem, ...]:
    return check_site(file, datetime.now(UTC), secrets=secrets)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = write_site(tmp_path / "etc", Authority.create(tmp_path / "ca"), 1)
    write_secrets(Files(file).secrets, OLD)
    return file


@pytest.fixture
def new(config: Path, tmp_path: Path) -> New:
    """A config that asks for a PIN, which the old secrets have not."""
    folder = tmp_path / "new"
    folder.mkdir()
    given = New(folder / "site.toml", folder / "secrets.toml")
    given.site.write_text(config.read_text().replace(*ASKS_A_PIN))
    write_secrets(folder / "secrets.toml", NEW)
    return given


def write_secrets(file: Path, text: str, mode: int = 0o600) -> None:
    file.write_text(text)
    file.chmod(mode)


def pair(config: Path) -> tuple[str, str]:
    secrets = Files(config).secrets
    return config.read_text(), secrets.read_text() if secrets.exists() else "none"


def left(config: Path) -> set[str]:
    return {file.name for pattern in ("site.toml*", "secrets.toml*") for file in config.parent.glob(pattern)}


def modes_of_secrets(config: Path) -> set[int]:
    return {stat.S_IMODE(file.stat().st_mode) for file in config.parent.glob("secrets.toml*")}


def proof(monkeypatch: pytest.MonkeyPatch, works: bool) -> None:
    monkeypatch.setattr(care_apply, "works", lambda *_: works)


def prove_and_apply(new: New, config: Path) -> Outcome:
    return apply(new, config, NoUnits(), check, within_s=0.05, settled_s=0)


def test_both_are_in_force_and_no_copy_of_the_old_secrets_stays(
    config: Path, new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof(monkeypatch, True)
    assert prove_and_apply(new, config) is Outcome.CONFIRMED
    assert pair(config) == (new.site.read_text(), NEW)
    assert load_site(config).secrets.panel.pin_scrypt is not None
    assert left(config) == {"site.toml", "site.toml.good", "secrets.toml"} and modes_of_secrets(config) == {0o600}
    assert not any(OLD_PASSWORD in file.read_text() for file in config.parent.iterdir() if file.is_file())


def test_both_go_back_and_while_they_are_on_trial_each_copy_is_the_owners_alone(config: Path, new: New) -> None:
    old, seen = pair(config), dict[str, str]()

    class Watching(NoUnits):
        def restart(self) -> None:
            super().restart()
            if not seen:
                seen.update({file.name: file.read_text() for file in config.parent.glob("secrets.toml*")})
                assert modes_of_secrets(config) == {0o600}

    units = Watching()
    assert apply(new, config, units, check, within_s=0.05) is Outcome.BACK
    assert seen == {"secrets.toml": NEW, "secrets.toml.good": OLD}
    assert pair(config) == old and units.done == ["restart", "restart"]
    assert left(config) == {"site.toml", "site.toml.good", "secrets.toml"} and modes_of_secrets(config) == {0o600}


def test_secrets_that_were_not_there_go_again(config: Path, new: New) -> None:
    Files(config).secrets.unlink()
    old = pair(config)
    assert apply(new, config, NoUnits(), check, within_s=0) is Outcome.BACK
    assert pair(config) == old and left(config) == {"site.toml", "site.toml.good"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
@pytest.mark.parametrize("confirmed", [True, False])
def test_owner_group_and_mode_stay_as_the_units_need_them(
    config: Path, new: New, monkeypatch: pytest.MonkeyPatch, confirmed: bool
) -> None:
    proof(monkeypatch, confirmed)
    secrets = Files(config).secrets
    os.chown(secrets, 4242, 4343)
    secrets.chmod(0o640)
    os.chown(config, 4141, 4343)
    prove_and_apply(new, config)
    rights = [(file.stat().st_uid, file.stat().st_gid, stat.S_IMODE(file.stat().st_mode)) for file in (secrets, config)]
    assert rights == [(4242, 4343, 0o640), (4141, 4343, 0o644)]


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o660, 0o666])
def test_secrets_that_others_can_read_are_refused_in_one_sentence(config: Path, new: New, mode: int) -> None:
    old = pair(config)
    assert new.secrets is not None
    new.secrets.chmod(mode)
    with pytest.raises(ConfigError) as refused:
        apply(new, config, NoUnits(), check)
    assert refused.value.problems == (
        f"{new.secrets}:1:1: has mode {mode:04o}, wider than it needs: chmod 600 {new.secrets}",
    )
    assert pair(config) == old and left(config) == {"site.toml", "secrets.toml"}


def test_both_are_checked_together_and_told_by_the_names_that_were_given(config: Path, new: New) -> None:
    old = pair(config)
    with pytest.raises(ConfigError, match=r"pin_actions needs a PIN") as alone:
        apply(New(new.site), config, NoUnits(), check)
    assert [each.file for each in alone.value.found] == [new.site]
    assert new.secrets is not None
    write_secrets(new.secrets, NEW.replace(NEW_PASSWORD, "kort"))
    with pytest.raises(ConfigError, match=r"is too short: write text, from 8 signs") as short:
        apply(new, config, NoUnits(), check)
    assert [each.file for each in short.value.found] == [new.secrets] and "kort" not in str(short.value)
    assert pair(config) == old and left(config) == {"site.toml", "secrets.toml"}


def test_the_log_of_the_box_tells_that_secrets_changed_and_nothing_of_them(config: Path, new: New) -> None:
    apply(new, config, NoUnits(), check, within_s=0)
    view = StoreView(load_site(config).care_db)
    lines = [(row.line.verb, row.line.subject, row.line.value) for row in view.journal(skip=0, limit=99)]
    view.close()
    assert [line for line in reversed(lines) if line[1] == "secrets"] == [
        ("apply", "secrets", "begun"),
        ("apply", "secrets", "back"),
    ]
    assert len(lines) == 4
    store = load_site(config).care_db
    held = b"".join(file.read_bytes() for file in store.parent.iterdir())
    assert not any(word.encode() in held for word in (OLD_PASSWORD, NEW_PASSWORD, hashed("246810", bytes(16))))
    for text in (OLD, NEW):  # nor anything by which a guess could be tried
        assert digest(_file(config.parent / "text", text)).encode() not in held


def _file(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@contextmanager
def power_cut(monkeypatch: pytest.MonkeyPatch, step: int, before: bool) -> Iterator[Callable[[], bool]]:
    """The power goes at the n-th file that is renamed or removed, before or after it. Yields whether it went."""
    count, rename, unlink = 0, durable.rename, Path.unlink

    def cut(do: Callable[[], None]) -> None:
        nonlocal count
        count += 1
        if count == step and before:
            raise PowerCutError
        do()
        if count == step:
            raise PowerCutError

    def cut_unlink(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name == "etc" and path.exists():
            cut(lambda: unlink(path))
        else:
            unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(durable, "rename", lambda source, target: cut(lambda: rename(source, target)))
        patch.setattr(Path, "unlink", cut_unlink)
        yield lambda: count >= step


def cuts(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: New, before: bool
) -> Iterator[tuple[Path, int]]:
    """The same box over and over, its power cut one step later each time."""
    for step in itertools.count(1):
        etc = tmp_path / str(step) / "etc"
        shutil.copytree(config.parent, etc)
        box = etc / config.name
        with power_cut(monkeypatch, step, before) as went:
            try:
                prove_and_apply(new, box)
            except PowerCutError:
                pass
            else:
                assert not went() and step > 8, "fewer steps than there are"
                return
        yield box, step


@pytest.mark.long
@pytest.mark.parametrize("had", [True, False], ids=["secrets before", "no secrets before"])
@pytest.mark.parametrize("same", [True, False], ids=["secrets alone change", "both change"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("proved", [True, False], ids=["proved", "not proved"])
@pytest.mark.parametrize("proved_later", [True, False], ids=["proved at boot", "not proved at boot"])
def test_a_power_cut_at_each_step_ends_in_both_or_in_none(
    config: Path,
    new: New,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    had: bool,
    same: bool,
    before: bool,
    proved: bool,
    proved_later: bool,
) -> None:
    if not had:
        Files(config).secrets.unlink()
    if same:
        new.site.write_text(config.read_text())
    old, fresh, ended = pair(config), (new.site.read_text(), NEW), set[tuple[str, str]]()
    proof(monkeypatch, proved)
    for box, step in cuts(config, tmp_path, monkeypatch, new, before):
        assert usable(box) is not None, f"step {step}: what boot finds starts no unit"
        with monkeypatch.context() as patch:
            proof(patch, proved_later)
            outcome = resume(box, NoUnits(), within_s=0.05, settled_s=0)
        ended.add(pair(box))
        if outcome is Outcome.CONFIRMED:
            assert pair(box) == fresh, f"step {step}"
        elif outcome is Outcome.BACK:
            assert pair(box) == old, f"step {step}"
        else:
            assert outcome is Outcome.NOTHING and pair(box) in (old, fresh), f"step {step}"
        assert left(box) <= {"site.toml", "site.toml.good", "secrets.toml"}, f"step {step}"
        assert modes_of_secrets(box) <= {0o600}
        assert resume(box, NoUnits(), within_s=0) is Outcome.NOTHING
    assert ended == ({old, fresh} if proved or proved_later else {old})


@pytest.mark.parametrize("step", range(1, 10))
def test_who_stops_it_at_any_step_has_both_as_they_were(
    config: Path, new: New, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """From the first step up to the restart of the units; from then on there is a test with a process of its own."""
    old, count, rename = pair(config), 0, durable.rename

    class Stopping(NoUnits):
        def restart(self) -> None:
            super().restart()
            if self.done == ["restart"] and count < step:
                raise KeyboardInterrupt

    units = Stopping()

    def asked(source: Path, target: Path) -> None:
        nonlocal count
        count += 1
        rename(source, target)
        if count == step and not units.done:
            raise KeyboardInterrupt

    monkeypatch.setattr(durable, "rename", asked)
    outcome = apply(new, config, units, check, within_s=0)
    assert outcome in (Outcome.STOPPED, Outcome.NOTHING)
    assert pair(config) == old and left(config) <= {"site.toml", "site.toml.good", "secrets.toml"}


def test_a_folder_stands_for_both_files_in_it(
    config: Path, new: New, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zorgkiosk.care.box.undisturbed", lambda **_: None)
    monkeypatch.setattr("zorgkiosk.care.box.Systemd", NoUnits)
    proof(monkeypatch, True)
    monkeypatch.setattr(care_apply, "proves_itself", lambda *_: True)
    where = ["--config", str(config), "--home", str(config.parent)]
    assert main(["apply", str(new.site.parent), *where]) == 0
    assert capsys.readouterr().out == "the new config is in force and confirmed\n"
    assert pair(config) == (new.site.read_text(), NEW)
    assert new.secrets is not None
    write_secrets(new.secrets, OLD + NEW.partition("\n")[2].partition("\n")[2])
    assert main(["apply", str(new.site), "--secrets", str(new.secrets), *where]) == 0
    assert pair(config) == (new.site.read_text(), new.secrets.read_text())
    assert main(["apply", str(new.site), "--secrets", "nope.toml", *where]) == 78
    assert "nope.toml:1:1: No such file or directory: nothing was changed" in capsys.readouterr().err
    assert main(["apply", "--resume", "--secrets", str(new.secrets), *where]) == 2
