"""What is heard through the real worker: announcements, keys, holds, and a line that goes dead."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from worker_bench import Bench
from worker_scenes import (
    ANNOUNCED_HZ,
    LOST_HZ,
    MINUTES_HZ,
    SOON_HZ,
    WAV_S,
    bridged,
    finished,
    held,
    recorded,
    ring,
    talk,
)

from zorgkiosk.site.telephony.messages import AnswerCaller, CallOffered, Hold, LegAnswered, UrgentPressed

pytest.importorskip("pjsua2", reason="the call worker needs pjsua2")
pytest_plugins = ["worker_fixtures"]
pytestmark = pytest.mark.integration


def test_the_announcement_comes_back_after_a_silence(stand: Bench, announcement: str) -> None:
    caller = stand.town.call()
    stand.event(CallOffered)
    stand.line.say(Hold((announcement,), repeat_s=2.0))
    stand.until(lambda: ANNOUNCED_HZ in caller.hears())
    stand.until(lambda: len(caller.samples) > 8000 and not caller.hears(), why="no silence between")
    stand.until(lambda: ANNOUNCED_HZ in caller.hears(), why="announced once only")
    caller.cancel()
    finished(stand, "abandoned")
    stand.until(lambda: caller.code() == 487)


def test_files_are_played_one_after_another(stand: Bench, sounds: Path, announcement: str) -> None:
    """And one that is missing is left out, with one line in the log however often the list comes again."""
    caller = stand.town.call()
    stand.event(CallOffered)
    gone = str(sounds / "gone.wav")
    stand.line.say(Hold((announcement, gone, recorded(sounds, MINUTES_HZ)), repeat_s=3.0))
    heard: list[set[int]] = []

    def third_time() -> bool:
        if tones := caller.hears():
            heard.extend([tones] if heard[-1:] != [tones] else [])
        return len(heard) >= 5

    stand.until(third_time, timeout_s=12, why=f"heard {heard}")
    assert heard == [{ANNOUNCED_HZ}, {MINUTES_HZ}, {ANNOUNCED_HZ}, {MINUTES_HZ}, {ANNOUNCED_HZ}]
    for hz in (ANNOUNCED_HZ, MINUTES_HZ):
        assert caller.bursts(hz)[:2] == pytest.approx([WAV_S, WAV_S], abs=0.05), "cut short"
    assert stand.output().count(gone) == 1
    caller.cancel()
    finished(stand, "abandoned")


def test_another_wait_is_told_without_talking_over_the_first(stand: Bench, sounds: Path, announcement: str) -> None:
    caller = stand.town.call()
    stand.event(CallOffered)
    stand.line.say(Hold((announcement, recorded(sounds, MINUTES_HZ)), repeat_s=3.0))
    stand.line.say(Hold((recorded(sounds, SOON_HZ),), repeat_s=30.0, now=False))
    stand.until(lambda: caller.hears() == {SOON_HZ}, timeout_s=5)
    assert len(caller.samples) / 8000 > 2.9, "too early"
    for hz in (ANNOUNCED_HZ, MINUTES_HZ):
        assert caller.bursts(hz) == pytest.approx([WAV_S], abs=0.05)
    stand.line.say(Hold((announcement,)))
    stand.until(lambda: caller.hears() == {ANNOUNCED_HZ}, timeout_s=0.5, why="at once, and alone")


def test_an_answered_caller_still_hears_the_announcements(stand: Bench, sounds: Path, announcement: str) -> None:
    caller = stand.town.call()
    stand.event(CallOffered)
    stand.line.say(Hold((announcement, recorded(sounds, MINUTES_HZ)), repeat_s=2.5))
    stand.until(lambda: ANNOUNCED_HZ in caller.hears())
    stand.line.say(AnswerCaller())
    stand.until(lambda: caller.code() == 200)
    stand.until(lambda: caller.hears() == {MINUTES_HZ}, why="the list ends with the answer")
    stand.until(lambda: caller.hears() == {ANNOUNCED_HZ}, why="the list does not come again")
    assert caller.bursts(MINUTES_HZ) == pytest.approx([WAV_S], abs=0.05)
    caller.request("INVITE", body=caller.sdp())  # a refresh by the trunk
    caller.deaf()
    stand.until(lambda: caller.hears() == {MINUTES_HZ}, why="a re-INVITE ends the list")
    caller.request("BYE")
    finished(stand, "abandoned")


def test_a_caller_may_be_answered_while_waiting(stand: Bench, announcement: str) -> None:
    caller = held(stand, announcement)
    stand.line.say(AnswerCaller())
    stand.until(lambda: caller.code() == 200)
    stand.until(lambda: not caller.hears(), why="announcement does not end")
    stand.line.say(Hold((announcement,)))
    stand.until(lambda: ANNOUNCED_HZ in caller.hears(), why="the second announcement does not come")
    desk = ring(stand, "one")
    desk.reply(200, sdp=True)
    stand.event(LegAnswered)
    talk(stand, caller, desk)
    assert [code for method, code in caller.codes if method == "INVITE"].count(200) == 1


def test_after_a_rest_the_next_call_has_sound_too(stand: Bench, announcement: str) -> None:
    """The stack closes its sound device a second after a call."""
    caller, _ = bridged(stand, announcement)
    caller.request("BYE")
    finished(stand, "answered")
    rested_s = time.monotonic() + 2.0
    stand.until(lambda: time.monotonic() > rested_s)
    stand.town.phones.clear()
    bridged(stand, announcement)


def test_many_calls_leave_little_behind(stand: Bench, announcement: str) -> None:
    """The stack has 32 players, and the binding frees no finished dialog: 11 kB a call with three legs was measured."""
    sizes_kb: list[int] = []
    for _ in range(60):
        stand.town.phones.clear()
        caller = stand.town.call()
        stand.event(CallOffered)
        stand.line.say(Hold((announcement,)))
        stand.until(lambda caller=caller: caller.code() == 183)  # type: ignore[misc]
        desk = ring(stand, "one")
        desk.reply(200, sdp=True)
        stand.event(LegAnswered)
        stand.until(lambda caller=caller: caller.code() == 200)  # type: ignore[misc]
        caller.request("BYE")
        finished(stand, "answered")
        sizes_kb.append(stand.memory_kb())
    assert sizes_kb[-1] - sizes_kb[19] < 40 * 40, f"grows: {sizes_kb[::10]}"
    assert "left out" not in stand.output()


def test_without_its_sound_file_a_call_goes_on(stand: Bench) -> None:
    caller = stand.town.call()
    stand.event(CallOffered)
    stand.line.say(Hold(("/nowhere/wait.wav",)))
    stand.until(lambda: caller.code() == 183)
    desk = ring(stand, "one")
    desk.reply(200, sdp=True)
    stand.event(LegAnswered)
    talk(stand, caller, desk)


def test_keys(stand: Bench, announcement: str) -> None:
    """1 while waiting means spoed; in a conversation keys go to the other side."""
    caller = held(stand, announcement)
    caller.press(1)
    stand.event(UrgentPressed)
    desk = ring(stand, "one")
    desk.reply(200, sdp=True)
    stand.event(LegAnswered)
    talk(stand, caller, desk)
    caller.press(5)
    stand.until(lambda: 5 in desk.keys, why="key not passed on")
    caller.request("BYE")
    assert finished(stand, "answered").urgent is True


def test_audio_comes_back_after_a_hold(stand: Bench, announcement: str) -> None:
    caller, desk = bridged(stand, announcement)
    for direction in ("sendonly", "sendrecv"):
        desk.codes.clear()
        desk.request("INVITE", body=desk.sdp(direction))
        stand.until(lambda: desk.code() == 200)
    talk(stand, caller, desk)


@pytest.mark.parametrize(
    ("lost", "who", "length_s"),
    [(1.0, "desk", 1.0), (9.0, "caller", 6.0)],
    indirect=["lost"],
    ids=["the desk died", "the caller died, and the announcement is long"],
)
def test_who_is_left_on_a_dead_line_hears_so(stand: Bench, announcement: str, who: str, length_s: float) -> None:
    caller, desk = bridged(stand, announcement)
    dead, left = (desk, caller) if who == "desk" else (caller, desk)
    dead.speaking = False
    stand.until(lambda: left.hears() == {LOST_HZ}, timeout_s=14, why="nothing said")
    started_s = time.monotonic()
    assert dead.got("BYE")
    assert not dead.ever_heard(LOST_HZ)
    stand.until(lambda: left.got("BYE"), timeout_s=7)
    assert length_s - 0.3 < time.monotonic() - started_s < length_s + 0.3
    assert left.bursts(LOST_HZ) == pytest.approx([length_s], abs=0.1)
    assert finished(stand, "lost").answered_by == "desk/one"


def test_a_far_end_without_power_ends_the_call(stand: Bench, announcement: str) -> None:
    caller, desk = bridged(stand, announcement)
    desk.speaking = False
    stand.until(lambda: caller.got("BYE") and desk.got("BYE"), timeout_s=14)
    assert finished(stand, "lost").answered_by == "desk/one"
