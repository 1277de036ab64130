"""A box as it is delivered: Debian, our package, its bundle on the boot partition; with the region's hub on it.

Sites are those of `firmware_config/demo`, with their data where a box keeps it; all else is what `zorgkiosk provision`
makes for them, put where a technician puts it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from zorgkiosk.hub.broker import HUB_NAME
from zorgkiosk.lab.daemon import LabError
from zorgkiosk.lab.nspawn import Arch, bare_root, copy_of, in_root, install
from zorgkiosk.lab.region import ANNOUNCEMENTS, CONFIGS
from zorgkiosk.provision.region import provision
from zorgkiosk.provision.render import Templates

BROKER_ADDRESS, BROKER_PORT = "127.0.10.1", 8883
"""Those of the demo's configurations."""
ETC = Path("etc/zorgkiosk")
BOOT = Path("boot/firmware")
SITES = ("hap-noord", "hap-zuid", "vvt-linde")
_REPOSITORY = Path(__file__).parents[3]


def package(arch: Arch) -> Path:
    """Build the Debian package of this working copy. Raises LabError."""
    build = _REPOSITORY / "firmware_config" / "package" / "build"
    environment = {**os.environ, "ZORGKIOSK_PYTHON": sys.executable}
    done = subprocess.run([str(build), arch], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"the package was not built: {done.stderr.strip()[-1000:]}")
    return _REPOSITORY / done.stdout.split()[-1]


def box(arch: Arch, to: Path) -> Path:
    """A system at `to` with our package in it, not configured. Raises LabError."""
    root = copy_of(bare_root(arch), to)
    # Debian's own instances start at boot and would take our ports; a box has only ours.
    in_root(root, "systemctl", "disable", "--quiet", "mosquitto.service", "kamailio.service")
    install(root, package(arch))
    return root


def region(folder: Path, age: timedelta = timedelta(), more: str = "") -> Path:
    """The demo's region as a coordinator keeps it, provisioned; returns its `out`. Raises ConfigError.

    `age`: of its certificates; the list of revoked ones is of today. `more` ends region.toml.
    """
    for name in SITES:
        site = folder / "sites" / name
        site.mkdir(parents=True)
        _configuration(CONFIGS / name / "site.toml", site / "site.toml")
        if 'folder = "announcements"' in (site / "site.toml").read_text(encoding="utf-8"):
            shutil.copytree(_REPOSITORY / ANNOUNCEMENTS, site / "announcements")
    file, broker = folder / "region.toml", f'host = "{BROKER_ADDRESS}"\naddress = "{BROKER_ADDRESS}"\n'
    templates, now = Templates(_REPOSITORY / "firmware_config"), datetime.now(UTC)
    text = f'[region]\nname = "oost"\nrenew_days = 1\n[broker]\n{broker}port = {BROKER_PORT}\n{more}'
    file.write_text(text, encoding="utf-8")
    for instant in (now - age, now):
        provision(folder, templates, instant)
    file.write_text(text.replace("renew_days = 1\n", ""), encoding="utf-8")
    return folder / "out"


def configure(root: Path, site: str, folder: Path, age: timedelta = timedelta(), more: str = "") -> None:
    """Make `root` the box of a demo site before its first boot, and the machine of the region's hub and broker too.

    The site's part is its bundle on the boot partition, and nothing else. `folder` becomes the region's, whose
    certificates have that `age`; `more` is the end of its region.toml.
    """
    out = region(folder, age, more)
    boot = root / BOOT
    boot.mkdir(parents=True)
    for file in (out / site).iterdir():
        shutil.copyfile(file, boot / file.name)  # a FAT file system keeps no modes
        (boot / file.name).chmod(0o755)
    _hub(root, out / "hub")


def _configuration(shipped: Path, to: Path) -> None:
    """The stores and sockets of a box are below /var/lib and /run, which is the default."""
    text = (_REPOSITORY / shipped).read_text(encoding="utf-8")
    to.write_text(re.sub(r"(?m)^(data_dir|run_dir|database) = .*\n", "", text), encoding="utf-8")


def _hub(root: Path, made: Path) -> None:
    """As a technician sets up the hub: readable by the units, keys by root alone, the broker's folder by the broker."""
    etc = root / ETC
    _configuration(CONFIGS / "hub" / "hub.toml", etc / "hub.toml")
    for source, name in (
        ("ca.pem", "region-ca.pem"),
        (f"{HUB_NAME}.pem", "hub.pem"),
        (f"{HUB_NAME}.key", "hub-key.pem"),
    ):
        shutil.copyfile(made / "pki" / source, etc / name)
    shutil.copytree(made / "broker", etc / "broker")
    for name in ("hub.toml", "region-ca.pem", "hub.pem"):
        in_root(root, "chgrp", "zorgkiosk", f"/{ETC}/{name}")
        (etc / name).chmod(0o640)
    (etc / "hub-key.pem").chmod(0o600)
    in_root(root, "chown", "-R", "mosquitto:mosquitto", f"/{ETC}/broker")
    in_root(root, "chmod", "-R", "u=rwX,g=rX,o=", f"/{ETC}/broker")
