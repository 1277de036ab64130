"""Everything that was tapped, by device and role: kept, paged and pruned."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from panel_site import NOON, Panel, nursing_home, said, triage_centre

from zorgkiosk.contract.events import JournalHead
from zorgkiosk.site.head_file import HeadFile
from zorgkiosk.site.journal import JournalLine
from zorgkiosk.site.panel.actions import RefusedError
from zorgkiosk.site.panel.actor import Actor
from zorgkiosk.site.panel.known import Look
from zorgkiosk.site.panel.log_budget import HOUR_S, SWITCHES, TAPS, LogBudget, Spent
from zorgkiosk.site.panel.logbook import ROWS_A_PAGE, logbook_page, what
from zorgkiosk.site.panel.rounds import HEAD_EVERY_S, JOURNAL_EVERY_S
from zorgkiosk.site.panel.web.app import create_app
from zorgkiosk.site.store import StoreError


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Panel]:
    panel = Panel(nursing_home(tmp_path, log_days=30))
    yield panel
    panel.close()


def browser(panel: Panel) -> FlaskClient:
    return create_app(panel.config, panel.taps, lambda: Look.of(panel.config, panel.clock)).test_client()


def lines(panel: Panel) -> list[JournalLine]:
    """Oldest first."""
    return [row.line for row in reversed(panel.look.journal(0, 999))]


def test_every_tap_is_logged_in_the_commit_that_does_it(panel: Panel) -> None:
    serial = panel.taps.by(Actor("paneel 2 (serieel)"))
    panel.taps.step("elv-laag", 1, tap="a")
    panel.taps.step("elv-laag", 1, tap="a")  # the same tap again
    serial.step("elv-hoog", -1)
    serial.undo()
    serial.undo()  # nothing was left
    panel.taps.step("elv-laag", 1)
    panel.taps.confirm({"elv-laag": 1})
    with pytest.raises(RefusedError):
        panel.taps.confirm({"elv-hoog": 1})
    assert lines(panel) == [
        JournalLine("paneel", "geen", "step", "elv-laag", "1"),
        JournalLine("paneel 2 (serieel)", "geen", "step", "elv-hoog", "0"),
        JournalLine("paneel 2 (serieel)", "geen", "undo"),
        JournalLine("paneel", "geen", "step", "elv-laag", "1"),
        JournalLine("paneel", "geen", "confirm", "elv-laag"),
    ]


def test_what_was_not_saved_was_not_done(panel: Panel) -> None:
    panel.fill_disk()
    with pytest.raises(StoreError):
        panel.taps.step("elv-laag", 1)
    assert lines(panel) == []
    assert panel.taps.problem is not None, "one disk for all hands"
    assert panel.taps.by(Actor("another")).problem == panel.taps.problem


def test_the_page_speaks_dutch_newest_first_and_is_paged(panel: Panel) -> None:
    client = browser(panel)
    assert "Er is nog niets gedaan." in client.get("/logboek/1").text
    for _ in range(ROWS_A_PAGE):
        client.post("/tap/capacity/elv-laag", data={"step": "+1"}, headers={"Origin": "http://localhost"})
    client.post("/tap/undo", headers={"Origin": "http://localhost"})
    first, second = client.get("/logboek/1").text, client.get("/logboek/2").text
    assert first.count("<li>") == ROWS_A_PAGE and second.count("<li>") == 1
    assert first.index("Ongedaan gemaakt") < first.index("ELV laag complex: 7")
    assert "paneel 1 (touch)" in first and "14:05" in first and "ELV laag complex: 1" in second
    assert client.get("/logboek/3").status_code == 404 and client.get("/logboek/0").status_code == 404


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (("step", "elv-laag", "-2"), "ELV laag complex: −2"),
        (("expect", "elv-laag", "3"), "ELV laag complex: over 24 uur 3"),
        (("choose", "seh", "stop"), "Spoedeisende hulp (SEH): stop"),
        (("reason", "seh", "geen-bedden"), "Spoedeisende hulp (SEH): reden: geen bedden in huis"),
        (("reason", "seh", ""), "Spoedeisende hulp (SEH): reden: geen"),
        (("end", "seh", "2026-11-21T17:00:00.000000Z"), "Spoedeisende hulp (SEH): tot 18:00"),
        (("limit", "elv-laag", "isolatie alleen-m"), "ELV laag complex: beperkingen: isolatie, alleen man"),
        (("confirm", "elv-laag elv-hoog", ""), "Klopt nog: ELV laag complex, ELV hoog complex"),
        (("desk", "desk-1", "yes"), "Werkplek 1: aanwezig"),
        (("desk", "gone", "no"), "gone: afwezig"),
        (("overflow", "giving", "no"), "Hulp krijgen: uit"),
        (("overflow", "accepting", "yes"), "Hulp geven: aan"),
        (("seen", "lost", "1"), "Gezien: 1 oproep verloren"),
        (("seen", "desk-2", ""), "Gezien: Werkplek 2 nam niet op"),
        (("pin", "", ""), "Verkeerde pincode"),
        (("login", "", ""), "Aangemeld via het netwerk"),
        (("later", "x", ""), "later x"),
    ],
)
def test_lines_in_words(line: tuple[str, str, str], text: str) -> None:
    assert what(triage_centre(Path("/nowhere")), JournalLine("paneel", "geen", *line)) == text


def test_old_lines_are_pruned_by_the_rounds(panel: Panel) -> None:
    panel.taps.step("elv-laag", 1)
    panel.wait(10)
    panel.clock.forward(20 * 86_400)
    panel.taps.step("elv-laag", 1)
    panel.wait(JOURNAL_EVERY_S)
    assert len(lines(panel)) == 2
    panel.clock.forward(11 * 86_400)
    panel.beat()
    assert [line.value for line in lines(panel)] == ["2"]


def test_a_clock_that_was_never_set_prunes_nothing_but_the_count_does(panel: Panel) -> None:
    panel.clock.synced = False
    panel.clock.at = NOON - timedelta(days=20_000)
    for _ in range(5):
        panel.taps.step("elv-laag", 1)
    panel.clock.synced, panel.clock.at = True, NOON
    assert panel.taps.prune_journal() == 0
    with panel.store.transaction() as change:
        assert change.forget_journal(NOON, most=2) == 4  # with the line that began the chain
    assert [line.value for line in lines(panel)] == ["4", "5"]
    page = logbook_page(panel.config, said(), 2, 1, panel.look.journal)
    assert page is not None and page.entries[0].when == "klok niet gelijk"


def test_a_store_from_before_the_journal_gets_one(tmp_path: Path, panel: Panel) -> None:
    panel.taps.step("elv-laag", 1)
    with panel.store._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE journal")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    panel.restart()
    panel.taps.step("elv-laag", 1)
    assert panel.state()["pending/elv-laag"]["free"] == 2 and [line.value for line in lines(panel)] == ["2"]


def test_the_last_line_reaches_the_file_beside_the_store_soon_and_the_hub_within_the_hour(panel: Panel) -> None:
    panel.beat()
    panel.taps.step("elv-laag", 1)
    panel.wait(HEAD_EVERY_S)
    known, head = HeadFile(panel.config.panel_db).read(), panel.store.view().journal_head()
    assert known is not None and head is not None and known.head == head
    panel.wait(JOURNAL_EVERY_S)
    told = [event for event in panel.events() if isinstance(event, JournalHead)]
    assert told == [JournalHead(line=head.sequence, sha256=head.hash)]
    panel.wait(JOURNAL_EVERY_S)
    assert len([event for event in panel.events() if isinstance(event, JournalHead)]) == 1, "nothing was done"
    panel.taps.step("elv-laag", 1)
    panel.wait(JOURNAL_EVERY_S)
    assert len([event for event in panel.events() if isinstance(event, JournalHead)]) == 2


def test_a_config_that_changed_is_logged_by_its_digest_once(panel: Panel) -> None:
    for digest in ("a" * 64, "a" * 64, "b" * 64):
        panel.restart()
        panel.taps.note_config(digest)
    assert lines(panel) == [JournalLine("zorgkiosk", "systeem", "config", each * 64) for each in "ab"]
    assert "Andere instellingen van kracht" in browser(panel).get("/logboek/1").text


def test_a_flood_of_taps_leaves_the_rest_of_the_logbook_and_says_so(panel: Panel) -> None:
    for n in range(TAPS + 50):
        panel.taps.step("elv-laag", 1 if n % 2 else -1)
    panel.taps.note("pin")
    panel.taps.by(Actor("paneel 2 (serieel)")).step("elv-laag", 1)
    assert [line.verb for line in lines(panel)] == ["step"] * TAPS + ["unlogged", "pin", "step"]
    assert panel.state()["pending/elv-laag"]["free"] is not None, "the taps count all the same"
    assert "Zeer veel getikt" in browser(panel).get("/logboek/1").text
    panel.clock.forward(HOUR_S)
    panel.taps.step("elv-laag", 1)
    assert lines(panel)[-1].verb == "step"


def test_switches_are_counted_apart_from_taps_and_each_device_by_itself() -> None:
    budget = LogBudget()
    spent = [budget.spend("plaat", "overflow", n) for n in range(SWITCHES + 3)]
    assert spent == [Spent.WITHIN] * SWITCHES + [Spent.FIRST_BEYOND] + [Spent.BEYOND] * 2
    assert budget.spend("plaat", "step", SWITCHES) is Spent.WITHIN
    assert budget.spend("paneel", "overflow", SWITCHES) is Spent.WITHIN
    assert all(budget.spend("plaat", "pin", n) is Spent.WITHIN for n in range(TAPS + 2))
    assert budget.spend("plaat", "desk", HOUR_S - 1) is Spent.BEYOND
    assert budget.spend("plaat", "desk", HOUR_S) is Spent.WITHIN
