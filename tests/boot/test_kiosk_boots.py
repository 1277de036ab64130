"""The touchscreen's unit under its own hardening: cage, Chromium and Chromium's sandbox, on a screen in memory.

The system is this machine's own, with its compositor and browser, under an overlay in memory: a box without a network
cannot install them. logind gives the unit a session; what is left out is its seat, a console and a graphics card.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from boot_site import ARCH

from shipped import FIRMWARE
from zorgkiosk.lab.nspawn import Machine, needed, wait

pytestmark = [pytest.mark.integration, pytest.mark.boot, pytest.mark.timeout(600)]

UNIT, USER = "zorgkiosk-kiosk.service", "zorgkiosk-kiosk"
WITHIN_S = 120.0
SPACES = ("user", "pid", "net")
WITHOUT_A_SEAT = """[Unit]
ConditionPathExists=
[Service]
TTYPath=
TTYVHangup=no
TTYReset=no
TTYVTDisallocate=no
StandardInput=null
Environment=WLR_BACKENDS=headless WLR_RENDERER=pixman WLR_LIBINPUT_NO_DEVICES=1
Environment=ZORGKIOSK_PANEL_URL=http://127.0.0.1:8083/
"""
PAGE = """
import http.server
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<script>fetch('/alive?' + [screen.width, [3, 1, 2].sort().join('')].join('-'))</script>")
http.server.HTTPServer(("127.0.0.1", 8083), Page).serve_forever()
"""
RENDERER = """
from pathlib import Path
SPACES = ("user", "pid", "net")
for folder in Path("/proc").glob("[0-9]*"):
    try:
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        if status["Name"].strip() != "python3" and "--type=renderer" in (folder / "cmdline").read_text():
            spaces = [(folder / "ns" / name).readlink() for name in SPACES]
            print(*spaces, *(status[name].strip() for name in ("NoNewPrivs", "Seccomp", "Seccomp_filters", "CapEff")))
    except OSError:  # it has just ended
        continue
"""


@contextmanager
def this_system(at: Path) -> Iterator[Path]:
    """This machine's own root, which nobody can write there."""
    at.mkdir()
    subprocess.run(["mount", "--bind", "-o", "ro", "/", str(at)], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Machine]:
    if ARCH != "amd64":
        pytest.skip("the browser of this machine is of its own architecture")
    if missing := needed("amd64"):
        pytest.skip(f"no system can be booted here: missing {', '.join(missing)}")
    kiosk, page = FIRMWARE / "kiosk", tmp_path / "page.py"
    page.write_text(PAGE, encoding="utf-8")
    (tmp_path / "test.conf").write_text(WITHOUT_A_SEAT, encoding="utf-8")
    binds = {
        kiosk / UNIT: f"/etc/systemd/system/{UNIT}",
        tmp_path / "test.conf": f"/etc/systemd/system/{UNIT}.d/test.conf",
        kiosk: "/usr/lib/zorgkiosk",
        kiosk / "policies.json": "/etc/chromium/policies/managed/zorgkiosk.json",
        page: "/usr/local/lib/page.py",
    }
    options = (*(f"--bind-ro={source}:{target}" for source, target in binds.items()), "systemd.unit=basic.target")
    with (
        this_system(tmp_path / "system") as system,
        Machine.booted(system, tmp_path / "console.log", ("--volatile=overlay", *options)) as machine,
    ):
        machine.do("useradd", "--system", "--no-create-home", USER)
        machine.do("systemctl", "start", "dbus", "systemd-logind")
        yield machine


def test_the_page_is_shown_and_the_browsers_own_sandbox_is_on(screen: Machine) -> None:
    screen.do("systemd-run", "--unit=page", "python3", "/usr/local/lib/page.py")
    screen.do("systemctl", "start", UNIT)
    wait(lambda: "GET /alive?" in screen.journal("page"), WITHIN_S, "a script of the page ran")
    assert "-123 HTTP" in screen.journal("page")
    main, renderers = screen.main_pid(UNIT), screen.do("python3", "-c", RENDERER).splitlines()
    outside = {screen.do("readlink", f"/proc/{main}/ns/{name}") for name in SPACES}
    assert renderers
    for renderer in renderers:
        *spaces, no_new_privileges, seccomp, filters, capabilities = renderer.split()
        assert not set(spaces) & outside
        assert (no_new_privileges, seccomp, int(capabilities, 16)) == ("1", "2", 0)
        assert int(filters) > int(screen.do("sh", "-c", f"sed -n 's/^Seccomp_filters:\\t//p' /proc/{main}/status"))
    assert screen.unit(UNIT)["NRestarts"] == "0" and USER in screen.do("loginctl", "list-sessions")


def test_without_a_screen_it_is_tried_again_until_there_is_one(screen: Machine) -> None:
    """cage itself would stand still for ever, and its unit would look active."""
    folder = f"/run/systemd/system/{UNIT}.d"
    screen.do("mkdir", "-p", folder)
    screen.do("sh", "-c", f"printf '[Service]\\nEnvironment=WLR_BACKENDS=drm\\n' >{folder}/zz.conf")
    screen.do("systemctl", "daemon-reload")
    screen.do("systemctl", "start", UNIT)
    wait(lambda: int(screen.unit(UNIT)["NRestarts"]) >= 2, WITHIN_S, "it was started anew twice")
