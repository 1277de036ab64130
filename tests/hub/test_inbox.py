"""The hub's database, on SQLite and on PostgreSQL."""

import json
import os
import random
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hub_said import BOOT, EPOCH, NOON, OTHER_BOOT, REGION, SAID, SITES, bed, event, state, status
from hypothesis import given, settings
from hypothesis import strategies as st

from zorgkiosk.contract.events import CapacityReported, Event, to_cloudevent
from zorgkiosk.contract.status import Ack, Online, SiteState, encode_status
from zorgkiosk.hub import inbox as inbox_module
from zorgkiosk.hub import positions, schema
from zorgkiosk.hub.inbox import Inbox, InboxError
from zorgkiosk.hub.letters import Place, Unreadable, read
from zorgkiosk.hub.outlook import Outlook, OutlookError, SiteReport
from zorgkiosk.hub.positions import Receipt, advance

pytest_plugins = ["database_fixtures"]


@pytest.fixture
def inbox(database: str) -> Iterator[Inbox]:
    opened = Inbox.open(database)
    yield opened
    opened.close()


@contextmanager
def reading(database: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(database)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def take(inbox: Inbox, *events: Event) -> list[Receipt]:
    with inbox.commit(NOON) as commit:
        return commit.take(events)


def up_to(inbox: Inbox, *events: Event) -> int:
    (receipt,) = take(inbox, *events)
    return receipt.ack.up_to


def kept(database: str) -> list[int]:
    with reading(database) as connection:
        return list(connection.scalars(sa.select(schema.event.c.sequence).order_by(schema.event.c.sequence)))


def report(database: str, site: str) -> SiteReport:
    outlook = Outlook.on(database, SITES)
    try:
        return next(each for each in outlook.reports() if each.site.name == site)
    finally:
        outlook.close()


def test_a_status_is_kept_and_given_back_as_it_was_said(inbox: Inbox, database: str) -> None:
    told = CapacityReported(category="seh", status="stop", reason="drukte", until="2026-11-23T14:00:00Z")
    stop = status("seh", "stop", 5, reason="drukte", until="2026-11-23T14:00:00Z")
    ward = bed("grz", 1, 5).model_copy(update={"expected_free_24h": 2, "limits": ("isolatie",)})
    with inbox.commit(NOON) as commit:
        commit.take([event(1, 0, site="vvt-linde", data=told)])
        commit.take_state(state("vvt-linde", stop, ward))
    with reading(database) as connection:
        assert CapacityReported.model_validate(connection.scalar(sa.select(schema.event.c.data))) == told
    held = report(database, "vvt-linde").state
    assert held is not None and held.capacity == (stop, ward)


def unread(excerpt: str, place: Place | None = None, *, site: str = "hap-noord") -> Unreadable:
    return Unreadable(site, "events", "data", "call.handled: hops: too many", len(excerpt), excerpt, place)


def test_a_stream_is_acknowledged_as_far_as_it_is_whole(inbox: Inbox, database: str) -> None:
    assert take(inbox, event(1, 0), event(2)) == [
        Receipt("hap-noord", Ack(stream="telephony", epoch=EPOCH, up_to=2)),
    ]
    assert up_to(inbox, event(4), event(5)) == 2
    assert up_to(inbox, event(3)) == 5
    assert kept(database) == [1, 2, 3, 4, 5]


def test_nothing_is_acknowledged_of_a_stream_whose_beginning_is_missing(inbox: Inbox) -> None:
    assert up_to(inbox, event(2), event(3)) == 0
    assert up_to(inbox, event(1, 0)) == 3


def test_a_site_that_holds_nothing_older_moves_the_position_and_the_gap_is_counted(inbox: Inbox, database: str) -> None:
    assert up_to(inbox, event(1, 0), event(2)) == 2
    assert up_to(inbox, event(6, 0), event(7)) == 7
    assert report(database, "hap-noord").missing == 3


def test_a_link_over_numbers_that_never_were_is_no_gap(inbox: Inbox, database: str) -> None:
    assert up_to(inbox, event(1, 0), event(9, 1)) == 9
    assert report(database, "hap-noord").missing == 0


def test_a_row_sent_again_after_the_site_pruned_brings_its_new_link(inbox: Inbox) -> None:
    """As after the hub's database was lost: the site no longer holds what row 4 once stood after."""
    assert up_to(inbox, event(4, 3)) == 0
    assert up_to(inbox, event(4, 0)) == 4
    assert up_to(inbox, event(4, 3)) == 4


def test_what_is_sent_again_is_kept_once_and_as_it_was(inbox: Inbox, database: str) -> None:
    first = event(1, 0, data=CapacityReported(category="grz", free=2))
    take(inbox, first, first)
    assert up_to(inbox, event(1, 0, data=CapacityReported(category="grz", free=9)), event(2)) == 2
    with reading(database) as connection:
        rows = connection.execute(sa.select(schema.event).order_by(schema.event.c.sequence)).all()
    assert [(row.sequence, row.kind) for row in rows] == [(1, "capacity.reported"), (2, "call.handled")]
    assert rows[0].data == {"category": "grz", "free": 2}
    assert (rows[0].said_at, rows[0].heard_at, rows[0].boot_id) == (NOON, NOON, BOOT)


def test_streams_epochs_and_sites_do_not_touch_each_other(inbox: Inbox) -> None:
    other = "f" * 16
    receipts = take(inbox, event(1, 0), event(1, 0, epoch=other), event(2, epoch=other), event(7, site="hap-zuid"))
    assert {(each.site, each.ack.epoch): each.ack.up_to for each in receipts} == {
        ("hap-noord", EPOCH): 1,
        ("hap-noord", other): 2,
        ("hap-zuid", EPOCH): 0,
    }


def test_a_long_backlog_behind_a_gap_is_acknowledged_at_once_when_it_closes(inbox: Inbox) -> None:
    rows = positions._PAGE_ROWS * 2 + 17
    assert up_to(inbox, *(event(number) for number in range(2, rows + 1))) == 0
    assert up_to(inbox, event(1, 0)) == rows


def test_an_unreadable_event_holds_its_place_and_is_set_aside(inbox: Inbox, database: str) -> None:
    place = Place("telephony", EPOCH, 2, 1, SAID)
    with inbox.commit(NOON) as commit:
        commit.set_aside(unread('{"hops":77}', place))
        assert commit.take([event(1, 0), event(3)], [unread('{"hops":77}', place)])[0].ack.up_to == 3
    with reading(database) as connection:
        (row,) = connection.execute(sa.select(schema.event).where(schema.event.c.kind == schema.UNREADABLE)).all()
        (letter,) = connection.execute(sa.select(schema.dead_letter)).all()
    assert (row.sequence, row.data) == (2, {})
    assert (letter.sequence, letter.reason, letter.excerpt, letter.times) == (2, "data", '{"hops":77}', 1)


def test_the_same_unreadable_thing_is_counted_and_a_flood_of_different_ones_is_bounded(
    inbox: Inbox, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_module, "KEPT_LETTERS", 5)
    with inbox.commit(NOON) as commit:
        commit.set_aside(unread("of another site", site="hap-zuid"))
        for number in range(9):
            commit.set_aside(unread(f"thing {number}"))
        commit.set_aside(unread("thing 8"))
    with reading(database) as connection:
        letters = connection.execute(sa.select(schema.dead_letter).order_by(schema.dead_letter.c.id)).all()
    assert [(letter.site, letter.excerpt, letter.times) for letter in letters] == [
        ("hap-zuid", "of another site", 1),
        *(("hap-noord", f"thing {number}", 1) for number in (4, 5, 6, 7)),
        ("hap-noord", "thing 8", 2),
    ]
    assert report(database, "hap-noord").set_aside == 6


def test_nothing_of_a_commit_that_fails_is_kept(inbox: Inbox, database: str) -> None:
    with pytest.raises(RuntimeError), inbox.commit(NOON) as commit:
        commit.take([event(1, 0)])
        commit.take_state(state())
        raise RuntimeError("power")
    assert kept(database) == [] and report(database, "vvt-linde").state is None


def test_the_newer_state_of_a_boot_stays_and_another_boot_replaces_it(inbox: Inbox, database: str) -> None:
    later = NOON + timedelta(seconds=5)
    for said, heard_at in (
        (state(uptime_ms=2000), NOON),
        (state("vvt-linde", bed("grz", 9, 0), uptime_ms=1000), later),
    ):
        with inbox.commit(heard_at) as commit:
            commit.take_state(said)
    seen = report(database, "vvt-linde")
    assert seen.state == state(uptime_ms=2000) and seen.heard_at == NOON
    with inbox.commit(later) as commit:
        commit.take_state(state(uptime_ms=3, boot_id=OTHER_BOOT))
    assert report(database, "vvt-linde").state == state(uptime_ms=3, boot_id=OTHER_BOOT)
    assert inbox.states(["hap-zuid", "vvt-linde"]) == [(state(uptime_ms=3, boot_id=OTHER_BOOT), later)]


def test_a_last_will_holds_until_the_site_speaks_again(inbox: Inbox, database: str) -> None:
    at = [NOON + timedelta(minutes=minute) for minute in range(5)]
    with inbox.commit(at[0]) as commit:
        commit.take_online(Online(site="vvt-linde", online=True))
    with inbox.commit(at[1]) as commit:
        commit.take_state(state(uptime_ms=1))
    assert (report(database, "vvt-linde").online, report(database, "vvt-linde").online_since) == (True, at[0])
    for minute in (2, 3):
        with inbox.commit(at[minute]) as commit:
            commit.take_online(Online(site="vvt-linde", online=False))
    assert (report(database, "vvt-linde").online, report(database, "vvt-linde").online_since) == (False, at[2])
    with inbox.commit(at[4]) as commit:
        commit.take_state(state(uptime_ms=2))
    assert (report(database, "vvt-linde").online, report(database, "vvt-linde").online_since) == (True, at[4])


_LARGEST = "9" * 15
_EVENT = to_cloudevent(event(1, 0))
_STATE = json.loads(encode_status(state("hap-noord", bed("grz", 2, 30))))


@pytest.mark.parametrize(
    ("leaf", "said"),
    [
        ("events", [_EVENT | {"type": "a\x00b"}, "\x00", {"\x00": "\ud800"}, _EVENT | {"data": {"\x00": "\ud800"}}]),
        ("events", [_EVENT | {"time": "0001-01-01T00:00:00Z", "uptimems": _LARGEST}]),
        ("events", [_EVENT | {"time": "9999-12-31T23:59:59.999999Z", "sequence": _LARGEST}]),
        ("events", [_EVENT | {"sequence": _LARGEST + "9"}, _EVENT | {"epoch": EPOCH + "\n"}]),
        ("events", [_EVENT | {"data": _EVENT["data"] | {"waited_s": 5e-324, "talked_s": 3e8}}]),
        ("state", _STATE | {"title": "De \x00 Linde"}),
        ("state", _STATE | {"title": "De \ud800 Linde"}),
        ("state", _STATE | {"title": "De \U0001f33f Linde", "uptime_ms": 2**53}),
        ("state", _STATE | {"triage": {"helping": {"\x00": 1}}}),
        ("online", {"site": "hap-noord", "online": "\x00"}),
    ],
)
def test_nothing_a_site_can_say_makes_the_database_fail(inbox: Inbox, database: str, leaf: str, said: object) -> None:
    """A database error ends the process, and the site would say the same again: for ever."""
    payload = json.dumps(said).encode()
    letters = read(f"zorgkiosk/v1/{REGION}/hap-noord/{leaf}", payload, region=REGION, sites={"hap-noord"})
    assert letters
    with inbox.commit(NOON) as commit:
        commit.take(
            [letter for letter in letters if isinstance(letter, Event)],
            [letter for letter in letters if isinstance(letter, Unreadable)],
        )
        for letter in letters:
            if isinstance(letter, SiteState):
                commit.take_state(letter)
            elif isinstance(letter, Unreadable):
                commit.set_aside(letter)
    outlook = Outlook.on(database, SITES)
    seen = outlook.reports()[0]
    outlook.close()
    assert seen.set_aside == sum(isinstance(letter, Unreadable) for letter in letters)
    assert (seen.state is not None) == any(isinstance(letter, SiteState) for letter in letters)
    with reading(database) as connection:
        events = connection.execute(sa.select(schema.event)).all()
    places = [letter if isinstance(letter, Event) else letter.place for letter in letters if leaf == "events"]  # type: ignore[union-attr]
    assert len(events) == len({place.sequence for place in places if place})


@pytest.mark.integration
def test_two_writers_lose_nothing_and_double_nothing(postgresql_database: str) -> None:
    events = [event(number, 0 if number == 1 else None) for number in range(1, 201)]
    problems: list[BaseException] = []

    def write(seed: int) -> None:
        mine = list(events)
        random.Random(seed).shuffle(mine)
        inbox = Inbox.open(postgresql_database)
        try:
            for start in range(0, len(mine), 10):
                take(inbox, *mine[start : start + 10])
        except sa.exc.DatabaseError as error:
            problems.append(error)
        finally:
            inbox.close()

    writers = [threading.Thread(target=write, args=(seed,), daemon=True) for seed in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    inbox = Inbox.open(postgresql_database)
    assert not problems and kept(postgresql_database) == list(range(1, 201)) and up_to(inbox, events[0]) == 200
    inbox.close()


def test_a_second_writer_on_sqlite_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    first = Inbox.open(url)
    with pytest.raises(InboxError, match="another intake writes it; SQLite takes one"):
        Inbox.open(url)
    first.close()
    Inbox.open(url).close()


def test_a_database_that_a_newer_release_has_made_more_of_is_used_as_it_is(database: str) -> None:
    """The way back of an update."""
    Inbox.open(database).close()
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    older = Inbox.open(database)
    assert up_to(older, event(1, 0)) == 1
    older.close()
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "9999"
    engine.dispose()


def test_the_migrations_make_what_the_code_expects(inbox: Inbox, database: str) -> None:
    with reading(database) as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_a_database_opens_again_with_all_it_held(database: str) -> None:
    first = Inbox.open(database)
    take(first, event(1, 0))
    first.close()
    again = Inbox.open(database)
    assert up_to(again, event(2)) == 2
    again.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "hub.db"
    file.write_bytes(b"not a database, not at all" * 100)
    with pytest.raises(InboxError, match=r"hub\.db: cannot open the database: file is not a database"):
        Inbox.open(f"sqlite:///{file}")


def test_sqlite_syncs_every_commit(tmp_path: Path) -> None:
    inbox = Inbox.open(f"sqlite:///{tmp_path / 'hub.db'}")
    with inbox._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    inbox.close()


def test_the_outlook_waits_for_a_database_that_is_not_there_yet_and_cannot_write(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    outlook = Outlook.on(url, SITES)
    with pytest.raises(OutlookError, match="the database cannot be read: unable to open database file"):
        outlook.reports()
    Inbox.open(url).close()
    assert [each.state for each in outlook.reports()] == [None, None, None]
    with pytest.raises(sa.exc.OperationalError, match="readonly"), outlook._engine.begin() as connection:
        connection.execute(sa.delete(schema.event))
    outlook.close()


@pytest.mark.parametrize(
    ("held", "rows", "reached", "missing"),
    [
        (0, [], 0, 0),
        (0, [(1, 0), (2, 1)], 2, 0),
        (0, [(2, 1)], 0, 0),
        (3, [(5, 4)], 3, 0),
        (3, [(5, 3), (6, 5)], 6, 0),
        (3, [(5, 0), (7, 6)], 5, 1),
        (0, [(40, 0)], 40, 39),
    ],
)
def test_advance(held: int, rows: list[tuple[int, int]], reached: int, missing: int) -> None:
    assert advance(held, rows) == (reached, missing)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[int, list[list[int]]]:
    """How many rows a stream has, and batches of indices into it: cut, reordered, doubled and lost at will."""
    rows = draw(st.integers(1, 12))
    return rows, draw(st.lists(st.lists(st.integers(0, rows - 1), max_size=8), max_size=10))


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(deliveries(), st.data())
def test_any_delivery_ends_with_each_event_once_and_never_acknowledges_a_missing_one(
    delivery: tuple[int, list[list[int]]], data: Any
) -> None:
    rows, batches = delivery
    steps = data.draw(st.lists(st.integers(1, 3), min_size=rows, max_size=rows))
    sequences = [sum(steps[: index + 1]) for index in range(rows)]  # numbers that were never given are no gap
    linked = [event(sequence, ([0, *sequences])[index]) for index, sequence in enumerate(sequences)]
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/hub.db"
        (Path(directory) / "hub.db").write_bytes(_migrated())
        inbox, arrived = Inbox(inbox_module._writing_engine(sa.make_url(url))), set[int]()
        for batch in batches:
            arrived.update(sequences[index] for index in batch)
            for receipt in take(inbox, *(linked[index] for index in batch)):
                assert receipt.ack.up_to == _whole_until(sequences, arrived)
        # The site sends again from after what was acknowledged, as it does until everything is.
        assert up_to(inbox, *(each for each in linked if each.sequence > _whole_until(sequences, arrived)), linked[-1])
        assert up_to(inbox, linked[-1]) == sequences[-1] and kept(url) == sequences
        inbox.close()


def _whole_until(sequences: list[int], arrived: set[int]) -> int:
    reached = 0
    for sequence in sequences:
        if sequence not in arrived:
            break
        reached = sequence
    return reached


@cache
def _migrated() -> bytes:
    """An empty database, made by the migrations once and copied for each example: they take longer than the rest."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "hub.db"
        Inbox.open(f"sqlite:///{file}").close()
        return file.read_bytes()


def test_the_group_may_write_the_database_so_that_intake_and_board_share_its_shm_file(tmp_path: Path) -> None:
    """SQLite gives -wal and -shm the database's mode; whichever unit makes them, the other must be able to write."""
    before = os.umask(0o007)
    try:
        inbox = Inbox.open(f"sqlite:///{tmp_path / 'hub.db'}")
    finally:
        os.umask(before)
    assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.glob("hub.db*")} == dict.fromkeys(
        ("hub.db", "hub.db-wal", "hub.db-shm", "hub.db.seat"), 0o660
    )
    inbox.close()
