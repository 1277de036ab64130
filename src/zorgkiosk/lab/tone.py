"""Which tones are in a piece of sound. Pure.

Each simulated phone speaks one tone, all the time, and measures what it hears: so a test can say who hears whom,
also through a bridge that mixes or a codec that distorts.

A level is dBFS of a sine: 0 dB swings over the full 16 bits. `FLOOR_DB` stands for nothing at all.
"""

from __future__ import annotations

import math
import sys
import wave
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

RATE_HZ = 8000
TONES_HZ = (440, 530, 632, 722, 982, 1085, 1175, 1289, 1388, 1660, 2314)
"""The tones a phone may speak. No harmonic (2nd to 7th, folded at 4 kHz) and no mixing product (a±b, 2a±b) of
these falls on another one, and none lies within 18 Hz of a DTMF tone."""

SPOKEN_DB = -12.0
PRESENT_DB = -22.0
"""A phone speaks at `SPOKEN_DB`. The spoken announcement puts up to −28.8 dBFS on one of these tones in a window of
0.4 s (−23.6 in one of 0.2 s), so this limit lies between the two."""

FLOOR_DB = -99.0
FULL_SCALE = 32768.0


@dataclass(frozen=True)
class Heard:
    """What a piece of sound held.

    `tones` are those of `TONES_HZ` at or above `PRESENT_DB`, Hz → level in dBFS. `strongest_absent_db` is the
    loudest of the others: the margin before a tone would be found wrongly. `other_db` is all the power that is
    no present tone (speech, noise), as dBFS of a sine of that power. `window_s` is the length of sound measured.
    """

    tones: dict[int, float]
    strongest_absent_db: float
    other_db: float
    window_s: float

    @property
    def silent(self) -> bool:
        return not self.tones and self.other_db < -50.0

    @property
    def speech(self) -> bool:
        """Sound that is none of the tones. A tone that starts or stops inside the window looks like that too."""
        return not self.tones and self.other_db > -40.0

    def __str__(self) -> str:
        tones = ", ".join(f"{hz} Hz at {level:.1f} dB" for hz, level in self.tones.items()) or "no tone"
        return f"{tones}, other sound {self.other_db:.1f} dB, in {self.window_s:.2f} s"


def measure(samples: Sequence[int], tones_hz: Iterable[int] = TONES_HZ) -> Heard:
    """What `samples` (16-bit, 8 kHz, mono) hold. Use 0.4 s; nothing at all is silence."""
    if not samples:
        return Heard(tones={}, strongest_absent_db=FLOOR_DB, other_db=FLOOR_DB, window_s=0.0)
    window = _hann(len(samples))
    shaped = [sample * weight for sample, weight in zip(samples, window, strict=True)]
    gain = sum(window)
    levels = {hz: _db(2.0 * _goertzel(shaped, hz) / gain) for hz in tones_hz}
    present = {hz: round(level, 1) for hz, level in levels.items() if level >= PRESENT_DB}
    power = sum(value * value for value in shaped) / sum(weight * weight for weight in window)
    rest = power - sum((FULL_SCALE * 10 ** (levels[hz] / 20)) ** 2 / 2 for hz in present)
    return Heard(
        tones=present,
        strongest_absent_db=round(max((levels[hz] for hz in levels if hz not in present), default=FLOOR_DB), 1),
        other_db=round(_db(math.sqrt(2.0 * max(rest, 0.0))), 1),
        window_s=len(samples) / RATE_HZ,
    )


def level_db(samples: Sequence[int], hz: float) -> float:
    """Level of one tone of any frequency, dBFS."""
    window = _hann(len(samples))
    shaped = [sample * weight for sample, weight in zip(samples, window, strict=True)]
    return _db(2.0 * _goertzel(shaped, hz) / sum(window))


def pcm(block: bytes) -> array[int]:
    """The samples of raw 16-bit little-endian PCM. An odd last byte raises ValueError."""
    samples = array("h")
    samples.frombytes(block)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def read_wav(path: Path) -> array[int]:
    """The samples of an 8 kHz, 16-bit, mono WAV file. Any other form raises ValueError."""
    with wave.open(str(path), "rb") as file:
        form = (file.getframerate(), file.getsampwidth(), file.getnchannels())
        if form != (RATE_HZ, 2, 1):
            raise ValueError(f"{path.name} is {form[0]} Hz, {8 * form[1]} bit, {form[2]} channels; not 8000, 16, 1")
        return pcm(file.readframes(file.getnframes()))


def sine(amplitudes: dict[int, float], duration_s: float) -> array[int]:
    """A mix of sines, Hz → amplitude in steps of 16 bits; clipped where the sum is too loud."""
    turns = [(2.0 * math.pi * hz / RATE_HZ, amplitude) for hz, amplitude in amplitudes.items()]
    values = (sum(a * math.sin(w * n) for w, a in turns) for n in range(round(duration_s * RATE_HZ)))
    return array("h", (max(-32768, min(32767, round(value))) for value in values))


def _hann(length: int) -> list[float]:
    """Hann's window: in 0.4 s, a tone leaks less than −80 dB of itself onto the next one, 90 Hz away."""
    return [0.5 - 0.5 * math.cos(2.0 * math.pi * n / length) for n in range(length)]


def _goertzel(shaped: Sequence[float], hz: float) -> float:
    """Magnitude of the Fourier sum at `hz`.

    G. Goertzel, "An Algorithm for the Evaluation of Finite Trigonometric Series", American Mathematical Monthly
    65 (1958), 34-35: s[n] = x[n] + 2 cos(w) s[n-1] - s[n-2]; |X(w)|² = s1² + s2² - 2 cos(w) s1 s2. It holds for any w.
    """
    twice_cosine = 2.0 * math.cos(2.0 * math.pi * hz / RATE_HZ)
    last = before = 0.0
    for value in shaped:
        last, before = value + twice_cosine * last - before, last
    return math.sqrt(max(last * last + before * before - twice_cosine * last * before, 0.0))


def _db(amplitude: float) -> float:
    return max(FLOOR_DB, 20.0 * math.log10(amplitude / FULL_SCALE)) if amplitude > 0 else FLOOR_DB
