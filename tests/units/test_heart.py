"""What systemd is told: ready once, alive only while every loop of the unit turns."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from zorgkiosk.units.heart import BEAT_S, Heart, LoopPulse, notifier


class Times:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.told: list[str] = []

    def heart(self, *loops: str) -> Heart:
        return Heart(*loops, tell=self.told.append, now_s=lambda: self.now_s)


def test_it_is_ready_when_every_loop_has_turned() -> None:
    times = Times()
    heart = times.heart("web", "rounds")
    heart.turned("rounds")
    heart.turned("rounds")
    assert times.told == []
    heart.turned("web")
    assert times.told == ["READY=1\nWATCHDOG=1"]


def test_a_loop_that_stands_still_keeps_the_word_back() -> None:
    times = Times()
    heart = times.heart("web", "rounds")
    heart.turned("web")
    heart.turned("rounds")
    for _ in range(100):
        times.now_s += BEAT_S
        heart.turned("rounds")
    assert times.told == ["READY=1\nWATCHDOG=1"]
    heart.turned("web")
    assert times.told[1:] == ["WATCHDOG=1"]


def test_the_word_is_given_once_a_second_however_fast_a_loop_turns() -> None:
    times = Times()
    heart = times.heart("tick")
    for _ in range(1000):
        times.now_s += 0.01
        heart.turned("tick")
    assert 9 <= len(times.told) <= 11


def test_a_loop_without_a_name_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        Times().heart("web").turned("wbe")


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_systemd_hears_it(kind: str, tmp_path: Path) -> None:
    name = str(tmp_path / "notify") if kind == "path" else f"@zorgkiosk-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + name[1:] if kind == "abstract" else name)
        systemd.settimeout(5)
        environment = {"NOTIFY_SOCKET": name, "LANG": "C"}
        notifier(environment)("READY=1")
        assert systemd.recv(100) == b"READY=1"
    assert environment == {"LANG": "C"}, "a child of the unit could speak for it"


def test_without_systemd_and_with_a_deaf_one_the_unit_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notifier({})("WATCHDOG=1")
    assert caplog.text == ""
    notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")})("WATCHDOG=1")
    assert "cannot be told" in caplog.text


def test_the_pulse_turns_with_the_web_server_and_wants_nothing() -> None:
    turns: list[int] = []
    pulse = LoopPulse(lambda: turns.append(1))
    assert (pulse.readable(), pulse.writable(), turns) == (False, False, [1])
