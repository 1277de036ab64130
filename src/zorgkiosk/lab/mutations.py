"""Configs that are wrong in one place: every key of every shipped one, in each way, and what has to be said of it.

The bench computes from it how many mistakes are caught, a test that none is missed. What looks at them is what the
command `check` looks with: a region around the site, its certificates, its secrets.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from zorgkiosk.care.command import problems_of
from zorgkiosk.config_section import Section
from zorgkiosk.config_words import section_of
from zorgkiosk.hub.config import HubConfig
from zorgkiosk.lab.authority import Authority
from zorgkiosk.provision.config import RegionConfig
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.panel.pin import MOST_GUESSED, hashed

_PAIR = re.compile(r"^([a-z_]+) = ", re.MULTILINE)
_HEADER = re.compile(r"^\[+([a-z_]+)\]+.*\n", re.MULTILINE)
_NAMES = re.compile(r'^name = "([^"]+)"', re.MULTILINE)
_FILES = re.compile(r'^(ca|certificate|key)_file = "([^"]+)"', re.MULTILINE)
_KINDS: dict[str, type[Section]] = {"hub.toml": HubConfig, "region.toml": RegionConfig, "site.toml": SiteConfig}
SECRETS = '[phones]\nphone1 = "lang-genoeg"\nphone2 = "lang-genoeg"\nphone3 = "lang-genoeg"\n'


@dataclass(frozen=True)
class Mutation:
    """Broken text, the line of the mistake, and the key that has to be named there; `secrets`: of secrets.toml."""

    text: str
    line: int
    key: str
    secrets: bool = False


def shipped(firmware: Path) -> list[Path]:
    """Every config that is shipped in `firmware_config/`."""
    patterns = ("example/*/site.toml", "demo/*/*.toml", "*/*.toml", "*/*/hub.toml")
    return sorted({file for pattern in patterns for file in firmware.glob(pattern)})


def mutations(name: str, text: str) -> Iterator[Mutation]:
    """All mistakes in the config `text` of a file that is called `name`, and in the secrets beside it."""
    yield from _of_writing(text)
    yield from _of_values(_KINDS[name], text)
    yield from _of_what_fits_together(text)
    if "[[desk]]" in text:
        yield from _of_secrets()


def _of_writing(text: str) -> Iterator[Mutation]:
    """A key that nobody knows, a table for a value, none, a key that stands twice; a section's wrong name."""
    for pair in _PAIR.finditer(text):
        key, line = pair[1], text.count("\n", 0, pair.start()) + 1
        end = text.index("\n", pair.start())
        yield Mutation(text[: pair.start()] + f"{key}x = " + text[pair.end() :], line, f"{key}x")
        yield Mutation(text[: pair.end()] + "{ no = 1 }" + text[end:], line, key)
        yield Mutation(text[: pair.end()] + text[end:], line, key)
        twice = text[: end + 1] + text[pair.start() : end + 1] + text[end + 1 :]
        yield Mutation(twice, line + 1, key)
    for header in _HEADER.finditer(text):
        line = text.count("\n", 0, header.start()) + 1
        wrong = header[0].replace(header[1], f"{header[1]}x", 1)
        yield Mutation(text[: header.start()] + wrong + text[header.end() :], line, f"{header[1]}x")


def _of_values(kind: type[Section], text: str) -> Iterator[Mutation]:
    """Each key that a section of the file may have, with each value that it may not have."""
    for header in {each[1]: each for each in reversed(list(_HEADER.finditer(text)))}.values():
        section, _ = section_of(kind.model_fields[header[1]].annotation)
        if section is not None:
            for key, wrong in _wrong_values(section):
                yield _with(text, header, key, wrong)


def _wrong_values(section: type[BaseModel]) -> Iterator[tuple[str, str]]:
    for key, known in section.model_fields.items():
        for wrong in dict.fromkeys(_wrong(known.annotation, list(known.metadata))):
            yield key, wrong


def _wrong(annotation: Any, metadata: list[Any]) -> Iterator[str]:
    origin, inner = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):  # Annotated
        yield from _wrong(inner[0], [*annotation.__metadata__, *metadata])
    elif type(None) in inner:
        yield from _wrong(next(each for each in inner if each is not type(None)), metadata)
    elif origin is Literal:
        yield from ('"geen-keuze"', "true", "7")
    elif origin is tuple:
        yield from ('"geen lijst"', "[7]", "[true]")
    elif annotation in (int, float):
        yield from ("true", '"8"', "nan", *_beyond(metadata))
    elif annotation is bool:
        yield from ("1", "0", '"true"')
    elif len([each for each in inner if each is not type(None)]) > 1:  # of several kinds
        yield from ("true", "[]", '"geen-keuze"')
    else:
        yield from ("7", "true", "2026-01-31", "[]")


def _beyond(metadata: list[Any]) -> Iterator[str]:
    bounds = [one for each in metadata for one in getattr(each, "metadata", [each])]
    for name, away in (("ge", -1), ("gt", 0), ("le", 1), ("lt", 0)):
        yield from (str(getattr(each, name) + away) for each in bounds if getattr(each, name, None) is not None)


def _with(text: str, header: re.Match[str], key: str, value: str) -> Mutation:
    """The section with that key: in the place of the one it has, else as its first."""
    after = _HEADER.search(text, header.end())
    end = after.start() if after else len(text)
    own = re.compile(rf"^{key} = .*\n", re.MULTILINE).search(text, header.end(), end)
    start, stop = own.span() if own else (header.end(), header.end())
    line = text.count("\n", 0, start) + 1
    return Mutation(f"{text[:start]}{key} = {value}\n{text[stop:]}", line, key)


_TOGETHER = (
    ("partner", "name", '"hap-onbekend"'),
    ("partner", "address", '"127.0.11.1"'),
    ("partner", "redirect_to", '"sip:0112@pbx.example"'),
    ("desk", "phone", '"phone9"'),
    ("desk", "phone", '"112"'),
    ("desk", "extension", '"911"'),
    ("telephony", "last_resort", '"00112"'),
    ("telephony", "worker_rtp_port", "5055"),
    ("telephony", "worker_rtp_port", "65500"),
    ("front", "tls_port", "5060"),
    ("front", "address", '"0.0.0.0"'),
    ("front", "trunk_addresses", '["0.0.0.0/0"]'),
    ("panel", "address", '"0.0.0.0"'),
    ("panel", "quiet_hours", '"22-7"'),
    ("capacity", "code", '"elv-lag"'),
    ("hub", "certificate_file", '"another.pem"'),
    ("hub", "certificate_file", '"expired.pem"'),
    ("hub", "certificate_file", '"weg.pem"'),
    ("hub", "ca_file", '"other-ca.pem"'),
    ("hub", "key_file", '"another.key"'),
    ("hub", "host", '"mqtts://hub.example:8883"'),
    ("hub", "database", '"postgresql+psycopg://zorgkiosk:geheim@db.example/z"'),
    ("broker", "host", '"hub example"'),
    ("broker", "certificate_file", '"expired.pem"'),
    ("board", "port", "8091"),
    ("site", "partners", '["hap-onbekend"]'),
)
"""What each key by itself may say, but not there: of another site, out of date, in use, forbidden."""
_ASKS_FOR = {"phone": "extension", "extension": "phone"}


def _of_what_fits_together(text: str) -> Iterator[Mutation]:
    headers = {each[1]: each for each in reversed(list(_HEADER.finditer(text)))}
    for section, key, value in _TOGETHER:
        header = headers.get(section)
        if header is None or not _applies(text, header, key):
            continue
        yield _with(text, header, key, value)
    for desk in re.finditer(r"^\[\[desk\]\]\n(?:(?!\[)[^\n]+\n)*?(?:phone|extension) = .*\n", text, re.MULTILINE):
        start = text.rindex("\n", 0, desk.end() - 1) + 1  # its last line goes
        yield Mutation(text[:start] + text[desk.end() :], text.count("\n", 0, desk.start()) + 1, "desk")


def _applies(text: str, header: re.Match[str], key: str) -> bool:
    """A site's `[hub]` has certificates and a hub's has a database; a desk has either key."""
    after = _HEADER.search(text, header.end())
    body = text[header.end() : after.start() if after else len(text)]
    hub_of_site = "\n[hub]" in text and "\n[site]" in f"\n{text}"
    is_list = header[0].startswith("[[")
    match header[1], key:
        case "hub", "database":
            return not hub_of_site
        case "hub", _:
            return hub_of_site
        case "broker", "certificate_file":
            return "certificate_file" in body
        case "site", "partners":
            return is_list
        case "desk", _:
            return f"{key} = " in body
        case "partner", "address":
            return 'address = "127.0.11.1"' in text[: header.start()]
        case _:
            return True


def _of_secrets() -> Iterator[Mutation]:
    """A password too short, of another type, not written, without its end; a key nobody knows; a PIN all try."""
    for number, name in enumerate(("phone1", "phone2"), start=2):
        line = f'{name} = "lang-genoeg"\n'
        for wrong in ('"kort"', "12345678", "true", "", '"lang-genoeg'):
            yield Mutation(SECRETS.replace(line, f"{name} = {wrong}\n"), number, name, secrets=True)
        yield Mutation(SECRETS.replace(line, line + line), number + 1, name, secrets=True)
    yield Mutation(SECRETS.replace("[phones]", "[phone]"), 1, "phones", secrets=True)
    for wrong in ('"123456"', "123456", f'"{hashed(MOST_GUESSED[0], bytes(16))}"'):
        yield Mutation(f"{SECRETS}[panel]\npin_scrypt = {wrong}\n", 6, "pin_scrypt", secrets=True)
    yield Mutation(f'{SECRETS}[panel]\npin_scryp = "x"\n', 6, "pin_scrypt", secrets=True)
    yield Mutation(f'{SECRETS}[local_broker]\npanel = "kort"\n', 6, "panel", secrets=True)
    yield Mutation(f'{SECRETS}[plates]\ngang = "kort"\n', 6, "gang", secrets=True)


@dataclass(frozen=True)
class Room:
    """A folder where a shipped config finds what it names: announcements two levels above, certificates, a region."""

    folder: Path
    firmware: Path
    authority: Authority = field(init=False)

    def __post_init__(self) -> None:
        shutil.copytree(self.firmware / "announcements", self._files / "announcements")
        (self.folder / "announcements").symlink_to((self.firmware / "announcements").resolve())
        object.__setattr__(self, "authority", Authority.create(self.folder / "ca"))
        Authority.create(self.folder / "other-ca")
        shutil.copy(self.folder / "other-ca" / "ca.pem", self._files / "other-ca.pem")
        now = datetime.now(UTC)
        self._issue("another-site", "another.pem", "another.key")
        self._issue("hap-noord", "expired.pem", "expired.key", (now - timedelta(days=3), now - timedelta(days=1)))

    @property
    def _files(self) -> Path:
        return self.folder / "a" / "b"

    def place(self, source: Path) -> Path:
        """The shipped config where it is good: its file."""
        text = source.read_text(encoding="utf-8")
        files = {kind: self._files / name for kind, name in _FILES.findall(text)}
        if files:
            for file in files.values():
                file.parent.mkdir(exist_ok=True)
            shutil.copy(self.authority.ca_file, files["ca"])
            own = _NAMES.search(text)
            name = own[1] if own and source.name == "site.toml" else "hub-intake"
            self._issue(name, str(files["certificate"]), str(files["key"]))
        for name in _NAMES.findall(text):
            site = self.folder / "region" / "sites" / name / "site.toml"
            site.parent.mkdir(parents=True, exist_ok=True)
            site.touch()
        file = self._files / source.name
        file.write_text(text, encoding="utf-8")
        self._write_secrets(SECRETS)
        return file

    def faults(self, file: Path) -> tuple[str, ...]:
        """What `check` says of it as it stands: every error."""
        found = problems_of(file, self.folder / "region")
        return tuple(str(problem) for problem in found if problem.severity == "error")

    def complaint(self, file: Path, mutation: Mutation) -> tuple[str, ...]:
        """What `check` says of the mistake, when it is not named by its key at its line; else nothing."""
        good = file.read_text(encoding="utf-8")
        wrong = file.with_name("secrets.toml") if mutation.secrets else file
        try:
            if mutation.secrets:
                self._write_secrets(mutation.text)
            else:
                file.write_text(mutation.text, encoding="utf-8")
            found = problems_of(file, self.folder / "region")
        finally:
            file.write_text(good, encoding="utf-8")
            self._write_secrets(SECRETS)
        named = re.compile(rf"\b{mutation.key}\b")
        errors = [one for one in found if one.severity == "error"]
        at_line = [one for one in errors if (one.file, one.place.line) == (wrong, mutation.line)]
        if any(named.search(f"{one.key} {one.sentence}") for one in at_line):
            return ()
        return tuple(map(str, errors)) or ("not caught",)

    def _issue(self, name: str, certificate: str, key: str, lifetime: tuple[datetime, datetime] | None = None) -> None:
        made, made_key = self.authority.issue(name, lifetime=lifetime)
        shutil.copy(made, self._files / certificate)
        shutil.copy(made_key, self._files / key)
        (self._files / key).chmod(0o600)

    def _write_secrets(self, text: str) -> None:
        secrets = self._files / "secrets.toml"
        secrets.touch(0o600)
        secrets.write_text(text, encoding="utf-8")
