"""Where each key of a TOML file stands: path of the key → line and column, both from 1.

The text is TOML already (`tomllib` has read it); this only keeps what that reader forgets. The grammar is that of
TOML 1.0: tables, arrays of tables, dotted and quoted keys, inline tables, arrays, strings of several lines.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field

Key = tuple[str | int, ...]
"""`("capacity", 1, "code")`: names of tables and keys, numbers of array elements from 0."""

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|' + r"'''(?:.|\n)*?'{3,5}|" + r'"(?:\\.|[^"\\\n])*"|' + r"'[^'\n]*'", re.DOTALL
)
_PLAIN = re.compile(r"[^,\]}\n#]*")


@dataclass(frozen=True, order=True)
class Place:
    line: int
    column: int


def places(text: str) -> dict[Key, Place]:
    """All keys of `text`, which is valid TOML; a table's place is that of its first header."""
    return _Reader(text).read()


def nearest(known: dict[Key, Place], key: Key) -> Place:
    """The place of `key`, or of the innermost table around it that is written; the start of the file without any."""
    while key and key not in known:
        key = key[:-1]
    return known.get(key, Place(1, 1))


@dataclass
class _Reader:
    text: str
    at: int = 0
    found: dict[Key, Place] = field(default_factory=dict)
    last: dict[Key, int] = field(default_factory=dict)
    """Number of the newest element of each array of tables."""

    def read(self) -> dict[Key, Place]:
        table: Key = ()
        while self._skip(_SPACE) and self.at < len(self.text):
            start = self.at
            if self.text.startswith("[[", start):
                table = self._array_header(start)
            elif self.text[start] == "[":
                self.at += 1
                table = self._inside(tuple(self._names()))
                self._note(table, start)
                self._until("]")
            else:
                self._pair(table)
        return self.found

    def _array_header(self, start: int) -> Key:
        self.at += 2
        *around, name = self._names()
        array = (*self._inside(tuple(around)), name)
        self.last[array] = self.last.get(array, -1) + 1
        self._note(array, start)
        self._note((*array, self.last[array]), start)
        self._until("]")
        self._until("]")
        return (*array, self.last[array])

    def _inside(self, names: tuple[str, ...]) -> Key:
        """A name that stands for an array of tables means its newest element."""
        key: Key = ()
        for name in names:
            key = (*key, name)
            if key in self.last:
                key = (*key, self.last[key])
        return key

    def _pair(self, table: Key) -> None:
        start = self.at
        key = table
        for name in self._names():
            key = (*key, name)
            self._note(key, start)
        self._until("=")
        self._skip(_BLANK)
        self._value(key)

    def _value(self, key: Key) -> None:
        sign = self.text[self.at]
        if string := _STRING.match(self.text, self.at):
            self.at = string.end()
        elif sign == "[":
            self._elements(key)
        elif sign == "{":
            self._inline(key)
        else:
            self._skip(_PLAIN)

    def _elements(self, key: Key) -> None:
        self.at += 1
        number = 0
        while self._skip(_SPACE) and self.text[self.at] != "]":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._note((*key, number), self.at)
            self._value((*key, number))
            number += 1
        self.at += 1

    def _inline(self, key: Key) -> None:
        self.at += 1
        while self._skip(_SPACE) and self.text[self.at] != "}":
            if self.text[self.at] == ",":
                self.at += 1
            else:
                self._pair(key)
        self.at += 1

    def _names(self) -> list[str]:
        """A dotted key: its parts."""
        names = []
        while True:
            self._skip(_BLANK)
            part = _STRING.match(self.text, self.at) or _BARE.match(self.text, self.at)
            if part is None:  # cannot be in valid TOML
                raise ValueError(f"toml: no key at character {self.at}")
            self.at = part.end()
            written = part.group()
            names.append(str(tomllib.loads(f"x = {written}")["x"]) if written[0] in "\"'" else written)
            self._skip(_BLANK)
            if self.text[self.at : self.at + 1] != ".":
                return names
            self.at += 1

    def _note(self, key: Key, start: int) -> None:
        line_start = self.text.rfind("\n", 0, start) + 1
        place = Place(self.text.count("\n", 0, start) + 1, start - line_start + 1)
        for length in range(1, len(key) + 1):  # `[a.b]` makes `a` too
            self.found.setdefault(key[:length], place)

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return True

    def _until(self, sign: str) -> None:
        self.at = self.text.index(sign, self.at) + 1
