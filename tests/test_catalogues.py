"""The English of the panel and of the board: every sentence is translated, none is left over, all is compiled."""

from __future__ import annotations

import re
import tomllib
from io import BytesIO
from typing import Any

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from shipped import FIRMWARE

ROOT = FIRMWARE.parent
SPEAKING = ["src/zorgkiosk/site/panel", "src/zorgkiosk/hub/board"]
PO = "locale/en/LC_MESSAGES/messages.po"
PLACEHOLDERS = re.compile(r"%\(\w+\)s")


def keywords() -> dict[str, Any]:
    """Of babel's own, and what `make words` adds."""
    found: dict[str, Any] = dict(DEFAULT_KEYWORDS)
    for word in re.findall(r"-k ([\w:,]+)", (ROOT / "Makefile").read_text()):
        name, _, places = word.partition(":")
        found[name] = tuple(map(int, places.split(","))) if places else None
    return found


def extracted(sources: str) -> set[str | tuple[str, ...]]:
    mappings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["babel"]["mappings"]
    methods = [(each["pattern"], each["method"]) for each in mappings]
    return {found[2] for found in extract_from_dir(ROOT / sources, methods, keywords=keywords())}


def catalogue(sources: str) -> list[Message]:
    return [message for message in read_po(BytesIO((ROOT / sources / PO).read_bytes()), locale="en") if message.id]


MESSAGES = [message for sources in SPEAKING for message in catalogue(sources)]


@pytest.mark.long
@pytest.mark.parametrize(("sources", "at_least"), [*zip(SPEAKING, (150, 70), strict=True)])
def test_every_sentence_is_translated_and_none_is_left_over(sources: str, at_least: int) -> None:
    ids = {message.id for message in catalogue(sources)}
    assert len(ids) > at_least
    assert extracted(sources) == ids


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: str(message.id)[:30])
def test_a_translation_is_there_is_sure_and_has_the_same_places(message: Message) -> None:
    assert not message.fuzzy
    ours = [message.id] if isinstance(message.id, str) else message.id
    theirs = [message.string] if isinstance(message.string, str) else message.string or ()
    assert len(ours) == len(theirs)
    for sentence, translation in zip(ours, theirs, strict=True):
        assert translation.strip()
        assert sorted(PLACEHOLDERS.findall(sentence)) == sorted(PLACEHOLDERS.findall(translation))


@pytest.mark.parametrize("sources", SPEAKING)
def test_what_is_shipped_is_compiled_from_the_catalogue(sources: str) -> None:
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO((ROOT / sources / PO).read_bytes()), locale="en"))
    assert (ROOT / sources / PO).with_suffix(".mo").read_bytes() == compiled.getvalue()
