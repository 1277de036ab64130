"""A row of the reference is as the schema says, and what differs is told with the row to write."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from zorgkiosk.config_section import Section
from zorgkiosk.lab.reference import differences, rows, written


class Bell(Section):
    name: str
    ring_s: Annotated[float, Field(gt=0, le=120)] = 20
    tone: Literal["high", "low"] | None = None
    desks: tuple[Annotated[int, Field(ge=1)], ...] = ()


class House(Section):
    bell: tuple[Bell, ...] = ()


TABLE = """| key | default | allowed | meaning |
|---|---|---|---|
| `[[bell]]` | | | one at each door |
| `name` | – | text | how it is called |
| `ring_s` | `20` | above 0 to 120 s | how long it rings |
| `tone` | none | `"high"` or `"low"` | how it sounds |
| `desks` | `[]` | a list: whole, 1 or more | who hears it |
"""


def test_a_table_that_says_what_the_schema_says_differs_in_nothing() -> None:
    assert differences(House, TABLE) == []
    assert list(written(TABLE)) == list(rows(House))


@pytest.mark.parametrize(
    ("was", "now"),
    [("`20`", "`30`"), ("to 120 s", "to 60 s"), ("120 s", "120 min"), ('`"high"` or ', ""), ("text", "a path")],
)
def test_a_wrong_default_range_unit_choice_or_kind_is_told_with_the_row_to_write(was: str, now: str) -> None:
    [told] = differences(House, TABLE.replace(was, now))
    assert told.startswith("[[bell]] ") and was in told.split(", there is ")[0] and now in told


def test_a_key_that_is_left_out_is_told() -> None:
    [told] = differences(House, "\n".join(line for line in TABLE.split("\n") if "`tone`" not in line))
    assert told == '[[bell]] tone: write the row | `tone` | none | `"high"` or `"low"` | … |, there is none'


def test_a_key_that_nobody_knows_is_told() -> None:
    assert differences(House, TABLE + "| `loud` | `true` | `true` or `false` | no |\n") == [
        "[[bell]] loud: no such key, remove the row"
    ]


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[\[bell\]\] name stands twice"):
        written(TABLE + "| `name` | – | text | again |\n")
