"""What goes and what stays, on both databases."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hub_said import NOON, event

from zorgkiosk.cli import main
from zorgkiosk.contract.events import CapacityConfirmed, CapacityReported, Event
from zorgkiosk.hub import retention, schema
from zorgkiosk.hub.config import Retention
from zorgkiosk.hub.inbox import Inbox
from zorgkiosk.hub.letters import Unreadable
from zorgkiosk.hub.retention import Cutoffs, Pruning, prune

pytest_plugins = ["database_fixtures"]

KEPT = Retention(events_days=100, call_records_days=30, set_aside_days=10)


@pytest.fixture
def inbox(database: str) -> Iterator[Inbox]:
    opened = Inbox.open(database)
    yield opened
    opened.close()


def days(number: float) -> datetime:
    return NOON + timedelta(days=number)


def take(inbox: Inbox, heard_at: datetime, *events: Event) -> None:
    with inbox.commit(heard_at) as commit:
        commit.take(events)


def sequences(inbox: Inbox) -> list[int]:
    with inbox.transaction() as connection:
        return list(connection.scalars(sa.select(schema.event.c.sequence).order_by("sequence")))


def prune_at(inbox: Inbox, now: datetime) -> int:
    return sum(prune(inbox, Cutoffs.at(KEPT, now)))


def beds(sequence: int, category: str) -> Event:
    return event(sequence, data=CapacityReported(category=category, free=sequence))


def test_call_records_and_other_events_go_in_their_own_time(inbox: Inbox) -> None:
    confirmed = CapacityConfirmed(categories=("grz",))
    take(inbox, days(0), event(1, 0), event(2, data=confirmed), event(3))
    take(inbox, days(20), event(4))
    assert prune_at(inbox, days(30)) == 0, "exactly thirty days are kept"
    assert prune_at(inbox, days(31)) == 2 and sequences(inbox) == [2, 4]
    assert prune_at(inbox, days(101)) == 2 and sequences(inbox) == []


def test_the_newest_report_of_each_category_stays_for_ever(inbox: Inbox) -> None:
    take(inbox, days(0), beds(1, "grz"), beds(2, "elv-laag"), beds(3, "grz"), event(4), beds(5, "grz"), event(6))
    prune_at(inbox, days(1000))
    assert sequences(inbox) == [2, 5]


def test_gap_bookkeeping_stays_and_a_gap_still_closes(inbox: Inbox) -> None:
    take(inbox, days(0), event(1, 0), event(2), event(4), event(5))
    prune_at(inbox, days(1000))
    assert sequences(inbox) == [4, 5], "what waits behind a gap is not acknowledged, so it is not history yet"
    with inbox.commit(days(1000)) as commit:
        (receipt,) = commit.take([event(3)])
    assert receipt.ack.up_to == 5
    prune_at(inbox, days(2000))
    with inbox.transaction() as connection:
        position = connection.execute(sa.select(schema.stream_position)).one()
    assert sequences(inbox) == [] and (position.up_to, position.missing) == (5, 0)
    with inbox.commit(days(2000)) as commit:
        assert commit.take([event(6)])[0].ack.up_to == 6


def test_what_was_set_aside_goes_after_it_was_last_seen(inbox: Inbox) -> None:
    old, again = (Unreadable("hap-noord", "events", "json", "no JSON", 3, text) for text in ("old", "again"))
    with inbox.commit(days(0)) as commit:
        commit.set_aside(old)
        commit.set_aside(again)
    with inbox.commit(days(8)) as commit:
        commit.set_aside(again)
    assert prune_at(inbox, days(11)) == 1
    with inbox.transaction() as connection:
        assert list(connection.scalars(sa.select(schema.dead_letter.c.excerpt))) == ["again"]


def test_a_round_goes_in_bounded_pages(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAGE_ROWS", 10)
    take(inbox, days(0), beds(1, "grz"), *(event(number) for number in range(2, 36)))
    take(inbox, days(90), event(36), event(37))
    pages = list(prune(inbox, Cutoffs.at(KEPT, days(99))))
    assert max(pages) == 10 and sum(pages) == 34 and sequences(inbox) == [1, 36, 37]
    assert len(pages) == 5, "no row is looked at twice, and none after the first that stays for its age"


def test_a_round_begins_once_an_hour(inbox: Inbox) -> None:
    pruning = Pruning(inbox, KEPT)
    take(inbox, days(0), event(1, 0))
    now = days(31)
    assert sum(pruning.step(now) for _ in range(5)) == 1
    take(inbox, days(0), event(2))
    assert sum(pruning.step(now + timedelta(minutes=59)) for _ in range(5)) == 0
    assert sum(pruning.step(now + timedelta(minutes=61)) for _ in range(5)) == 1


@pytest.mark.integration
def test_one_of_many_intakes_prunes(postgresql_database: str) -> None:
    first, second = Inbox.open(postgresql_database), Inbox.open(postgresql_database)
    take(first, days(0), event(1, 0))
    engine = sa.create_engine(postgresql_database)
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(retention._LOCK)))
        assert prune_at(second, days(1000)) == 0
    assert prune_at(second, days(1000)) == 1
    for each in (first, second):
        each.close()
    engine.dispose()


def hub(database: str, folder: Path) -> Path:
    file = folder / "hub.toml"
    file.write_text(
        f'[hub]\nregion = "oost"\ndatabase = "{database}"\n[broker]\nhost = "x"\nca_file = "a"\n'
        'certificate_file = "b"\nkey_file = "c"\n[[site]]\nname = "hap-noord"\ntitle = "Noord"\nkind = "hap"\n'
        "[retention]\ncall_records_days = 30\n"
    )
    return file


def test_a_round_of_its_own_is_left_to_the_intake_while_one_has_the_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SQLite takes one writer: the timer's round is for the nights in which no intake runs."""
    file = hub(f"sqlite:///{tmp_path}/hub.db", tmp_path)
    inbox = Inbox.open(f"sqlite:///{tmp_path}/hub.db")
    take(inbox, days(-1000), event(1, 0), event(2))
    assert main(["hub", "retain", "--config", str(file)]) == 0
    assert "left to the intake" in capsys.readouterr().out and sequences(inbox) == [1, 2]
    inbox.close()
    assert main(["hub", "retain", "--config", str(file)]) == 0
    assert capsys.readouterr().out == "2 rows went\n"
    assert main(["hub", "retain", "--config", str(hub("sqlite:////nowhere/hub.db", tmp_path))]) == 69
