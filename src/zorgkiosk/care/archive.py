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
_SHOWN = re.compile(r"\d{4,}")


def archive(config: SiteConfig, file: Path, found: Sequence[Finding]) -> bytes:
    """A tar of the findings, the config in force without what is anybody's, the stores' sizes, the versions."""
    texts = {
        "doctor.json": json.dumps([_without_numbers(each, config) for each in found], ensure_ascii=False, indent=2),
        "config.txt": "\n".join(str(each) for each in _redacted(config, file)),
        "stores.json": json.dumps(_stores(config), indent=2),
        "versions.json": json.dumps(_versions(), indent=2),
    }
    return pack({f"zorgkiosk-support/{name}": Entry((text + "\n").encode()) for name, text in texts.items()})


def _redacted(config: SiteConfig, file: Path) -> list[Setting]:
    written = read(file, secrets=file.with_name("secrets.toml"))
    return [Setting(_name(each.name), _value(each), each.origin) for each in settings(config, written)]


def _name(name: str) -> str:
    """The name of a secret is a phone's user."""
    return "secrets.phones" if name.startswith("secrets.") else name


def _value(setting: Setting) -> str:
    telling = setting.name.startswith("secrets.") or setting.name.rpartition(".")[2] in _TELLING
    return f'"{MASKED}"' if telling else setting.value


def _without_numbers(finding: Finding, config: SiteConfig) -> dict[str, object]:
    """A sentence about the config may quote what it is about: long numbers and the values of telling keys go."""
    telling = {config.site.title, *(desk.title for desk in config.desk), *(each.title for each in config.partner)}
    telling |= {value for desk in config.desk for value in (desk.phone, desk.extension) if value}
    told = finding.told
    for value in sorted(telling, key=len, reverse=True):
        told = told.replace(value, MASKED)
    return {**asdict(finding), "told": _SHOWN.sub(MASKED, told) if finding.check.startswith("config") else told}


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
