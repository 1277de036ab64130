"""How large a key is on this very screen: the one stylesheet that depends on the config. Pure.

A standing adult hits a key of 20 mm with 3 mm around it, a key of 14 mm not (Colle and Hiszem 2004, Ergonomics 47).
CSS's own `mm` is 96/25.4 pixels on every screen, so it measures nothing.
"""

from __future__ import annotations

import math

KEY_MM = 20.0
GAP_MM = 3.0
MM_AN_INCH = 25.4


def px(length_mm: float, dpi: float) -> int:
    """So many whole pixels are at least `length_mm`."""
    return math.ceil(length_mm * dpi / MM_AN_INCH - 1e-9)


def stylesheet(dpi: float) -> str:
    return f":root {{ --key-least: {px(KEY_MM, dpi)}px; --gap-least: {px(GAP_MM, dpi)}px; }}\n"
