"""Every key of every shipped config, written wrong in four ways: each mistake is caught, and named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipped import FIRMWARE
from zorgkiosk.lab.mutations import Mutation, complaint, load, make_room, mutations, shipped

SHIPPED = shipped(FIRMWARE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_room(tmp_path, FIRMWARE)


def test_the_corpus_is_large() -> None:
    assert sum(1 for file in SHIPPED for _ in mutations(file.read_text(encoding="utf-8"))) >= 200


@pytest.mark.long
@pytest.mark.parametrize("source", SHIPPED, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_each_mistake_is_caught_and_named_with_its_line(folder: Path, source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    file = folder / source.name
    file.write_text(text, encoding="utf-8")
    load(file)  # the shipped one is good, so what follows is the mistake's
    missed = [(each.line, each.word, told) for each in mutations(text) if (told := complaint(file, each))]
    assert missed == []


def test_a_mistake_that_is_not_named_with_its_line_counts_as_missed(folder: Path) -> None:
    file = folder / "site.toml"
    text = (FIRMWARE / "example" / "vvt" / "site.toml").read_text(encoding="utf-8")
    assert complaint(file, Mutation(text, 1, "anything")) == ("not caught",)
    [wrong_key, *_] = mutations(text)
    assert complaint(file, wrong_key) == ()
    assert complaint(file, Mutation(wrong_key.text, wrong_key.line + 1, wrong_key.word)) != ()
