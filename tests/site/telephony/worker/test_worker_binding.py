"""A build of pjsua2 is refused for what it is not, and the one in use is found good."""

from __future__ import annotations

import platform
import sys
import zipfile
from pathlib import Path

import pytest

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
