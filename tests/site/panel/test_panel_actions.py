"""Taps against real stores, with a clock moved by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from panel_site import NOON, OTHER_BOOT, Panel, nursing_home, reporting, triage_centre

from zorgkiosk.contract.events import CapacityConfirmed, CapacityReported, JournalHead
from zorgkiosk.site.config import CapacityItem
from zorgkiosk.site.facts import CapacityFact, LineFact
from zorgkiosk.site.panel.actions import RefusedError
from zorgkiosk.site.panel.draft import next_free
from zorgkiosk.site.panel.known import PendingTap, SentFact
from zorgkiosk.site.store import StoreError


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Panel]:
    panel = Panel(nursing_home(tmp_path))
    yield panel
    panel.close()


def reported(panel: Panel, code: str, free: int) -> None:
    """A number that was tapped and reported just now."""
    for _ in range(abs(free)):
        panel.taps.step(code, 1 if free > 0 else -1)
    panel.wait(5)


@pytest.mark.parametrize(
    ("total", "fact", "pending", "step", "expected"),
    [
        (8, None, None, 1, 1),
        (8, None, None, -1, 0),  # a full house taps minus once
        (8, 3, None, 1, 4),
        (8, 3, 5, -1, 4),
        (8, 8, None, 1, 8),
        (8, 9, None, 1, 8),  # the total was lowered in the config
        (None, 8, None, 1, 9),
        (None, 999, None, 1, 999),
        (8, 0, None, -1, -1),
        (8, -99, None, -1, -99),
        (0, None, None, 1, 0),
    ],
)
def test_the_next_number(total: int | None, fact: int | None, pending: int | None, step: int, expected: int) -> None:
    item = CapacityItem(code="grz", total=total)
    told = None if fact is None else CapacityFact(category="grz", free=fact)
    waits = None if pending is None else PendingTap(free=pending)
    assert next_free(item, told, waits, step) == expected


def test_a_tap_is_on_disk_at_once_and_reported_after_the_time_to_undo(panel: Panel) -> None:
    panel.taps.step("elv-laag", 1)
    assert panel.state() == {"pending/elv-laag": {"free": 1}}
    panel.wait(4.9)
    assert panel.events() == []
    panel.wait(0.1)
    assert panel.events() == [CapacityReported(category="elv-laag", free=1, total=8)]
    assert set(panel.state()) == {"capacity/elv-laag", "sent/elv-laag"}
    assert panel.said_of("capacity/elv-laag").at == NOON, "the instant is that of the tap"
    row = panel.store.view().outbox(after=0, limit=1)[0]
    assert row.said.at == NOON


def test_several_taps_are_one_report_once_the_hand_has_rested(panel: Panel) -> None:
    for code in ("elv-laag", "elv-laag", "elv-hoog", "elv-laag"):
        panel.taps.step(code, 1)
        panel.wait(3)
    assert panel.events() == []
    panel.wait(2)
    assert panel.events() == [
        CapacityReported(category="elv-laag", free=3, total=8),
        CapacityReported(category="elv-hoog", free=1),
    ]


def test_the_same_tap_twice_counts_once(panel: Panel) -> None:
    for tap in ("a-1", "a-1", "a-2"):
        panel.taps.step("elv-laag", 1, tap)
    assert panel.state()["pending/elv-laag"]["free"] == 2


def test_undo_leaves_no_trace(panel: Panel) -> None:
    reported(panel, "elv-laag", 2)
    before, sent = panel.state(), panel.events()
    panel.taps.step("elv-laag", 1)
    panel.taps.step("elv-hoog", 1)
    panel.taps.undo()
    panel.wait(10)
    assert panel.state() == before and panel.events() == sent


def test_without_a_time_to_undo_a_tap_is_reported_at_once(tmp_path: Path) -> None:
    panel = Panel(nursing_home(tmp_path, undo_s=0))
    panel.taps.step("elv-laag", 1)
    assert [event.KIND for event in panel.events()] == ["capacity.reported"]
    panel.close()


def test_a_restart_resumes_what_was_tapped(panel: Panel) -> None:
    panel.taps.step("elv-laag", 1)
    panel.restart()
    panel.wait(1)
    assert panel.events() == [], "there is still time to undo"
    panel.clock.forward(3600)
    panel.restart()
    panel.beat()
    assert panel.events() == [CapacityReported(category="elv-laag", free=1, total=8)]
    assert panel.said_of("capacity/elv-laag").at == NOON


def test_a_tap_from_before_a_reboot_is_reported_also_when_the_clock_went_back(panel: Panel) -> None:
    panel.taps.step("elv-laag", 1)
    panel.clock.boot_id, panel.clock.up_s = OTHER_BOOT, 30.0
    panel.clock.at = NOON.replace(year=2020)
    panel.restart()
    panel.beat()
    assert panel.events() == [CapacityReported(category="elv-laag", free=1, total=8)]


def test_still_correct_confirms_and_makes_young_again(panel: Panel) -> None:
    reported(panel, "elv-laag", 2)
    panel.clock.forward(9 * 3600)
    panel.taps.confirm({"elv-laag": 2})
    assert panel.events()[1:] == [CapacityConfirmed(categories=("elv-laag",))]
    assert panel.said_of("capacity/elv-laag").at == panel.clock.now()
    assert panel.state()["capacity/elv-laag"] == CapacityFact(category="elv-laag", free=2, total=8).model_dump()


def test_still_correct_reports_at_once_what_was_just_tapped(panel: Panel) -> None:
    reported(panel, "elv-hoog", 1)
    panel.taps.step("elv-laag", 1)
    panel.taps.confirm({"elv-laag": 1, "elv-hoog": 1})
    assert panel.events()[1:] == [
        CapacityReported(category="elv-laag", free=1, total=8),
        CapacityConfirmed(categories=("elv-hoog",)),
    ]
    assert "pending/elv-laag" not in panel.state()


@pytest.mark.parametrize(
    ("age_s", "seen"),
    [(86400.0, {"elv-laag": 2}), (0.0, {"elv-laag": 3}), (0.0, {"elv-hoog": 0}), (0.0, {})],
    ids=["became unknown", "another number was seen", "never told", "nothing"],
)
def test_what_is_not_seen_as_true_is_not_confirmed(panel: Panel, age_s: float, seen: dict[str, int]) -> None:
    reported(panel, "elv-laag", 2)
    panel.clock.forward(age_s)
    before = panel.events()
    with pytest.raises(RefusedError, match="niets te bevestigen"):
        panel.taps.confirm(seen)
    assert panel.events() == before


def test_a_foreign_code_is_refused(panel: Panel) -> None:
    with pytest.raises(RefusedError):
        panel.taps.step("hospice", 1)
    with pytest.raises(RefusedError):
        panel.taps.confirm({"hospice": 1})
    with pytest.raises(RefusedError):
        panel.taps.desk("desk-1", present=True)
    with pytest.raises(RefusedError):
        panel.taps.overflow("giving", on=False)
    assert panel.state() == {} and panel.events() == []


def test_desks_and_switches(tmp_path: Path) -> None:
    panel = Panel(triage_centre(tmp_path))
    panel.taps.desk("desk-1", present=True)
    panel.taps.overflow("giving", on=False)
    assert panel.state() == {"desk/desk-1": {"present": True}, "overflow": {"giving": False, "accepting": True}}
    panel.taps.desk("desk-1", present=False)
    panel.taps.overflow("accepting", on=False)
    assert panel.state() == {"desk/desk-1": {"present": False}, "overflow": {"giving": False, "accepting": False}}
    panel.close()


def test_the_outbox_is_pruned_by_the_hubs_ack_and_by_no_other(panel: Panel) -> None:
    for _ in range(3):
        reported(panel, "elv-hoog", 1)
    panel.ack(3, epoch="0" * 16)
    panel.wait(2)
    assert len(panel.events()) == 3
    panel.ack(2)
    panel.wait(2)
    assert [row.sequence for row in panel.store.view().outbox(after=0, limit=9)] == [3]
    assert panel.look.known().waiting == 1


def test_the_moment_a_caller_was_lost_is_remembered(tmp_path: Path) -> None:
    panel = Panel(triage_centre(tmp_path))
    panel.write("telephony", line=LineFact(lost=2))
    panel.beat()
    assert panel.state()["lost"] == {"count": 2, "rose": False, "seen": 2}, (
        "losses from before the panel have no known instant"
    )
    panel.write("telephony", line=LineFact(lost=3))
    panel.wait(60)
    panel.wait(60)
    assert panel.state()["lost"] == {"count": 3, "rose": True, "seen": 2}
    assert panel.said_of("lost").at == panel.clock.now().replace(minute=6)
    panel.close()


def test_a_full_disk_is_told_once_keeps_all_and_heals(panel: Panel, caplog: pytest.LogCaptureFixture) -> None:
    panel.taps.step("elv-laag", 1)
    panel.fill_disk()
    for _ in range(2):
        with pytest.raises(StoreError):
            panel.taps.step("elv-hoog", 1, tap="x" * 5000)
    assert panel.taps.problem == "de opslag is vol. Bel de technicus."
    told = [record.getMessage() for record in caplog.records if "refuses" in record.getMessage()]
    assert len(told) == 1 and told[0].endswith("(storing 41).")
    assert panel.state()["pending/elv-laag"]["free"] == 1 and "pending/elv-hoog" not in panel.state()
    panel.free_disk()
    panel.wait(10)
    assert panel.events() == [CapacityReported(category="elv-laag", free=1, total=8)]
    assert panel.taps.problem is None


def test_the_rounds_go_on_while_the_disk_is_full(panel: Panel) -> None:
    panel.fill_disk()
    panel.write("telephony", line=LineFact(lost=1))
    panel.wait(1)
    assert panel.taps.problem == "de opslag is vol. Bel de technicus."
    panel.free_disk()
    panel.wait(0.1)
    assert "lost" not in panel.state(), "a store that refused is left alone for a while"
    panel.wait(2)
    assert panel.state()["lost"]["count"] == 1 and panel.taps.problem is None


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Panel]:
    """An emergency department with a ward that is asked everything there is."""
    ward = {"code": "grz", "total": 4, "ask_expected": True, "limits": ["isolatie", "alleen-m", "alleen-v"]}
    panel = Panel(reporting(tmp_path, {"code": "seh"}, ward))
    yield panel
    panel.close()


def test_a_status_with_its_reason_and_end_is_one_report(hospital: Panel) -> None:
    taps = hospital.taps
    taps.choose("seh", "stop")
    hospital.wait(3)
    taps.reason("seh", "personeel", on=True)
    taps.end("seh", "2-uur")
    hospital.wait(4.9)
    assert hospital.events() == []
    hospital.wait(0.1)
    stop = CapacityReported(category="seh", status="stop", reason="personeel", until="2026-11-21T15:10:00.000000Z")
    assert hospital.events() == [stop]
    assert hospital.state()["capacity/seh"] == stop.model_dump(mode="json")


def test_a_status_can_be_undone(hospital: Panel) -> None:
    hospital.taps.choose("seh", "open")
    hospital.wait(5)
    hospital.taps.choose("seh", "stop")
    hospital.taps.end("seh", "1-uur")
    hospital.taps.undo()
    hospital.wait(10)
    assert hospital.events() == [CapacityReported(category="seh", status="open")]


def test_a_number_with_what_is_expected_and_its_limits_is_one_report(hospital: Panel) -> None:
    hospital.taps.step("grz", 1, tap="a")
    for tap in ("b", "b", "c"):
        hospital.taps.expect("grz", 1, tap=tap)
    hospital.taps.limit("grz", "alleen-m", on=True)
    hospital.taps.limit("grz", "alleen-v", on=True)
    hospital.wait(5)
    ward = CapacityReported(category="grz", free=1, total=4, expected_free_24h=3, limits=("alleen-v",))
    assert hospital.events() == [ward]
    hospital.taps.step("grz", -1)
    hospital.wait(5)
    assert hospital.events()[1] == ward.model_copy(update={"free": 0}), "what else was said still holds"


def test_still_correct_holds_for_a_status_as_it_was_seen(hospital: Panel) -> None:
    hospital.taps.choose("seh", "stop")
    hospital.taps.end("seh", "4-uur")
    hospital.wait(5)
    before = hospital.state()["capacity/seh"]
    hospital.clock.forward(3600)
    with pytest.raises(RefusedError, match="niets te bevestigen"):
        hospital.taps.confirm({"seh": "open"})
    hospital.taps.confirm({"seh": "stop"})
    assert hospital.events()[1:] == [CapacityConfirmed(categories=("seh",))]
    assert hospital.state()["capacity/seh"] == before, "confirming moves no end"
    assert hospital.said_of("capacity/seh").at == hospital.clock.now()


def test_after_its_end_a_stop_is_not_confirmed_and_nothing_of_it_is_taken_along(hospital: Panel) -> None:
    hospital.taps.choose("seh", "stop")
    hospital.taps.reason("seh", "drukte", on=True)
    hospital.taps.end("seh", "1-uur")
    hospital.wait(5)
    hospital.clock.forward(3600)
    with pytest.raises(RefusedError):
        hospital.taps.confirm({"seh": "stop"})
    with pytest.raises(RefusedError, match="Kies eerst hoe het nu is"):
        hospital.taps.end("seh", "1-uur")
    hospital.taps.choose("seh", "stop")
    hospital.wait(5)
    reported = [event for event in hospital.events() if not isinstance(event, JournalHead)]
    assert reported[1:] == [CapacityReported(category="seh", status="stop")]


def test_an_end_moves_along_when_the_clock_is_set(hospital: Panel) -> None:
    """A box that started with a clock of last year: two hours are two hours."""
    hospital.clock.at, hospital.clock.synced = NOON.replace(year=2025), False
    hospital.taps.choose("seh", "stop")
    hospital.taps.end("seh", "2-uur")
    hospital.wait(5)
    hospital.clock.at, hospital.clock.synced = NOON.replace(second=5), True
    hospital.taps.confirm({"seh": "stop"})
    until = hospital.state()["capacity/seh"]["until"]
    assert until == "2026-11-21T15:05:00.000000Z"


@pytest.mark.parametrize(
    ("verb", "args", "how"),
    [
        ("step", ("seh", 1), {}),
        ("expect", ("grz", 1), {}),
        ("choose", ("seh", "vol"), {}),
        ("choose", ("apotheek", "dicht"), {}),
        ("limit", ("grz", "bariatrisch"), {"on": True}),
        ("reason", ("seh", "drukte"), {"on": True}),
        ("end", ("seh", "1-uur"), {}),
    ],
)
def test_what_is_not_asked_here_is_refused_and_changes_nothing(
    hospital: Panel, verb: str, args: tuple[object, ...], how: dict[str, object]
) -> None:
    with pytest.raises(RefusedError):
        getattr(hospital.taps, verb)(*args, **how)
    assert hospital.state() == {} and hospital.events() == []


def test_a_tap_of_the_version_before_is_reported(hospital: Panel) -> None:
    with hospital.store.transaction() as change:
        change.put("pending/grz", {"free": 1, "tap": None})
    hospital.wait(5)
    assert hospital.events() == [CapacityReported(category="grz", free=1, total=4)]


def test_where_a_report_is_is_remembered_until_the_region_has_it(panel: Panel) -> None:
    reported(panel, "elv-laag", 1)
    reported(panel, "elv-hoog", 2)
    assert panel.state()["sent/elv-laag"] == SentFact(sequence=1).model_dump()
    panel.ack(1)
    panel.wait(2)
    arrived_at = panel.said_of("sent/elv-laag").at
    assert panel.state()["sent/elv-laag"]["arrived"] and not panel.state()["sent/elv-hoog"]["arrived"]
    panel.clock.forward(600)
    panel.ack(2)
    panel.wait(2)
    assert panel.said_of("sent/elv-laag").at == arrived_at < panel.said_of("sent/elv-hoog").at
    panel.taps.confirm({"elv-laag": 1})
    assert panel.state()["sent/elv-laag"] == SentFact(sequence=3).model_dump(), "a confirmation has a way to go too"
