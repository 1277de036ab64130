"""Sync is told of commits, and what is not heard harms nobody."""

import logging
import select
from pathlib import Path

import pytest

from zorgkiosk.contract.events import CapacityReported
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.store import Store
from zorgkiosk.site.wake import FILE, Wake, tell


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "panel.db", "panel", SystemClock.of_this_boot())


def wakes(wake: Wake) -> bool:
    return select.select([wake], [], [], 0)[0] == [wake]


def test_each_commit_wakes_and_what_was_undone_does_not(store: Store) -> None:
    wake = Wake.beside(store.path)
    with pytest.raises(RuntimeError), store.transaction() as change:
        change.put("capacity/elv-laag", 1)
        raise RuntimeError("undone")
    assert not wakes(wake)
    with store.transaction() as change:
        change.report(CapacityReported(category="elv-laag", free=2))
        assert not wakes(wake), "told before the commit, sync would look too early"
    assert wakes(wake) and wake.clear() and not wakes(wake)
    store.put_for_this_boot({"line": "{}"})
    assert wakes(wake)
    wake.close()


def test_nobody_who_listens_is_no_matter(store: Store) -> None:
    tell(store.path.parent)
    Wake.beside(store.path).close()
    assert not store.path.with_name(FILE).exists()
    tell(store.path.parent)
    tell(store.path.parent / "nowhere")


def test_more_words_than_the_kernel_keeps_are_dropped_and_one_is_enough(store: Store) -> None:
    wake = Wake.beside(store.path)
    for _ in range(2_000):
        tell(store.path.parent)
    while wake.clear():
        pass
    tell(store.path.parent)
    assert wakes(wake)
    wake.close()


def test_one_that_was_killed_leaves_its_file_to_the_next(store: Store) -> None:
    killed = Wake.beside(store.path)
    after = Wake.beside(store.path)
    tell(store.path.parent)
    assert wakes(after) and not wakes(killed)
    after.close()


def test_where_no_socket_can_be_the_log_says_so_and_nothing_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    with caplog.at_level(logging.WARNING):
        wake = Wake.beside(deep / "sync.db")
    assert "commits are noticed a little later" in caplog.text
    tell(deep)
    assert not wakes(wake) and not wake.clear()
    wake.close()
