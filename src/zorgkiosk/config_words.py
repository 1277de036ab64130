"""What a key may hold, in words: for the configs' reference, and for the sentence about a value that is not that."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, IPvAnyAddress, IPvAnyNetwork
from pydantic.fields import FieldInfo

from zorgkiosk.config_section import did_you_mean
from zorgkiosk.contract.names import CODE_PATTERN
from zorgkiosk.toml_places import Key

PIN_SCRYPT = r"^scrypt:[0-9a-f]{32}:[0-9a-f]{64}$"
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
_EXAMPLES = {
    "a code": "a code: lower-case words joined by hyphens, as in hap-noord, with no more than 3 digits behind a word",
    "scrypt:…:…, two hexadecimal numbers": "the line that 'zorgkiosk pin' prints",
    "an IPv4 address": 'an IPv4 address, as in "192.0.2.10"',
    "an IP address": 'an IP address, as in "192.0.2.10"',
    "an IPv4 address or network": 'an IPv4 address or network, as in "192.0.2.0/24"',
    "an IP address or network": 'an IP address or network, as in "192.0.2.0/24"',
    "text": "text in quotes",
    "a path": "a path in quotes",
    "a date, YYYY-MM-DD": 'a date in quotes, as in "2026-01-31"',
    "a file's name with one {}": 'a file\'s name with one {}, as in "minuten-{}.wav"',
}
"""Behind what the reference says, what a sentence needs to be followed at once."""


def allowed(annotation: Any, metadata: list[Any]) -> str:
    """What the reference says of it: `whole, 1 to 65535`, `"nl"` or `"en"`."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        own = [one for each in inner[1:] for one in (each.metadata if isinstance(each, FieldInfo) else [each])]
        return allowed(inner[0], [*own, *metadata])
    if origin in (Union, UnionType):
        return " or ".join(allowed(each, metadata) for each in inner if each is not type(None))
    if origin is Literal:
        return _one_of(inner)
    if origin is tuple:
        some = "a list, not empty" if any(hasattr(each, "min_length") for each in metadata) else "a list"
        return f"{some}: {allowed(inner[0], [])}"
    if origin is dict:
        return f"a value for each name: {allowed(inner[1], [])}"
    return _bounded(annotation, metadata)


def in_toml(value: Any) -> str:
    """The value as a config has it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(in_toml, value))}]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(str(value.value if isinstance(value, Enum) else value), ensure_ascii=False)


def section_of(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The section that a key is, and whether it is one of several; None when it is a value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for inner in get_args(annotation):
        if (found := section_of(inner)[0]) is not None:
            return found, get_origin(annotation) is tuple
    return None, False


def _one_of(words: tuple[Any, ...]) -> str:
    quoted = [f"`{in_toml(word)}`" for word in words]
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


# A value that is not allowed -----------------------------------------------------------------------------------------

_TOO = {
    "greater_than": "is too small",
    "greater_than_equal": "is too small",
    "less_than": "is too large",
    "less_than_equal": "is too large",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "too_short": "is empty",
    "finite_number": "is no number with an end",
    "string_pattern_mismatch": "does not have the right form",
}
_UNFIT = "cannot be read"


def field_at(kind: type[BaseModel], loc: Sequence[int | str]) -> tuple[Key, Any, list[Any]]:
    """The key that pydantic's `loc` means, without its marks for the parts of a union; its type, and what bounds it."""
    key: Key = ()
    annotation: Any = kind
    metadata: list[Any] = []
    for part in loc:
        section, several = section_of(annotation)
        if section is not None and several and isinstance(part, int):
            annotation, metadata = section, []
        elif section is not None and part in section.model_fields:
            field = section.model_fields[str(part)]
            annotation, metadata = field.annotation, list(field.metadata)
        elif get_origin(annotation) is tuple and isinstance(part, int):
            annotation, metadata = get_args(annotation)[0], []
        elif get_origin(annotation) is dict:
            annotation, metadata = get_args(annotation)[1], []
        else:
            break
        key = (*key, part)
    return key, annotation, metadata


def refusal(kind: str, value: Any, key: Key, annotation: Any, metadata: list[Any]) -> str:
    """What is wrong and what to write. `kind` is pydantic's name of the error, `value` what stands in the file."""
    section, several = section_of(annotation)
    if section is not None:
        header = f"[[{key[-1]}]]" if several else f"[{key[-1]}]" if isinstance(key[-1], str) else f"[[{key[-2]}]]"
        return f"is {_what(value)}: write it as a section, with {header} on a line of its own"
    wrong = f"is {_what(value)}" if kind.endswith("_type") else _TOO.get(kind, _UNFIT)
    if kind == "scalar_type" and isinstance(value, list):
        wrong = "holds a value of another kind"
    if kind == "literal_error":
        words = [word for word in _words_of(annotation) if isinstance(word, str)]
        near = did_you_mean(value, words) if isinstance(value, str) else ""
        wrong = f"is not one of the choices{near}" if isinstance(value, str) else f"is {_what(value)}"
    sentence = f"{wrong}{' Write' if wrong.endswith('?') else ': write'} {to_write(annotation, metadata)}"
    return f"{sentence}, without quotes" if _needs_no_quotes(value, annotation) else sentence


def to_write(annotation: Any, metadata: list[Any]) -> str:
    """`a whole number, 1 to 65535`: what a technician can follow without the reference beside it."""
    section, _ = section_of(annotation)
    if section is not None:
        return f"a section, {', '.join(name for name, key in section.model_fields.items() if key.is_required())} in it"
    said = allowed(annotation, metadata).replace("`", "")
    if said in _EXAMPLES:
        return _EXAMPLES[said]
    said = said.replace("whole, ", "a whole number, ")
    if said.startswith("a list"):
        start, _, inner = said.partition(": ")
        return f"{start}: [{_EXAMPLES.get(inner, inner)}]"
    return f"a number, {said}" if _BARE_BOUNDS.match(said) else said


_BARE_BOUNDS = re.compile(r"(above )?[\d.]+( to [\d.]+)?( or more)?$")


def _needs_no_quotes(value: Any, annotation: Any) -> bool:
    return isinstance(value, str) and (annotation in (int, float, bool))


def _words_of(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(word for inner in get_args(annotation) for word in _words_of(inner))


def _what(value: Any) -> str:
    """A value of TOML by its kind; never the value itself, which may be a secret."""
    match value:
        case bool():
            return "true or false"
        case int():
            return "a number"
        case float():
            return "a number with a point"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or a time without quotes"
