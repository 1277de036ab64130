"""A store that is damaged all the same: set aside, told, and no harm to the others."""

import logging
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from zorgkiosk.contract.events import CapacityReported, DeviceHealth
from zorgkiosk.site import store_damage
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.store import Neighbour, Store, StoreDamagedError, StoreError

CLOCK = SystemClock.of_this_boot()
PAGE = 4096


def tap(store: Store, free: int) -> None:
    with store.transaction() as change:
        change.put("capacity/elv-laag", {"free": free})
        change.report(CapacityReported(category="elv-laag", free=free))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed store with 400 events, so that the outbox has pages of its own."""
    store = Store.open(tmp_path / "panel.db", "panel", CLOCK)
    with store.transaction() as change:
        for free in range(400):
            change.report(CapacityReported(category="elv-laag", free=free))
    store.close()
    return store.path


def spoil(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def outbox_root(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'outbox'").fetchone()[0])


def damaged(path: Path) -> list[str]:
    names = (each.name for each in path.parent.glob("panel.db.damaged-*"))
    return sorted(name for name in names if not name.endswith(("-wal", "-shm")))


def bad_header(path: Path) -> None:
    spoil(path, 0, b"not a database, not at all")


def torn_root(path: Path) -> None:
    spoil(path, (outbox_root(path) - 1) * PAGE, os.urandom(512))


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // PAGE // 2 * PAGE)


def all_noise(path: Path) -> None:
    path.write_bytes(random.Random(5).randbytes(40_000))


@pytest.mark.parametrize("harm", [bad_header, torn_root, cut_short, all_noise])
def test_a_damaged_file_is_set_aside_and_a_new_one_tells_so(path: Path, harm, caplog: pytest.LogCaptureFixture) -> None:  # type: ignore[no-untyped-def]
    before = Neighbour(path).epoch()
    harm(path)
    with caplog.at_level(logging.ERROR):
        store = Store.open(path, "panel", CLOCK)
    view = store.view()
    assert len(damaged(path)) == 1 and view.epoch() not in (None, before)
    assert [row.data for row in view.outbox(after=0, limit=9)] == [
        DeviceHealth(unit="panel", condition="store-damaged", ok=False)
    ]
    assert view.state()["fault/store-damaged"].value == damaged(path)[0]
    assert [f"it is kept as {damaged(path)[0]}" in line for line in caplog.messages] == [True]
    tap(store, 3)
    store.close()
    assert Store.open(path, "panel", CLOCK).view().epoch() == view.epoch(), "the new file is sound"


def test_a_sound_file_is_never_set_aside(path: Path) -> None:
    for _ in range(3):
        Store.open(path, "panel", CLOCK).close()
    assert damaged(path) == [] and Neighbour(path).waiting(after=0) == 400


def test_a_file_of_a_newer_release_is_not_damaged(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    Store.open(path, "panel", CLOCK).close()
    assert damaged(path) == [] and Neighbour(path).waiting(after=0) == 400


def test_a_file_whose_tables_are_no_longer_ours_is_not_damaged_and_says_so(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("UPDATE alembic_version SET version_num = '9999'; ALTER TABLE meta RENAME TO other")
    with pytest.raises(StoreError, match=r"panel\.db: cannot open the store: .*no such table: meta"):
        Store.open(path, "panel", CLOCK)
    assert damaged(path) == []


def test_the_wal_goes_along_and_three_are_kept(path: Path) -> None:
    for day in range(1, 6):
        spoil(path, 0, b"x" * 100)
        path.with_name("panel.db-wal").write_bytes(b"wal %d" % day)
        aside = store_damage.set_aside(path, datetime(2026, 1, day, tzinfo=UTC))
        assert aside.with_name(aside.name + "-wal").read_bytes() == b"wal %d" % day
        Store.open(path, "panel", CLOCK).close()
    assert damaged(path) == [f"panel.db.damaged-2026010{day}T000000Z" for day in (3, 4, 5)]
    assert len(list(path.parent.glob("*-wal"))) == 3


def test_a_clock_that_stands_still_overwrites_nothing(path: Path) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC)
    for _ in range(2):
        store_damage.set_aside(path, moment)
        Store.open(path, "panel", CLOCK).close()
    assert damaged(path) == ["panel.db.damaged-19700101T000000Z", "panel.db.damaged-19700101T000000Z.2"]


def test_damage_found_in_use_ends_the_owner_and_the_next_start_sets_it_aside(path: Path) -> None:
    store = Store.open(path, "panel", CLOCK)
    epoch = store.view().epoch()
    torn_root(path)
    store._driver().execute("PRAGMA shrink_memory")  # pages that it still holds are as they were
    with pytest.raises(StoreDamagedError, match=r"panel\.db: nothing was saved: database disk image is malformed"):
        store.prune(str(epoch), 400)
    with pytest.raises(StoreDamagedError):
        store.tend()
    store.close()
    anew = Store.open(path, "panel", CLOCK)
    assert anew.view().epoch() != epoch and len(damaged(path)) == 1
    anew.tend()


@pytest.mark.long
def test_a_unit_ends_with_one_clear_line(tmp_path: Path) -> None:
    """The whole process of sync: damage met while it reads its own file, as a worn card gives it."""
    code = (
        "import sys; from pathlib import Path; from types import SimpleNamespace as N\n"
        "from zorgkiosk import cli\nfrom zorgkiosk.site.store import StoreView\n"
        "sys.modules['zorgkiosk.units.sync'] = N(run=lambda path: StoreView(path).state())\n"
        "sys.exit(cli.main(['run', 'sync', '--config', sys.argv[1]]))"
    )
    path = tmp_path / "sync.db"
    Store.open(path, "sync", CLOCK).close()
    spoil(path, 0, b"no longer a database")
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 74
    assert [line for line in done.stderr.splitlines() if "sync stops: " in line and "cannot be read" in line]
    assert len(done.stderr.splitlines()) == 1
    Store.open(path, "sync", CLOCK)
    assert len(list(tmp_path.glob("sync.db.damaged-*"))) == 1


def test_a_reader_treats_a_damaged_file_as_absent_and_says_so_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    eyes = Neighbour(path)
    assert eyes.changed() and eyes.waiting(after=0) == 400
    torn_root(path)
    eyes.close()
    for _ in range(3):
        assert eyes.outbox(after=0, limit=400) == []
        assert eyes.waiting(after=0) == 0 and eyes.epoch() is None and eyes.state() == {}
    assert eyes.changed() and not eyes.changed(), "once, so that what was known of it is dropped"
    assert sum("goes on without it" in line for line in caplog.messages) == 1
    Store.open(path, "panel", CLOCK)
    assert eyes.changed() and eyes.epoch() is not None
    assert eyes.state()["fault/store-damaged"].value == damaged(path)[0]


def test_a_row_that_fell_over_is_damage_and_no_crash(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE outbox SET data = '{\"category\":' WHERE sequence = 7")
        connection.commit()
    eyes = Neighbour(path)
    assert eyes.outbox(after=0, limit=6)[-1].sequence == 6
    assert eyes.outbox(after=6, limit=6) == []
    with pytest.raises(StoreDamagedError, match="holds a row that makes no sense"):
        Store.open(path, "panel", CLOCK).view().outbox(after=0, limit=9)


def test_a_copied_back_file_is_read_again(path: Path, tmp_path: Path) -> None:
    good = shutil.copy(path, tmp_path / "good")
    bad_header(path)
    eyes = Neighbour(path)
    assert eyes.changed() and eyes.epoch() is None
    path.unlink()
    Path(good).rename(path)
    assert eyes.changed() and eyes.waiting(after=0) == 400
