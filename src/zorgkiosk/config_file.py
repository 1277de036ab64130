"""Reading a TOML config: unknown keys refused with "did you mean", every problem at once, secrets never printed."""

from __future__ import annotations

import copy
import os
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from zorgkiosk.config_section import UNREAD, WITHOUT_RULES, Section, did_you_mean
from zorgkiosk.config_words import field_at, refusal, section_of, to_write
from zorgkiosk.toml_faults import not_toml
from zorgkiosk.toml_places import Key, Place, nearest, places


@dataclass(frozen=True)
class Problem:
    """One sentence about one key: what is wrong and what to write. A `warning` stops nothing yet."""

    file: Path
    place: Place
    key: str
    sentence: str
    severity: Literal["error", "warning"] = "error"

    @classmethod
    def of_file(cls, file: Path, sentence: str, key: str = "") -> Problem:
        """A problem of the whole file."""
        return cls(file, Place(1, 1), key, sentence)

    def __str__(self) -> str:
        at = f"{self.file}:{self.place.line}:{self.place.column}: "
        return at + (f"{self.key}: " if self.key else "") + self.sentence


class ConfigError(Exception):
    """A config that cannot be used. `problems` holds one sentence each: file, place, key, what is wrong, the cure.

    `readable`: the config with `UNREAD` in the place of what is wrong; None where the file could not be read at all.
    """

    def __init__(self, problems: Sequence[Problem], readable: Section | None = None) -> None:
        self.readable = readable
        super().__init__("\n".join(str(problem) for problem in problems))
        self.found = tuple(problems)
        self.problems = tuple(str(problem) for problem in problems)


Config = TypeVar("Config", bound=Section)


@dataclass(frozen=True)
class Written:
    """A config file as it stands on disk, with the secrets beside it: for saying where something is written."""

    file: Path
    content: dict[str, Any]
    at: dict[Key, Place]
    secrets: Written | None = None

    def problem(self, key: Key, sentence: str, severity: Literal["error", "warning"] = "error") -> Problem:
        """A problem at `key`, or at the innermost section around it that is written."""
        if key[:1] == ("secrets",) and self.secrets is not None:
            return Problem(self.secrets.file, nearest(self.secrets.at, key[1:]), name_of(key), sentence, severity)
        return Problem(self.file, nearest(self.at, key), name_of(key), sentence, severity)

    def origin(self, key: Key) -> Problem | None:
        """Where exactly `key` is written; None when it is not, so that a default holds."""
        source, inner = (self.secrets, key[1:]) if key[:1] == ("secrets",) else (self, key)
        return None if source is None or inner not in source.at else self.problem(key, "")


def name_of(key: Key) -> str:
    """`capacity[1].code`"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).removeprefix(".")


def load(kind: type[Config], path: Path, *, secrets: Path | None = None) -> Config:
    """The validated config of `path`; `secrets`, where it exists, becomes its `[secrets]`. Raises ConfigError."""
    return validate(kind, read(path, secrets=secrets))


def read(path: Path, *, secrets: Path | None = None) -> Written:
    """The file, and the secrets where they exist. Raises ConfigError when one is not TOML or lies open."""
    problems: list[Problem] = []
    own = _tried(lambda: _read_open(path, secrets), problems)
    beside = _tried(lambda: None if secrets is None else _read_secrets(secrets), problems)
    if problems or own is None:
        raise ConfigError(problems)
    return replace(own, secrets=beside)


def _tried(reading: Callable[[], Written | None], problems: list[Problem]) -> Written | None:
    try:
        return reading()
    except ConfigError as error:
        problems += error.found
        return None


def _read_open(path: Path, secrets: Path | None) -> Written:
    own = _read(path)
    if "secrets" in own.content:
        sentence = f"secrets do not stand in this file: write them in {secrets or 'a file'}"
        raise ConfigError([own.problem(("secrets",), sentence)])
    return own


def _read_secrets(secrets: Path) -> Written | None:
    if (given := _credential(secrets)) is not None:
        return _read(given)
    if not secrets.exists():
        return None
    if secrets.stat().st_mode & 0o007:
        raise ConfigError([Problem.of_file(secrets, f"everybody can read it: chmod 600 (or 640) {secrets}")])
    return _read(secrets)


def validate(kind: type[Config], written: Written) -> Config:
    """The config. Raises ConfigError with every problem of it."""
    content = _with_keys(_absolute(written.content, written.file.resolve().parent))
    if written.secrets is not None:
        content["secrets"] = _absolute(written.secrets.content, written.secrets.file.resolve().parent)
    told: list[Problem] = []
    try:
        config = kind.model_validate(content, context=WITHOUT_RULES)
    except ValidationError as error:
        problems = _own(error.errors(include_input=False, include_url=False))
        told += _each_key_once(problems, kind, content, written)
        config = kind.model_validate(_mended(kind, content, problems), context=WITHOUT_RULES)
    told += [problem for key, section in _sections(config) for problem in _broken(key, section, written)]
    if told:
        in_order = sorted(dict.fromkeys(told), key=lambda one: (one.file != written.file, one.place))
        raise ConfigError(in_order, config)
    return config


def _own(problems: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without those that a list is too short where an item of it is wrong: it was only not counted."""
    places = [problem["loc"] for problem in problems]

    def follows(problem: ErrorDetails) -> bool:
        own = problem["loc"]
        return problem["type"] == "too_short" and any(at != own and at[: len(own)] == own for at in places)

    return [problem for problem in problems if not follows(problem)]


def _mended(kind: type[Section], content: dict[str, Any], problems: Sequence[ErrorDetails]) -> dict[str, Any]:
    """Without the keys that nobody knows, and with `UNREAD` where one is missing or wrong: so it can be read."""
    content = copy.deepcopy(content)
    for problem in problems:
        whole = problem["type"] in ("extra_forbidden", "missing")
        *around, last = problem["loc"] if whole else _field_of(kind, problem["loc"])
        inner: Any = content
        for part in around:
            inner = inner[part]
        if problem["type"] == "extra_forbidden":
            del inner[last]
        else:
            inner[last] = UNREAD
    return content


def _field_of(kind: type[Section], loc: Key) -> Key:
    """The innermost key of a section: of a list or of names with values the whole."""
    key, _, _ = field_at(kind, loc)
    for length in range(1, len(key) + 1):
        if section_of(field_at(kind, key[:length])[1])[0] is None:
            return key[:length]
    return key


def _sections(config: Section, key: Key = ()) -> Iterator[tuple[Key, Section]]:
    yield key, config
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, Section):
            yield from _sections(value, (*key, name))
        elif isinstance(value, tuple):
            for number, inner in enumerate(value):
                if isinstance(inner, Section):
                    yield from _sections(inner, (*key, name, number))


def _broken(key: Key, section: Section, written: Written) -> Iterator[Problem]:
    for sentence in section.broken_rules():
        first = re.match(r"[a-z_]+", sentence)
        named = (first[0],) if first and first[0] in type(section).model_fields else ()
        told = written.problem((*key, *named) if key else _meant(sentence, written), sentence)
        yield replace(told, key=name_of(key))


def _each_key_once(
    problems: Sequence[ErrorDetails], kind: type[Section], content: dict[str, Any], written: Written
) -> Iterator[Problem]:
    """A key that may be of two kinds is refused by each of them: that is one problem."""
    by_key: dict[Key, list[ErrorDetails]] = {}
    for problem in problems:
        known = problem["loc"] if problem["type"] in ("extra_forbidden", "missing") else ()
        by_key.setdefault(known or field_at(kind, problem["loc"])[0], []).append(problem)
    for key, of_key in by_key.items():
        yield _told(key, of_key, kind, _value_at(content, key), written)


def _value_at(content: Any, key: Key) -> Any:
    for part in key:
        if isinstance(content, dict):
            content = content.get(str(part))
        elif isinstance(content, list) and isinstance(part, int) and part < len(content):
            content = content[part]
        else:
            return None
    return content


def _read(path: Path) -> Written:
    text = _text(path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_not_toml(path, text, str(error))]) from None
    except RecursionError:
        raise ConfigError([_deepest(path, text)]) from None
    except ValueError:  # the one thing TOML allows and Python does not read
        place = _place(text, found.start() if (found := _HUGE.search(text)) else 0)
        raise ConfigError([Problem(path, place, "", "a number of thousands of digits: write a smaller one")]) from None
    if _is_deep(content):
        raise ConfigError([_deepest(path, text)])
    written = Written(path, content, places(text))
    if unseen := list(_unseen(written)):
        raise ConfigError(unseen)
    return written


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            [Problem.of_file(path, f"cannot be read: {error.strerror}: name a file that is there and may be read")]
        ) from None
    try:
        return raw.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        place = _place(raw[: error.start].decode("utf-8"), error.start)
        sentence = f"is not TOML: byte 0x{raw[error.start]:02x} is no text in UTF-8: save the file as UTF-8"
        raise ConfigError([Problem(path, place, "", sentence)]) from None


def _not_toml(path: Path, text: str, what: str) -> Problem:
    fault = not_toml(text, what)
    return Problem(path, fault.place, fault.key, fault.sentence)


_HUGE = re.compile(r"\d(_?\d){4000}")
_DEEPEST = 20
"""More tables and lists in one another than any key here has."""


def _place(text: str, at: int) -> Place:
    before = text[:at]
    return Place(before.count("\n") + 1, len(before) - before.rfind("\n"))


def _deepest(path: Path, text: str) -> Problem:
    """The line with the most brackets and dots is the one that does it."""
    lines = text.split("\n")
    worst = max(range(len(lines)), key=lambda number: sum(map(lines[number].count, "[{.")))
    return Problem(
        path,
        Place(worst + 1, 1),
        "",
        f"lists or tables lie more than {_DEEPEST} deep in one another: write no such brackets",
    )


def _is_deep(content: object) -> bool:
    level = [content]
    for _ in range(_DEEPEST):
        inner = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [value for values in inner for value in values]
    return bool(level)


PRIVATE_KEY = (
    "is a private key, and none belongs here: take it out, and write the line of the file that ends in .pub; "
    "where others have seen it, make a new pair"
)
_PRIVATE = ("PRIVATE KEY", "PuTTY-User-Key-File", "b3BlbnNzaC1rZXktdjE")
"""PEM in all its kinds, PuTTY's own, and what OpenSSH's begins with between its lines ("openssh-key-v1" in base64)."""


def is_private_key(value: str) -> bool:
    """Whether a text is one, or part of one, by how their files begin."""
    return any(sign in value for sign in _PRIVATE)


def _unseen(written: Written) -> Iterator[Problem]:
    """Texts with control signs (a NUL, an escape): they name no file, and change what a terminal shows."""
    for key, value in _texts(written.content, ()):
        if is_private_key(value):  # of several lines, and so with control signs
            yield written.problem(key, PRIVATE_KEY)
        elif found := next((sign for sign in value if unicodedata.category(sign) == "Cc"), None):
            yield written.problem(key, f"holds a control sign (U+{ord(found):04X}): write it without")


def _texts(value: object, key: Key) -> Iterator[tuple[Key, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(inner, (*key, name))


def _absolute(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Path-valued keys (`*_file`, `*_dir`, `folder`) made absolute against the config's own folder."""

    def is_path(key: str, value: object) -> bool:
        return isinstance(value, str) and (key.endswith(("_file", "_dir")) or key == "folder")

    return {
        key: _absolute(value, folder)
        if isinstance(value, dict)
        else str(folder / value)
        if is_path(key, value)
        else value
        for key, value in content.items()
    }


def _credential(file: Path) -> Path | None:
    """The file of that name which systemd handed this unit (`LoadCredential=`): only the unit can read it there."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    given = None if folder is None else Path(folder) / file.name
    return given if given is not None and given.is_file() else None


def _with_keys(content: dict[str, Any]) -> dict[str, Any]:
    """Private keys (`key_file`) come from systemd where it hands them out."""
    return {
        name: _with_keys(value)
        if isinstance(value, dict)
        else str(_credential(Path(value)) or value)
        if name == "key_file" and isinstance(value, str)
        else value
        for name, value in content.items()
    }


def _told(key: Key, problems: list[ErrorDetails], kind: type[Section], value: Any, written: Written) -> Problem:
    own = [problem for problem in problems if problem["type"] == "value_error"]
    first = (own or problems)[0]
    match first["type"]:
        case "extra_forbidden":
            known = sorted(_keys_at(kind, key[:-1]))
            meant = did_you_mean(str(key[-1]), known)
            guess = meant or f", known here: {', '.join(known)}"
            told = written.problem(key, f"is not a key of this section{guess}")
            # A secret that was written where its name belongs is no name: only what resembles one is repeated.
            return replace(told, key=name_of((*key[:-1], "?"))) if key[0] == "secrets" and not meant else told
        case "missing":
            _, annotation, metadata = field_at(kind, key)
            return written.problem(key, f"is missing: add it: {to_write(annotation, metadata)}")
        case "value_error":
            return written.problem(key, first["msg"].removeprefix("Value error, "))
        case name:
            _, annotation, metadata = field_at(kind, key)
            refused = name if len(problems) == 1 else "none of these"
            return written.problem(key, refusal(refused, value, key, annotation, metadata))


_SUBJECT = re.compile(r"\[{1,2}(?P<table>[a-z_]+)\]{1,2}(?: (?P<first>[^ :]+))?(?:(?: '|:[^']*')(?P<second>[^']+)')?")


def _meant(sentence: str, written: Written) -> Key:
    """The key that a sentence across sections speaks of: `[[desk]] desk-1: phone 'x' …`, `[front] sip_port …`."""
    subject = _SUBJECT.match(sentence)
    if subject is None:
        return ()
    table, first, second = subject["table"], subject["first"] or "", subject["second"]
    items = written.content.get(table)
    if isinstance(items, dict):
        return (table, first)
    if not isinstance(items, list):
        return (table,)
    wanted = [word for word in (second, first) if word]
    for number in reversed(range(len(items))):
        values = {value: name for name, value in items[number].items() if isinstance(value, str)}
        lists = ((name, value) for name, value in items[number].items() if isinstance(value, list))
        listed = {each: name for name, value in lists for each in value if isinstance(each, str)}
        keys = [listed[word] for word in wanted[:1] if word in listed]
        keys += [values[word] for word in wanted if word in values]
        if keys:
            return (table, number, keys[0])
    return (table,)


def _keys_at(kind: type[BaseModel], loc: Sequence[int | str]) -> set[str]:
    """The keys that the section at `loc` knows."""
    for part in loc:
        if isinstance(part, int) or part not in kind.model_fields:
            continue
        inner, _ = section_of(kind.model_fields[part].annotation)
        if inner is not None:
            kind = inner
    return set(kind.model_fields)
