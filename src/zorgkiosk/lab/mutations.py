"""Configs that are wrong in one place: every key of every shipped one, in four ways, and what has to be said of each.

The bench computes from it how many mistakes are caught, a test that none is missed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zorgkiosk.config_file import ConfigError
from zorgkiosk.hub.config import load_hub
from zorgkiosk.provision.config import load_region
from zorgkiosk.site.config import load_site

_PAIR = re.compile(r"^([a-z_]+) = ", re.MULTILINE)
_HEADER = re.compile(r"^\[+([a-z_]+)\]+", re.MULTILINE)
_SECRETS = '[phones]\nphone1 = "lang-genoeg"\nphone2 = "lang-genoeg"\nphone3 = "lang-genoeg"\n'


@dataclass(frozen=True)
class Mutation:
    """Broken text, the line of the mistake, and the word that the sentence about it has to hold."""

    text: str
    line: int
    word: str


def shipped(firmware: Path) -> list[Path]:
    """Every config that is shipped in `firmware_config/`."""
    patterns = ("example/*/site.toml", "demo/*/*.toml", "*/*.toml")
    return sorted(file for pattern in patterns for file in firmware.glob(pattern))


def mutations(text: str) -> Iterator[Mutation]:
    """A key that nobody knows, a value of the wrong kind, none, and a key that stands twice; a section's wrong name."""
    for pair in _PAIR.finditer(text):
        key, line = pair[1], text.count("\n", 0, pair.start()) + 1
        end = text.index("\n", pair.start())
        yield Mutation(text[: pair.start()] + f"{key}x = " + text[pair.end() :], line, f"{key}x")
        yield Mutation(text[: pair.end()] + "{ no = 1 }" + text[end:], line, key)
        yield Mutation(text[: pair.end()] + text[end:], line, "is not TOML")
        twice = text[: end + 1] + text[pair.start() : end + 1] + text[end + 1 :]
        yield Mutation(twice, line + 1, "is not TOML")
    for header in _HEADER.finditer(text):
        line = text.count("\n", 0, header.start()) + 1
        wrong = header[0].replace(header[1], f"{header[1]}x")
        yield Mutation(text[: header.start()] + wrong + text[header.end() :], line, f"{header[1]}x")


def make_room(folder: Path, firmware: Path) -> Path:
    """A folder below `folder` where a shipped config finds what it names: two levels below the announcements."""
    room, announcements = folder / "a" / "b", firmware / "announcements"
    shutil.copytree(announcements, room / "announcements")
    (folder / "announcements").symlink_to(announcements.resolve())
    secrets = room / "secrets.toml"
    secrets.write_text(_SECRETS, encoding="utf-8")
    secrets.chmod(0o600)
    return room


def load(file: Path) -> None:
    """As its unit does. Raises ConfigError."""
    match file.name:
        case "hub.toml":
            load_hub(file)
        case "region.toml":
            load_region(file.parent)
        case _:
            load_site(file)


def complaint(file: Path, mutation: Mutation) -> tuple[str, ...]:
    """What is said of the broken config in `file`, when the mistake itself is not named with its line; else nothing."""
    file.write_text(mutation.text, encoding="utf-8")
    try:
        load(file)
    except ConfigError as error:
        for one in error.found:
            if one.file == file and one.place.line == mutation.line and mutation.word in str(one):
                return ()
        return tuple(error.problems)
    return ("not caught",)
