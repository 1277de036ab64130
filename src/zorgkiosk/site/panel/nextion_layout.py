"""The drawing of a serial display: its pages and components, as a technician makes them in the Nextion editor. Pure.

`hardware/nextion/README.md` holds the same as tables. Places and sizes are those of a 7-inch display of 800×480
pixels (133 dpi: 105 px are 20 mm, 16 px are 3 mm); on another size only the names and the numbers of keys matter.
No component is called as a page is, or as an instruction is: firmware could take it for that.
A touch is told as the number of its page and of its component, so keys come first on a page and in this order. A
hotspot is a key that nobody sees: it lies on top of texts, which is where the last number is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zorgkiosk.site.panel.keys import Key

Kind = Literal["key", "text", "variable", "hotspot"]

WIDTH, HEIGHT = 800, 480
KEY, GAP = 105, 16
"""20 mm and 3 mm, in pixels."""
EDGE = 8
START = "start"
"""Page 0, without anything of ours: what a display shows by itself, and when it hears nothing."""
WATCH = "watch"
"""A number on every other page, which the drawing counts up each second and which is set to 0 here."""
WATCH_S = 10
"""When it gets here the drawing goes to the page `start`, so that old numbers do not stay in sight."""
TILES, DESKS, ROWS, HELPS = 4, 6, 4, 3
LIMIT_KEYS, REASON_KEYS, END_KEYS = 5, 6, 6


@dataclass(frozen=True)
class Box:
    """In pixels, from the upper left corner."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True)
class Component:
    """`font`: height of the letters in pixels. `letters`: the longest text (`txt_maxl`)."""

    name: str
    kind: Kind
    box: Box
    font: int = 0
    letters: int = 0
    key: Key | None = None


@dataclass(frozen=True)
class Page:
    """`name`: of the `Place` that it shows, or of what is asked there. Components are in the order of drawing."""

    number: int
    name: str
    components: tuple[Component, ...]

    @property
    def by_name(self) -> dict[str, Component]:
        return {component.name: component for component in self.components}

    def number_of(self, name: str) -> int:
        """The number that the display tells of a component. Raises ValueError when the page does not have it."""
        return [component.name for component in self.components].index(name) + 1

    @property
    def keys(self) -> dict[int, Key]:
        """By the number that the display tells: the page itself is 0, its components count from 1."""
        return {number: each.key for number, each in enumerate(self.components, start=1) if each.key is not None}


def _key(name: str, key: Key, x: int, y: int, w: int = KEY, letters: int = 40, font: int = 24) -> Component:
    return Component(name, "key", Box(x, y, w, KEY), font, letters, key)


def _text(name: str, box: Box, font: int = 24, letters: int = 40) -> Component:
    return Component(name, "text", box, font, letters)


def _around(line: Box) -> tuple[Component, ...]:
    """What stands on every page: whose it is, the time, the connection, and the one line that says what happens."""
    return (
        _text("title", Box(EDGE, 4, 330, 30), letters=60),
        _text("clock", Box(346, 4, 238, 30), letters=30),
        _text("conn", Box(592, 4, 200, 30), letters=30),
        _text("says", Box(line.x, line.y, line.w, line.h // 2), 24 if line.w > 700 else 16, 120),
        _text("detail", Box(line.x, line.y + line.h // 2, line.w, line.h // 2), 16, 120),
        Component(WATCH, "variable", Box(0, 0, 0, 0)),
    )


_BOTTOM = HEIGHT - KEY - 5
_NEXT_KEY = KEY + GAP


def _capacity() -> Page:
    places = [(x, y) for y in (66, 201) for x in (EDGE, 408)]
    span = 384  # from the first key's left side to the second key's right side
    keys = [
        key
        for number, (x, y) in enumerate(places)
        for key in (
            _key(f"m{number}", Key("less", number + 1), x, y, letters=2, font=48),
            _key(f"p{number}", Key("more", number + 1), x + span - KEY, y, letters=2, font=48),
        )
    ]
    row = [WIDTH - EDGE - KEY - after * _NEXT_KEY for after in (3, 2, 1, 0)]
    keys += [
        _key("ok", Key("confirm"), EDGE, _BOTTOM, row[0] - GAP - EDGE),
        *(
            _key(name, key, x, _BOTTOM)
            for name, key, x in zip(
                ("undo", "btri", "breg", "bnext"),
                (Key("undo"), Key("triage"), Key("regio"), Key("next")),
                row,
                strict=True,
            )
        ),
    ]
    texts = [
        text
        for number, (x, y) in enumerate(places)
        for text in (
            _text(f"t{number}", Box(x, y - 27, span, 26)),
            _text(f"n{number}", Box(x + KEY + 4, y, 96, 48), 48, 4),
            _text(f"v{number}", Box(x + KEY + 102, y, 68, 48), 16, 40),
            _text(f"w{number}", Box(x + KEY + 4, y + 48, 166, 24), letters=24),
            _text(f"a{number}", Box(x + KEY + 4, y + 72, 166, 33), 16, 60),
        )
    ]
    more = [
        Component(
            f"e{number}", "hotspot", Box(x + KEY + GAP, y, span - 2 * (KEY + GAP), KEY), key=Key("detail", number + 1)
        )
        for number, (x, y) in enumerate(places)
    ]
    return Page(1, "capacity", (*keys, *texts, *_around(Box(EDGE, 310, 784, 56)), *more))


def _triage() -> Page:
    desks = [(250 + column * 141, 40 + row * _NEXT_KEY) for row in range(3) for column in range(2)]
    keys = [_key(f"d{number}", Key("desk", number + 1), x, y, 125, 90, font=16) for number, (x, y) in enumerate(desks)]
    keys += [
        _key("give", Key("giving"), 532, 282, 122),
        _key("take", Key("accepting"), 670, 282, 122),
        _key("bnext", Key("next"), EDGE, 249),
        _key("bcap", Key("capacity"), EDGE, _BOTTOM),
        _key("breg", Key("regio"), EDGE + _NEXT_KEY, _BOTTOM),
        _key("seen", Key("seen"), EDGE + _NEXT_KEY, 249),
    ]
    texts = [
        _text("waiting", Box(EDGE, 40, 110, 64), 48, 4),
        _text("waits", Box(120, 60, 120, 30), letters=12),
        _text("longest", Box(EDGE, 110, 232, 30)),
        _text("chance", Box(EDGE, 142, 232, 30)),
        _text("pressure", Box(EDGE, 174, 232, 30)),
        _text("lost", Box(EDGE, 206, 232, 40), 16, 120),
        *(_text(f"help{number}", Box(532, 40 + number * 52, 260, 50), letters=100) for number in range(HELPS)),
        _text("reason", Box(532, 200, 260, 76), 16, 100),
    ]
    return Page(2, "triage", (*keys, *texts, *_around(Box(250, 396, 542, 80))))


def _regio() -> Page:
    keys = [
        _key("bhome", Key("home"), EDGE, _BOTTOM, 150),
        _key("bnext", Key("next"), EDGE + 150 + GAP, _BOTTOM, 150),
    ]
    texts = [
        text
        for number in range(ROWS)
        for text in (
            _text(f"r{number}", Box(EDGE, 40 + number * 82, 300, 28), letters=60),
            _text(f"s{number}", Box(316, 40 + number * 82, 140, 28), letters=20),
            _text(f"h{number}", Box(464, 40 + number * 82, 328, 28), 16, 80),
            _text(f"c{number}", Box(EDGE, 68 + number * 82, 784, 50), letters=200),
        )
    ]
    return Page(3, "regio", (*keys, *texts, *_around(Box(340, 376, 452, 96))))


def _options(prefix: str, verb: Literal["limit", "reason", "end"], count: int, y: int) -> list[Component]:
    """A row of keys to choose from, as wide as six of them."""
    wide = (WIDTH - 2 * EDGE - 5 * GAP) // 6
    return [_key(f"{prefix}{n}", Key(verb, n + 1), EDGE + n * (wide + GAP), y, wide, font=16) for n in range(count)]


_ROW_1, _ROW_2 = 104, 238


def _said_more(asks: tuple[str, str]) -> tuple[tuple[Component, ...], tuple[Component, ...]]:
    """Keys and texts of a category's own page: its name, what is true of it now, and what each row asks."""
    keys = (
        _key("bback", Key("capacity"), EDGE, _BOTTOM, 150),
        _key("undo", Key("undo"), EDGE + 150 + GAP, _BOTTOM, 150),
    )
    texts = (
        _text("name", Box(EDGE, 36, 340, 30)),
        _text("now", Box(364, 36, 428, 30), letters=60),
        _text(asks[0], Box(EDGE, 68, 784, 32), letters=60),
        _text(asks[1], Box(EDGE, 210, 784, 26), letters=60),
    )
    return keys, (*texts, *_around(Box(340, 376, 452, 96)))


def _expect() -> Page:
    """What more is said of a number."""
    keys, texts = _said_more(("asklim", "askexp"))
    steps = (
        _key("less", Key("less", 1), EDGE, _ROW_2, letters=2, font=48),
        _key("more", Key("more", 1), 287, _ROW_2, letters=2, font=48),
    )
    number = (_text("n24", Box(129, _ROW_2, 142, 52), 48, 5), _text("v24", Box(129, _ROW_2 + 56, 142, 28), letters=12))
    return Page(4, "expect", (*_options("l", "limit", LIMIT_KEYS, _ROW_1), *steps, *keys, *texts, *number))


def _reason() -> Page:
    """What more is said of a status."""
    keys, texts = _said_more(("askwhy", "askend"))
    options = (*_options("y", "reason", REASON_KEYS, _ROW_1), *_options("z", "end", END_KEYS, _ROW_2))
    return Page(5, "why", (*options, *keys, *texts))


PAGES: dict[str, Page] = {page.name: page for page in (_capacity(), _triage(), _regio(), _expect(), _reason())}


def key_at(page: int, component: int) -> tuple[str, Key | None]:
    """Name of the page with this number ("" when there is none), and the key that is touched there."""
    for each in PAGES.values():
        if each.number == page:
            return each.name, each.keys.get(component)
    return (START if page == 0 else ""), None
