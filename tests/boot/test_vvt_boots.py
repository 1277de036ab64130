"""A nursing home's box after `apt install` and a boot, with the region's hub on the same machine."""

from __future__ import annotations

import ctypes
import subprocess

import pytest
from boot_site import ARCH, CLOCK_FILE, HUB, SITE, SOON_S, TAP, UNACKNOWLEDGED, active, cells, python

from zorgkiosk.lab.daemon import LabError
from zorgkiosk.lab.nspawn import Machine, wait

pytest_plugins = ("boot_fixtures",)
pytestmark = [pytest.mark.integration, pytest.mark.boot, pytest.mark.timeout(1800)]

DISPLAY = """
import os, shutil, time
from pathlib import Path
from zorgkiosk.lab.nextion import SimulatedDisplay
display = SimulatedDisplay(Path("/dev/zorgkiosk-panel"))
display.plug()
port = os.path.realpath("/dev/zorgkiosk-panel")
shutil.chown(port, "root", "dialout")
os.chmod(port, 0o660)
until_s = time.monotonic() + 60
while not (display.page != "start" and display.visible("p0") and display.text("n0")):
    assert time.monotonic() < until_s, (display.page, display.faults)
    time.sleep(0.05)
print("drawn with", display.text("n0"), "faults", display.faults, flush=True)
before = display.text("n0")
while display.text("n0") == before:  # a finger that was on its way while the page came is not heard
    assert time.monotonic() < until_s, (display.page, display.faults)
    display.tap("p0")
    time.sleep(3)
print("tapped to", display.text("n0"), flush=True)
time.sleep(3600)
"""
"""A display as the cable shows it to a box: of root, for dialout to use. It stays plugged in until it is stopped."""

OURS = (*SITE, "intake", "board")


def test_every_unit_of_the_site_and_the_hub_is_active(vvt: Machine) -> None:
    wait(lambda: active(vvt, *SITE, *HUB), SOON_S, "all units are active")
    assert vvt.ask("systemctl", "--failed", "--no-legend", "--plain") == ""


def test_a_site_without_telephony_leaves_it_and_the_front_alone(vvt: Machine) -> None:
    for unit in ("zorgkiosk-telephony.service", "kamailio.service"):
        shown = vvt.unit(unit)
        assert (shown["ActiveState"], shown["Result"], shown["NRestarts"]) == ("inactive", "exec-condition", "0")


def test_a_tap_reaches_the_hubs_database_and_its_ack_comes_back(vvt: Machine) -> None:
    wait(lambda: "connected with the hub" in vvt.journal("zorgkiosk-sync"), SOON_S, "sync reached the hub")
    assert python(vvt, TAP) == "200"

    def on_the_board() -> bool:
        return any(cell["category"] == "elv-laag" and cell["free"] == 1 for cell in cells(vvt))

    wait(on_the_board, SOON_S, "the board shows one free bed")
    wait(lambda: python(vvt, UNACKNOWLEDGED) == "0", SOON_S, "the hub acknowledged all of it")


@pytest.mark.parametrize("unit", OURS)
def test_a_unit_runs_as_its_own_user_without_rights_on_a_system_it_cannot_write(vvt: Machine, unit: str) -> None:
    name = f"zorgkiosk-{unit}"
    pid = str(vvt.main_pid(name))
    status = dict(line.split(":\t", 1) for line in vvt.do("cat", f"/proc/{pid}/status").splitlines() if ":\t" in line)
    assert vvt.do("stat", "-c", "%U:%G", f"/proc/{pid}") == f"{name}:zorgkiosk"
    assert status["NoNewPrivs"] == "1"
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
    if ARCH == "amd64":  # qemu's emulation accepts a filter and does not apply it
        assert status["Seccomp"] == "2"
    for path in ("/usr/bin/own", "/etc/zorgkiosk/own", "/opt/zorgkiosk/own"):
        with pytest.raises(LabError, match="Read-only file system"):
            vvt.do("touch", path, beside=name)
    vvt.do("test", "-w", "/var/lib/zorgkiosk", beside=name)
    assert vvt.do("stat", "-c", "%a", "/root", "/home", beside=name).split() == ["0", "0"]
    devices = vvt.do("ls", "/dev", beside=name).split()
    assert not [name for name in devices if name.startswith(("sd", "vd", "mmcblk", "mem", "kmem"))]


@pytest.mark.skipif(ARCH == "arm64", reason="systemd cannot hand out credentials under qemu's emulation")
def test_a_key_is_roots_on_disk_and_handed_to_the_unit_alone(vvt: Machine) -> None:
    assert vvt.do("stat", "-c", "%a:%U", "/etc/zorgkiosk/site-key.pem") == "600:root"
    given = "/run/credentials/zorgkiosk-sync.service/site-key.pem"
    assert vvt.do("cat", given) == vvt.do("cat", "/etc/zorgkiosk/site-key.pem")
    reads = ("setpriv", "--reuid", "zorgkiosk-panel", "--regid", "zorgkiosk", "--clear-groups", "cat")
    for key in (given, "/etc/zorgkiosk/site-key.pem"):
        with pytest.raises(LabError, match="Permission denied"):
            vvt.do(*reads, key)


def test_a_confined_unit_still_knows_whether_the_clock_is_right(vvt: Machine) -> None:
    """ProtectClock= forbids even the question: every event would say for ever that its time is not to be trusted."""
    here = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(208))
    assert int(vvt.do("cat", CLOCK_FILE)) == here != -1


@pytest.mark.parametrize("unit", [*SITE, *HUB])
def test_a_unit_that_is_killed_comes_back(vvt: Machine, unit: str) -> None:
    name = f"zorgkiosk-{unit}"
    wait(lambda: active(vvt, unit), SOON_S, f"{unit} is active")
    before = vvt.main_pid(name)
    vvt.signal(name, "KILL")
    wait(lambda: vvt.main_pid(name) not in (0, before) and active(vvt, unit), SOON_S, f"{unit} is back")


def test_what_is_done_by_the_clock_is_scheduled_and_the_nightly_one_ends_well(vvt: Machine) -> None:
    for timer in ("renewal", "retention"):
        shown = vvt.unit(f"zorgkiosk-{timer}.timer")
        assert shown["ActiveState"] == "active" and "1970" not in shown["NextElapseUSecRealtime"] != ""
    vvt.do("systemctl", "start", "zorgkiosk-retention")
    assert vvt.unit("zorgkiosk-retention")["Result"] == "success"


@pytest.mark.skipif(ARCH == "arm64", reason="systemd cannot hand out credentials under qemu's emulation")
def test_a_certificate_is_renewed_without_a_visit(vvt: Machine) -> None:
    """Both ends as units: the region's authority asks and issues, sync lays it aside, the box tries it and takes it."""
    wait(lambda: "connected with the hub" in vvt.journal("zorgkiosk-sync"), SOON_S, "sync reached the hub")
    own = "/etc/zorgkiosk/site.pem"
    before, sync = vvt.do("cat", own), vvt.main_pid("zorgkiosk-sync")
    subprocess.run(["cp", "-a", str(vvt.root.parent / "region"), str(vvt.root / "etc/zorgkiosk/region")], check=True)
    vvt.do("chown", "-R", "root:root", "/etc/zorgkiosk/region")
    vvt.do("chmod", "-R", "go=", "/etc/zorgkiosk/region")
    vvt.do("systemctl", "start", "--no-block", "zorgkiosk-authority")  # two minutes for the sites that are away
    wait(lambda: vvt.succeeds("test", "-e", "/var/lib/zorgkiosk/renewed.pem"), SOON_S, "it is laid aside")
    vvt.do("systemctl", "start", "zorgkiosk-renewal")
    assert vvt.unit("zorgkiosk-renewal")["Result"] == "success"
    assert "the newer certificate is in force" in vvt.journal("zorgkiosk-renewal")
    assert vvt.do("cat", own) != before and vvt.do("stat", "-c", "%a %U:%G", own) == "640 root:zorgkiosk"
    assert vvt.main_pid("zorgkiosk-sync") == sync
    vvt.do("systemctl", "stop", "zorgkiosk-authority")


def test_the_watchdog_ends_units_whose_loop_stands_still(vvt: Machine) -> None:
    """Their times, 30 s and 120 s, are made short here; what feeds them is not touched."""
    for unit in OURS:
        folder = f"/run/systemd/system/zorgkiosk-{unit}.service.d"
        vvt.do("mkdir", "-p", folder)
        vvt.do("sh", "-c", f"printf '[Service]\\nWatchdogSec=10s\\n' > {folder}/short.conf")
    vvt.do("systemctl", "daemon-reload")
    vvt.do("systemctl", "restart", *(f"zorgkiosk-{unit}" for unit in OURS))
    wait(lambda: active(vvt, *OURS), SOON_S, "the units are active")
    before = {unit: vvt.main_pid(f"zorgkiosk-{unit}") for unit in OURS}
    for unit in OURS:
        vvt.signal(f"zorgkiosk-{unit}", "STOP")

    def replaced(unit: str) -> bool:
        return vvt.main_pid(f"zorgkiosk-{unit}") not in (0, before[unit]) and active(vvt, unit)

    wait(lambda: all(map(replaced, OURS)), 3 * SOON_S, "the watchdog started all of them again")
    for unit in OURS:
        assert "Watchdog timeout" in vvt.journal(f"zorgkiosk-{unit}")


def test_what_was_tapped_is_still_there_after_all_of_that(vvt: Machine) -> None:
    assert [cell["free"] for cell in cells(vvt) if cell["category"] == "elv-laag"] == [1]


def test_a_serial_display_is_drawn_and_tapped_through_the_units_hardening(vvt: Machine) -> None:
    """The display is simulated, behind a pseudo-terminal: its kind alone is not a ttyUSB."""
    site = vvt.root / "etc/zorgkiosk/site.toml"
    text = site.read_text(encoding="utf-8")
    (vvt.root / "root" / "display.py").write_text(DISPLAY, encoding="utf-8")
    site.write_text(f"{text}\n[[serial_panel]]\n", encoding="utf-8")
    vvt.do("systemd-run", "--unit=display", "/opt/zorgkiosk/current/bin/python", "/root/display.py")
    try:
        vvt.do("systemctl", "restart", "zorgkiosk-panel")
        wait(lambda: "drawn with" in vvt.journal("display"), 2 * SOON_S, "the display shows a number")
        assert "faults []" in vvt.journal("display")
        wait(lambda: "tapped to" in vvt.journal("display"), SOON_S, "the number has changed")
        wait(lambda: "shows the panel" in vvt.journal("zorgkiosk-panel"), SOON_S, "the panel says so")
        groups = vvt.do("grep", "^Groups:", f"/proc/{vvt.main_pid('zorgkiosk-panel')}/status").split()[1:]
        assert vvt.do("getent", "group", "dialout").split(":")[2] in groups
    finally:
        vvt.ask("systemctl", "stop", "display")
        site.write_text(text, encoding="utf-8")
        vvt.do("systemctl", "restart", "zorgkiosk-panel")
