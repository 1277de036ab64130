"""The shipped announcements are what a telephone plays, and are all accounted for."""

from __future__ import annotations

import re
import wave
from pathlib import Path

import pytest

from zorgkiosk.lab import tone

FOLDER = Path(__file__).parents[3] / "firmware_config" / "announcements"
FILES = sorted(FOLDER.glob("*.wav"))
MINUTES = (*range(1, 11), 15, 20)
NAMES = {
    *("welkom.wav", "wachten.wav", "partner.wav", "spoed.wav", "bijna.wav", "langer.wav", "verbroken.wav"),
    *(f"minuten-{minutes}.wav" for minutes in MINUTES),
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_is_telephone_sound_that_is_heard(path: Path) -> None:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (8000, 2, 1)
        length_s = file.getnframes() / 8000
    samples = tone.read_wav(path)
    assert 2 <= length_s < 10
    windows = [tone.measure(samples[at : at + 3200]) for at in range(0, len(samples) - 3200, 3200)]
    assert sum(heard.speech for heard in windows) / len(windows) > 0.7, "mostly silence"
    assert not any(heard.tones for heard in windows), "a simulated phone would take it for another phone"
    assert 5000 < max(abs(sample) for sample in samples) < 32000, "too soft, or distorted"


def test_all_are_there_and_fit_on_a_card() -> None:
    assert {path.name for path in FILES} == NAMES
    assert sum(path.stat().st_size for path in FILES) < 1_500_000


def test_what_is_said_to_who_is_left_on_a_dead_line_ends_in_time() -> None:
    with wave.open(str(FOLDER / "verbroken.wav")) as file:
        assert file.getnframes() / file.getframerate() < 6


def test_the_page_lists_each_with_its_length() -> None:
    rows = re.findall(r"^\| `(.+?)` \| .+ \| ([0-9.]+) s \|$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    listed = {name: float(length) for name, length in rows}
    assert set(listed) == NAMES
    for path in FILES:
        with wave.open(str(path)) as file:
            assert listed[path.name] == pytest.approx(file.getnframes() / 8000, abs=0.06)
