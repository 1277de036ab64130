"""A booted box that is given signed releases: programs and units change together, and come back together."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from boot_fixtures import booted
from boot_site import ARCH
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shipped import FIRMWARE
from zorgkiosk.care.update import artefact
from zorgkiosk.care.update.keys import line_of
from zorgkiosk.care.update.manifest import Manifest, signed
from zorgkiosk.lab.nspawn import Machine, wait

pytest_plugins = ("boot_fixtures",)
pytestmark = [pytest.mark.integration, pytest.mark.boot, pytest.mark.timeout(1800)]

KEY = Ed25519PrivateKey.generate()
UNIT = "usr/lib/systemd/system/zorgkiosk-{}.service"
SOON_S = 240.0 if ARCH == "amd64" else 1200.0
"""Its programs are made from wheels, and the proof may take 120 s."""


@pytest.fixture(scope="module")
def machine(box: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    yield from booted(box, "vvt-linde", tmp_path_factory.mktemp("updated"))


def release(machine: Machine, version: str, unit: str, old: str, new: str) -> str:
    """Our package under another version with one line of a unit changed, signed; its path on the box."""
    [built] = sorted((FIRMWARE.parent / "dist").glob(f"zorgkiosk_*_{ARCH}.deb"))[-1:]
    root, file = machine.root / "root" / version, machine.root / "root" / f"zorgkiosk_{version}_{ARCH}.deb"
    subprocess.run(["dpkg-deb", "-R", str(built), str(root)], check=True)
    for path, was, becomes in (
        (root / "DEBIAN" / "control", f"Version: {artefact.described(built)[0]}", f"Version: {version}"),
        (root / UNIT.format(unit), old, new),
    ):
        text = path.read_text(encoding="utf-8")
        assert was in text
        path.write_text(text.replace(was, becomes), encoding="utf-8")
    subprocess.run(["dpkg-deb", "-Znone", "--build", str(root), str(file)], check=True, capture_output=True)
    manifest = Manifest(*artefact.described(file), *artefact.digest(file), artefact.measured(file), datetime.now(UTC))
    file.with_name(file.name + ".signed").write_bytes(signed(manifest, KEY))
    (machine.root / "etc" / "zorgkiosk" / "update-keys").write_text(line_of(KEY.public_key(), "test") + "\n")
    return f"/root/{file.name}"


def running(machine: Machine) -> str:
    return machine.do("cat", "/opt/zorgkiosk/current/release")


def all_active(machine: Machine) -> bool:
    units = ("panel", "sync", "intake", "board")
    return all(machine.unit(f"zorgkiosk-{unit}")["ActiveState"] == "active" for unit in units)


def update(machine: Machine, *words: str) -> None:
    """As a unit of its own: a technician's connection may end at any time. With a /proc of its own, as the box's units
    have: systemd-nspawn gives a boot id to its system that they do not see, and one boot's clock is no other's.
    """
    wait(lambda: machine.unit("update")["LoadState"] == "not-found", SOON_S, "the update before has ended")
    machine.do(
        *("systemd-run", "--quiet", "--unit=update", "--collect", "-p", "ProtectProc=invisible"),
        *("zorgkiosk", "update", *words),
    )


def said(machine: Machine) -> str:
    return machine.do("zorgkiosk", "update", "status")


def test_a_signed_release_is_confirmed_by_the_hub_and_its_units_are_in_force(machine: Machine) -> None:
    wait(lambda: all_active(machine), SOON_S, "all units are active")
    wait(lambda: "connected with the hub" in machine.journal("zorgkiosk-sync"), SOON_S, "sync reached the hub")
    first = running(machine)
    update(
        machine, "install", release(machine, "0.2.0", "panel", "Description=Zorgkiosk panel", "Description=New panel")
    )
    wait(lambda: "0.2.0 in directory b" in machine.journal("update"), SOON_S, "the update has ended")
    assert "0.2.0 in directory b is in force and confirmed" in machine.journal("update")
    assert said(machine).splitlines()[0] == f"0.2.0 in b; a: {first}"
    assert machine.unit("zorgkiosk-panel")["Description"].startswith("New panel")
    pid = machine.main_pid("zorgkiosk-panel")
    assert "/opt/zorgkiosk/b/bin/" in machine.do("cat", f"/proc/{pid}/cmdline") and all_active(machine)


def test_the_way_back_takes_programs_and_units_along(machine: Machine) -> None:
    assert running(machine) == "0.2.0"
    update(machine, "back")
    wait(lambda: "in directory a is in force and confirmed" in machine.journal("update"), SOON_S, "the way back")
    assert machine.unit("zorgkiosk-panel")["Description"].startswith("Zorgkiosk panel")
    pid = machine.main_pid("zorgkiosk-panel")
    assert "/opt/zorgkiosk/a/bin/" in machine.do("cat", f"/proc/{pid}/cmdline")
    update(machine, "back")
    wait(lambda: machine.journal("update").count("in directory b is in force and confirmed") == 2, SOON_S, "and forth")


def test_a_release_that_does_not_work_is_ended_by_the_next_boot_after_a_power_cut(machine: Machine) -> None:
    wait(lambda: all_active(machine), SOON_S, "all units are active")
    update(machine, "install", release(machine, "0.3.0", "sync", " run sync ", " run nothing "))
    wait(lambda: running(machine) == "0.3.0", SOON_S, "the switch")
    os.kill(machine.leader, signal.SIGKILL)  # with its first process, all of the system is gone at once
    machine.process.wait(60)
    assert (machine.root / "opt" / "zorgkiosk" / "updating").exists()
    with Machine.booted(machine.root, machine.root.parent / "again.log") as again:
        wait(lambda: not (machine.root / "opt" / "zorgkiosk" / "updating").exists(), SOON_S, "the update is ended")
        wait(lambda: all_active(again), SOON_S, "all units are active")
        assert said(again).splitlines()[0] == "0.2.0 in b; a: nothing"
        assert "0.3.0 in a did not prove itself: 0.2.0 again" in said(again)
        assert "care" in again.do("zorgkiosk", "audit", "verify")
