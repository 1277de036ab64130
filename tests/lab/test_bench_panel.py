"""The panel's figures are taken from a real panel; how fast it is, is for the bench to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from zorgkiosk.lab.bench import panel

pytestmark = pytest.mark.integration


def test_the_panel_is_measured_and_leaves_nothing_behind(tmp_path: Path) -> None:
    found = {each.name: each for each in panel.figures(tmp_path / "panel", lambda _: None, taps=4)}
    assert set(found) == {"tap_to_screen_ms_p99", "panel_page_kb", "panel_memory_mb"}
    assert found["tap_to_screen_ms_p99"].n == 4 and found["tap_to_screen_ms_p99"].value > 0
    assert 5 < found["panel_page_kb"].value < 150
    assert 10 < found["panel_memory_mb"].value < 200
    assert list(tmp_path.iterdir()) == []
