"""What the configs' reference has to say of each key, as the schemas have it: key, default and what is allowed.

`firmware_config/README.md` has a table for each file; its last column, the meaning, is written by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, IPvAnyAddress, IPvAnyNetwork
from pydantic.fields import FieldInfo

from zorgkiosk.contract.names import CODE_PATTERN
from zorgkiosk.site.config_panel import PIN_SCRYPT

_KINDS: dict[Any, str] = {
    bool: "`true` or `false`",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    IPv4Address: "an IPv4 address",
    IPvAnyAddress: "an IP address",
    IPv4Network: "an IPv4 address or network",
    IPvAnyNetwork: "an IP address or network",
}
_PATTERNS = {
    CODE_PATTERN: "a code",
    PIN_SCRYPT: "`scrypt:…:…`, two hexadecimal numbers",
    r"^[^0-9]*([0-9]{1,3}[^0-9]+)*[0-9]{0,3}$": "text, no more than 3 digits in a row",
    r"^[^{}/]*\{\}[^{}/]*$": "a file's name with one `{}`",
    r"^[A-Za-z0-9]{1,20}$": "1 to 20 letters and digits",
    r"^sips?:[A-Za-z0-9+._-]+@[A-Za-z0-9.-]+(:\d+)?$": "`sip:USER@HOST`, also with `:PORT`",
    r"^\d{4}-\d\d-\d\d$": "a date, YYYY-MM-DD",
    r"^[a-z0-9_-]{1,40}$": "1 to 40 of a–z, 0–9, `_`, `-`",
    r"^[a-z][a-z0-9-]{0,30}$": "a Linux user",
    r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$": "a DNS name",
}
_UNITS = {"s": "s", "min": "min", "days": "days", "mb": "MB"}

Rows = dict[tuple[str, str], str]
"""By section (`[panel]`, `[[desk]]`) and key."""


def rows(kind: type[BaseModel]) -> Rows:
    """`| key | default | allowed |` of each key, in the schema's order."""
    found: Rows = {}
    for name, field in kind.model_fields.items():
        if name == "secrets":  # a file of its own
            continue
        section, several = _section(field.annotation)
        if section is None:
            found["", name] = f"| `[{name}]` | {_default(field)} | {_allowed(name, field)} |"
            continue
        header = f"[[{name}]]" if several else f"[{name}]"
        for key, inner in section.model_fields.items():
            name_there = inner.alias or key
            found[header, name_there] = f"| `{name_there}` | {_default(inner)} | {_allowed(key, inner)} |"
    return found


def written(table: str) -> Rows:
    """The same three columns as a table of the reference has them. Raises ValueError where a key stands twice."""
    found: Rows = {}
    section = ""
    for line in table.splitlines():
        row = re.match(r"\| `([^`]+)` \|(?:(?:\\\||[^|])*\|){2}", line)
        if row is None:
            continue
        name, rest = row[1], row[0]
        if name.startswith("[") and re.fullmatch(r"\| `[^`]+` \| \| \|", rest):
            section = name
            continue
        place = ("", name.strip("[]")) if name.startswith("[") else (section, name)
        if place in found:
            raise ValueError(f"{section} {name} stands twice in the reference: remove one")
        found[place] = rest
    return found


def differences(kind: type[BaseModel], table: str) -> list[str]:
    """A sentence for each row to write, or to remove."""
    wanted, given = rows(kind), written(table)
    told = [
        f"{section} {key}: write the row {row} … |, there is {given.get((section, key), 'none')}"
        for (section, key), row in wanted.items()
        if given.get((section, key)) != row
    ]
    return told + [f"{section} {key}: no such key, remove the row" for section, key in given.keys() - wanted.keys()]


def _section(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for inner in get_args(annotation):
        if (found := _section(inner)[0]) is not None:
            return found, get_origin(annotation) is tuple
    return None, False


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "–"
    value = field.get_default(call_default_factory=True)
    if value is None or value == {} or isinstance(value, BaseModel):
        return "none"
    return f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(str(value.value if isinstance(value, Enum) else value), ensure_ascii=False)


def _allowed(key: str, field: FieldInfo) -> str:
    said = _kind(field.annotation, field.metadata)
    unit = _UNITS.get(key.rpartition("_")[2], "")
    return (f"{said} {unit}" if unit else said).replace("|", "\\|")


def _kind(annotation: Any, metadata: list[Any]) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        own = [one for each in inner[1:] for one in (each.metadata if isinstance(each, FieldInfo) else [each])]
        return _kind(inner[0], [*own, *metadata])
    if origin in (Union, UnionType):
        return " or ".join(_kind(each, metadata) for each in inner if each is not type(None))
    if origin is Literal:
        return _one_of(inner)
    if origin is tuple:
        some = "a list, not empty" if any(hasattr(each, "min_length") for each in metadata) else "a list"
        return f"{some}: {_kind(inner[0], [])}"
    if origin is dict:
        return f"a value for each name: {_kind(inner[1], [])}"
    return _bounded(annotation, metadata)


def _one_of(words: tuple[Any, ...]) -> str:
    quoted = [f"`{_toml(word)}`" for word in words]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]


def _bounded(kind: Any, metadata: list[Any]) -> str:
    limit: dict[str, Any] = {
        name: value
        for each in metadata
        for name in ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern")
        if (value := getattr(each, name, None)) is not None
    }
    if bounds := " ".join(_bounds(limit)):
        return f"whole, {bounds}" if kind is int else bounds
    said = _KINDS.get(kind) or kind.__name__
    if pattern := limit.get("pattern"):
        said = _PATTERNS.get(pattern, f"`{pattern}`")
        if pattern == CODE_PATTERN:  # the reference says once how long a code may be
            return said
    low, high = limit.get("min_length"), limit.get("max_length")
    signs = [f"from {low}" if low else "", f"to {high}" if high else ""]
    return f"{said}, {' '.join(filter(None, signs))} signs" if low or high else said


def _bounds(limit: dict[str, Any]) -> Iterator[str]:
    if "ge" in limit or "gt" in limit:
        yield f"{limit['ge']}" if "ge" in limit else f"above {limit['gt']}"
    if "le" in limit or "lt" in limit:
        yield f"to {limit['le']}" if "le" in limit else f"and below {limit['lt']}"
    elif "ge" in limit:
        yield "or more"
