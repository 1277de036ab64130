"""The chain of the journal: whatever is altered, taken out, moved or put in is found."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.site.chain import CHECKPOINT, NOTHING, START, Broken, Head, Link, Whole, digest, link_after, verify

BOOT = "11111111-2222-3333-4444-555555555555"
SAID: dict[str, Any] = {
    "said_at": "2026-11-21T13:05:00.000000Z",
    "boot_id": BOOT,
    "uptime_ms": 900_000,
    "clock_synced": True,
}


def line(verb: str = "step", subject: str = "elv-laag", value: str = "1", **said: Any) -> dict[str, Any]:
    return {"device": "paneel", "role": "geen", "verb": verb, "subject": subject, "value": value, **SAID, **said}


def chain(*lines: dict[str, Any], start: Head = START) -> list[Link]:
    links: list[Link] = []
    for each in lines:
        links.append(link_after(links[-1].head if links else start, each))
    return links


WORDS = st.text(st.characters(codec="utf-8"), max_size=6)
LINES = st.builds(line, verb=WORDS, subject=WORDS, value=WORDS, uptime_ms=st.integers(0, 2**40))
CHAINS = st.lists(LINES, min_size=2, max_size=8).map(lambda lines: chain(*lines))


def test_a_hash_is_what_the_format_says() -> None:
    """Fixed for ever: a journal of years ago must still be verified. Reckoned with sha256sum."""
    link = Link(1, "paneel", "geen", "step", "elv-laag", "-2", SAID["said_at"], BOOT, 900_000, True, "")
    assert digest(NOTHING, link) == KNOWN
    assert digest(NOTHING, _with(link, "clock_synced", 1)) == KNOWN, "as SQLite keeps it"


KNOWN = "a47e62bef80069bc199b428822d7adecab487d6148456105368a814c0d338f89"


@pytest.mark.long
@given(CHAINS)
def test_a_chain_is_whole(links: list[Link]) -> None:
    assert verify(links, START) == Whole(len(links), START, links[-1].head)
    assert verify(links, START, [link.head for link in links]) == Whole(len(links), START, links[-1].head, len(links))


@pytest.mark.long
@given(CHAINS, st.data())
def test_an_altered_row_is_found_at_its_place(links: list[Link], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(links) - 1))
    name = data.draw(st.sampled_from([field.name for field in fields(Link)]))
    old = getattr(links[at], name)
    new: Any = data.draw(
        (st.integers() if name in ("sequence", "uptime_ms") else WORDS).filter(lambda each: each != old)
    )
    if name == "clock_synced":
        new = data.draw(st.sampled_from([False, 2, None, "1"]))
    spoiled = [*links[:at], _with(links[at], name, new), *links[at + 1 :]]
    found = verify(spoiled, START)
    assert isinstance(found, Broken) and found.sequence == at + 1


def _with(link: Link, name: str, value: Any) -> Link:
    return Link(**{**vars(link), name: value})


@pytest.mark.long
@given(CHAINS, st.data())
def test_a_row_taken_out_is_found(links: list[Link], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(links) - 1))
    found = verify(links[:at] + links[at + 1 :], START, [links[-1].head])
    assert isinstance(found, Broken) and found.sequence == at + 1


@pytest.mark.long
@given(CHAINS, st.data())
def test_rows_taken_from_the_end_are_found_by_who_heard_of_them(links: list[Link], data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, len(links) - 1))
    found = verify(links[:kept], START, [links[-1].head])
    assert isinstance(found, Broken) and found.sequence == kept + 1 and f"there was a row {len(links)}" in str(found)
    assert isinstance(verify(links[:kept], START), Whole), "and by nobody else: that is what heads are for"


@pytest.mark.long
@given(CHAINS, st.data())
def test_swapped_rows_are_found(links: list[Link], data: st.DataObject) -> None:
    one, other = sorted(data.draw(st.lists(st.integers(0, len(links) - 1), min_size=2, max_size=2, unique=True)))
    swapped = list(links)
    swapped[one], swapped[other] = links[other], links[one]
    renumbered = [replace(link, sequence=number) for number, link in enumerate(swapped, start=1)]
    for spoiled in (swapped, renumbered):
        found = verify(spoiled, START)
        assert isinstance(found, Broken) and found.sequence == one + 1


@pytest.mark.long
@given(CHAINS, LINES, st.data())
def test_a_row_put_in_is_found(links: list[Link], more: dict[str, Any], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(links) - 1))
    forged = link_after(links[at - 1].head if at else START, more)
    rest = [replace(link, sequence=link.sequence + 1) for link in links[at:]]
    found = verify([*links[:at], forged, *rest], START)
    assert isinstance(found, Broken) and found.sequence == at + 2


@pytest.mark.long
@given(CHAINS, LINES, st.data())
def test_a_chain_that_was_written_anew_is_found_by_who_heard_of_it(
    links: list[Link], other: dict[str, Any], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(links) - 1))
    lines = [{field.name: getattr(link, field.name) for field in fields(Link)[1:-1]} for link in links]
    forged = chain(*lines[:at], other | {"subject": "forged-by-hand"}, *lines[at + 1 :])
    assert isinstance(verify(forged, START), Whole)
    found = verify(forged, START, [links[-1].head])
    assert isinstance(found, Broken) and found.sequence == len(links)


def test_what_is_left_follows_its_checkpoint_and_nothing_else() -> None:
    links = chain(line(), line(), line(), line(CHECKPOINT, "", ""))
    links = chain(line(), line(), line(), line(CHECKPOINT, "", str(links[1].head)))
    left, start = links[2:], links[1].head
    assert verify(left, start) == Whole(2, start, links[3].head)
    for wrong in (START, links[2].head, Head(2, NOTHING)):
        assert isinstance(verify(left, wrong), Broken)
    one_more = verify(left[1:], links[2].head)
    assert isinstance(one_more, Broken) and "newest checkpoint" in str(one_more)
    assert verify(left, start, [links[0].head, start]) == Whole(2, start, links[3].head, gone=2)
    assert isinstance(verify(left, start, [Head(2, NOTHING)]), Broken)


def test_two_words_about_one_row_are_two_chains() -> None:
    links = chain(line(), line())
    found = verify(links, START, [links[1].head, Head(2, NOTHING)])
    assert isinstance(found, Broken) and "two chains" in str(found)


@pytest.mark.parametrize(
    "text", ["", "1", "1:", "x:" + NOTHING, "1:" + "g" * 64, "-1:" + NOTHING, "1:" + NOTHING + "0"]
)
def test_what_names_no_link(text: str) -> None:
    assert Head.parse(text) is None and Head.parse("17:" + NOTHING) == Head(17, NOTHING)
