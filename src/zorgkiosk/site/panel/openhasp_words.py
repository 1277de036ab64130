"""Words and keys in the characters and colours of a plate. Pure."""

from __future__ import annotations

from zorgkiosk.site.panel.openhasp_protocol import Attributes

STATE_COLOURS = {
    "current": "#0B6E69",
    "due": "#8A5A00",
    "overdue": "#A63A00",
    "unknown": "#5A6670",
    "pending": "#12242E",
}
ALARM, CALM, KEY, KEY_ON = "#B00020", "#12242E", "#DCE6EC", "#9FD3CF"

_GLYPHS = str.maketrans(
    {
        "✓": "\ue12c",  # icons of the built-in fonts: check, clock-outline, alert, bell
        "◔": "\ue150",
        "◐": "\ue150",
        "▲": "\ue026",
        "■": "\ue09a",
        "●": "•",
        "○": "-",
        "−": "-",
        "–": "-",
        "…": "...",
        "’": "'",
        "#": "##",  # a single one begins a colour
        "\n": " ",
    }
)
_LATIN = frozenset(map(chr, [*range(0x20, 0x7F), *range(0xA0, 0x100), 0x20AC, 0x2022, 0xE12C, 0xE150, 0xE026, 0xE09A]))


def on_plate(text: str, longest: int = 200) -> str:
    """In the characters of openHASP's built-in fonts; what they do not have becomes a question mark."""
    plain = text.translate(_GLYPHS)
    known = "".join(sign if sign in _LATIN else "?" for sign in plain)
    return known if len(known) <= longest else known[: longest - 3] + "..."


def words_of(text: str, colour: str = CALM) -> Attributes:
    return {"text": on_plate(text), "text_color": colour, "hidden": False}


def key_of_plate(text: str, *, enabled: bool = True, on: bool = False) -> Attributes:
    return {"text": on_plate(text, 60), "enabled": enabled, "bg_color": KEY_ON if on else KEY, "hidden": False}
