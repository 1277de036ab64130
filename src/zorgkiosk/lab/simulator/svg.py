"""The few SVG shapes that the charts are drawn with. Coordinates are pixels from the top left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

INK, SOFT, FAINT, PAPER = "#1b2733", "#5a6774", "#dfe5ea", "#ffffff"
ISLANDS, OVERFLOW = "#d55e00", "#0072b2"
"""Vermilion and blue of Okabe and Ito, told apart with every kind of colour vision and in grey."""
ISLANDS_TEXT = "#a84a00"


def drawing(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    font = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{font}">\n'
        f"<title>{escape(title)}</title>\n"
        f'<rect width="{width}" height="{height}" fill="{PAPER}"/>\n{body}\n</svg>\n'
    )


def text(
    x: float, y: float, words: str, size: int = 16, *, fill: str = INK, weight: int = 400, anchor: str = "start"
) -> str:
    """A line of text; `y` is its baseline, `anchor` is start, middle or end."""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{fill}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )


def bar(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{max(0.0, width):.1f}" height="{height:g}" rx="3" fill="{fill}"/>'


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = FAINT, width: float = 1, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" '
        f'stroke-width="{width:g}"{dashed}/>'
    )


def curve(points: Sequence[tuple[float, float]], stroke: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="4" stroke-linejoin="round"/>'


def diamond(x: float, y: float) -> str:
    """The mark of a norm."""
    r = 8
    return (
        f'<path d="M{x:.1f} {y - r:.1f} L{x + r:.1f} {y:.1f} L{x:.1f} {y + r:.1f} L{x - r:.1f} {y:.1f} Z" '
        f'fill="{PAPER}" stroke="{INK}" stroke-width="2.5"/>'
    )
