"""A clock without a battery: corrected times keep their order, and what has passed is known."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.contract.events import CapacityReported, Said, format_instant
from zorgkiosk.lab.authority import Authority
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.store import Store
from zorgkiosk.site.sync.clock import ClockFloor, corrected
from zorgkiosk.site.sync.tls import floor_of
from zorgkiosk.site.sync.trouble import THEIRS_EXPIRED, of_lifetime

BOOT, OTHER = "a" * 36, "b" * 36
NOW = Said(datetime(2026, 3, 2, 12, 0, 10, tzinfo=UTC), BOOT, 70_000, clock_synced=True)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def test_a_time_told_before_the_clock_was_set_is_corrected_by_the_boot_s_own_clock() -> None:
    said = Said(LONG_AGO, BOOT, 10_000, clock_synced=False)
    assert corrected(said, NOW) == Said(NOW.at - timedelta(seconds=60), BOOT, 10_000, clock_synced=True)


@pytest.mark.parametrize(
    ("said", "now"),
    [
        (Said(LONG_AGO, BOOT, 10_000, clock_synced=True), NOW),  # it was right already
        (Said(LONG_AGO, OTHER, 10_000, clock_synced=False), NOW),  # another boot's clock cannot be compared
        (Said(LONG_AGO, BOOT, 10_000, clock_synced=False), Said(NOW.at, BOOT, 70_000, clock_synced=False)),
        (Said(LONG_AGO, BOOT, 70_001, clock_synced=False), NOW),  # later than now: not this boot's truth
    ],
)
def test_what_cannot_be_known_stays_as_it_was_said(said: Said, now: Said) -> None:
    assert corrected(said, now) == said


@dataclass(frozen=True)
class Unset(SystemClock):
    def synced(self) -> bool:
        return False


def test_a_clock_that_is_not_set_is_in_the_log_once_with_its_number(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Unset(SystemClock.of_this_boot().boot_id)
    floor = ClockFloor(Store.open(tmp_path / "sync.db", "sync", clock), clock)
    for second in range(3):
        floor.keep(float(second))
    assert caplog.messages == ["sync: the clock of this box is not synchronised (storing 38)."]


START = datetime(2026, 3, 2, 12, tzinfo=UTC)
YEAR_S = 366 * 86_400
DST_NIGHTS = {
    "clocks go forward": datetime(2026, 3, 29, 1, tzinfo=UTC),  # 02:00 becomes 03:00 in Amsterdam
    "clocks go back": datetime(2026, 10, 25, 1, tzinfo=UTC),  # 03:00 becomes 02:00
}


@pytest.mark.long
@given(
    steps_s=st.lists(st.integers(0, 7200), min_size=1, max_size=20),
    off_s=st.lists(st.integers(-YEAR_S, YEAR_S), min_size=20, max_size=20),
)
def test_order_and_distance_survive_any_clock_of_one_boot(steps_s: list[int], off_s: list[int]) -> None:
    """Rows in the order of their commits, by a clock that jumps up to a year either way before it is set."""
    uptimes_ms = [1000 * sum(steps_s[: n + 1]) for n in range(len(steps_s))]
    rows = [
        Said(START + timedelta(milliseconds=uptime, seconds=off), BOOT, uptime, clock_synced=False)
        for uptime, off in zip(uptimes_ms, off_s, strict=False)
    ]
    now = Said(START + timedelta(milliseconds=uptimes_ms[-1]), BOOT, uptimes_ms[-1], clock_synced=True)
    right = [corrected(row, now) for row in rows]
    assert [each.at for each in right] == [START + timedelta(milliseconds=uptime) for uptime in uptimes_ms]
    assert all(each.clock_synced for each in right)


@pytest.mark.parametrize("night", DST_NIGHTS.values(), ids=DST_NIGHTS.keys())
def test_the_nights_on_which_local_time_jumps_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, night: datetime
) -> None:
    """A reading a minute around the change, by the system's clock in Amsterdam: the rows are a minute apart."""
    monkeypatch.setenv("TZ", "Europe/Amsterdam")
    time.tzset()
    clock = SystemClock(BOOT)
    store = Store.open(tmp_path / "panel.db", "panel", clock)
    with freeze_time(night - timedelta(minutes=30)) as frozen:
        for free in range(60):
            with store.transaction() as change:
                change.report(CapacityReported(category="elv-laag", free=free % 20))
            frozen.tick(timedelta(minutes=1))
    monkeypatch.undo()
    time.tzset()
    said = [row.said.at for row in store.view().outbox(after=0, limit=100)]
    assert said == [night + timedelta(minutes=minute - 30) for minute in range(60)]
    assert all(format_instant(at).endswith("Z") for at in said)


@dataclass
class HandClock:
    """A clock that says what it is told."""

    said_now: Said

    def now(self) -> datetime:
        return self.said_now.at

    def uptime_s(self) -> float:
        return self.said_now.uptime_ms / 1000

    def said(self) -> Said:
        return self.said_now


def test_the_last_right_time_is_kept_every_hour_and_never_one_of_a_clock_that_is_not_set(tmp_path: Path) -> None:
    clock = HandClock(replace(NOW, clock_synced=False))
    store = Store.open(tmp_path / "sync.db", "sync", clock)
    floor = ClockFloor(store, clock)
    floor.keep(0.0)
    assert floor.passed() == LONG_AGO and "clock" not in store.view().state()
    clock.said_now = NOW
    floor.keep(1.0)
    assert floor.passed() is None
    assert ClockFloor(store, HandClock(replace(NOW, boot_id=OTHER, clock_synced=False))).passed() == NOW.at
    clock.said_now = replace(NOW, at=NOW.at + timedelta(hours=2))
    floor.keep(1800.0)
    clock.said_now = replace(clock.said_now, clock_synced=False)
    assert floor.passed() == NOW.at, "within the hour nothing is written"


@pytest.mark.parametrize("jump", [timedelta(days=366), timedelta(days=-366)])
def test_a_right_clock_that_turns_out_to_have_been_wrong_moves_the_floor_either_way(
    tmp_path: Path, jump: timedelta
) -> None:
    clock = HandClock(NOW)
    floor = ClockFloor(Store.open(tmp_path / "sync.db", "sync", clock), clock)
    floor.keep(0.0)
    clock.said_now = replace(NOW, at=NOW.at + jump)
    floor.keep(3600.0)
    clock.said_now = replace(clock.said_now, clock_synced=False)
    assert floor.passed() == NOW.at + jump


def test_the_floor_is_the_newest_instant_that_has_certainly_passed(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    file, _ = authority.issue("hap-noord", lifetime=(begin, begin + timedelta(days=365)))
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    assert floor_of([certificate], LONG_AGO) == begin
    assert floor_of([certificate], begin + timedelta(days=9)) == begin + timedelta(days=9)
    assert of_lifetime([certificate], begin + timedelta(days=364)) is None
    assert of_lifetime([certificate], begin - timedelta(days=999)) is None, "a later time may be the right one"
    assert of_lifetime([certificate], begin + timedelta(days=366)) == THEIRS_EXPIRED
