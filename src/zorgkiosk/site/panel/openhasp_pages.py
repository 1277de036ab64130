"""What stands where on a plate: the objects of its four pages, for both sizes, and what each object means. Pure.

The ids are the same on both sizes (hardware/openhasp/README.md lists them). Keys are 20 mm with 3 mm between: 105 and
16 pixels of a seven-inch plate (133 dpi), 130 and 20 of a three-and-a-half-inch one (165 dpi). The small one has room
for six such keys, so it shows one tile, one desk or one row at a time and "Verder" goes round.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from zorgkiosk.site.config_plates import Size
from zorgkiosk.site.panel.keys import Key
from zorgkiosk.site.panel.language import phrase
from zorgkiosk.site.panel.openhasp_protocol import Attributes
from zorgkiosk.site.panel.region import ROWS_A_PAGE
from zorgkiosk.site.panel.triage import DESKS_A_PAGE
from zorgkiosk.site.panel.view import TILES_A_PAGE

CAPACITY, TRIAGE, REGIO, DETAIL = 1, 2, 3, 4
PAGES = {"capacity": CAPACITY, "triage": TRIAGE, "regio": REGIO, "detail": DETAIL}

TITLE, CONNECTION, LINE, ASKED = 1, 2, 3, 4
GAUGES, HELPS = 60, 61
WHOSE, UPPER_ASKS, LOWER_ASKS, EXPECTED = 100, 107, 117, 118
"""On a category's own page: its name and what is true of it, what each row asks, and the number in 24 hours."""
OPTIONS_A_ROW = 6
NAME, NUMBER, STATE, LESS, MORE, SAY_MORE = range(6)
"""Within a tile: tile n has the ids from 10·n."""


def tile_id(tile: int, part: int) -> int:
    return 10 * tile + part


def desk_id(desk: int) -> int:
    return 50 + desk


def row_id(row: int) -> int:
    return 70 + row


def upper_id(option: int) -> int:
    return 100 + option


def lower_id(option: int) -> int:
    return 110 + option


CONFIRM, UNDO, NEXT, TO_REGIO, TO_CAPACITY, TO_TRIAGE, HOME, GIVING, ACCEPTING, SEEN = range(90, 100)
KEYS: dict[int, Key] = {
    CONFIRM: Key("confirm"),
    UNDO: Key("undo"),
    NEXT: Key("next"),
    TO_REGIO: Key("regio"),
    TO_CAPACITY: Key("capacity"),
    TO_TRIAGE: Key("triage"),
    HOME: Key("home"),
    GIVING: Key("giving"),
    ACCEPTING: Key("accepting"),
    **{tile_id(n, LESS): Key("less", n) for n in range(1, TILES_A_PAGE + 1)},
    **{tile_id(n, MORE): Key("more", n) for n in range(1, TILES_A_PAGE + 1)},
    SEEN: Key("seen"),
    **{tile_id(n, SAY_MORE): Key("detail", n) for n in range(1, TILES_A_PAGE + 1)},
    **{upper_id(n): Key("limit", n) for n in range(1, OPTIONS_A_ROW + 1)},
    **{lower_id(n): Key("end", n) for n in range(1, OPTIONS_A_ROW + 1)},
    **{desk_id(n): Key("desk", n) for n in range(1, DESKS_A_PAGE + 1)},
}
WORDS = {
    CONFIRM: phrase("Klopt nog"),
    UNDO: phrase("Ongedaan maken"),
    NEXT: phrase("Verder"),
    TO_REGIO: phrase("Regio"),
    TO_CAPACITY: phrase("Capaciteit"),
    TO_TRIAGE: phrase("Wachtrij"),
    HOME: phrase("Terug"),
    SEEN: phrase("Gezien"),
}
OVER: frozenset[int] = frozenset(tile_id(n, SAY_MORE) for n in range(1, TILES_A_PAGE + 1))
"""Keys without a ground of their own: they lie over a tile's number, which leads to its own page."""


@dataclass(frozen=True)
class Box:
    """Pixels from the top left."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True)
class Layout:
    """How many tiles, desks and rows stand on the screen at once, and where. `where` is by page and object id."""

    width: int
    height: int
    tiles: int
    desks: int
    rows: int
    where: dict[tuple[int, int], Box]

    @property
    def goes_round(self) -> bool:
        """Whether "Verder" leads through everything there is."""
        return self.tiles == 1


def _large() -> Layout:
    """800×480: as the browser shows it, four tiles or six desks."""
    key, gap, edge = 105, 16, 16
    top, second, third = 48, 48 + key + gap, 48 + 2 * (key + gap)
    sixth = (800 - 2 * edge - 5 * gap) // 6
    bottom = [Box(edge + n * (sixth + gap), third, sixth, key) for n in range(6)]
    where: dict[tuple[int, int], Box] = {}
    for page in PAGES.values():
        where |= {(page, TITLE): Box(edge, 4, 480, 22), (page, CONNECTION): Box(504, 4, 280, 22)}
        undo = SEEN if page == TRIAGE else UNDO  # at a centre's own page nothing can be undone
        where |= {(page, LINE): Box(edge, 430, 768, 44), (page, undo): bottom[0]}
    where[CAPACITY, ASKED] = Box(edge, 26, 480, 20)
    for n in range(1, TILES_A_PAGE + 1):
        x, y = edge + (n - 1) % 2 * 392, (top, second)[(n - 1) // 2]
        where |= {
            (CAPACITY, tile_id(n, LESS)): Box(x, y, key, key),
            (CAPACITY, tile_id(n, NAME)): Box(x + key + 4, y, 158, 36),
            (CAPACITY, tile_id(n, NUMBER)): Box(x + key + 4, y + 36, 158, 32),
            (CAPACITY, tile_id(n, STATE)): Box(x + key + 4, y + 68, 158, 37),
            (CAPACITY, tile_id(n, MORE)): Box(x + key + 166, y, key, key),
            (CAPACITY, tile_id(n, SAY_MORE)): Box(x + key + gap, y, 166 - 2 * gap, key),
        }
    confirm = Box(bottom[1].x, third, 2 * sixth + gap, key)
    where |= {(CAPACITY, CONFIRM): confirm, (CAPACITY, NEXT): bottom[3]}
    where |= {(CAPACITY, TO_REGIO): bottom[4], (CAPACITY, TO_TRIAGE): bottom[5]}
    where |= {(TRIAGE, GAUGES): Box(edge, top, 244, 120), (TRIAGE, HELPS): Box(edge, top + 124, 244, 102)}
    for n in range(1, DESKS_A_PAGE + 1):
        x = 276 + (n - 1) % 3 * 172
        where[TRIAGE, desk_id(n)] = Box(x, (top, second)[(n - 1) // 3], 156, key)
    in_order = (GIVING, ACCEPTING, NEXT, TO_REGIO, TO_CAPACITY)
    where |= {(TRIAGE, number): bottom[n] for n, number in enumerate(in_order, start=1)}
    where |= {(REGIO, row_id(n)): Box(edge, top + (n - 1) * 56, 768, 56) for n in range(1, ROWS_A_PAGE + 1)}
    where |= {(REGIO, number): bottom[n] for n, number in enumerate((HOME, NEXT, TO_CAPACITY, TO_TRIAGE), start=1)}
    for n in range(1, OPTIONS_A_ROW + 1):
        x = edge + (n - 1) * (sixth + gap)
        where |= {(DETAIL, upper_id(n)): Box(x, 50, sixth, key), (DETAIL, lower_id(n)): Box(x, 180, sixth, key)}
    where |= {(DETAIL, WHOSE): Box(edge, 27, 480, 20), (DETAIL, UPPER_ASKS): Box(504, 27, 280, 20)}
    where |= {
        (DETAIL, LOWER_ASKS): Box(edge, 157, 768, 20),
        (DETAIL, EXPECTED): Box(edge + sixth + gap, 214, sixth, 40),
    }
    where |= {(DETAIL, number): Box(bottom[n].x, 302, sixth, key) for n, number in enumerate((UNDO, TO_CAPACITY))}
    return Layout(800, 480, TILES_A_PAGE, DESKS_A_PAGE, ROWS_A_PAGE, where)


def _small() -> Layout:
    """480×320: one tile, desk, switch or row, and a bottom row of three keys that is the same everywhere."""
    key, edge, top, bottom = 130, 15, 20, 170
    columns = [Box(edge + n * 160, 0, key, key) for n in range(3)]
    upper = [Box(column.x, top, key, key) for column in columns]
    lower = [Box(column.x, bottom, key, key) for column in columns]
    where: dict[tuple[int, int], Box] = {}
    for page in PAGES.values():
        where |= {(page, TITLE): Box(edge, 0, 300, 18), (page, CONNECTION): Box(320, 0, 150, 18)}
        undo = SEEN if page == TRIAGE else UNDO
        where |= {(page, LINE): Box(edge, 301, 450, 19), (page, undo): lower[1], (page, NEXT): lower[2]}
    where |= {
        (CAPACITY, tile_id(1, LESS)): upper[0],
        (CAPACITY, tile_id(1, NAME)): Box(upper[1].x - 12, top, key + 24, 38),
        (CAPACITY, tile_id(1, NUMBER)): Box(upper[1].x - 12, top + 40, key + 24, 34),
        (CAPACITY, tile_id(1, STATE)): Box(upper[1].x - 12, top + 78, key + 24, 54),
        (CAPACITY, tile_id(1, MORE)): upper[2],
        (CAPACITY, tile_id(1, SAY_MORE)): upper[1],
        (CAPACITY, CONFIRM): lower[0],
        (TRIAGE, GAUGES): Box(edge, top, 280, 78),
        (TRIAGE, HELPS): Box(edge, top + 80, 280, 52),
        (TRIAGE, desk_id(1)): upper[2],
        (TRIAGE, GIVING): upper[2],
        (TRIAGE, ACCEPTING): upper[2],
        (TRIAGE, HOME): lower[0],
        (REGIO, row_id(1)): Box(edge, top, 450, key),
        (REGIO, HOME): lower[0],
        **{(DETAIL, upper_id(n)): upper[n - 1] for n in (1, 2, 3)},
        (DETAIL, EXPECTED): Box(upper[1].x, top + 48, key, 40),
        (DETAIL, UPPER_ASKS): Box(edge, 151, 450, 18),
        (DETAIL, TO_CAPACITY): lower[0],
    }
    return Layout(480, 320, 1, 1, 1, where)


LAYOUTS: dict[Size, Layout] = {"480x320": _small(), "800x480": _large()}


def heeded(layout: Layout) -> Iterator[str]:
    """What is listened to of what a plate says below `state/`: how it is, and a touch of each key."""
    yield from ("statusupdate", "idle")
    yield from (f"p{page}b{number}" for page, number in layout.where if number in KEYS)


def objects(size: Size) -> Iterator[Attributes]:
    """Every object of the four pages, empty: what `pages.jsonl` holds, one a line."""
    for page in PAGES.values():
        yield {"page": page, "id": 0, "bg_color": "#FFFFFF"}
        for (at, number), box in LAYOUTS[size].where.items():
            if at == page:
                yield {"page": page, "id": number, **_kind(number), "x": box.x, "y": box.y, "w": box.w, "h": box.h}


def jsonl(size: Size) -> str:
    """The file that is shipped in hardware/openhasp."""
    return "".join(json.dumps(each, separators=(",", ":")) + "\n" for each in objects(size))


def _kind(number: int) -> dict[str, str | int | bool]:
    if number in OVER:
        return {"obj": "btn", "text": "", "bg_opa": 0, "border_width": 0, "shadow_width": 0}
    if number in KEYS:
        sign = {LESS: "-", MORE: "+"}.get(number % 10) if number < 50 else None
        return {
            "obj": "btn",
            "text": sign or WORDS.get(number, ""),
            "text_font": 32 if sign else 16,
            "mode": "break",
            "align": "center",
            "bg_color": "#DCE6EC",
            "text_color": "#12242E",
        }
    large = number == EXPECTED or (number < 50 and number % 10 == NUMBER and number >= 10)
    return {
        "obj": "label",
        "text": "",
        "text_font": 32 if large else 16,
        "mode": "dots" if number in (TITLE, CONNECTION, WHOSE) else "break",
        "align": "center" if 10 <= number < 50 or number == EXPECTED else "left",
        "text_color": "#12242E",
    }
