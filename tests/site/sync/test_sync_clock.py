from datetime import UTC, datetime, timedelta

import pytest

from zorgkiosk.contract.events import Said
from zorgkiosk.site.sync.clock import corrected

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
