"""Places of keys, in all the ways TOML lets one write them."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.toml_places import Key, Place, nearest, places


@pytest.mark.parametrize(
    ("text", "key", "place"),
    [
        ("a = 1", ("a",), (1, 1)),
        ("\n  a = 1", ("a",), (2, 3)),
        ("# [x]\n[t]\na = 1", ("t", "a"), (3, 1)),
        ("[t]\n", ("t",), (1, 1)),
        ("[[t]]\na = 1\n[[t]]\na = 2", ("t", 1, "a"), (4, 1)),
        ("[[t]]\n[[t.u]]\n[[t]]\n[[t.u]]\na = 1", ("t", 1, "u", 0, "a"), (5, 1)),
        ("[a.b]\nc = 1", ("a", "b", "c"), (2, 1)),
        ("a.b = 1", ("a", "b"), (1, 1)),
        ('"a b" = 1', ("a b",), (1, 1)),
        ('t = """\nb = 1\n"""\na = 1', ("a",), (4, 1)),
        ("t = '''\n[b]\n'''\na = 1", ("a",), (4, 1)),
        ('t = "# \\" ]"\na = 1', ("a",), (2, 1)),
        ("t = [ # ]\n 1,\n 2 ]\na = 1", ("t", 1), (3, 2)),
        ("t = {b = 1, c = [2]}", ("t", "c"), (1, 13)),
        ("t = [{b = 1}, {b = 2}]", ("t", 1, "b"), (1, 16)),
        ("t = 1979-05-27T07:32:00Z # x\na = 1", ("a",), (2, 1)),
    ],
)
def test_a_key_is_found(text: str, key: Key, place: tuple[int, int]) -> None:
    tomllib.loads(text)
    assert places(text)[key] == Place(*place)


def test_what_is_not_written_is_pointed_to_at_its_section() -> None:
    known = places("x = 1\n[hub]\nport = 1\n")
    assert nearest(known, ("hub", "host")) == Place(2, 1) and nearest(known, ("site", "name")) == Place(1, 1)


def _keys(value: Any, key: Key = ()) -> set[Key]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {key} | {found for name, each in inner for found in _keys(each, (*key, name))}


_WORDS = st.text("ab-", min_size=1, max_size=3)
_VALUES = st.sampled_from(["1", "true", '"x"', "[1, [2]]", "{p = 1, q = {r = 2}}", "[]", "{}", "'''\n[z]\n'''", "1.5"])
_LINES = st.one_of(
    st.builds("[{}]".format, _WORDS),
    st.builds("[[{}]]".format, _WORDS),
    st.builds("[{}.{}]".format, _WORDS, _WORDS),
    st.builds("{} = {}  # [no]".format, _WORDS, _VALUES),
)


@given(st.lists(_LINES, max_size=8))
def test_every_key_that_the_real_reader_sees_has_a_place(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(places(text)) | {()} >= _keys(content)
