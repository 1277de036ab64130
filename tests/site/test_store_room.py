"""A full disk and a full store: what is true now and faults are still accepted, history is thinned in its order."""

import logging
from collections import Counter
from pathlib import Path

import pytest

from small_disk import fill
from small_disk import small_disk as small_disk  # the fixture
from zorgkiosk.contract.events import (
    CallHandled,
    CapacityConfirmed,
    CapacityReported,
    DeviceHealth,
    EventData,
    Triage,
    TriageChanged,
)
from zorgkiosk.hub.positions import advance
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.store import OutboxRow, Room, Store, StoreError
from zorgkiosk.site.store_thinning import ENOUGH_ROWS, WINDOW_SEQUENCES

CLOCK = SystemClock.of_this_boot()
TRIAGE = Triage(
    desks_present=2, desks_free=1, waiting=0, longest_wait_s=0, accepting_overflow=True, pressure="groen", chance_2min=1
)


def triage(n: int) -> EventData:
    return TriageChanged(**TRIAGE.model_copy(update={"waiting": n % 99}).model_dump())


def call(n: int) -> EventData:
    return CallHandled(waited_s=n % 600, talked_s=60, urgent=False, outcome="answered", origin="trunk", hops=0)


def health(n: int) -> EventData:
    return DeviceHealth(unit="panel", condition=f"condition-{n % 3}", ok=n % 2 == 0)


def confirmed(_n: int) -> EventData:
    return CapacityConfirmed(categories=("elv-laag", "elv-hoog"))


def reported(n: int) -> EventData:
    return CapacityReported(category=("elv-laag", "elv-hoog")[n % 2], free=n % 99)


MIX = (triage, call, health, confirmed, reported)


def rows(store: Store) -> list[OutboxRow]:
    return store.view().outbox(after=0, limit=1_000_000)


def kinds(store: Store) -> Counter[str]:
    return Counter(dict(store._driver().execute("SELECT kind, count(*) FROM outbox GROUP BY kind").fetchall()))


def report(store: Store, *numbers: int) -> None:
    with store.transaction() as change:
        for n in numbers:
            change.put("number", n)
            change.report(MIX[n % len(MIX)](n))


def linked(store: Store) -> None:
    """The hub's own judgement: everything held, in one chain, nothing missing."""
    found = rows(store)
    assert advance(0, [(row.sequence, row.previous) for row in found]) == (found[-1].sequence, found[0].sequence - 1)


@pytest.mark.long
def test_a_full_store_takes_on_and_thins_its_history_in_the_right_order(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "telephony.db", "telephony", CLOCK, Room(max_mb=0.75, reserve_mb=0.125))
    order = ["triage.changed", "device.health", "capacity.confirmed", "capacity.reported", "call.handled"]
    first_missed: dict[str, int] = {}
    for begin in range(0, 40_000, 50):
        n = begin + 49
        report(store, *range(begin, begin + 50))
        held = kinds(store)
        for kind in order:
            if held[kind] < (n + 1) // len(MIX) and kind not in first_missed:
                first_missed[kind] = n
        if "call.handled" in first_missed:
            break
    assert sorted(first_missed, key=lambda kind: (first_missed[kind], order.index(kind))) == order
    assert first_missed["call.handled"] > first_missed["capacity.reported"]
    linked(store)
    assert store.view().state()["number"].value == n
    assert store.path.stat().st_size <= 0.75 * 2**20
    newest = {row.data.category: row.data.free for row in rows(store) if isinstance(row.data, CapacityReported)}
    assert newest == {("elv-laag", "elv-hoog")[each % 2]: each % 99 for each in (n - 5, n)}, "the newest readings stay"


@pytest.mark.long
def test_sequences_go_on_and_the_fault_is_told_once(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "panel.db", "panel", CLOCK, Room(max_mb=0.6, reserve_mb=0.125))
    given = []
    for n in range(0, 4000, 20):
        with store.transaction() as change:
            given += [change.report(reported(n + each)) for each in range(20)]
    assert len(set(given)) == 4000 and given == sorted(given)
    assert [row.data for row in rows(store) if isinstance(row.data, DeviceHealth)] == [
        DeviceHealth(unit="panel", condition="store-full", ok=False)
    ]
    assert "fault/store-full" in store.view().state()


@pytest.mark.long
def test_an_ack_of_what_stood_before_removed_rows_leaves_the_link(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "panel.db", "panel", CLOCK, Room(max_mb=0.6, reserve_mb=0.125))
    for n in range(0, 3000, 20):
        report(store, *range(n, n + 20))
    before = rows(store)
    hole = next(row for row in before if row.previous not in (0, row.sequence - 1))
    store.prune(store.epoch, hole.previous)
    after = rows(store)
    assert (after[1].sequence, after[1].previous) == (hole.sequence, hole.previous)
    assert advance(hole.previous, [(row.sequence, row.previous) for row in after[1:]]) == (before[-1].sequence, 0)


@pytest.mark.long
def test_one_huge_value_pushes_no_history_out(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "panel.db", "panel", CLOCK, Room(max_mb=2, reserve_mb=0.125))
    with store.transaction() as change:
        for n in range(5000):
            change.report(call(n))
    with pytest.raises(StoreError, match="nothing was saved: database or disk is full"), store.transaction() as change:
        change.put("huge", "x" * 4_000_000)
    assert kinds(store)["call.handled"] >= 5000 - 2 * (ENOUGH_ROWS + WINDOW_SEQUENCES)
    report(store, 1)


@pytest.mark.integration
def test_a_full_disk_keeps_accepting_and_heals_by_itself(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    store = Store.open(small_disk / "panel.db", "panel", CLOCK, Room(max_mb=64, reserve_mb=1))
    report(store, 0)
    others = fill(small_disk)
    for n in range(1, 8000):
        report(store, n)
        if n % 50 == 0:
            store.put_for_this_boot({"line": str(n)})
    state = store.view().state()
    assert state["number"].value == 7999 and state["line"].value == 7950
    assert "fault/store-full" in state and not (small_disk / "panel.reserve").exists()
    linked(store)
    store.close()
    store = Store.open(small_disk / "panel.db", "panel", CLOCK, Room(max_mb=64, reserve_mb=1))
    report(store, 8000)
    store.tend()
    assert "fault/store-full" in store.view().state(), "there is no room yet"

    others.unlink()
    while rows(store)[-1].sequence > 1 and store.prune(store.epoch, rows(store)[-1].sequence):
        pass
    store._space._look_at_s = 0.0  # not to wait for the next look
    store.tend()
    assert "fault/store-full" not in store.view().state()
    assert (small_disk / "panel.reserve").stat().st_blocks * 512 >= 2**20, "really allocated"
    assert rows(store)[-1].data == DeviceHealth(unit="panel", condition="store-full", ok=True)
    assert sum("the reserve is given up" in line for line in caplog.messages) == 1
    assert sum("there is room again" in line for line in caplog.messages) == 1


def test_a_link_in_place_of_a_store_or_its_reserve_is_not_followed(tmp_path: Path) -> None:
    """Another unit may lay one: they share the folder."""
    precious, folder = tmp_path / "precious", tmp_path / "stores"
    precious.write_bytes(b"root's own")
    folder.mkdir()
    (folder / "panel.reserve").symlink_to(precious)
    clock = SystemClock.of_this_boot()
    store = Store.open(folder / "panel.db", "panel", clock)
    store.close()
    assert precious.read_bytes() == b"root's own" and not (folder / "panel.reserve").is_symlink()
    Store.open(folder / "panel.db", "panel", clock).close()
    assert (folder / "panel.reserve").stat().st_size == Room().reserve_mb * (1 << 20)
    for target in (precious, tmp_path / "missing"):
        (folder / "sync.db").symlink_to(target)
        with pytest.raises(StoreError, match="is a symbolic link: remove it"):
            Store.open(folder / "sync.db", "sync", clock)
        (folder / "sync.db").unlink()
    assert precious.read_bytes() == b"root's own" and not (tmp_path / "missing").exists()
