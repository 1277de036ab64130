"""The store against real SQLite files."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from full_store import fill
from zorgkiosk.contract.events import CapacityReported
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.store import Store, StoreError, StoreView

CLOCK = SystemClock.of_this_boot()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "panel.db", "panel", CLOCK)


def tap(store: Store, free: int) -> int:
    with store.transaction() as change:
        change.put("capacity/elv-laag", {"free": free})
        return change.report(CapacityReported(category="elv-laag", free=free))


def test_state_and_outbox_are_one_commit(store: Store) -> None:
    with pytest.raises(RuntimeError), store.transaction() as change:
        change.put("capacity/elv-laag", {"free": 2})
        change.report(CapacityReported(category="elv-laag", free=2))
        raise RuntimeError("power")
    view = store.view()
    assert view.state() == {} and view.outbox(after=0, limit=9) == []
    tap(store, 2)
    assert view.state()["capacity/elv-laag"].value == {"free": 2}
    assert [row.data for row in view.outbox(after=0, limit=9)] == [CapacityReported(category="elv-laag", free=2)]


def test_a_view_notices_each_commit_once(store: Store) -> None:
    view = store.view()
    assert view.changed() and not view.changed()
    tap(store, 1)
    assert view.changed() and not view.changed()


def test_a_view_of_nothing_is_empty_until_the_owner_has_started(tmp_path: Path) -> None:
    view = StoreView(tmp_path / "panel.db")
    assert not view.changed() and view.epoch() is None and view.state() == {} and view.waiting(after=0) == 0
    tap(Store.open(tmp_path / "panel.db", "panel", CLOCK), 3)
    assert view.changed() and view.epoch() is not None and view.waiting(after=0) == 1


def test_a_reader_opens_the_file_right_after_the_owner_stopped(store: Store) -> None:
    tap(store, 4)
    store.close()
    assert not store.path.with_name("panel.db-wal").exists(), "the owner's close is expected to remove the WAL"
    assert store.view().state()["capacity/elv-laag"].value == {"free": 4}


def test_prune_forgets_only_what_was_acked_of_this_epoch_and_keeps_the_link(store: Store) -> None:
    for free in range(5):
        tap(store, free)
    view = store.view()
    epoch = view.epoch()
    assert epoch is not None
    assert store.prune("0" * 16, 5) == 0
    assert store.prune(epoch, 3) == 3
    assert [(row.sequence, row.previous) for row in view.outbox(after=3, limit=9)] == [(4, 0), (5, 4)]
    assert store.prune(epoch, 5) == 1
    assert tap(store, 9) == 6
    assert [(row.sequence, row.previous) for row in view.outbox(after=5, limit=9)] == [(6, 5)]


def test_the_epoch_stays_with_the_file(store: Store) -> None:
    epoch = store.view().epoch()
    store.close()
    assert Store.open(store.path, "panel", CLOCK).view().epoch() == epoch


def test_a_replaced_file_is_a_new_epoch_for_an_old_view(store: Store) -> None:
    view = store.view()
    first = view.epoch()
    store.close()
    for file in store.path.parent.glob("panel.db*"):
        file.unlink()
    Store.open(store.path, "panel", CLOCK)
    assert view.epoch() not in (None, first)


@pytest.mark.long
def test_a_file_that_a_newer_release_has_made_more_of_is_used_as_it_is(store: Store) -> None:
    """The way back of an update: what the newer one wrote stays, and so do epoch and sequence."""
    tap(store, 1)
    epoch = store.view().epoch()
    store.close()
    with closing(sqlite3.connect(store.path)) as newer:
        newer.execute("CREATE TABLE of_the_future (key TEXT)")
        newer.execute("ALTER TABLE state ADD COLUMN future TEXT")
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
        newer.commit()
    older = Store.open(store.path, "panel", CLOCK)
    assert tap(older, 2) == 2 and older.view().epoch() == epoch
    assert older.view().state()["capacity/elv-laag"].value == {"free": 2}
    older.close()
    with closing(sqlite3.connect(store.path)) as newer:
        assert newer.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


@pytest.mark.long
def test_an_acknowledged_tap_survives_kill_9(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from zorgkiosk.site.clock import SystemClock;"
        "from zorgkiosk.site.store import Store\n"
        "store = Store.open(Path(sys.argv[1]), 'panel', SystemClock.of_this_boot())\n"
        "with store.transaction() as change: change.put('a', 1)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "panel.db"
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    assert StoreView(path).state()["a"].value == 1


@pytest.mark.long
def test_what_is_put_for_this_boot_survives_kill_9_and_costs_no_sync(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from zorgkiosk.site.clock import SystemClock;"
        "from zorgkiosk.site.store import Store\n"
        "store = Store.open(Path(sys.argv[1]), 'telephony', SystemClock.of_this_boot())\n"
        "store.put_for_this_boot({'line': '[1]', 'triage': '{}'}); store.put_for_this_boot({'line': '[2]'})\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "telephony.db"
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    assert {key: each.value for key, each in StoreView(path).state().items()} == {"line": [2], "triage": {}}


def test_every_transaction_waits_for_the_disk_also_after_a_hasty_one(store: Store) -> None:
    store.put_for_this_boot({"line": "[]"})
    with store.transaction() as change:
        full = change._connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    assert full == 2, "FULL, as the SQLite manual numbers it"


def test_a_full_store_says_so_and_keeps_what_it_has(store: Store) -> None:
    tap(store, 1)
    fill(store)
    with (
        pytest.raises(StoreError, match="nothing was saved: database or disk is full"),
        store.transaction() as c,
    ):
        c.put("large", "x" * 100_000)
    with pytest.raises(StoreError, match="nothing was saved: database or disk is full"):
        store.put_for_this_boot({"large": f'"{"x" * 100_000}"'})
    assert set(store.view().state()) == {"capacity/elv-laag"}
    with store.transaction() as change:
        change.put("small", 1)
