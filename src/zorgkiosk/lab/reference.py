"""What the configs' reference has to say of each key, as the schemas have it: key, default and what is allowed.

`firmware_config/README.md` has a table for each file; its last column, the meaning, is written by hand.
"""

from __future__ import annotations

import re

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from zorgkiosk.config_words import allowed, in_toml, section_of

_UNITS = {"s": "s", "min": "min", "days": "days", "mb": "MB"}

Rows = dict[tuple[str, str], str]
"""By section (`[panel]`, `[[desk]]`) and key."""


def rows(kind: type[BaseModel]) -> Rows:
    """`| key | default | allowed |` of each key, in the schema's order."""
    found: Rows = {}
    for name, field in kind.model_fields.items():
        if name == "secrets":  # a file of its own
            continue
        section, several = section_of(field.annotation)
        if section is None:
            found["", name] = f"| `[{name}]` | {_default(field)} | {_allowed(name, field)} |"
            continue
        header = f"[[{name}]]" if several else f"[{name}]"
        for key, inner in section.model_fields.items():
            found[header, key] = f"| `{key}` | {_default(inner)} | {_allowed(key, inner)} |"
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


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "–"
    value = field.get_default(call_default_factory=True)
    if value is None or value == {} or isinstance(value, BaseModel):
        return "none"
    return f"`{in_toml(value)}`"


def _allowed(key: str, field: FieldInfo) -> str:
    said = allowed(field.annotation, field.metadata)
    unit = _UNITS.get(key.rpartition("_")[2], "")
    return (f"{said} {unit}" if unit else said).replace("|", "\\|")
