"""Configs as a technician might write them: the shipped examples with some of their keys written otherwise.

What stands in a key comes from the schema itself, so a new key is tried from the day it is there; texts and paths are
awkward on purpose. Most of what comes out is refused by `check`; what it accepts has to start.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from shipped import FIRMWARE
from zorgkiosk.site.config import SiteConfig

SCHEMA = SiteConfig.model_json_schema()
EXAMPLES = sorted([*FIRMWARE.glob("example/*/site.toml"), *FIRMWARE.glob("demo/*/site.toml")])
Table = dict[str, Any]

_WORDS = ("balie", "desk", "exchange", "hap-west", "panel", "home-assistant", "line", "phone1", "x" * 40)
_TEXTS = (
    *_WORDS,
    "",
    "Huis 'De Linde'",
    'met "aanhaling"',
    "ruim\tte",
    "#",
    "{{ site }}",
    "$(id)",
    "é",
    "0",
    "112",
    "a b",
)
_FILES = ("site.pem", "region-ca.pem", "site-key.pem", "met spatie.pem", "diep/in/site.pem", "é.pem", "announcements")
_ADDRESSES = ("127.0.0.1", "127.0.78.1", "192.0.2.10", "192.0.2.1", "203.0.113.10", "0.0.0.0", "255.255.255.255")
_PORTS = (1, 80, 1883, 5060, 5061, 5080, 5100, 8080, 41_000, 65_535)


def values(schema: Table) -> st.SearchStrategy[Any]:
    """What fits a place in the schema, with the edges first."""
    if "$ref" in schema:
        return values(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return st.one_of([values(each) for each in schema["anyOf"] if each.get("type") != "null"])
    for key in ("enum", "const"):
        if key in schema:
            return st.sampled_from(schema[key] if key == "enum" else [schema[key]])
    return _BY_TYPE[schema.get("type", "string")](schema)


def _integer(schema: Table) -> st.SearchStrategy[int]:
    low, high = schema.get("minimum", -1), schema.get("maximum", 70_000)
    if high == 65_535:
        return st.sampled_from(_PORTS)
    return st.sampled_from([low, high]) | st.integers(low, min(high, low + 100))


def _number(schema: Table) -> st.SearchStrategy[float]:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    return st.floats(low, schema.get("maximum", 10_000), allow_nan=False, exclude_min="exclusiveMinimum" in schema)


def _string(schema: Table) -> st.SearchStrategy[str]:
    if schema.get("format") in ("path", "file-path"):
        return st.sampled_from(_FILES)
    if schema.get("format", "").startswith("ipv4"):
        return st.sampled_from(_ADDRESSES)
    if schema.get("format", "").startswith("ip"):
        return st.sampled_from((*_ADDRESSES, "::1"))
    awkward = st.sampled_from(_TEXTS)
    pattern = schema.get("pattern")
    if pattern is None:
        return awkward
    fitting = st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True).filter(lambda text: "\n" not in text)
    return awkward | fitting


def _array(schema: Table) -> st.SearchStrategy[list[Any]]:
    return st.lists(values(schema.get("items", {})), min_size=schema.get("minItems", 0), max_size=3)


def _object(schema: Table) -> st.SearchStrategy[Table]:
    keys = {name: values(inner) for name, inner in schema.get("properties", {}).items()}
    must = {name: keys.pop(name) for name in schema.get("required", ()) if name in keys}
    return st.fixed_dictionaries(must, optional=keys)


_BY_TYPE: dict[str, Callable[[Table], st.SearchStrategy[Any]]] = {
    "integer": _integer,
    "number": _number,
    "boolean": lambda _schema: st.booleans(),
    "string": _string,
    "array": _array,
    "object": _object,
}
_SECTIONS = {name: schema for name, schema in SCHEMA["properties"].items() if name != "secrets"}


@st.composite
def configs(draw: st.DrawFn, examples: tuple[Path, ...] = tuple(EXAMPLES)) -> Table:
    """An example with one to three changes, as TOML would hold it."""
    config: Table = tomllib.loads(draw(st.sampled_from(examples)).read_text(encoding="utf-8"))
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, config, draw(st.sampled_from(sorted(_SECTIONS))))
    return config


def _change(draw: st.DrawFn, config: Table, name: str) -> None:
    """One key of a section otherwise or gone; or a whole section new, once more, or gone."""
    schema, there = _SECTIONS[name], config.get(name)
    if there is None or draw(st.integers(0, 5)) == 0:
        if there is not None and draw(st.booleans()):
            del config[name]
        else:
            config[name] = draw(values(schema))
        return
    table = draw(st.sampled_from(there)) if isinstance(there, list) and there else there
    properties = _properties(schema)
    if not isinstance(table, dict) or not properties:
        return
    key = draw(st.sampled_from(sorted(properties)))
    if key in table and draw(st.integers(0, 3)) == 0:
        del table[key]
    else:
        table[key] = draw(values(properties[key]))


def _properties(schema: Table) -> Table:
    for inner in (schema, *schema.get("anyOf", ()), schema.get("items", {}), *schema.get("allOf", ())):
        if "$ref" in inner:
            found: Table = SCHEMA["$defs"][inner["$ref"].rpartition("/")[2]]["properties"]
            return found
    return {}


def toml(config: Table) -> str:
    """The config as a file: each section on a line of its own."""
    return "".join(f"{name} = {_literal(value)}\n" for name, value in config.items())


def _literal(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)} = {_literal(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(_literal(inner) for inner in value) + "]"
        case bool() | int():
            return json.dumps(value)
        case float():
            return repr(value) if value % 1 or abs(value) > 1e15 else f"{value:.1f}"
        case _:
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
