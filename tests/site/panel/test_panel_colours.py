"""Contrast of the palette by WCAG 2.2 §1.4.6: 7:1 for whatever carries a number or a state, by day and by night."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import zorgkiosk.site.panel.web as web

CSS = (Path(web.__file__).parent / "static" / "panel.css").read_text(encoding="utf-8")
AAA, AA = 7.0, 4.5
STATES = [("current",) * 2, ("due",) * 2, ("overdue",) * 2, ("pending",) * 2, ("unknown",) * 2, ("hatch", "unknown")]
NUMBERS = [*((ground, f"{ink}-ink") for ground, ink in STATES), ("ground", "ink"), ("face", "ink"), ("alarm", "ground")]
TEXTS = [("ground", "muted"), ("face", "muted"), ("main", "on-main"), ("ground", "alarm"), ("ground", "overdue-ink")]


def palette(light: str) -> dict[str, tuple[float, float, float]]:
    """Linear red, green and blue by name."""
    block = re.search(rf"#screen\.{light} \{{(.*?)\}}", CSS, re.DOTALL)
    assert block is not None
    found = re.findall(r"--([a-z-]+): #([0-9a-f]{3}|[0-9a-f]{6});", block[1])
    return {
        name: _linear(digits if len(digits) == 6 else "".join(2 * each for each in digits)) for name, digits in found
    }


def _linear(digits: str) -> tuple[float, float, float]:
    shares = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return red, green, blue


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    bright, dark = sorted(
        (0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in (one, other)), reverse=True
    )
    return (bright + 0.05) / (dark + 0.05)


def test_black_on_white_is_21_to_1() -> None:
    assert contrast(_linear("000000"), _linear("ffffff")) == pytest.approx(21)


@pytest.mark.parametrize("light", ["day", "night"])
@pytest.mark.parametrize(("ground", "ink"), NUMBERS)
def test_numbers_and_states_are_read_by_tired_eyes(light: str, ground: str, ink: str) -> None:
    colours = palette(light)
    assert contrast(colours[ground], colours[ink]) >= AAA


@pytest.mark.parametrize("light", ["day", "night"])
@pytest.mark.parametrize(("ground", "ink"), TEXTS)
def test_all_other_text_is_readable(light: str, ground: str, ink: str) -> None:
    colours = palette(light)
    assert contrast(colours[ground], colours[ink]) >= AA


def test_nothing_is_shown_by_a_hover_or_moves_by_itself() -> None:
    styles = [file.read_text(encoding="utf-8") for file in (Path(web.__file__).parent / "static").glob("*.css")]
    assert len(styles) == 2
    assert not any(word in style for style in styles for word in (":hover", "animation", "transition", "@import"))
