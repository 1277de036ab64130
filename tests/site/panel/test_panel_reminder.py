"""When the panel asks, and when it may be heard."""

from __future__ import annotations

import io
import wave
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path

import pytest
from panel_site import NOON, known, nursing_home, said, value

from zorgkiosk.contract.events import Said
from zorgkiosk.site.config_panel import Panel
from zorgkiosk.site.facts import CapacityFact
from zorgkiosk.site.panel import reminder, screen
from zorgkiosk.site.panel.known import Known, PendingTap
from zorgkiosk.site.panel.screen import Place
from zorgkiosk.site.panel.view import line
from zorgkiosk.site.panel.web import sound

HERE = Path("/nowhere")
H = 3600.0
MIN = 60.0
NOON_TIME, NIGHT = time(14, 5), time(23, 0)


@pytest.mark.parametrize(
    ("sound_after_min", "quiet_hours", "waited_s", "local", "count"),
    [
        (None, "22:00-07:00", 99 * H, NOON_TIME, 0),  # off unless the config says otherwise
        (15, "22:00-07:00", None, NOON_TIME, 0),  # nothing is asked
        (15, "22:00-07:00", 14.9 * MIN, NOON_TIME, 0),
        (15, "22:00-07:00", 15 * MIN, NOON_TIME, 1),
        (15, "22:00-07:00", 29 * MIN, NOON_TIME, 1),
        (15, "22:00-07:00", 30 * MIN, NOON_TIME, 2),
        (15, "22:00-07:00", 30 * MIN, NIGHT, 0),
        (15, "22:00-07:00", 30 * MIN, time(22, 0), 0),
        (15, "22:00-07:00", 30 * MIN, time(6, 59, 59), 0),
        (15, "22:00-07:00", 30 * MIN, time(7, 0), 2),
        (15, "12:00-15:00", 30 * MIN, NOON_TIME, 0),
        (15, "12:00-15:00", 30 * MIN, NIGHT, 2),
        (15, "", 30 * MIN, NIGHT, 2),
    ],
)
def test_how_often_it_has_chimed(
    sound_after_min: float | None, quiet_hours: str, waited_s: float | None, local: time, count: int
) -> None:
    panel = Panel(sound_after_min=sound_after_min, quiet_hours=quiet_hours)
    assert reminder.chime_count(panel, waited_s, local) == count


def at_home(
    age_s: float, *, sound_after_min: float | None = None, tapped: bool = False, now: Said | None = None
) -> Known:
    """`elv-laag` was told so long ago; it is due after 8 hours and overdue after 12."""
    config = nursing_home(HERE, sound_after_min=sound_after_min)
    facts = {"capacity/elv-laag": value(CapacityFact(category="elv-laag", free=2, total=8), age_s)}
    if tapped:
        facts["pending/elv-laag"] = value(PendingTap(free=1))
    return replace(known(config, panel=facts), now=now or said())


@pytest.mark.parametrize(
    ("age_s", "tapped", "asks"),
    [
        (7.9 * H, False, ""),
        (8 * H, False, "Klopt het nog? 1 aantal te bevestigen."),
        (12 * H, False, "Klopt het nog? 1 aantal te bevestigen, 1 verlopen."),
        (12 * H, True, ""),
        (24 * H, False, ""),
    ],
)
def test_the_line_asks_first_and_silently(age_s: float, tapped: bool, asks: str) -> None:
    facts = at_home(age_s, tapped=tapped)
    assert reminder.question(facts) == asks
    if asks:
        assert (line(facts).text, line(facts).tone) == (asks, "asks")
    assert reminder.chimes(facts) == 0


def test_the_screen_carries_the_count_by_day_and_nothing_at_night() -> None:
    facts = at_home(8 * H + 20 * MIN, sound_after_min=10)
    shown = screen.screen(facts, Place("capacity", 1))
    assert shown is not None and shown.chimes == 2
    evening = Said(NOON + timedelta(hours=9), facts.now.boot_id, facts.now.uptime_ms, True)
    assert reminder.chimes(at_home(8 * H + 20 * MIN, sound_after_min=10, now=evening)) == 0


def test_the_chime_is_a_short_sound_that_is_not_clipped() -> None:
    with wave.open(io.BytesIO(sound.chime())) as file:
        assert (file.getnchannels(), file.getframerate()) == (1, sound.RATE_HZ)
        length = file.getnframes()
        samples = memoryview(file.readframes(length)).cast("h")
    assert 0.5 < length / sound.RATE_HZ < 1
    assert 5000 < max(map(abs, samples)) < 32767
