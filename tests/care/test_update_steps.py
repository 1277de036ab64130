"""An update that is cut at any moment ends in one whole version, and the box knows which."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from update_box import AT_ONCE, FILL, NOW, TRUSTED, Running, box, deb, sign

from zorgkiosk import durable
from zorgkiosk.care.pair import Files
from zorgkiosk.care.update import artefact, steps
from zorgkiosk.care.update.manifest import UpdateError, Version, key_id
from zorgkiosk.care.update.slots import Begun, Slots
from zorgkiosk.care.update.steps import Box, Outcome, back, install, resume
from zorgkiosk.cli import main

Given = tuple[Box, Running]


class PowerCutError(Exception):
    pass


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    """The whole machine's disks are not held up for a test: that they are asked is a test of its own."""
    monkeypatch.setattr("os.sync", lambda: None)
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr(steps, "_LOOK_S", 0.002)
    return box(tmp_path)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sign(deb(tmp_path_factory.mktemp("release"), "0.2.0"))


def ask(file: Path, of: Box) -> Outcome:
    return install(file, TRUSTED, of, NOW, AT_ONCE)


def state(slots: Slots) -> tuple[str, str, bool]:
    """The version in force, where one would go back to, whether something waits."""
    return str(slots.release(slots.running())), str(slots.release(slots.proved())), slots.updating.exists()


def others(slots: Slots) -> Version | None:
    return slots.release(slots.other())


def test_a_good_update_is_in_force_and_the_old_one_stays_beside_it(given: Given, release: Path) -> None:
    of, units = given
    assert ask(release, of) is Outcome.CONFIRMED
    assert state(of.slots) == ("0.2.0", "0.2.0", False) and units.started == ["0.2.0"]
    assert of.slots.told() == "0.2.0 in b; a: 0.1.0" and of.slots.newest() == Version(0, 2, 0)
    assert (of.slots.current / "bin" / "zorgkiosk").exists() and not (of.slots.home / "b" / "artefact.deb").exists()
    assert not (of.slots.home / "b/package/usr/lib/zorgkiosk/wheels").exists()
    said = of.slots.history_file.read_text().splitlines()
    assert [line.split(": ", 1)[1] for line in said] == [
        f"update to 0.2.0 in b, signed file {release.name}",
        "0.2.0 in b confirmed",
    ]


def test_all_of_it_is_on_disk_before_it_says_that_it_is_whole(
    given: Given, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, _ = given
    stamp, seen = of.slots.home / "b" / "release", list[tuple[bool, bool]]()
    programs = of.slots.home / "b" / "bin" / "zorgkiosk"
    monkeypatch.setattr("os.sync", lambda: seen.append((programs.exists(), stamp.exists())))
    ask(release, of)
    assert seen == [(True, False)] and stamp.read_text() == "0.2.0\n"


def test_an_update_that_does_not_prove_itself_goes_back_and_is_nothing_to_go_back_to(
    given: Given, release: Path
) -> None:
    of, units = given
    units.broken.add("0.2.0")
    assert ask(release, of) is Outcome.BACK
    assert state(of.slots) == ("0.1.0", "0.1.0", False) and units.started == ["0.2.0", "0.1.0"]
    assert of.slots.newest() == Version(0, 1, 0)
    with pytest.raises(UpdateError, match="no whole version"):
        back(of, NOW, AT_ONCE)
    units.broken.clear()
    assert ask(release, of) is Outcome.CONFIRMED, "once it can work, it may be tried again"


class Cut:
    """Counts steps of all kinds and cuts the power before or after one of them."""

    def __init__(self, step: int, before: bool) -> None:
        self.step, self.before, self.count, self.at = step, before, 0, ""

    def around(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def cut(*words: Any) -> Any:
            self.count += 1
            mine = self.count == self.step
            if mine:
                self.at = name
            if mine and self.before:
                raise PowerCutError
            done = real(*words)
            if mine:
                raise PowerCutError
            return done

        return cut


STEPS = 24
"""Of an update that works, and as many of one that does not; the test after the cuts says when that is no longer so."""


def cut_at(step: int, before: bool, patch: pytest.MonkeyPatch, units: Running) -> Cut:
    cut = Cut(step, before)
    for of, name in (
        (durable, "rename"),
        (durable, "sync_folder"),
        (artefact, "fetch"),
        (artefact, "unpack"),
        (steps, "_fill"),
        (steps, "_accepts"),
        (units, "restart"),
    ):
        patch.setattr(of, name, cut.around(name, getattr(of, name)))
    return cut


@pytest.mark.long
@pytest.mark.parametrize("works", [True, False], ids=["works", "broken"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_a_power_cut_at_each_step_ends_in_one_whole_version(
    given: Given, release: Path, works: bool, step: int, before: bool
) -> None:
    of, units = given
    if not works:
        units.broken.add("0.2.0")
    with pytest.MonkeyPatch.context() as patch:
        cut = cut_at(step, before, patch, units)
        with pytest.raises(PowerCutError):
            ask(release, of)
    running, proved, waits = state(of.slots)
    assert running in ("0.1.0", "0.2.0") and proved in ("0.1.0", "0.2.0"), f"whole after a cut at {cut.at}"
    assert (of.slots.current / "bin" / "zorgkiosk").exists()
    assert waits or running == proved
    # What a boot does: units start from what is in force, and where `updating` is, it is ended.
    outcome = resume(of, NOW, AT_ONCE) if waits else Outcome.NOTHING
    running, proved, waits = state(of.slots)
    assert (running, waits) == (proved, False)
    assert running == "0.1.0" or (works and outcome is not Outcome.BACK)
    assert resume(of, NOW, AT_ONCE) is Outcome.NOTHING
    if running == "0.1.0":
        assert others(of.slots) in (None, Version(0, 2, 0))
        assert ask(release, of) is (Outcome.CONFIRMED if works else Outcome.BACK)
    assert of.slots.newest() == Version.parse("0.2.0" if works else "0.1.0")


@pytest.mark.parametrize("works", [True, False], ids=["works", "broken"])
def test_the_cuts_reach_every_step(given: Given, release: Path, monkeypatch: pytest.MonkeyPatch, works: bool) -> None:
    of, units = given
    if not works:
        units.broken.add("0.2.0")
    cut = cut_at(1000, True, monkeypatch, units)
    ask(release, of)
    assert cut.count == STEPS


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("step", range(1, 10))
def test_a_power_cut_on_the_way_back_ends_in_one_whole_version(
    given: Given, release: Path, step: int, before: bool
) -> None:
    of, units = given
    assert ask(release, of) is Outcome.CONFIRMED
    with pytest.MonkeyPatch.context() as patch:
        cut_at(step, before, patch, units)
        with suppress(PowerCutError):
            back(of, NOW, AT_ONCE)
    running, _, waits = state(of.slots)
    assert running in ("0.1.0", "0.2.0") and not waits
    if running == "0.2.0":
        assert back(of, NOW, AT_ONCE) is Outcome.CONFIRMED
    assert state(of.slots)[0] == "0.1.0" and others(of.slots) == Version(0, 2, 0)


def test_a_technician_goes_back_and_forth_and_the_newest_is_not_forgotten(
    given: Given, release: Path, tmp_path: Path
) -> None:
    of, units = given
    ask(release, of)
    assert back(of, NOW, AT_ONCE) is Outcome.CONFIRMED and state(of.slots) == ("0.1.0", "0.1.0", False)
    assert units.started == ["0.2.0", "0.1.0"]
    assert "back to 0.1.0 in a, forced" in of.slots.history_file.read_text()
    with pytest.raises(UpdateError, match=r"0\.1\.5 is older than 0.2.0, which has run here"):
        ask(sign(deb(tmp_path, "0.1.5")), of)
    assert ask(release, of) is Outcome.CONFIRMED
    units.broken.add("0.1.0")
    assert back(of, NOW, AT_ONCE) is Outcome.UNPROVED and state(of.slots)[0] == "0.1.0", "it was asked for"


def test_an_older_or_the_same_version_is_refused_however_well_it_is_signed(
    given: Given, release: Path, tmp_path: Path
) -> None:
    of, _ = given
    old = sign(deb(tmp_path, "0.0.9"))
    with pytest.raises(UpdateError, match=r"0\.0\.9 is older than 0.1.0, which has run here"):
        ask(old, of)
    ask(release, of)
    with pytest.raises(UpdateError, match=r"0\.2\.0 is in force already"):
        ask(release, of)
    assert state(of.slots) == ("0.2.0", "0.2.0", False)


def altered(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-700] ^= 1
    file.write_bytes(content)


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-512])


def other_key(file: Path) -> None:
    sign(file, Ed25519PrivateKey.generate())


def unsigned(file: Path) -> None:
    file.with_name(file.name + ".signed").unlink()


def half_a_manifest(file: Path) -> None:
    beside = file.with_name(file.name + ".signed")
    beside.write_bytes(beside.read_bytes()[:200])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (altered, "is not what was signed: its SHA-256 differs"),
        (cut_off, "signed bytes: copy it again"),
        (other_key, "is not trusted here"),
        (unsigned, r"\.signed cannot be read: No such file"),
        (half_a_manifest, "no signed manifest, or only part of one"),
        (Path.unlink, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_not_right_is_refused_in_a_sentence(
    given: Given, tmp_path: Path, wrong: Callable[[Path], None], says: str
) -> None:
    of, units = given
    file = sign(deb(tmp_path, "0.2.0"))
    wrong(file)
    with pytest.raises(UpdateError, match=says):
        ask(file, of)
    assert state(of.slots) == ("0.1.0", "0.1.0", False) and units.started == []
    assert others(of.slots) is None and not of.slots.history_file.exists()


def test_a_file_that_is_altered_between_the_check_and_the_copy_is_refused(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, _ = given
    file, real = sign(deb(tmp_path, "0.2.0")), artefact.fetch

    def late(*words: Any) -> str:
        altered(file)
        return real(*words)

    monkeypatch.setattr(artefact, "fetch", late)
    with pytest.raises(UpdateError, match="is not what was signed"):
        ask(file, of)


def test_the_other_architecture_is_refused(given: Given, release: Path) -> None:
    with pytest.raises(UpdateError, match="is for amd64, this box is arm64: take the other file"):
        ask(release, replace(given[0], architecture="arm64"))


def test_without_room_nothing_is_begun(given: Given, release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of, _ = given
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10, 10, 1000))
    with pytest.raises(UpdateError, match=r"not enough room in .*: 0 MB are needed, 0 MB are free"):
        ask(release, of)
    assert not (of.slots.home / "b").exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"fill": "#!/bin/sh\necho first >&2\necho no wheel fits >&2\nexit 1\n"}, "cannot be made: no wheel fits"),
        (
            {"program": "#!/bin/sh\necho 'site.toml:3: x' >&2\nexit 78\n"},
            "does not take this box's config: site.toml:3",
        ),
        ({"program": "#!/bin/sh\nexit 1\n"}, "does not take this box's config: exit code 1"),
        ({"fill": FILL.replace("chmod 755", "chmod 644")}, "Permission denied"),
    ],
)
def test_a_version_that_cannot_start_here_is_never_switched_to(
    given: Given, tmp_path: Path, more: dict[str, str], says: str
) -> None:
    of, units = given
    with pytest.raises(UpdateError, match=says):
        ask(sign(deb(tmp_path, "0.2.0", **more)), of)
    assert state(of.slots) == ("0.1.0", "0.1.0", False) and units.started == [] and others(of.slots) is None


def test_a_version_that_does_not_answer_is_never_switched_to(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "ANSWER_WITHIN_S", 0.05)
    with pytest.raises(UpdateError, match="no answer within 0 s"):
        ask(sign(deb(tmp_path, "0.2.0", program="#!/bin/sh\nexec sleep 60\n")), given[0])


def test_a_config_that_is_wrong_already_does_not_keep_the_cure_out(given: Given, tmp_path: Path) -> None:
    of, _ = given
    (of.slots.home / "a" / "bin" / "zorgkiosk").write_text("#!/bin/sh\nexit 78\n")
    assert ask(sign(deb(tmp_path, "0.2.0", program="#!/bin/sh\nexit 78\n")), of) is Outcome.CONFIRMED


def test_one_change_at_a_time(given: Given, release: Path) -> None:
    of, _ = given
    with of.slots.alone(), pytest.raises(UpdateError, match="another update is at work here"):
        ask(release, of)
    of.config.parent.mkdir()
    Files(of.config).applying.touch()
    with pytest.raises(UpdateError, match="a change is under way"):
        ask(release, of)


def test_no_config_is_changed_while_an_update_waits_for_its_proof(
    given: Given, capsys: pytest.CaptureFixture[str]
) -> None:
    of, _ = given
    of.slots.begin(Begun("b", "0.2.0", needs_hub=False, units=()))
    new = of.config.with_name("new.toml")
    assert main(["apply", str(new), "--config", str(of.config), "--home", str(of.slots.home)]) == 69
    assert "an update waits for its proof" in capsys.readouterr().err


def test_who_interrupts_the_proof_has_the_old_version_again(
    given: Given, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, units = given

    def interrupted() -> frozenset[str]:
        if units.version() == "0.2.0":
            raise KeyboardInterrupt
        return frozenset()

    monkeypatch.setattr(units, "active", interrupted)
    assert ask(release, of) is Outcome.BACK and state(of.slots) == ("0.1.0", "0.1.0", False)


def test_a_proof_has_to_hold(given: Given, release: Path) -> None:
    """Units that come up and fall are no proof, however often they do."""
    of, _ = given
    looks = iter(range(10_000))

    class Falls(Running):
        def active(self) -> frozenset[str]:
            return super().active() if self.version() == "0.1.0" or next(looks) % 2 else frozenset()

    falls = Falls(of.slots)
    bounds = replace(AT_ONCE, within_s=0.1, settled_s=0.02)
    assert install(release, TRUSTED, replace(of, units=falls), NOW, bounds) is Outcome.BACK
    assert install(release, TRUSTED, of, NOW, bounds) is Outcome.CONFIRMED


def test_a_machine_without_the_two_directories_is_told_so(tmp_path: Path, release: Path) -> None:
    _, units = box(tmp_path / "x")
    with pytest.raises(UpdateError, match="install the package first"):
        ask(release, Box(Slots(tmp_path / "nowhere"), tmp_path / "site.toml", units, "amd64"))
    with pytest.raises(UpdateError, match="is no link to a or b"):
        ask(release, Box(Slots(tmp_path), tmp_path / "site.toml", units, "amd64"))


def test_two_keys_are_trusted_at_once(given: Given, tmp_path: Path) -> None:
    new = Ed25519PrivateKey.generate()
    file = sign(deb(tmp_path, "0.2.0"), new)
    both = TRUSTED | {key_id(new.public_key()): new.public_key()}
    assert install(file, both, given[0], NOW, AT_ONCE) is Outcome.CONFIRMED
