"""Reading a TOML config: unknown keys refused with "did you mean", every problem at once, secrets never printed."""

from __future__ import annotations

import copy
import difflib
import os
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

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
    """A config that cannot be used. `problems` holds one sentence each: file, place, key, what is wrong, the cure."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.found = tuple(problems)
        self.problems = tuple(str(problem) for problem in problems)


class Section(BaseModel):
    """Base of every config section: immutable, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    @staticmethod
    def not_one_of(key: str, value: str, allowed: Iterable[str]) -> str:
        """`key 'x' is not known, did you mean 'y'?`"""
        choices = list(allowed)
        return f"{key} '{value}' is not known{_did_you_mean(value, choices) or ', one of: ' + ', '.join(choices)}"


def _is_host(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_.:-]{1,253}", value) is None or value.count(":") == 1:
        raise ValueError(f"'{value}' is no host: write a name or an address alone, such as \"hub.example\"")
    return value


Host = Annotated[str, AfterValidator(_is_host)]
"""What a broker is reached by: no address of a web page, no port, no space."""

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
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        problems = _own(error.errors(include_input=False))
        told = [each for problem in problems for each in _told(problem, kind, written)]
        told += _hidden(kind, content, problems, written)
        raise ConfigError(sorted(told, key=lambda one: (one.file != written.file, one.place))) from None


def _own(problems: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without those that a list is too short where an item of it is wrong: it was only not counted."""
    places = [problem["loc"] for problem in problems]

    def follows(problem: ErrorDetails) -> bool:
        own = problem["loc"]
        return problem["type"] == "too_short" and any(at != own and at[: len(own)] == own for at in places)

    return [problem for problem in problems if not follows(problem)]


def _hidden(
    kind: type[Section], content: dict[str, Any], problems: Sequence[ErrorDetails], written: Written
) -> Iterator[Problem]:
    """What only the checks across sections find, which do not run while a key is wrong: so without it."""
    if any(not problem["loc"] for problem in problems):
        return
    content = copy.deepcopy(content)
    for problem in problems:
        inner: Any = content
        for part in problem["loc"][:-1]:
            if isinstance(inner, list):
                inner = inner[part] if isinstance(part, int) else {}
            else:
                inner = inner.get(part, {}) if isinstance(inner, dict) else {}
        if isinstance(inner, dict):
            inner.pop(problem["loc"][-1], None)
    try:
        kind.model_validate(content)
    except ValidationError as error:
        across = [problem for problem in error.errors(include_input=False) if not problem["loc"]]
        told = [each for problem in across for each in _told(problem, kind, written)]
        wrong = {str(problem["loc"][0]) for problem in problems}
        yield from (each for each in told if not _follows(each.sentence, wrong, problems))


def _follows(sentence: str, wrong: set[str], problems: Sequence[ErrorDetails]) -> bool:
    """Whether a check across sections only misses what was taken out: a whole section, or a secret."""
    if "secrets" in wrong and "secrets.toml" in sentence:
        return True
    gone = {str(problem["loc"][0]) for problem in problems if len(problem["loc"]) == 1}
    return any(f"[{name}]" in sentence for name in gone)


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
        raise ConfigError([Problem.of_file(path, f"cannot be read: {error.strerror}")]) from None
    try:
        return raw.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        place = _place(raw[: error.start].decode("utf-8"), error.start)
        sentence = f"is not TOML: byte 0x{raw[error.start]:02x} is no text in UTF-8: save the file as UTF-8"
        raise ConfigError([Problem(path, place, "", sentence)]) from None


def _not_toml(path: Path, text: str, what: str) -> Problem:
    place = Place(1, 1)
    if found := re.search(r" \(at line (\d+), column (\d+)\)$", what):
        what, place = what[: found.start()], Place(int(found[1]), int(found[2]))
    elif what.endswith("(at end of document)"):
        place = Place(text.count("\n") + 1, 1)
    return Problem(path, place, "", f"is not TOML: {what}")


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
    return Problem(path, Place(worst + 1, 1), "", f"lists or tables lie more than {_DEEPEST} deep in one another")


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


def _told(problem: ErrorDetails, kind: type[Section], written: Written) -> Iterator[Problem]:
    key: Key = tuple(problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            known = sorted(_keys_at(kind, key[:-1]))
            meant = _did_you_mean(str(key[-1]), known)
            guess = meant or f", known here: {', '.join(known)}"
            told = written.problem(key, f"is not a key of this section{guess}")
            # A secret that was written where its name belongs is no name: only what resembles one is repeated.
            yield replace(told, key=name_of((*key[:-1], "?"))) if key[0] == "secrets" and not meant else told
        case "missing":
            yield written.problem(key, "is missing: add it")
        case "value_error":
            # A check across sections raises one error with a line for each problem it found.
            for sentence in problem["msg"].removeprefix("Value error, ").split("\n"):
                told = written.problem(key or _meant(sentence, written), sentence)
                yield told if key else Problem(told.file, told.place, "", sentence)
        case _:
            yield written.problem(key, f"{problem['msg'][0].lower()}{problem['msg'][1:]}")


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
        keys = [values[word] for word in wanted if word in values]
        if keys:
            return (table, number, keys[0])
    return (table,)


def _keys_at(kind: type[BaseModel], loc: Sequence[int | str]) -> set[str]:
    """The keys that the section at `loc` knows."""
    for part in loc:
        if isinstance(part, int) or part not in kind.model_fields:
            continue
        inner = _section_of(kind.model_fields[part].annotation)
        if inner is not None:
            kind = inner
    return {field.alias or name for name, field in kind.model_fields.items()}


def _section_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if (section := _section_of(inner)) is not None:
            return section
    return None


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f", did you mean '{close[0]}'?" if close else ""
