"""A party that stops sending is noticed after ten seconds; one on hold is not."""

from __future__ import annotations

from zorgkiosk.site.telephony.worker.watch import SILENCE_S, WAITING_SILENCE_S, Heard, SilenceWatch


def minute(watch: SilenceWatch, last_packet_s: int, *, expected: bool = True) -> int | None:
    """The second in which `b` is found silent, when its packets stop at `last_packet_s`."""
    for second in range(60):
        heard = {"a": Heard(second * 50, True), "b": Heard(min(second, last_packet_s) * 50, expected)}
        if watch.silent(heard, float(second)):
            return second
    return None


def test_a_party_that_stops_is_found_ten_seconds_later() -> None:
    assert minute(SilenceWatch(), last_packet_s=20) == 20 + SILENCE_S


def test_a_party_that_never_spoke_is_found_too() -> None:
    assert minute(SilenceWatch(), last_packet_s=0) == SILENCE_S


def test_two_that_talk_are_left_alone() -> None:
    assert minute(SilenceWatch(), last_packet_s=99) is None


def test_hold_is_no_silence() -> None:
    assert minute(SilenceWatch(), last_packet_s=5, expected=False) is None


def test_silence_is_counted_from_the_end_of_a_hold() -> None:
    watch = SilenceWatch()
    for second in range(30):
        assert watch.silent({"b": Heard(7, expected=False)}, float(second)) == []
    assert watch.silent({"b": Heard(7, True)}, 38.0) == []
    assert watch.silent({"b": Heard(7, True)}, 39.0) == ["b"]


def test_who_waits_is_given_longer() -> None:
    watch = SilenceWatch()
    found = [second for second in range(40) if watch.silent({"a": Heard(3, True, WAITING_SILENCE_S)}, float(second))]
    assert found[0] == WAITING_SILENCE_S


def test_who_was_silent_while_waiting_is_given_its_full_time_after_the_answer() -> None:
    """An exchange need not send before the answer, and its first packet takes a moment after it."""
    watch = SilenceWatch()
    for second in range(60):
        watch.silent({"a": Heard(0, True, WAITING_SILENCE_S)}, float(second))
    assert watch.silent({"a": Heard(0, True), "b": Heard(0, True)}, 60.0) == []
    assert watch.silent({"a": Heard(0, True), "b": Heard(9, True)}, 60.0 + SILENCE_S) == ["a"]


def test_the_next_conversation_starts_anew() -> None:
    watch = SilenceWatch()
    watch.silent({"a": Heard(5, True)}, 0.0)
    watch.silent({}, 9.0)
    assert watch.silent({"a": Heard(5, True)}, 11.0) == []
