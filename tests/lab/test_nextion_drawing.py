"""What a technician draws by is what the panel speaks to."""

from __future__ import annotations

import re
from pathlib import Path

from shipped import FIRMWARE
from zorgkiosk.lab.nextion_drawing import README, drawing, renewed
from zorgkiosk.site.config_serial import SerialPanel
from zorgkiosk.site.panel.nextion_label import rgb565
from zorgkiosk.site.panel.nextion_layout import PAGES, START, WATCH, WATCH_S

ROOT = FIRMWARE.parent


def test_the_tables_are_those_of_the_panel() -> None:
    """Made anew by `python -m zorgkiosk.lab.nextion_drawing`."""
    readme = (ROOT / README).read_text(encoding="utf-8")
    assert renewed(readme) == readme
    assert drawing() in readme


def test_the_readme_speaks_of_every_component_and_of_the_watch() -> None:
    readme = (ROOT / README).read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", readme))
    assert {each.name for page in PAGES.values() for each in page.components} <= named
    assert f"`bco` {rgb565('#eef2f1')}, `#eef2f1`" in readme
    assert f"{WATCH}.val>={WATCH_S}" in readme and f"page {START}" in readme


def test_the_udev_rule_makes_the_default_device() -> None:
    rules = (FIRMWARE / "udev" / "60-zorgkiosk-panel.rules").read_text(encoding="utf-8")
    lines = [line for line in rules.splitlines() if line and not line.startswith("#")]
    pair = re.compile(r'[A-Z_]+(\{\w+\})?(==|!=|\+=|=)"[^"]*"')
    assert all(pair.fullmatch(part) for line in lines for part in line.split(", "))
    assert Path("/dev") / "zorgkiosk-panel" == SerialPanel().device
    assert 'SYMLINK+="zorgkiosk-panel ' in rules
    for adapter in ('"1a86"', '"10c4"', '"0403"'):
        assert f"ATTRS{{idVendor}}=={adapter}" in rules


def test_the_unit_may_use_it() -> None:
    unit = (ROOT / "systemd" / "zorgkiosk-panel.service").read_text(encoding="utf-8")
    assert "DeviceAllow=char-ttyUSB rw" in unit and "SupplementaryGroups=dialout" in unit
    assert "PrivateDevices=yes" not in unit
