"""The chime of a reminder: made, not recorded, so that nobody holds rights to it. Pure."""

from __future__ import annotations

import functools
import io
import math
import wave

RATE_HZ = 8000
NOTES = ((659.3, 0.25), (523.3, 0.45))
"""Frequency in Hz and length in seconds: e'' and c'', the interval of a door bell."""
LOUDNESS = 0.5


@functools.cache
def chime() -> bytes:
    """WAV (RIFF, PCM, 16 bits, mono), about 11 kB."""
    samples = [
        math.sin(2 * math.pi * tone_hz * n / RATE_HZ) * math.exp(-4 * n / (length_s * RATE_HZ))
        for tone_hz, length_s in NOTES
        for n in range(int(length_s * RATE_HZ))
    ]
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(b"".join(int(32767 * LOUDNESS * each).to_bytes(2, "little", signed=True) for each in samples))
    return file.getvalue()
