"""The journal's chain in real stores: begun, thinned, killed, written by many, full, damaged, migrated."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from full_store import fill, relieve
from zorgkiosk.contract.events import Said
from zorgkiosk.site import schema
from zorgkiosk.site.chain import START, Broken, Head, Whole, verify
from zorgkiosk.site.head_file import HeadFile
from zorgkiosk.site.journal import JournalLine
from zorgkiosk.site.store import Room, Store, StoreError, StoreView

NOON = datetime(2026, 11, 21, 13, 5, tzinfo=UTC)


class HandClock:
    def __init__(self) -> None:
        self.at, self.synced = NOON, True

    def now(self) -> datetime:
        return self.at

    def uptime_s(self) -> float:
        return 900.0

    def said(self) -> Said:
        return Said(self.at, "11111111-2222-3333-4444-555555555555", 900_000, self.synced)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(tmp_path: Path, clock: HandClock) -> Store:
    return Store.open(tmp_path / "panel.db", "panel", clock)


def note(store: Store, *values: object) -> None:
    with store.transaction() as change:
        for each in values:
            change.note(JournalLine("paneel", "geen", "step", "elv-laag", str(each)))


def found(path: Path) -> Whole | Broken:
    view = StoreView(path)
    try:
        with view.chain() as kept:
            assert kept is not None
            return verify(kept.links, kept.start, [kept.head])
    finally:
        view.close()


def head(store: Store) -> Head:
    """With no reader left behind: one would keep the WAL."""
    view = store.view()
    try:
        return view.journal_head() or START
    finally:
        view.close()


def values(store: Store) -> list[str]:
    return [row.line.value for row in reversed(store.view().journal(skip=0, limit=999))]


def verbs(store: Store) -> list[str]:
    with closing(sqlite3.connect(store.path)) as connection:
        return [verb for (verb,) in connection.execute("SELECT verb FROM journal ORDER BY sequence")]


def test_a_chain_begins_once_and_follows_what_was_noted(store: Store) -> None:
    store.begin_journal()
    store.begin_journal()
    note(store, 1, 2)
    assert verbs(store) == ["begin", "step", "step"] and values(store) == ["1", "2"]
    assert found(store.path) == Whole(3, START, head(store), 1)


def test_nothing_of_a_commit_that_failed_is_in_the_chain(store: Store) -> None:
    with pytest.raises(RuntimeError), store.transaction() as change:
        change.note(JournalLine("paneel", "geen", "step", "elv-laag", "1"))
        raise RuntimeError("power")
    note(store, 2)
    assert verbs(store) == ["begin", "step"] and isinstance(found(store.path), Whole)


@pytest.mark.parametrize(
    ("sql", "refusal"),
    [
        ("UPDATE journal SET value = '9' WHERE sequence = 2", "never altered"),
        ("DELETE FROM journal WHERE sequence = 3", "only below a checkpoint"),
        ("DELETE FROM journal", "only below a checkpoint"),
        ("INSERT OR REPLACE INTO journal SELECT 2, 'x', role, verb, subject, value, said_at, boot_id, uptime_ms,"
         " clock_synced, hash FROM journal WHERE sequence = 3", "after the last one"),
        ("INSERT INTO journal SELECT sequence + 5, device, role, verb, subject, value, said_at, boot_id, uptime_ms,"
         " clock_synced, hash FROM journal WHERE sequence = 3", "after the last one"),
    ],
)  # fmt: skip
def test_the_file_itself_refuses_what_is_not_added_at_the_end(store: Store, sql: str, refusal: str) -> None:
    note(store, 1, 2)
    with (
        closing(sqlite3.connect(store.path)) as connection,
        pytest.raises(sqlite3.IntegrityError, match=refusal),
    ):
        connection.execute(sql)
    assert isinstance(found(store.path), Whole) and values(store) == ["1", "2"]


@pytest.mark.parametrize(
    ("sql", "first"),
    [
        ("UPDATE journal SET value = '9' WHERE sequence = 3", 3),
        ("UPDATE journal SET said_at = '2020-01-01T00:00:00.000000Z' WHERE sequence = 2", 2),
        ("UPDATE journal SET clock_synced = 2 WHERE sequence = 4", 4),
        ("UPDATE journal SET value = x'31' WHERE sequence = 2", 2),
        ("DELETE FROM journal WHERE sequence = 4", 4),
        ("DELETE FROM journal WHERE sequence <= 2", 1),
    ],
)
def test_a_hand_that_drops_the_triggers_is_found(store: Store, sql: str, first: int) -> None:
    note(store, 1, 2, 3, 4)
    with closing(sqlite3.connect(store.path)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(sql)
        connection.commit()
    broken = found(store.path)
    assert isinstance(broken, Broken) and broken.sequence == first


def test_thinning_leaves_a_chain_that_can_be_verified_and_says_up_to_where_it_went(
    store: Store, clock: HandClock
) -> None:
    note(store, 1, 2)
    clock.at += timedelta(days=40)
    note(store, 3)
    assert store.prune_journal(clock.at - timedelta(days=30)) == 3
    assert values(store) == ["3"] and verbs(store) == ["step", "checkpoint"]
    whole = found(store.path)
    assert isinstance(whole, Whole) and whole.start.sequence == 3
    clock.at += timedelta(days=40)
    assert store.prune_journal(clock.at - timedelta(days=30)) == 2
    assert store.prune_journal(clock.at - timedelta(days=30)) == 0
    assert verbs(store) == ["checkpoint"] and isinstance(found(store.path), Whole)
    clock.at += timedelta(days=400)
    assert store.prune_journal(clock.at) == 0, "a checkpoint alone is worth no other"
    note(store, 4)
    assert isinstance(found(store.path), Whole)


def test_a_day_has_one_checkpoint(store: Store, clock: HandClock) -> None:
    for n in range(8):
        note(store, n)
        clock.at += timedelta(hours=6)
    gone = [store.prune_journal(clock.at + timedelta(hours=hour)) > 0 for hour in range(24)]
    assert gone.count(True) <= 2 and isinstance(found(store.path), Whole)


def test_a_wrong_year_takes_nothing_along(store: Store, clock: HandClock) -> None:
    """A clock that was set wrongly and told so, once, is no reason to forget what stands before it."""
    note(store, 1)
    clock.at = NOON - timedelta(days=9000)
    note(store, 2)
    clock.at = NOON
    note(store, 3)
    assert store.prune_journal(NOON - timedelta(days=30)) == 0 and values(store) == ["1", "2", "3"]


def test_the_last_line_is_told_beside_the_store_and_never_before_it(store: Store) -> None:
    head_file = HeadFile(store.path)
    assert head_file.read() is None
    note(store, 1)
    store.tell_head()
    known = head_file.read()
    assert known is not None and (known.epoch, known.head) == (store.epoch, head(store))
    note(store, 2)
    assert head_file.read() == known, "a tap does not wait for it"
    head_file.path.write_text("rubbish", encoding="ascii")
    assert head_file.read() is None


def test_a_new_file_begins_by_naming_the_chain_that_was_there(store: Store, clock: HandClock) -> None:
    note(store, 1)
    store.tell_head()
    old = head(store)
    store.close()
    for part in store.path.parent.glob("panel.db*"):
        part.unlink()
    new = Store.open(store.path, "panel", clock)
    new.begin_journal()
    with new.view().chain() as kept:
        assert kept is not None and kept.begun_after == old and kept.epoch == new.epoch
    known = HeadFile(store.path).read()
    assert known is not None and known.epoch == new.epoch


def test_a_damaged_store_that_was_set_aside_is_named_by_the_next(store: Store, clock: HandClock) -> None:
    note(store, 1)
    store.tell_head()
    old = head(store)
    store.close()
    store.path.write_bytes(b"no database at all" * 1000)
    new = Store.open(store.path, "panel", clock)
    new.begin_journal()
    with new.view().chain() as kept:
        assert kept is not None and kept.begun_after == old


def test_writers_of_one_store_make_one_chain(store: Store) -> None:
    def work(thread: int) -> None:
        for n in range(10):
            note(store, thread * 1000 + n)

    threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert len(values(store)) == 40 and isinstance(found(store.path), Whole)


def test_two_processes_worth_of_writers_make_one_chain(store: Store, clock: HandClock) -> None:
    """As two commands on a box: each with a connection of its own."""
    other = Store.open(store.path, "panel", clock)
    for n in range(10):
        note(store, n)
        note(other, n)
    other.close()
    assert len(values(store)) == 20 and isinstance(found(store.path), Whole)


def test_a_full_store_keeps_its_chain_and_what_fits_goes_on(store: Store) -> None:
    note(store, 1)
    fill(store)
    with pytest.raises(StoreError):
        for _ in range(10_000):
            note(store, "x" * 300)
    assert isinstance(found(store.path), Whole)
    relieve(store)
    note(store, 2)
    assert values(store)[-1] == "2" and isinstance(found(store.path), Whole)


@pytest.mark.long
def test_a_disk_that_fills_up_gives_the_reserve_to_the_taps_and_the_chain_holds(tmp_path: Path) -> None:
    clock = HandClock()
    store = Store.open(tmp_path / "panel.db", "panel", clock, Room(max_mb=0.75, reserve_mb=0.25))
    written = 0
    while "fault/store-full" not in store.view().state():
        note(store, *range(written, written + 100))
        written += 100
        assert written < 20_000
    note(store, written)
    assert values(store)[-1] == str(written) and isinstance(found(store.path), Whole)


@pytest.mark.long
def test_killed_at_any_moment_the_chain_is_whole(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from zorgkiosk.site.clock import SystemClock;"
        "from zorgkiosk.site.store import Store; from zorgkiosk.site.journal import JournalLine\n"
        "store = Store.open(Path(sys.argv[1]), 'panel', SystemClock.of_this_boot())\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1\n"
        "    with store.transaction() as change: change.note(JournalLine('paneel', 'geen', 'step', 'x', str(n)))\n"
        "    if n % 5 == 0: store.tell_head()\n"
        "    print(n, flush=True)\n"
    )
    path, before = tmp_path / "panel.db", 0
    for after in (1, 7, 30):
        with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if int(line) >= after:
                    os.kill(process.pid, signal.SIGKILL)
                    break
        view = StoreView(path)
        known = HeadFile(path).read()
        with view.chain() as kept:
            assert kept is not None
            whole = verify(kept.links, kept.start, [] if known is None else [known.head])
        view.close()
        assert isinstance(whole, Whole) and whole.links >= before + after
        before = whole.links


def old_journal(path: Path, clock: HandClock, sequences: tuple[int, ...]) -> None:
    """A file as release 0002 left it."""
    store = Store.open(path, "panel", clock)
    schema.downgrade(store._engine, "0002")
    with store._engine.begin() as connection:
        for n in sequences:
            connection.exec_driver_sql(
                "INSERT INTO journal VALUES (?, 'paneel', 'geen', 'step', 'elv-laag', ?, ?, 'b', 1, 1)",
                (n, str(n), f"2026-11-{n:02}T10:00:00.000000Z"),
            )
    store.close()


def test_lines_from_before_the_chain_are_chained_and_it_is_said(tmp_path: Path, clock: HandClock) -> None:
    path = tmp_path / "panel.db"
    old_journal(path, clock, (2, 3, 7))
    store = Store.open(path, "panel", clock)
    note(store, 9)
    assert values(store) == ["2", "3", "7", "9"] and verbs(store) == ["step"] * 3 + ["chained", "step"]
    assert found(path) == Whole(5, START, head(store), 1)


def test_the_migration_goes_back_and_on_again(tmp_path: Path, clock: HandClock) -> None:
    path = tmp_path / "panel.db"
    old_journal(path, clock, (1, 2))
    store = Store.open(path, "panel", clock)
    note(store, 3)
    clock.at += timedelta(days=50)
    note(store, 4)
    assert store.prune_journal(NOON + timedelta(days=1)) > 0
    schema.downgrade(store._engine, "0002")
    with store._engine.begin() as connection:
        names = [row[1] for row in connection.exec_driver_sql("PRAGMA table_info(journal)")]
        triggers = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'").scalar_one()
        left = {verb for (verb,) in connection.exec_driver_sql("SELECT verb FROM journal")}
    assert "hash" not in names and triggers == 0 and left == {"step"}
    store.close()
    again = Store.open(path, "panel", clock)
    note(again, 5)
    assert values(again) == ["4", "5"] and isinstance(found(path), Whole)
