"""The touchscreen shows the panel and nothing else, and goes dark: with the real compositor and the real browser."""

from __future__ import annotations

import http.server
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kiosk_screen import HEIGHT, KIOSK, WIDTH, Screen, kiosk, missing

from shipped import FIRMWARE
from zorgkiosk.lab.daemon import Daemon

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

WITHIN_S = 90.0
PANEL_CSS = FIRMWARE.parent / "src" / "zorgkiosk" / "site" / "panel" / "web" / "static" / "panel.css"
RULES = FIRMWARE / "udev" / "61-zorgkiosk-touch-only.rules"


@pytest.fixture(autouse=True)
def _all_is_here() -> None:
    if found := missing():
        pytest.skip(f"the kiosk cannot be shown here: missing {', '.join(found)}")


def wait_for(condition: Callable[[], object], what: str) -> None:
    until_s = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < until_s, f"waited {WITHIN_S} s for: {what}"
        time.sleep(0.2)


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[str]:
    """The panel of the demo's nursing home; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = (FIRMWARE / "demo" / "vvt-linde" / "site.toml").read_text(encoding="utf-8")
    (tmp_path / "site.toml").write_text(text.replace("port = 8083", f"port = {port}"), encoding="utf-8")
    command = [sys.executable, "-m", "zorgkiosk", "run", "panel", "--config", str(tmp_path / "site.toml")]
    daemon = Daemon("panel", command, tmp_path / "panel.log")
    daemon.start()
    try:
        wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, "the panel listens")
        yield f"http://127.0.0.1:{port}/"
    finally:
        daemon.stop()


def grounds() -> set[bytes]:
    """The page's own ground, by day and by night."""
    return {bytes.fromhex(each) for each in re.findall(r"--ground: #([0-9a-f]{6})", PANEL_CSS.read_text("utf-8"))}


def shows_the_panel(screen: Screen) -> bool:
    colours = screen.colours()
    return bool(colours) and colours.most_common(1)[0][0] in grounds()


def test_the_units_command_shows_the_panel_on_the_whole_screen(panel: str) -> None:
    assert len(grounds()) == 2
    with kiosk({"ZORGKIOSK_PANEL_URL": panel}) as screen:
        wait_for(lambda: shows_the_panel(screen), "the panel's ground is most of the screen")
        # Letters have many shades between ink and ground; a bar, a tab or a message of the browser brings its own grey.
        wait_for(lambda: len(screen.colours()) > 100, "the page is written")
        colours = screen.colours()
        assert sum(colours.values()) == WIDTH * HEIGHT
        assert colours.most_common(1)[0][1] > WIDTH * HEIGHT / 3
        assert colours[b"\x00\x00\x00"] < WIDTH * HEIGHT / 50, "part of the screen is not the page's"


def test_no_other_address_is_opened(tmp_path: Path) -> None:
    """127.0.0.2 is this machine as well, but not the panel: the policy is what keeps Chromium from it."""
    asked: list[str] = []

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.2", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with kiosk({"ZORGKIOSK_PANEL_URL": f"http://127.0.0.2:{server.server_port}/"}) as screen:
                white = b"\xff\xff\xff"
                wait_for(lambda: screen.colours()[white] > WIDTH * HEIGHT / 2, "the browser's own white page is there")
                wait_for(lambda: len(screen.colours()) > 20, "and says that the page is blocked")
                assert asked == []
        finally:
            server.shutdown()


def test_the_screen_goes_dark_and_a_touch_wakes_it(panel: str) -> None:
    """The light itself is written down here; who asks for it, and when, is the real one."""
    with tempfile.TemporaryDirectory(prefix="zkdark") as folder:
        Path(folder).chmod(0o777)
        said = Path(folder) / "said"
        recorder = f'#!/bin/sh\necho "$1" >> {said}\n'
        with kiosk({"ZORGKIOSK_PANEL_URL": panel, "ZORGKIOSK_BLANK_S": "5"}, recorder) as screen:
            wait_for(lambda: said.exists() and said.read_text() == "on\noff\n", "five seconds without a touch")
            screen.run("wtype", "-s", "1000", "-k", "Shift_L", "-s", "500")
            wait_for(lambda: said.read_text().startswith("on\noff\non\n"), "it is light again")


@pytest.mark.parametrize(
    ("kind", "enabled", "ignored"),
    [
        ("ID_INPUT_KEYBOARD", True, True),
        ("ID_INPUT_MOUSE", True, True),
        ("ID_INPUT_TOUCHSCREEN", True, False),
        ("ID_INPUT_KEYBOARD", False, False),
    ],
)
def test_only_touchscreens_reach_a_kiosk_that_is_enabled(
    tmp_path: Path, kind: str, enabled: bool, ignored: bool
) -> None:
    done = udev(tmp_path, f'KERNEL=="lo", ENV{{ID_INPUT}}="1", ENV{{{kind}}}="1"\n', RULES.read_text(), enabled)
    assert f"{kind}=1" in done
    assert ("LIBINPUT_IGNORE_DEVICE=1" in done) == ignored


@pytest.mark.parametrize("enabled", [True, False])
def test_a_screen_that_comes_late_starts_a_kiosk_that_is_enabled(tmp_path: Path, enabled: bool) -> None:
    card = 'SUBSYSTEM=="drm", KERNEL=="card[0-9]*"'
    rules = RULES.read_text(encoding="utf-8")
    assert card in rules
    done = udev(tmp_path, "", rules.replace(card, 'KERNEL=="lo"'), enabled)
    assert ("SYSTEMD_WANTS=zorgkiosk-kiosk.service" in done) == enabled


def udev(folder: Path, before: str, rules: str, enabled: bool) -> str:
    """What udev itself makes of a device that every machine has, `lo`, with a kiosk that is enabled or is not."""
    wants = "/etc/systemd/system/zorgkiosk-site.target.wants"
    (folder / "50-here.rules").write_text(before, encoding="utf-8")
    (folder / RULES.name).write_text(rules, encoding="utf-8")
    assert f'TEST=="{wants}/zorgkiosk-kiosk.service"' in rules
    link = f"mkdir -p {wants} && touch {wants}/zorgkiosk-kiosk.service && " if enabled else ""
    script = (
        f"mount --bind {folder} /usr/lib/udev/rules.d && mount -t tmpfs tmpfs /etc/systemd/system && {link}"
        "exec udevadm test --action=add /sys/class/net/lo"
    )
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout


def test_policies_are_of_one_page_and_say_nothing_twice() -> None:
    policies = json.loads((KIOSK / "policies.json").read_text(encoding="utf-8"))
    assert (policies["URLBlocklist"], policies["URLAllowlist"]) == (["*"], ["http://127.0.0.1"])
    assert os.access(KIOSK / "kiosk", os.X_OK) and os.access(KIOSK / "screen", os.X_OK)
