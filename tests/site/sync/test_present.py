from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from zorgkiosk.contract.events import Said, Triage
from zorgkiosk.site.config import CapacityItem, Hub, Site, SiteConfig
from zorgkiosk.site.store import StateValue
from zorgkiosk.site.sync.present import TRIAGE_SILENT_S, site_state, substance

BOOT, EARLIER = "0" * 36, "1" * 36
NOW = Said(datetime(2026, 3, 2, 12, tzinfo=UTC), BOOT, 900_000, clock_synced=True)
CONFIG = SiteConfig(
    site=Site(name="hap-noord", title="HAP Noord", region="roaz-oost"),
    hub=Hub(host="h", ca_file=Path("a"), certificate_file=Path("b"), key_file=Path("c")),
    capacity=(CapacityItem(code="elv-laag", total=12), CapacityItem(code="respijt", due_min=1)),
)
TRIAGE = Triage(
    desks_present=2,
    desks_free=1,
    waiting=3,
    longest_wait_s=9.5,
    accepting_overflow=True,
    pressure="groen",
    chance_2min=0.9,
).model_dump()


class StandingClock:
    def now(self) -> datetime:
        return NOW.at

    def uptime_s(self) -> float:
        return NOW.uptime_ms / 1000

    def said(self) -> Said:
        return NOW


def ago(seconds: float, boot: str = BOOT) -> Said:
    return replace(
        NOW, at=NOW.at - timedelta(seconds=seconds), uptime_ms=NOW.uptime_ms - int(seconds * 1000), boot_id=boot
    )


def test_what_was_said_is_told_with_its_age_and_what_was_not_is_absent() -> None:
    panel = {
        "capacity/elv-laag": StateValue({"category": "elv-laag", "free": 3}, ago(60)),
        "capacity/grz": StateValue({"category": "grz", "free": 1}, ago(60)),  # no longer in the config
        "desk/desk-1": StateValue({"present": True}, ago(5)),
    }
    state = site_state(CONFIG, panel, {}, 7, StandingClock())
    (capacity,) = state.capacity
    assert (capacity.category, capacity.free, capacity.total, capacity.age_s) == ("elv-laag", 3, 12, 60)
    assert (state.waiting_to_send, state.triage, state.boot_id, state.uptime_ms) == (7, None, BOOT, 900_000)


def test_a_total_that_staff_said_goes_before_the_config_s() -> None:
    panel = {"capacity/elv-laag": StateValue({"category": "elv-laag", "free": 3, "total": 11}, ago(1))}
    assert site_state(CONFIG, panel, {}, 0, StandingClock()).capacity[0].total == 11


def test_an_age_of_an_earlier_boot_is_by_the_wall_clock() -> None:
    said = replace(ago(3_600, EARLIER), uptime_ms=5)
    panel = {"capacity/respijt": StateValue({"category": "respijt", "free": 3}, said)}
    (capacity,) = site_state(CONFIG, panel, {}, 0, StandingClock()).capacity
    assert capacity.age_s == 3_600 and capacity.freshness.due_s == 60


def test_a_line_that_fell_silent_is_not_told_as_if_it_were_still_true() -> None:
    for said, known in (
        (ago(1), True),
        (ago(TRIAGE_SILENT_S), True),
        (ago(TRIAGE_SILENT_S + 1), False),
        (ago(1, EARLIER), False),
    ):
        state = site_state(CONFIG, {}, {"triage": StateValue(TRIAGE, said)}, 0, StandingClock())
        assert (state.triage is not None) is known, said


def test_a_confirmation_is_worth_telling_and_a_repeated_triage_is_not() -> None:
    value = {"category": "elv-laag", "free": 3}
    assert substance({"capacity/elv-laag": StateValue(value, ago(9))}, {}) != substance(
        {"capacity/elv-laag": StateValue(value, ago(1))}, {}
    )
    assert substance({}, {"triage": StateValue(TRIAGE, ago(9))}) == substance(
        {}, {"triage": StateValue(TRIAGE, ago(1))}
    )
    assert substance({}, {}) != substance({}, {"triage": StateValue(TRIAGE, ago(1))})


def test_an_end_is_told_by_the_clock_as_it_now_is() -> None:
    """Said by a clock of 1970 with two hours to go, half an hour ago; the clock has been set since."""
    config = CONFIG.model_copy(update={"capacity": (CapacityItem(code="seh"),)})
    stop = {"category": "seh", "status": "stop", "reason": "drukte", "until": "1970-01-01T02:30:00.000000Z"}
    said = replace(ago(1_800), at=datetime(1970, 1, 1, 0, 30, tzinfo=UTC), clock_synced=False)
    (capacity,) = site_state(config, {"capacity/seh": StateValue(stop, said)}, {}, 0, StandingClock()).capacity
    assert (capacity.status, capacity.reason, capacity.until) == ("stop", "drukte", "2026-03-02T13:30:00.000000Z")
    assert (capacity.free, capacity.total, capacity.age_s) == (None, None, 1_800)
