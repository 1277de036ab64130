"""Every key of every shipped config, wrong in each way: `check` catches it, and names the key at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipped import FIRMWARE
from zorgkiosk.lab.mutations import Mutation, Room, mutations, shipped

SHIPPED = shipped(FIRMWARE)
EACH = 25
"""In the fast tests one of so many; the long ones and the bench take them all."""


def ids(file: Path) -> str:
    return f"{file.parent.name}-{file.stem}"


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return Room(tmp_path_factory.mktemp("corpus"), FIRMWARE)


def missed(room: Room, source: Path, each: int = 1) -> list[tuple[str, ...]]:
    file = room.place(source)
    assert room.faults(file) == ()  # the shipped one is good, so what follows is the mistake's
    taken = list(mutations(source.name, source.read_text(encoding="utf-8")))[::each]
    return [
        (one.key, str(one.line), one.text.split("\n")[one.line - 1], *told)
        for one in taken
        if (told := room.complaint(file, one))
    ]


def test_the_corpus_is_large_and_always_the_same() -> None:
    every = [list(mutations(file.name, file.read_text(encoding="utf-8"))) for file in SHIPPED]
    assert sum(map(len, every)) >= 2000 and all(one.key for each in every for one in each)
    assert every == [list(mutations(file.name, file.read_text(encoding="utf-8"))) for file in SHIPPED]


@pytest.mark.parametrize("source", SHIPPED, ids=ids)
def test_one_mistake_of_many_is_named_with_its_key_and_line(room: Room, source: Path) -> None:
    assert missed(room, source, EACH) == []


@pytest.mark.long
@pytest.mark.parametrize("source", SHIPPED, ids=ids)
def test_each_mistake_is_named_with_its_key_and_line(room: Room, source: Path) -> None:
    assert missed(room, source) == []


def test_a_mistake_that_is_not_named_with_its_key_and_line_counts_as_missed(room: Room) -> None:
    source = FIRMWARE / "example" / "vvt" / "site.toml"
    file, text = room.place(source), source.read_text(encoding="utf-8")
    assert room.complaint(file, Mutation(text, 1, "anything")) == ("not caught",)
    wrong_key = next(mutations("site.toml", text))
    assert room.complaint(file, wrong_key) == ()
    assert room.complaint(file, Mutation(wrong_key.text, wrong_key.line + 1, wrong_key.key)) != ()
    assert room.complaint(file, Mutation(wrong_key.text, wrong_key.line, "another")) != ()
    assert room.faults(file) == ()  # and the good one stands there again
