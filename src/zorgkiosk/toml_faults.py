"""A text that is no TOML: on which line, at which key, and what to write there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from zorgkiosk.toml_places import Place

_PAIR = re.compile(r"[ \t]*(?P<key>[A-Za-z0-9_.-]+|\"[^\"\n]*\"|'[^'\n]*')[ \t]*=")
_HEADER = re.compile(r"[ \t]*\[{1,2}[ \t]*(?P<key>[A-Za-z0-9_.-]+)[ \t]*\]{1,2}")
_CURES = {
    "Invalid value": "write text in quotes, numbers and true or false without",
    "Cannot overwrite a value": "it stands twice: remove one of the two",
    "Cannot declare": "it stands twice: remove one of the two",
    "Cannot mutate immutable": "it stands twice: remove one of the two",
    "Duplicate inline": "it stands twice: remove one of the two",
    "Cannot redefine": "it stands twice: remove one of the two",
    "Unclosed array": "close the list with ]",
    "Unclosed inline table": "close it with }",
    "Unterminated string": "close the text with a quote",
    "Illegal character": "close the text with a quote on its own line",
    "Unescaped": "write a backslash twice",
    "Expected newline or end": "write one key on each line, and text in quotes",
    "Expected '=' after a key": "write KEY = VALUE",
    "Expected ']": "close the section's name with ]",
    "Invalid date": "write a date that exists, in quotes",
    "Invalid initial character for a key": "write KEY = VALUE",
    "Invalid statement": "write KEY = VALUE, or [SECTION], or # before a remark",
}
_ANY_CURE = "write KEY = VALUE, with text in quotes"


@dataclass(frozen=True)
class TomlFault:
    """`key` is empty where no key stands on the line, nor before it what was not closed."""

    place: Place
    key: str
    sentence: str


def not_toml(text: str, what: str) -> TomlFault:
    """`what`: the message of `tomllib` about `text`."""
    lines = text.split("\n")
    place = Place(1, 1)
    if found := re.search(r" \(at line (\d+), column (\d+)\)$", what):
        what, place = what[: found.start()], Place(int(found[1]), int(found[2]))
    elif what.endswith("(at end of document)"):
        what, place = what.removesuffix(" (at end of document)"), Place(len(lines), 1)
    if what == "Invalid value" and _begins_with_key(lines, place):
        what, place = "Unclosed array", Place(place.line - 1, place.column)  # a list took the next key for a value
    if what.startswith("Unclosed") or (what.startswith(("Unterminated", "Invalid value")) and place.line == len(lines)):
        place = _opened(lines, place, what)
    cure = next((cure for start, cure in _CURES.items() if what.startswith(start)), _ANY_CURE)
    return TomlFault(place, _key(lines, place.line), f"is not TOML: {what}: {cure}")


def _begins_with_key(lines: list[str], place: Place) -> bool:
    pair = _PAIR.match(lines[place.line - 1]) if 1 < place.line <= len(lines) else None
    return pair is not None and pair.start("key") + 1 == place.column


def _opened(lines: list[str], place: Place, what: str) -> Place:
    """Where a list or a text of several lines that is never closed begins: the reader says where it gave up."""
    sign = "[" if "array" in what else "{" if "table" in what else ""
    for number in range(min(place.line, len(lines)), 0, -1):
        pair = _PAIR.match(lines[number - 1])
        if pair is not None and sign in lines[number - 1][pair.end() :]:
            return place if number == place.line else Place(number, pair.start("key") + 1)
    return place


def _key(lines: list[str], number: int) -> str:
    line = lines[number - 1] if number <= len(lines) else ""
    if header := _HEADER.match(line):
        return header["key"]
    pair = _PAIR.match(line)
    if pair is None:
        return ""
    section = next((found["key"] for each in reversed(lines[: number - 1]) if (found := _HEADER.match(each))), "")
    return f"{section}.{pair['key']}" if section else pair["key"]
