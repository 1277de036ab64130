"""How old a fact is, with clocks that may not be trusted."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from zorgkiosk.contract.events import Said
from zorgkiosk.site.facts import UNTELLABLE_AGE_S, DeskPresence, age_s, read
from zorgkiosk.site.store import StateValue

THEN = Said(datetime(2026, 3, 29, 0, 30, tzinfo=UTC), "a" * 36, 50_000, clock_synced=True)


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands at one instant."""

    instant: Said

    def now(self) -> datetime:
        return self.instant.at

    def uptime_s(self) -> float:
        return self.instant.uptime_ms / 1000

    def said(self) -> Said:
        return self.instant


OTHER_BOOT = replace(THEN, boot_id="b" * 36, uptime_ms=9_000)


@pytest.mark.parametrize(
    ("now", "expected_s"),
    [
        (replace(THEN, uptime_ms=54_000), 4.0),
        # The same boot's own clock wins over a wall clock that jumped a year in either direction.
        (replace(THEN, uptime_ms=54_000, at=THEN.at + timedelta(days=365)), 4.0),
        (replace(THEN, uptime_ms=54_000, at=THEN.at - timedelta(days=365), clock_synced=False), 4.0),
        # A night in which the hour is told twice has no effect on UTC.
        (replace(OTHER_BOOT, at=THEN.at + timedelta(hours=3)), 10_800.0),
        (replace(OTHER_BOOT, at=THEN.at + timedelta(hours=3), clock_synced=False), UNTELLABLE_AGE_S),
        (replace(OTHER_BOOT, at=THEN.at - timedelta(hours=3)), 0.0),
    ],
)
def test_age(now: Said, expected_s: float) -> None:
    assert age_s(StateValue(None, THEN), FixedClock(now)) == expected_s


def test_a_fact_told_by_an_unset_clock_before_a_reboot_is_untellable() -> None:
    told = StateValue(None, replace(THEN, clock_synced=False))
    assert age_s(told, FixedClock(replace(OTHER_BOOT, at=THEN.at + timedelta(minutes=1)))) == UNTELLABLE_AGE_S


def test_read_gives_the_typed_fact_or_none() -> None:
    assert read(DeskPresence, None) is None
    assert read(DeskPresence, StateValue({"present": True}, THEN)) == DeskPresence(present=True)
