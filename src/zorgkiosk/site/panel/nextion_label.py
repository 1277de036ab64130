"""What one component of a serial display shows, and the colours it may have. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from zorgkiosk.site.panel.view import Tone


@dataclass(frozen=True)
class Label:
    """Of one component. `colour` is RGB in 5, 6 and 5 bits. A hotspot has no text: None."""

    text: str | None
    colour: int
    visible: bool = True


def rgb565(html: str) -> int:
    """`#rrggbb` as the display counts colours."""
    red, green, blue = (int(html[at : at + 2], 16) for at in (1, 3, 5))
    return red >> 3 << 11 | green >> 2 << 5 | blue >> 3


INK, MUTED, ALARM, ON = (rgb565(html) for html in ("#15201e", "#4a5855", "#b00020", "#084c47"))
STATES = {
    "current": ON,
    "due": rgb565("#644200"),
    "overdue": rgb565("#852c00"),
    "unknown": rgb565("#37423f"),
    "pending": rgb565("#1b3c69"),
}
"""Dark enough for small letters on the drawing's light ground; the same as in the browser by day."""
PRESSURES = {"groen": ON, "geel": STATES["due"], "oranje": STATES["overdue"], "rood": ALARM}
TONES: dict[Tone, int] = {
    "calm": INK,
    "busy": STATES["pending"],
    "done": ON,
    "asks": STATES["due"],
    "alarm": ALARM,
}
HIDDEN = Label("", INK, visible=False)
