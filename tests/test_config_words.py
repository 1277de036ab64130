"""Every key of every config, with values that it may not hold: each is refused with its key, and with what to write."""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from zorgkiosk.config_file import ConfigError, Written, name_of, validate
from zorgkiosk.config_section import Section
from zorgkiosk.config_words import section_of, to_write
from zorgkiosk.hub.config import HubConfig
from zorgkiosk.provision.config import RegionConfig
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.toml_places import Key

KINDS: tuple[type[Section], ...] = (SiteConfig, HubConfig, RegionConfig)
WRONG: tuple[Any, ...] = (
    True, 1, 8, -1, 10**40, 0.5, 1e300, float("nan"), "8", "true", "", "Ë?", "x" * 300, "1.2.3.4.5", [], [[]],
    {"no": 1}, [True], [1], ["?"], [{"no": 1}], datetime.date(2026, 1, 31), datetime.time(12),
)  # fmt: skip
RAW = ("Input", "input should", "should match", "should be", "should have", "Value error", "unable to", "is of another")
CURES = (
    ": write ", "Write ", "did you mean", "known here", ": add ", ": name ", ": leave ", ": copy", ": let ", ": choose",
    ": give", " needs ", " need ", ", one of", ": use ",
)  # fmt: skip


def keys(kind: type[BaseModel], around: Key = ()) -> Iterator[tuple[Key, Any, list[Any]]]:
    """Every key that is a value, with its type; of a list of sections the first one's."""
    for name, field in kind.model_fields.items():
        section, several = section_of(field.annotation)
        if section is None:
            yield (*around, name), field.annotation, list(field.metadata)
        else:
            yield from keys(section, (*around, name, 0) if several else (*around, name))


def content_with(values: dict[Key, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in values.items():
        inner: Any = content
        for part, after in itertools.pairwise(key):
            inner = inner[part] if isinstance(part, int) else inner.setdefault(part, [{}] if after == 0 else {})
        inner[key[-1]] = value
    return content


def told(kind: type[Section], content: dict[str, Any]) -> list[tuple[str, str]]:
    secrets = None
    if "secrets" in content:
        secrets = Written(Path("secrets.toml"), content.pop("secrets"), {})
    with pytest.raises(ConfigError) as refused:
        validate(kind, Written(Path("site.toml"), content, {}, secrets))
    return [(one.key, one.sentence) for one in refused.value.found]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", WRONG, ids=lambda value: f"{type(value).__name__}")
def test_no_word_of_the_library_reaches_who_wrote_a_config(kind: type[Section], value: Any) -> None:
    for name, sentence in told(kind, content_with({key: value for key, _, _ in keys(kind)})):
        assert not any(raw in sentence for raw in RAW), (name, value, sentence)
        assert any(cure in sentence for cure in CURES), (name, value, sentence)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [True, [True], 1, 0.5, [7], "8", "true", datetime.date(2026, 1, 31)], ids=repr)
def test_nothing_is_taken_for_another_type(kind: type[Section], value: Any) -> None:
    """A bool is no number, a number no text, path, address or bool, a text no number or bool, a date is nothing."""
    wrong = {
        key: value for key, annotation, metadata in keys(kind) if _is_foreign(value, to_write(annotation, metadata))
    }
    found = {name for name, _ in told(kind, content_with(wrong))}
    for key in wrong:
        name = name_of(key)
        assert any(each.startswith(name) for each in found), (name, value, found)
    assert len(wrong) > 3 or kind is RegionConfig


def _is_foreign(value: Any, said: str) -> bool:
    """Whether a key that holds what is `said` never holds `value`."""
    match value:
        case bool() | [bool()]:
            return "true or false" not in said
        case int() | float() | [int()]:
            return re.search(r"a (whole )?number", said) is None
        case str():
            return "true or false" in said or (re.search(r"a (whole )?number", said) is not None and "auto" not in said)
        case _:
            return True


def _sections(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield kind
    for field in kind.model_fields.values():
        section, _ = section_of(field.annotation)
        if section is not None:
            yield from _sections(section)


@pytest.mark.parametrize("kind", KINDS)
def test_sections_keep_to_rules_which_a_wrong_key_does_not_hide(kind: type[Section]) -> None:
    for section in _sections(kind):
        decorators = section.__pydantic_decorators__
        assert set(decorators.field_validators) == {"_as_it_is_written"}, section
        assert set(decorators.model_validators) == {"_keeps_its_rules"}, section
