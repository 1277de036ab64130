"""The config that is in force: every key, its value, and the line it comes from or that it is the default."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from zorgkiosk.config_file import Written, name_of
from zorgkiosk.toml_places import Key

MASKED = "••••••••"


@dataclass(frozen=True)
class Setting:
    """`value` as TOML would write it; `origin` is `file:line`, or `default`."""

    name: str
    value: str
    origin: str

    def __str__(self) -> str:
        return f"{self.name} = {self.value}  # {self.origin}"


def settings(config: BaseModel, written: Written) -> Iterator[Setting]:
    """Every key that holds a value, in the order of the reference. What is below `secrets` is masked."""
    yield from _settings(config, (), written)


def _settings(value: Any, key: Key, written: Written) -> Iterator[Setting]:
    match value:
        case BaseModel():
            for name in type(value).model_fields:
                yield from _settings(getattr(value, name), (*key, name), written)
        case dict():
            for name, inner in value.items():
                yield from _settings(inner, (*key, name), written)
        case tuple() if value and isinstance(value[0], BaseModel):
            for number, inner in enumerate(value):
                yield from _settings(inner, (*key, number), written)
        case None | ():
            return
        case _:
            yield Setting(name_of(key), _text(value, key), _origin(key, written))


def _origin(key: Key, written: Written) -> str:
    at = written.origin(key)
    return "default" if at is None else f"{at.file}:{at.place.line}"


def _text(value: Any, key: Key) -> str:
    if key[0] == "secrets":
        return json.dumps(MASKED, ensure_ascii=False)
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_text(each, key) for each in value) + "]"
    return json.dumps(str(value), ensure_ascii=False)
