from __future__ import annotations

import audioop
import itertools
import math
import wave
from array import array
from pathlib import Path

import pytest

from zorgkiosk.lab import tone

ANNOUNCEMENT = Path(__file__).parents[2] / "firmware_config" / "announcements" / "wachten.wav"
WINDOW_S = 0.4
SPOKEN = tone.FULL_SCALE * 10 ** (tone.SPOKEN_DB / 20)


def through_a_law(samples: array[int]) -> array[int]:
    """What G.711 A-law leaves of the sound (the interpreter's own codec, not ours)."""
    return tone.pcm(audioop.alaw2lin(audioop.lin2alaw(samples.tobytes(), 2), 2))


@pytest.mark.parametrize("hz", tone.TONES_HZ)
def test_each_tone_is_found_alone_and_at_its_level_through_a_law(hz: int) -> None:
    heard = tone.measure(through_a_law(tone.sine({hz: SPOKEN}, WINDOW_S)))
    assert list(heard.tones) == [hz]
    assert heard.tones[hz] == pytest.approx(tone.SPOKEN_DB, abs=0.3)
    assert heard.strongest_absent_db < -65
    assert not heard.silent
    assert not heard.speech


@pytest.mark.parametrize("hz", [440, 1289, 2314])
@pytest.mark.parametrize("amplitude", [3000, 12000, 32767])
def test_level_of_a_pure_sine_is_exact(hz: int, amplitude: int) -> None:
    expected_db = 20 * math.log10(amplitude / 32768)
    assert tone.level_db(tone.sine({hz: amplitude}, WINDOW_S), hz) == pytest.approx(expected_db, abs=0.02)


def test_leakage_onto_the_next_tone_is_below_80_db() -> None:
    pure = tone.sine({440: 32767}, WINDOW_S)
    assert tone.level_db(pure, 530) < -80


def test_a_mix_shows_all_its_tones_and_only_those_through_a_law() -> None:
    for mix in itertools.islice(itertools.combinations(tone.TONES_HZ, 3), 0, None, 12):
        heard = tone.measure(through_a_law(tone.sine(dict.fromkeys(mix, SPOKEN), WINDOW_S)))
        assert set(heard.tones) == set(mix), str(heard)


def test_a_tone_between_the_known_ones_is_other_sound() -> None:
    heard = tone.measure(tone.sine({800: SPOKEN}, WINDOW_S))
    assert heard.tones == {}
    assert heard.other_db == pytest.approx(tone.SPOKEN_DB, abs=0.3)
    assert heard.speech


def test_a_tone_too_weak_is_not_present() -> None:
    just_below, just_above = (32768 * 10 ** ((tone.PRESENT_DB + step) / 20) for step in (-0.5, 0.5))
    assert tone.measure(tone.sine({982: just_below}, WINDOW_S)).tones == {}
    assert list(tone.measure(tone.sine({982: just_above}, WINDOW_S)).tones) == [982]


@pytest.mark.parametrize("samples", [array("h"), array("h", [0] * 3200), array("h", [8, -8] * 1600)])
def test_nothing_and_the_noise_of_an_idle_codec_are_silence(samples: array[int]) -> None:
    heard = tone.measure(samples)
    assert heard.silent
    assert not heard.speech
    assert heard.window_s == len(samples) / 8000


def test_the_tones_do_not_disturb_each_other_or_dtmf() -> None:
    signals = (697, 770, 852, 941, 1209, 1336, 1477, 1633)
    assert all(abs(hz - signal) >= 18 for hz in tone.TONES_HZ for signal in signals)
    folded = {min(k * hz % 8000, 8000 - k * hz % 8000) for hz in tone.TONES_HZ for k in range(2, 8)}
    mixed = {k * a + b for a, b in itertools.permutations(tone.TONES_HZ, 2) for k in (1, 2)}
    mixed |= {abs(k * a - b) for a, b in itertools.permutations(tone.TONES_HZ, 2) for k in (1, 2)}
    assert all(abs(hz - product) >= 10 for hz in tone.TONES_HZ for product in folded | mixed)


def test_the_announcement_is_audible_speech_and_no_tone() -> None:
    samples = tone.read_wav(ANNOUNCEMENT)
    size = round(WINDOW_S * 8000)
    windows = [tone.measure(samples[at : at + size]) for at in range(0, len(samples) - size, size)]
    assert 8 < len(samples) / 8000 < 20, "shorter than the pause between two repeats"
    assert all(not heard.tones for heard in windows)
    assert sum(heard.speech for heard in windows) / len(windows) > 0.8


def test_another_form_of_wav_is_refused_with_its_form(tmp_path: Path) -> None:
    path = tmp_path / "music.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes(bytes(4))
    with pytest.raises(ValueError, match=r"music\.wav is 44100 Hz, 16 bit, 2 channels"):
        tone.read_wav(path)


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError):
        tone.pcm(b"\0\0\0")
