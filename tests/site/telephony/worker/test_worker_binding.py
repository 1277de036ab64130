"""A build of pjsua2 is refused for what it is not, and the one in use is found good."""

from __future__ import annotations

import platform
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest

from zorgkiosk.care.update.slots import Slots
from zorgkiosk.cli import main
from zorgkiosk.site.telephony.worker import binding
from zorgkiosk.site.telephony.worker.binding import BindingError, check_name

GOOD = "pjsua2_python-2.15.1.post1-cp311-cp311-manylinux_2_28_aarch64.whl"


def test_the_name_of_a_fitting_wheel_is_good() -> None:
    check_name(GOOD, "aarch64", "cp311")


@pytest.mark.parametrize(
    ("wheel", "told"),
    [
        ("pjsua2.whl", "is not the name of a wheel"),
        (GOOD.replace("pjsua2_python", "pjsip"), "is of 'pjsip', not of pjsua2"),
        (GOOD.replace("2.15.1.post1", "2.14"), "is version 2.14: build 2.15.1"),
        (GOOD.replace("2.15.1.post1", "2.15.10"), "is version 2.15.10: build 2.15.1"),
        (GOOD.replace("cp311", "cp312"), "is for cp312, this is cp311"),
        (GOOD.replace("aarch64", "armv7l"), "this is aarch64"),
    ],
)
def test_a_wheel_that_does_not_fit_is_refused_by_its_name(wheel: str, told: str) -> None:
    with pytest.raises(BindingError, match=told):
        check_name(wheel, "aarch64", "cp311")


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(BindingError) as told:
        check_name(GOOD.replace("2.15.1.post1", "2.14").replace("cp311", "cp312"), "x86_64", "cp311")
    assert len(str(told.value).splitlines()) == 3


@pytest.mark.integration
def test_the_installed_binding_is_good() -> None:
    assert "calls: good" in binding.check_installed()


@pytest.mark.integration
def test_a_build_with_too_few_legs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "LEGS", 1000)
    with pytest.raises(BindingError, match="PJSUA_MAX_CALLS"):
        binding.check_installed()


@pytest.mark.integration
def test_a_wheel_that_does_not_start_is_refused_in_its_own_words(tmp_path: Path) -> None:
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    wheel = tmp_path / f"pjsua2-2.15.1-{python}-{python}-linux_{platform.machine()}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("pjsua2.py", "raise ImportError('built for another machine')")
    with pytest.raises(BindingError, match="built for another machine"):
        binding.check_wheel(wheel)


@pytest.fixture
def fitting(tmp_path: Path) -> Path:
    """What is installed here, as the wheel that it came from."""
    build = next(each for name in binding.NAMES if (each := distribution_of(name)) is not None)
    tag = next(line.removeprefix("Tag: ") for line in (build.read_text("WHEEL") or "").splitlines() if "Tag: " in line)
    wheel = tmp_path / f"pjsua2_python-{build.version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in build.files or ():
            if ".." not in file.parts and file.suffix != ".pyc" and file.name not in ("INSTALLER", "REQUESTED"):
                archive.write(str(file.locate()), str(file))
    return wheel


def distribution_of(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A box with a release in force, and a wheel of a build before."""
    home = tmp_path / "opt"
    (home / "wheels").mkdir(parents=True)
    (home / "wheels" / "pjsua2-2.15.0-cp311-cp311-linux_x86_64.whl").touch()
    subprocess.run([sys.executable, "-m", "venv", str(home / "a")], check=True)
    (home / "current").symlink_to("a")
    return home


@pytest.mark.integration
def test_a_good_wheel_is_in_the_release_in_force_and_kept_for_the_next(home: Path, fitting: Path) -> None:
    words = ["pjsua2", "--install", str(fitting), "--home", str(home)]
    assert main(words) == 0
    asked = [str(home / "current" / "bin" / "python"), "-c", "import pjsua2; print(pjsua2.__file__)"]
    found = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert found.startswith(str(home))
    assert [each.name for each in (home / "wheels").iterdir()] == [fitting.name]
    assert main(["pjsua2", "--install", str(home / "wheels" / fitting.name), "--home", str(home)]) == 0


@pytest.mark.integration
def test_what_does_not_fit_or_comes_amid_an_update_changes_nothing(
    home: Path, fitting: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(each.name for each in (home / "wheels").iterdir())
    with Slots(home).alone():
        assert main(["pjsua2", "--install", str(fitting), "--home", str(home)]) == 69
    assert "an update is at work here" in capsys.readouterr().err
    assert main(["pjsua2", "--install", str(fitting), "--home", str(tmp_path)]) == 69
    assert "no release is in force here" in capsys.readouterr().err
    broken = fitting.with_name(fitting.name.replace("2.15.1", "2.14"))
    fitting.rename(broken)
    assert main(["pjsua2", "--install", str(broken), "--home", str(home)]) == 69
    assert main(["pjsua2", "--install", "--home", str(home)]) == 2
    assert sorted(each.name for each in (home / "wheels").iterdir()) == before
