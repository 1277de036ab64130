"""The language of Nextion displays (and TJC, the same maker's): bytes ↔ frames and instructions. Pure.

Source: the Nextion Instruction Set, sections 1 (rules), 3 (instructions) and 7 (format of return data). Everything
ends in three 0xFF. Fixed frames are read by their length, as a number may hold 0xFF itself: −1 is four of them.
A serial line has no checksum, so what follows a mutilated frame is mistrusted up to the next end.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

END = b"\xff\xff\xff"
MAX_TEXT_BYTES = 256
"""Of a text that the display sends; a longer one is noise."""
CONNECT = b"connect" + END
LEAVE_REPARSE = b"DRAKJHSUYDGBNCJHGJKSHBDN" + END
"""Makes a display that was left in active-reparse mode listen to instructions again; others ignore it."""


@dataclass(frozen=True)
class Success:
    """The instruction was carried out (said with bkcmd 1 or 3)."""


@dataclass(frozen=True)
class Failure:
    code: int

    def __str__(self) -> str:
        return FAILURES[self.code]


@dataclass(frozen=True)
class Overflow:
    """More was sent than the display could hold; what was in its buffer is lost."""


@dataclass(frozen=True)
class Started:
    """Power came, or it was reset: page 0 is shown, everything that was written is gone."""


@dataclass(frozen=True)
class Touch:
    page: int
    component: int
    pressed: bool


@dataclass(frozen=True)
class Coordinates:
    """`asleep`: the touch that wakes a sleeping display."""

    x: int
    y: int
    pressed: bool
    asleep: bool


@dataclass(frozen=True)
class PageShown:
    page: int


@dataclass(frozen=True)
class Number:
    value: int


@dataclass(frozen=True)
class Text:
    value: str


@dataclass(frozen=True)
class Connected:
    """The answer to `connect`. `model` is as it is printed on the back, `NX8048P070_011C`."""

    model: str


@dataclass(frozen=True)
class Slept:
    """The display went to sleep by itself, or woke (`awake`)."""

    awake: bool


@dataclass(frozen=True)
class Other:
    """A frame that is known and of no use here: a firmware upgrade from a card, the ends of a data transfer."""

    code: int


Frame = (
    Success | Failure | Overflow | Started | Touch | Coordinates | PageShown | Number | Text | Connected | Slept | Other
)

FAILURES: dict[int, str] = {
    0x00: "invalid instruction",
    0x02: "invalid component",
    0x03: "invalid page",
    0x04: "invalid picture",
    0x05: "invalid font",
    0x06: "invalid file operation",
    0x09: "invalid checksum",
    0x11: "invalid baud rate",
    0x12: "invalid waveform",
    0x1A: "invalid variable",
    0x1B: "invalid operation on a variable",
    0x1C: "assignment failed",
    0x1D: "EEPROM operation failed",
    0x1E: "wrong number of parameters",
    0x1F: "input or output failed",
    0x20: "invalid escape",
    0x23: "variable name too long",
}
_READY = 0x88
_LONG = {0x65: 7, 0x66: 5, 0x67: 9, 0x68: 9, 0x71: 8}
"""Length of a frame that carries something, by its first byte, with the end."""
_SHORT = {*FAILURES, 0x01, 0x24, 0x86, 0x87, _READY, 0x89, 0xFD, 0xFE}
_COMOK = b"comok "
_STARTED = b"\x00\x00\x00" + END
_LONGEST = max(_LONG.values())


class Decoder:
    """Bytes in any pieces → frames; the pieces make no difference. Holds at most `MAX_TEXT_BYTES` and an end.

    `skipped` counts the bytes that belonged to no frame.
    """

    def __init__(self) -> None:
        self._held = b""
        self._lost = False
        self.skipped = 0

    def feed(self, data: bytes) -> list[Frame]:
        frames = []
        for start in range(0, len(data), MAX_TEXT_BYTES):
            self._held += data[start : start + MAX_TEXT_BYTES]
            while (found := self._next()) is not None:
                frames += found
        return frames

    def _next(self) -> list[Frame] | None:
        """The frame that begins what is held; an empty list after noise; None when more bytes are needed."""
        if self._lost:
            return self._find_again()
        clean = self._held.lstrip(b"\xff")  # ends without anything before them are no frames
        self._held = clean
        if not clean:
            return None
        length = _length(clean)
        if length is None:
            return None
        if length == 0:
            self._lost = True
            return []
        self._held = clean[length:]
        return [_frame(clean[: length - len(END)])]

    def _find_again(self) -> list[Frame] | None:
        """Skip to the next end. Any noise may end like a one-byte answer, so only what is longer is believed."""
        at = self._held.find(END)
        if at < 0:
            kept = self._held[-(_LONGEST + 1) :]
            self.skipped += len(self._held) - len(kept)
            self._held = kept
            return None
        noise, self._held, self._lost = self._held[: at + 3], self._held[at + 3 :], False
        for head, length in ((0x65, 7), (0x00, 6)):
            last = noise[-length:]
            if len(last) == length and last[0] == head and _length(last) == length:
                self.skipped += len(noise) - length
                return [_frame(last[:-3])]
        self.skipped += len(noise)
        return []


def _length(held: bytes) -> int | None:
    """Of the frame that begins `held`, with its end; 0 when that is none; None when more bytes must tell."""
    head = held[0]
    if head == 0x70 or held.startswith(_COMOK):
        return _text_length(held)
    if _COMOK.startswith(held[: len(_COMOK)]):
        return None
    if head == 0x00 and held[1:2] == b"\x00":
        return _fixed(held, _STARTED[:3])
    if head in _LONG:
        body = held[: _LONG[head] - len(END)]
        if head in (0x65, 0x67, 0x68) and len(body) == _LONG[head] - len(END) and body[-1] > 1:
            return 0  # neither pressed nor released
        return _fixed(held, body.ljust(_LONG[head] - len(END), b"\x00"))
    return _fixed(held, held[:1]) if head in _SHORT else 0


def _fixed(held: bytes, body: bytes) -> int | None:
    """`body` and an end, as far as it has come; a body that is still coming is right by definition."""
    size = len(body) + len(END)
    wanted = (body + END)[: len(held)]
    if held[: len(wanted)] != wanted:
        return 0
    return size if len(held) >= size else None


def _text_length(held: bytes) -> int | None:
    at = held.find(END, 1, MAX_TEXT_BYTES + len(END))
    if at >= 0:
        return at + len(END)
    return None if len(held) < MAX_TEXT_BYTES + len(END) else 0


def _frame(body: bytes) -> Frame:
    match body[0], body[1:]:
        case 0x65, rest:
            return Touch(rest[0], rest[1], bool(rest[2]))
        case (0x67 | 0x68) as head, rest:
            x, y = int.from_bytes(rest[0:2], "big"), int.from_bytes(rest[2:4], "big")
            return Coordinates(x, y, bool(rest[4]), head == 0x68)
        case 0x66, rest:
            return PageShown(rest[0])
        case 0x71, rest:
            return Number(int.from_bytes(rest, "little", signed=True))
        case 0x70, rest:
            return Text(rest.decode("iso-8859-1"))
        case 0x63, _:
            parts = body.decode("iso-8859-1").split(",")
            return Connected(parts[2] if len(parts) > 2 else "")
        case (0x00, b"\x00\x00") | (0x88, _):
            return Started()
        case 0x01, _:
            return Success()
        case 0x24, _:
            return Overflow()
        case (0x86 | 0x87) as head, _:
            return Slept(awake=head == 0x87)
        case head, _:
            return Failure(head) if head in FAILURES else Other(head)


_NAME = re.compile(r"[a-z][a-z0-9]{0,13}")
"""Of a page or component; the editor allows 14 characters."""
_SIGNS = str.maketrans(
    dict.fromkeys("−–—", "-")
    | dict.fromkeys('‘’“”"', "'")
    | {"…": "...", "€": "EUR", "✓": "", "\u00a0": " ", "\u00ad": "", "\u0132": "IJ", "\u0133": "ij", "ÿ": "y"}
    | {"\\": "/", "\n": "\r"}
)
"""Signs of our screens that the usual font does not have. Quotes and backslashes are replaced, not escaped, because
firmware differs in what it unescapes; ÿ is 0xFF, of which three are an end."""


def latin(text: str) -> str:
    """The text in the letters of ISO-8859-1, the editor's usual encoding: š becomes s; what is left becomes `?`."""
    return "".join(_letter(sign) for sign in text.replace("✓ ", "").translate(_SIGNS))


def _letter(sign: str) -> str:
    if sign == "\r" or " " <= sign <= "~" or "\u00a0" < sign < "ÿ":
        return sign
    plain = unicodedata.normalize("NFKD", sign)[0]
    return plain if " " < plain <= "~" and plain not in '"\\' else "?"


def text_is(name: str, text: str) -> bytes:
    """`name.txt="text"`; a new line is the two characters `\\r`, the one escape that all firmware knows."""
    quoted = latin(text).replace("\r", "\\r")
    return _instruction(f'{_checked(name)}.txt="{quoted}"')


def value_is(name: str, attribute: str, value: int) -> bytes:
    return _instruction(f"{_checked(name)}.{_checked(attribute)}={value}")


def visible(name: str, *, shown: bool) -> bytes:
    return _instruction(f"vis {_checked(name)},{int(shown)}")


def page(name: str) -> bytes:
    return _instruction(f"page {_checked(name)}")


def brightness(percent: int) -> bytes:
    """0 (off) to 100, until the next reset."""
    return _instruction(f"dim={percent}")


ANSWER_ALWAYS = b"bkcmd=3" + END
"""From now on every instruction is answered, by success or failure."""
WHICH_PAGE = b"sendme" + END


def _instruction(line: str) -> bytes:
    return line.encode("iso-8859-1") + END


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a component")
    return name
