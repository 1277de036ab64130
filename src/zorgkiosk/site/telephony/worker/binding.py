"""Whether a build of pjsua2 is the one that the call worker needs.

PyPI has no wheel for aarch64, so there the binding is built once; what was built is checked before it is installed.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from zorgkiosk import durable

NAMES = ("pjsua2", "pjsua2_python")
VERSION = "2.15.1"
"""What the worker was tested with: it calls functions of the library that its binding leaves out."""
LEGS = 4
"""Calls a worker holds at once: the caller, and three that ring (`maxCalls` of its account)."""
_PROBE = Path(__file__).parent / "sip" / "probe.py"
_WHEEL = re.compile(
    r"(?P<name>[A-Za-z0-9_]+)-(?P<version>[0-9][^-]*)(-\d[^-]*)?-(?P<python>[^-]+)-[^-]+-(?P<platform>[^-]+)\.whl"
)


class BindingError(Exception):
    """The build cannot be used. One sentence a fault."""


def check_name(wheel: str, machine: str, python: str) -> None:
    """The file's name (PEP 427) against this machine (`x86_64`) and Python (`cp311`). Raises BindingError."""
    if (named := _WHEEL.fullmatch(wheel)) is None:
        raise BindingError(f"{wheel}: is not the name of a wheel: NAME-VERSION-PYTHON-ABI-PLATFORM.whl")
    faults = list(_faults(named.groupdict(), machine, python))
    if faults:
        raise BindingError("\n".join(f"{wheel}: {fault}" for fault in faults))


def _faults(named: dict[str, str], machine: str, python: str) -> Iterator[str]:
    if named["name"] not in NAMES:
        yield f"is of '{named['name']}', not of pjsua2"
    if not re.fullmatch(rf"{re.escape(VERSION)}(\.post\d+|\+\S+)?", named["version"]):
        yield f"is version {named['version']}: build {VERSION}"
    if python not in named["python"].split("."):
        yield f"is for {named['python']}, this is {python}"
    if not named["platform"].endswith(machine):
        yield f"is for {named['platform']}, this is {machine}"


def check_wheel(wheel: Path) -> str:
    """Name, version and leg limit of a wheel that is not installed. Raises BindingError."""
    check_name(wheel.name, platform.machine(), f"cp{sys.version_info.major}{sys.version_info.minor}")
    with tempfile.TemporaryDirectory() as directory:
        try:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(directory)
        except (OSError, zipfile.BadZipFile) as error:
            raise BindingError(f"{wheel.name}: cannot be read: {error}") from None
        return _probed(wheel.name, directory)


def check_installed() -> str:
    """The same of the binding that is installed here. Raises BindingError."""
    return _probed("pjsua2 as installed", None)


def install(wheel: Path, home: Path) -> str:
    """Into the release in force below `home`, and kept there for each that follows. Raises BindingError.

    The package's `fill` takes what is in `wheels` into a release that it makes; the one in force is made already.
    """
    fits = check_wheel(wheel)
    python = home / "current" / "bin" / "python"
    if not python.exists():
        raise BindingError(f"{home}: no release is in force here: install the package first")
    with _alone(home):
        kept = home / "wheels" / wheel.name
        try:
            kept.parent.mkdir(exist_ok=True)
            if not (kept.exists() and kept.samefile(wheel)):
                durable.put(kept, wheel.read_bytes())
        except OSError as error:
            raise BindingError(f"{error.filename or kept}: {error.strerror}: nothing was installed") from None
        _pip(python, kept)
        for other in kept.parent.glob("pjsua2*.whl"):
            if other != kept:
                other.unlink()
    return fits


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Not while `zorgkiosk update` or the package fills a directory: both hold this lock."""
    opened = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flock(opened, LOCK_EX | LOCK_NB)
        yield
    except BlockingIOError:
        raise BindingError("an update is at work here: wait until it has ended") from None
    finally:
        os.close(opened)


def _pip(python: Path, wheel: Path) -> None:
    quiet = ("--isolated", "--disable-pip-version-check", "--quiet", "--no-cache-dir")
    how = ("--root-user-action", "ignore", "--no-index", "--no-deps", "--force-reinstall")
    done = subprocess.run(
        [str(python), "-m", "pip", *quiet, "install", *how, str(wheel)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise BindingError(f"{wheel.name}: was not installed, run this again: {last}")


def _probed(what: str, directory: str | None) -> str:
    """In a process of its own: a bad build may take its process along."""
    environment = os.environ | ({} if directory is None else {"PYTHONPATH": directory})
    done = subprocess.run(
        [sys.executable, "-P", str(_PROBE)], env=environment, capture_output=True, text=True, check=False
    )
    found = re.search(r"^version=(\S+) legs=(\d+)$", done.stdout, re.MULTILINE)
    if found is None:
        last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise BindingError(f"{what}: does not start: {last}")
    version, legs = found[1], int(found[2])
    if not version.startswith(VERSION):
        raise BindingError(f"{what}: its library is version {version}: build {VERSION}")
    if legs < LEGS:
        raise BindingError(
            f"{what}: holds {legs} calls, a worker needs {LEGS}: build with PJSUA_MAX_CALLS at least {LEGS}"
        )
    return f"{what}: pjsua2 {version}, {legs} calls: good"
