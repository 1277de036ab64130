"""The support archive: what helps from afar, and nothing that is anybody's: no secret, number, name or title."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from zorgkiosk.care.doctor import Finding
from zorgkiosk.care.show import MASKED, Setting, settings
from zorgkiosk.config_file import read
from zorgkiosk.provision.bundle import Entry, pack
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.store import StoreView

_TELLING = ("title", "extension", "last_resort", "phone", "redirect_to", "agreed_on")
"""Keys whose values may hold a person's name or a number that rings somewhere."""
_NUMBER = re.compile(r"\d{4,}")
_SERIAL_NUMBER = re.compile(r"\b(usb|pci|platform)-[^,\"\s]+")
"""As below /dev/serial/by-id: what follows names the one device in somebody's hands."""
_PLACE = re.compile(r"\S+:\d+:\d+: ")
_OF_THE_MACHINE = ("disk", "version", "clock", "temperature", "power", "storage wear")
"""Checks that hold nothing from a config or from another end: their numbers are what helps."""


def archive(config: SiteConfig | None, file: Path, found: Sequence[Finding]) -> bytes:
    """A tar of the findings, the config in force without what is anybody's, the stores' sizes, the versions.

    Of a config that cannot be used only where it is wrong: what in it is anybody's cannot be told.
    """
    shown = [] if config is None else _settings(config, file)
    telling = _telling(shown)
    texts = {
        "doctor.json": json.dumps([_masked(each, telling) for each in found], ensure_ascii=False, indent=2),
        "config.txt": "\n".join(str(_redacted(each)) for each in shown),
        "stores.json": json.dumps({} if config is None else _stores(config), indent=2),
        "versions.json": json.dumps(_versions(), indent=2),
    }
    return pack({f"zorgkiosk-support/{name}": Entry((text + "\n").encode()) for name, text in texts.items()})


def _settings(config: SiteConfig, file: Path) -> list[Setting]:
    return list(settings(config, read(file, secrets=file.with_name("secrets.toml"))))


def _redacted(setting: Setting) -> Setting:
    return Setting(_name(setting.name), _value(setting), setting.origin)


def _name(name: str) -> str:
    """The name of a secret is a phone's user."""
    return "secrets.phones" if name.startswith("secrets.") else name


def _value(setting: Setting) -> str:
    return f'"{MASKED}"' if _tells(setting) else _SERIAL_NUMBER.sub(rf"\1-{MASKED}", setting.value)


def _tells(setting: Setting) -> bool:
    return setting.name.startswith("secrets.") or setting.name.rpartition(".")[2] in _TELLING


def _telling(shown: Sequence[Setting]) -> re.Pattern[str] | None:
    """What no sentence may quote: the values of telling keys, and the names that secrets have."""
    values = {str(json.loads(each.value)) for each in shown if _tells(each)} - {MASKED, ""}
    values |= {each.name.rpartition(".")[2] for each in shown if each.name.startswith("secrets.phones.")}
    if not values:
        return None
    longest_first = sorted(values, key=len, reverse=True)
    return re.compile(r"(?<!\w)(?:" + "|".join(re.escape(each) for each in longest_first) + r")(?!\w)")


def _masked(finding: Finding, telling: re.Pattern[str] | None) -> dict[str, object]:
    """A sentence about the config may quote it, and one about another end what that end said."""
    if finding.check in _OF_THE_MACHINE:
        return asdict(finding)
    told = finding.told
    if telling is not None:
        told = telling.sub(MASKED, told)
    elif finding.check.startswith("config") and not finding.good:
        place = _PLACE.match(told)
        told = (place[0] if place else "") + MASKED
    # A place in a file keeps its line: that number is nobody's.
    told = _NUMBER.sub(MASKED, _SERIAL_NUMBER.sub(rf"\1-{MASKED}", told))
    return {**asdict(finding), "told": told}


def _stores(config: SiteConfig) -> dict[str, object]:
    said: dict[str, object] = {}
    for file in (config.panel_db, config.telephony_db, config.sync_db, config.care_db):
        view = StoreView(file)
        try:
            size = file.stat().st_size if file.exists() else 0
            said[file.name] = {"bytes": size, "epoch": view.epoch(), "outbox": view.waiting(after=0)}
        finally:
            view.close()
    return said


def _versions() -> dict[str, str]:
    return {
        "zorgkiosk": version("zorgkiosk"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.release(),
    }
