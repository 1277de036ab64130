"""The touchscreen of a box without a touchscreen: cage and Chromium as the unit starts them, on a screen in memory.

cage runs inside a second compositor, sway without a display, which gives it 800×480 pixels. Policies are where a box
has them, over this machine's own /etc in a mount namespace, and Chromium is a user without rights in its own sandbox.
"""

from __future__ import annotations

import collections
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shipped import FIRMWARE
from zorgkiosk.lab.daemon import Daemon

KIOSK = FIRMWARE / "kiosk"
TOOLS = ("cage", "Xwayland", "chromium", "sway", "grim", "swayidle", "wtype", "udevadm", "setpriv", "unshare")
WIDTH, HEIGHT = 800, 480
_SWAY = f"xwayland disable\ndefault_border none\noutput HEADLESS-1 mode {WIDTH}x{HEIGHT}\n"
_MOUNTS = """
mount -t tmpfs tmpfs {own}/etc
mkdir {own}/etc/upper {own}/etc/work
mount -t overlay overlay -o lowerdir=/etc,upperdir={own}/etc/upper,workdir={own}/etc/work /etc
mkdir -p /etc/chromium/policies/managed /etc/chromium.d
cp {own}/kiosk/policies.json /etc/chromium/policies/managed/zorgkiosk.json
echo 'CHROMIUM_FLAGS="$CHROMIUM_FLAGS --disable-gpu"' > /etc/chromium.d/no-gpu-here
exec setpriv --reuid nobody --regid nogroup --clear-groups {command}
"""


def missing() -> list[str]:
    """What is not on this machine, in words."""
    tools = [tool for tool in TOOLS if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    return [*tools, *([] if os.geteuid() == 0 else ["root"])]


def exec_start() -> str:
    """The command line of the unit."""
    unit = (KIOSK / "zorgkiosk-kiosk.service").read_text(encoding="utf-8")
    return str(re.findall(r"(?m)^ExecStart=(.*)$", unit)[0])


@dataclass(frozen=True)
class Screen:
    """What somebody in front of it sees. `own` is a folder that the user of the browser can enter."""

    own: Path

    @property
    def environment(self) -> dict[str, str]:
        """Of a program that talks with the outer compositor."""
        [display] = [file for file in self.home.glob("wayland-*") if file.suffix != ".lock" and self._is_outer(file)]
        return {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(self.home), "WAYLAND_DISPLAY": display.name}

    @property
    def home(self) -> Path:
        return self.own / "home"

    def run(self, *command: str) -> str:
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout

    def colours(self) -> collections.Counter[bytes]:
        """How many pixels have each colour, three bytes red, green and blue; empty until there is a screen."""
        if not self._ready():
            return collections.Counter()
        picture = self.own / "picture.ppm"
        subprocess.run(["grim", "-t", "ppm", str(picture)], env=self.environment, capture_output=True, check=False)
        pixels = picture.read_bytes()[-WIDTH * HEIGHT * 3 :] if picture.exists() else b""
        return collections.Counter(pixels[at : at + 3] for at in range(0, len(pixels), 3))

    def _ready(self) -> bool:
        return any(self._is_outer(file) for file in self.home.glob("wayland-*") if file.suffix != ".lock")

    def _is_outer(self, file: Path) -> bool:
        """sway makes its own socket after one that it tells to nobody: it writes the name for its children."""
        name = self.own / "home" / "display"
        return name.exists() and name.read_text(encoding="utf-8").strip() == file.name


@contextmanager
def kiosk(environment: Mapping[str, str], recorder: str = "") -> Iterator[Screen]:
    """The unit's program with what its EnvironmentFile= would say; `recorder` stands in for the light of the screen."""
    own = Path(tempfile.mkdtemp(prefix="zkkiosk"))
    own.chmod(0o755)
    shutil.copytree(KIOSK, own / "kiosk")
    (own / "etc").mkdir()
    home = own / "home"
    home.mkdir()
    shutil.chown(home, "nobody", "nogroup")
    if recorder:
        (own / "kiosk" / "screen").write_text(recorder, encoding="utf-8")
    inner = exec_start().replace("/usr/lib/zorgkiosk/", f"{own}/kiosk/").replace("/run/zorgkiosk-kiosk", str(home))
    script = f'exec echo "$WAYLAND_DISPLAY" > {home}/display\nexec WLR_BACKENDS=wayland {inner}\n'
    (own / "sway.conf").write_text(_SWAY + script, encoding="utf-8")
    settings = {
        "PATH": "/usr/bin:/bin", "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "WLR_BACKENDS": "headless",
        "WLR_RENDERER": "pixman", "WLR_LIBINPUT_NO_DEVICES": "1", **environment,
    }  # fmt: skip
    command = shlex.join(
        ["env", "-i", *(f"{key}={value}" for key, value in settings.items()), "sway", "-c", str(own / "sway.conf")]
    )
    daemon = Daemon("kiosk", ["unshare", "-m", "sh", "-ec", _MOUNTS.format(own=own, command=command)], own / "log")
    daemon.start()
    try:
        yield Screen(own)
    finally:
        daemon.kill()
        shutil.rmtree(own, ignore_errors=True)
