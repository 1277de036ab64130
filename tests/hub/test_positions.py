"""How far streams are held, and what it costs to know."""

from collections import Counter
from dataclasses import replace

import pytest
import sqlalchemy as sa
from hub_said import NOON, event
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.hub import positions
from zorgkiosk.hub.inbox import Inbox
from zorgkiosk.hub.positions import advance, next_in_line


@pytest.mark.parametrize(
    ("up_to", "links", "reached"),
    [
        (0, [], 0),
        (0, [(1, 0), (2, 1)], 2),
        (0, [(2, 1), (3, 2)], 0),
        (3, [(2, 1), (3, 2), (4, 3)], 4),
        (3, [(4, 3), (6, 5)], 4),
        (3, [(9, 3)], 3),
        (3, [(4, 0)], 4),
    ],
)
def test_what_follows_number_by_number_is_in_line(up_to: int, links: list[tuple[int, int]], reached: int) -> None:
    assert next_in_line(up_to, links) == reached


@given(st.integers(0, 10), st.sets(st.integers(1, 20)))
def test_the_line_never_reaches_further_than_the_chain(up_to: int, sequences: set[int]) -> None:
    links = [(sequence, sequence - 1) for sequence in sorted(sequences)]
    assert next_in_line(up_to, links) == advance(up_to, [link for link in links if link[0] > up_to])[0]


def test_a_commit_of_many_streams_takes_as_few_statements_as_one_of_one(database: str) -> None:
    inbox, statements = Inbox.open(database), Counter[str]()
    now_of = ["opening"]

    @sa.event.listens_for(inbox._engine, "before_cursor_execute")
    def count(*_: object) -> None:
        statements[now_of[0]] += 1

    for now_of[0], names in (("one", ["hap-a"]), ("many", [f"vvt-{number}" for number in range(50)])):
        with inbox.commit(NOON) as commit:
            receipts = commit.take([event(1, 0, site=name) for name in names])
        assert {receipt.ack.up_to for receipt in receipts} == {1} and len(receipts) == len(names)
    assert statements["many"] == statements["one"] > 0
    inbox.close()


def test_more_streams_than_a_statement_takes_are_asked_for_in_parts(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, "_STREAMS_AT_ONCE", 2)
    inbox, names = Inbox.open(database), [f"vvt-{number}" for number in range(5)]
    for sequences, reached in (((2, 3), 0), ((1,), 3)):
        with inbox.commit(NOON) as commit:
            receipts = commit.take([event(each, each - 1, site=name) for name in names for each in sequences])
        assert [receipt.ack.up_to for receipt in receipts] == [reached] * len(names)
    inbox.close()


@pytest.mark.long
def test_a_site_that_makes_up_epochs_ends_no_intake(database: str) -> None:
    inbox = Inbox.open(database)
    made_up = [replace(event(1, 0), epoch=f"{number:016x}") for number in range(25_000)]
    with inbox.commit(NOON) as commit:
        assert {receipt.ack.up_to for receipt in commit.take(made_up)} == {1}
    inbox.close()
