"""Which announcement plays when: in order, never two at once, and again after `repeat_s`."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.site.telephony.worker.playlist import GAP_S, SHORTEST_TURN_S, Playlist

LENGTHS = {"welcome": 4.0, "wait": 2.0, "minutes-4": 3.0, "minutes-3": 3.0}


class Played:
    """A playlist turned ten times a second, and what started when, in seconds from the beginning."""

    def __init__(self) -> None:
        self.playlist = Playlist()
        self.ticks = 0
        self.starts: list[tuple[float, str]] = []

    @property
    def now_s(self) -> float:
        return self.ticks / 10

    def until(self, end_s: float) -> None:
        while self.now_s < end_s:
            while file := self.playlist.due(1000 + self.now_s):
                if file not in LENGTHS:
                    self.starts.append((self.now_s, f"no {file}"))
                    self.playlist.unplayable()
                    continue
                self.starts.append((self.now_s, file))
                self.playlist.started(LENGTHS[file], 1000 + self.now_s)
            self.ticks += 1

    def hold(self, *files: str, repeat_s: float = 20.0, now: bool = True) -> None:
        self.playlist.replace(files, repeat_s, now=now)


def played(*files: str, repeat_s: float = 20.0, until_s: float) -> list[tuple[float, str]]:
    story = Played()
    story.hold(*files, repeat_s=repeat_s)
    story.until(until_s)
    return story.starts


def test_files_come_one_after_another_and_again_after_a_silence() -> None:
    assert played("welcome", "wait", until_s=30) == [
        (0.0, "welcome"),
        (4.1, "wait"),
        (20.0, "welcome"),
        (24.1, "wait"),
    ]


def test_a_list_longer_than_its_repeat_is_never_cut_short() -> None:
    starts = played("welcome", "wait", repeat_s=5.0, until_s=8)
    assert starts == [(0.0, "welcome"), (4.1, "wait"), (6.2, "welcome")]


def test_a_new_list_comes_at_once() -> None:
    story = Played()
    story.hold("welcome", "wait")
    story.until(2)
    story.hold("minutes-4")
    story.until(25)
    assert story.starts == [(0.0, "welcome"), (2.0, "minutes-4"), (22.0, "minutes-4")]


def test_a_list_with_patience_comes_where_the_running_one_would_have_come_again() -> None:
    story = Played()
    story.hold("wait", "minutes-4", repeat_s=20)
    story.until(3)
    story.hold("wait", "minutes-3", repeat_s=30, now=False)
    story.until(55)
    assert story.starts == [
        (0.0, "wait"),
        (2.1, "minutes-4"),
        (20.0, "wait"),
        (22.1, "minutes-3"),
        (50.0, "wait"),
        (52.1, "minutes-3"),
    ]


def test_of_two_patient_lists_the_last_counts_and_an_impatient_one_cancels_both() -> None:
    story = Played()
    story.hold("wait")
    story.until(1)
    story.hold("minutes-4", now=False)
    story.hold("minutes-3", now=False)
    story.until(21)
    assert story.starts == [(0.0, "wait"), (20.0, "minutes-3")]
    story.hold("minutes-4", now=False)
    story.hold("welcome")
    story.until(45)
    assert story.starts[2:] == [(21.0, "welcome"), (41.0, "welcome")]


def test_what_is_said_once_and_what_follows_may_be_ordered_together() -> None:
    story = Played()
    story.hold("welcome", "wait", repeat_s=10)
    story.hold("wait", repeat_s=10, now=False)
    story.until(25)
    assert story.starts == [(0.0, "welcome"), (4.1, "wait"), (10.0, "wait"), (20.0, "wait")]


def test_nobody_waits_for_the_end_of_silence() -> None:
    story = Played()
    story.hold("wait", now=False)
    story.until(1)
    story.hold()
    story.until(5)
    story.hold("minutes-4", now=False)
    story.until(6)
    assert story.starts == [(0.0, "wait"), (5.0, "minutes-4")]


def test_a_bad_file_is_tried_once_and_the_others_take_its_time() -> None:
    assert played("gone", "wait", until_s=25) == [(0.0, "no gone"), (0.0, "wait"), (20.0, "wait")]


def test_a_list_of_bad_files_is_silence() -> None:
    assert played("gone", "lost", repeat_s=-3.0, until_s=10) == [(0.0, "no gone"), (0.0, "no lost")]


def test_an_odd_repeat_does_no_harm() -> None:
    LENGTHS["nothing"] = 0.0
    starts = played("nothing", repeat_s=-1.0, until_s=3)
    assert [at_s for at_s, _ in starts] == [0.0, SHORTEST_TURN_S, 2 * SHORTEST_TURN_S]


holds = st.tuples(
    st.lists(st.sampled_from(["welcome", "wait", "minutes-4", "gone"]), max_size=3).map(tuple),
    st.floats(-5, 30),
    st.booleans(),
    st.floats(0, 15),
)


@pytest.mark.long
@given(st.lists(holds, max_size=6))
def test_whatever_is_asked_with_patience_nothing_sounds_together(
    story: list[tuple[tuple[str, ...], float, bool, float]],
) -> None:
    played = Played()
    for files, repeat_s, _, stay_s in story:
        played.hold(*files, repeat_s=repeat_s, now=False)
        played.until(played.now_s + stay_s)
    heard = [(at_s, file) for at_s, file in played.starts if file in LENGTHS]
    for (at_s, file), (next_s, _) in itertools.pairwise(heard):
        assert next_s >= at_s + LENGTHS[file] + GAP_S - 0.001
    tried = [file for _, file in played.starts if file not in LENGTHS]
    assert len(tried) == len(set(tried)), "a bad file is tried once"
