"""Scenes that many tests of the worker begin with."""

from __future__ import annotations

import math
import wave
from array import array
from pathlib import Path

from worker_bench import Bench, Phone

from zorgkiosk.site.telephony.messages import CallFinished, CallOffered, Hold, LegAnswered, RingLeg

ANNOUNCED_HZ, MINUTES_HZ, SOON_HZ, LOST_HZ = 722, 1289, 2314, 530
WAV_S = 0.8
BEEP_HZ = 800
FREE_AGAIN_S = 0.6


def recorded(sounds: Path, hz: int, length_s: float = WAV_S) -> str:
    """A WAV file that holds one tone."""
    path = sounds / f"{hz}-{length_s}.wav"
    samples = array("h", (round(9000 * math.sin(2 * math.pi * hz * n / 8000)) for n in range(int(8000 * length_s))))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
    return str(path)


def ring(stand: Bench, user: str, *, headers: dict[str, str] | None = None) -> Phone:
    uri = f"sip:{user}@desk"
    stand.line.say(RingLeg(leg=f"desk/{user}", uri=uri, partner=False, headers=headers or {}))
    return stand.called(user)


def held(stand: Bench, wav: str) -> Phone:
    """A caller who hears the announcement."""
    caller = stand.town.call()
    stand.event(CallOffered)
    stand.line.say(Hold((wav,)))
    stand.until(lambda: ANNOUNCED_HZ in caller.hears(), why="no announcement")
    return caller


def bridged(stand: Bench, wav: str) -> tuple[Phone, Phone]:
    caller = held(stand, wav)
    desk = ring(stand, "one")
    desk.reply(200, sdp=True)
    stand.event(LegAnswered)
    talk(stand, caller, desk)
    return caller, desk


def talk(stand: Bench, one: Phone, other: Phone) -> None:
    """Each hears the other's tone and nothing else."""
    one.deaf()
    other.deaf()
    stand.until(lambda: one.hears() == {other.tone_hz} and other.hears() == {one.tone_hz}, why="not heard both ways")


def finished(stand: Bench, outcome: str) -> CallFinished:
    event = stand.event(CallFinished)
    assert event.outcome == outcome
    return event
