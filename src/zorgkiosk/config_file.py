"""Reading a TOML config: unknown keys refused with "did you mean", every problem at once, secrets never printed."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails


class ConfigError(Exception):
    """A config that cannot be used. `problems` holds one sentence each: file, key, what is wrong, what to write."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Section(BaseModel):
    """Base of every config section: immutable, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @staticmethod
    def not_one_of(key: str, value: str, allowed: Iterable[str]) -> str:
        """`key 'x' is not known, did you mean 'y'?`"""
        choices = list(allowed)
        return f"{key} '{value}' is not known{_did_you_mean(value, choices) or ', one of: ' + ', '.join(choices)}"


Config = TypeVar("Config", bound=Section)


def load(kind: type[Config], path: Path, *, secrets: Path | None = None) -> Config:
    """The validated config of `path`; `secrets`, where it exists, becomes its `[secrets]`. Raises ConfigError."""
    content = _read(path)
    if "secrets" in content:
        raise ConfigError([f"{path}: secrets: secrets do not stand in this file: write them in {secrets or 'a file'}"])
    if secrets is not None and secrets.exists():
        if secrets.stat().st_mode & 0o007:
            raise ConfigError([f"{secrets}: everybody can read it: chmod 600 (or 640) {secrets}"])
        content["secrets"] = _read(secrets)
    try:
        return kind.model_validate(_absolute(content, path.resolve().parent))
    except ValidationError as error:
        problems = [_sentence(problem, kind, path, secrets) for problem in error.errors(include_input=False)]
        # A check across sections raises one error with a line for each problem it found.
        raise ConfigError([line for problem in problems for line in problem.split("\n")]) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: is not TOML: {error}"]) from None


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


def _sentence(problem: ErrorDetails, kind: type[Section], path: Path, secrets: Path | None) -> str:
    where, loc = path, list(problem["loc"])
    if loc[:1] == ["secrets"] and secrets is not None:
        where = secrets
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".") or "file"
    match problem["type"]:
        case "extra_forbidden":
            known = sorted(_keys_at(kind, loc[:-1]))
            guess = _did_you_mean(str(loc[-1]), known) or f", known here: {', '.join(known)}"
            return f"{where}: {key}: is not a key of this section{guess}"
        case "missing":
            return f"{where}: {key}: is missing: add it"
        case "value_error":
            sentences = problem["msg"].removeprefix("Value error, ").split("\n")
            at = f"{where}: {key}: " if loc else f"{where}: "
            return "\n".join(at + sentence for sentence in sentences)
        case _:
            return f"{where}: {key}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _keys_at(kind: type[BaseModel], loc: Sequence[int | str]) -> set[str]:
    """The keys that the section at `loc` knows."""
    for part in loc:
        if isinstance(part, int) or part not in kind.model_fields:
            continue
        inner = _section_of(kind.model_fields[part].annotation)
        if inner is not None:
            kind = inner
    return set(kind.model_fields)


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
