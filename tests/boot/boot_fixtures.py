"""Boxes that are really booted: our Debian package in a fresh Debian, systemd as its first process."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from boot_site import ARCH, CLOCK_FILE, drop_in

from zorgkiosk.lab import appliance
from zorgkiosk.lab.nspawn import Machine, copy_of, in_root, needed, remove_tree

_CLOCK = (
    "import ctypes; state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(208)); "
    f"open('{CLOCK_FILE}', 'w').write(str(state))"
)


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A system with the package installed, not configured."""
    if missing := needed(ARCH):
        pytest.skip(f"a box cannot be booted here: missing {', '.join(missing)}")
    root = appliance.box(ARCH, tmp_path_factory.mktemp("box") / "root")
    yield root
    remove_tree(root)


@pytest.fixture(scope="session")
def vvt(box: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    yield from booted(box, "vvt-linde", tmp_path_factory.mktemp("vvt"), OLD)


@pytest.fixture(scope="session")
def hap(box: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if ARCH != "amd64":
        pytest.skip("pjsua2 has no wheel for this architecture: telephony waits for the one that is built")
    yield from booted(box, "hap-noord", tmp_path_factory.mktemp("hap"))


@pytest.fixture
def fresh(box: Path, tmp_path: Path) -> Iterator[Path]:
    """A nursing home's box that was never switched on."""
    root = _configured(box, "vvt-linde", tmp_path)
    yield root
    remove_tree(root)


OLD = timedelta(days=350)
"""Of 397: the certificates of this region are to be renewed."""


def booted(box: Path, site: str, directory: Path, age: timedelta = timedelta()) -> Iterator[Machine]:
    root = _configured(box, site, directory, age)
    try:
        with Machine.booted(root, directory / "console.log") as machine:
            yield machine
    finally:
        remove_tree(root)
        shutil.rmtree(directory, ignore_errors=True)


def _configured(box: Path, site: str, directory: Path, age: timedelta = timedelta()) -> Path:
    """A copy of the box with the site's bundle on its boot partition."""
    root = copy_of(box, directory / "root")
    appliance.configure(root, site, directory / "region", age)
    drop_in(root, "zorgkiosk-panel", f'ExecStartPost=/opt/zorgkiosk/current/bin/python -c "{_CLOCK}"')
    if ARCH == "arm64":
        _for_emulation(root)
    return root


_DEBIANS = ("systemd-sysusers", "systemd-sysctl", "systemd-tmpfiles-setup", "systemd-tmpfiles-setup-dev")
"""Units of Debian itself that ask for credentials."""


def _for_emulation(root: Path) -> None:
    """systemd under qemu's emulation, a process of several threads, can set up no namespace of users or of network, and
    hand out no credential. So there units go without, and keys are given to their group instead.
    """
    folder = root / "usr" / "lib" / "systemd" / "system"
    clock = f'ExecStartPost=/opt/zorgkiosk/current/bin/python -c "{_CLOCK}"\n'
    key = "/etc/zorgkiosk/site-key.pem"
    # Before its reader starts and not after the bundle was taken: a power cut may come between the two.
    give = f'ExecStartPre=+/bin/sh -c "chgrp zorgkiosk {key}; chmod 640 {key}"\n'
    more = {"zorgkiosk-panel": clock, "zorgkiosk-sync": give}
    for unit in [*(file.stem for file in folder.glob("zorgkiosk-*.service")), "kamailio", *_DEBIANS]:
        drop_in(root, unit, f"{more.get(unit, '')}PrivateUsers=no\nPrivateNetwork=no\nLoadCredential=\nSetCredential=")
    in_root(root, "chgrp", "zorgkiosk", "/etc/zorgkiosk/hub-key.pem")
    (root / appliance.ETC / "hub-key.pem").chmod(0o640)
