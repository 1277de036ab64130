"""Lost callers and desks that fail stay on the screen until somebody has seen them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from panel_site import UPTIME_S, Panel, triage_centre

from zorgkiosk.site.facts import DeskFact, DeskState, LineFact
from zorgkiosk.site.panel.alarms import Alarm, alarm
from zorgkiosk.site.panel.known import Look
from zorgkiosk.site.panel.web.app import create_app

UP_MS = int(UPTIME_S * 1000)


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Panel]:
    panel = Panel(triage_centre(tmp_path))
    yield panel
    panel.close()


def line_says(centre: Panel, *, lost: int = 0, failing: tuple[int, ...] = (), since_ms: int = UP_MS) -> None:
    states: list[tuple[int, DeskState]] = [(n, "no-answer" if n in failing else "free") for n in (1, 2)]
    desks = tuple(DeskFact(id=f"desk-{n}", state=state, since_uptime_ms=since_ms) for n, state in states)
    centre.write("telephony", line=LineFact(desks=desks, lost=lost))
    centre.beat()


def shown(centre: Panel) -> Alarm | None:
    return alarm(centre.look.known())


def see(centre: Panel) -> None:
    now = shown(centre)
    assert now is not None
    centre.taps.seen(now.lost, dict(now.failed))


def test_losses_from_before_the_panel_are_nobodys_alarm(centre: Panel) -> None:
    line_says(centre, lost=5)
    assert shown(centre) is None


def test_a_lost_call_is_shown_until_it_was_seen_also_after_a_restart(centre: Panel) -> None:
    line_says(centre)
    line_says(centre, lost=2)
    assert shown(centre) == Alarm(("2 oproepen verloren",), 2, ())
    centre.restart()
    centre.wait(86_400)
    assert shown(centre) == Alarm(("2 oproepen verloren",), 2, ())
    see(centre)
    assert shown(centre) is None
    line_says(centre, lost=3)
    assert shown(centre) == Alarm(("1 oproep verloren",), 3, ())


def test_a_tap_sees_no_more_than_what_stood_on_the_screen(centre: Panel) -> None:
    line_says(centre)
    line_says(centre, lost=1, failing=(1,))
    before = shown(centre)
    assert before is not None and before.sentences == ("1 oproep verloren", "Werkplek 1 nam niet op 14:05")
    line_says(centre, lost=2, failing=(1,), since_ms=UP_MS + 5000)
    centre.taps.seen(before.lost, dict(before.failed))
    assert shown(centre) == Alarm(("1 oproep verloren", "Werkplek 1 nam niet op 14:05"), 2, (("desk-1", UP_MS + 5000),))


def test_a_desk_that_failed_is_shown_after_its_rest_and_once_for_each_failure(centre: Panel) -> None:
    line_says(centre, failing=(1, 2))
    assert shown(centre) == Alarm(("2 werkplekken namen niet op",), None, (("desk-1", UP_MS), ("desk-2", UP_MS)))
    line_says(centre)
    assert shown(centre) is not None, "the desk is free again, but nobody has seen that it failed"
    see(centre)
    assert shown(centre) is None
    line_says(centre, failing=(2,))
    assert shown(centre) is None, "this failure was seen"
    line_says(centre, failing=(2,), since_ms=UP_MS + 1)
    assert shown(centre) == Alarm(("Werkplek 2 nam niet op 14:05",), None, (("desk-2", UP_MS + 1),))


def test_a_new_card_at_the_telephony_starts_counting_again(centre: Panel) -> None:
    line_says(centre)
    line_says(centre, lost=4)
    see(centre)
    line_says(centre, lost=0)
    line_says(centre, lost=1)
    assert shown(centre) == Alarm(("1 oproep verloren",), 1, ())


def test_seeing_is_a_tap_of_the_page_and_is_logged(centre: Panel) -> None:
    line_says(centre)
    line_says(centre, lost=2, failing=(2,))
    client = create_app(centre.config, centre.taps, lambda: Look.of(centre.config, centre.clock)).test_client()
    page = client.get("/triage/1").text
    assert "2 oproepen verloren" in page and "Werkplek 2 nam niet op 14:05" in page and "✓ Gezien" in page
    form = {"lost": "2", "failed": f"desk-2={UP_MS}", "place": "triage/1"}
    assert client.post("/tap/seen", data=form, headers={"Origin": "http://localhost"}).status_code == 303
    assert "Gezien" not in client.get("/triage/1").text
    logbook = client.get("/logboek/1").text
    assert "Gezien: 2 oproepen verloren" in logbook and "Gezien: Werkplek 2 nam niet op" in logbook


@pytest.mark.parametrize(
    "form", [{}, {"lost": "99"}, {"lost": "0"}, {"failed": "desk-9=1"}, {"failed": "desk-2=1"}, {"failed": "lost=1"}]
)
def test_what_did_not_stand_there_is_not_seen(centre: Panel, form: dict[str, str]) -> None:
    line_says(centre)
    line_says(centre, lost=1, failing=(2,))
    client = create_app(centre.config, centre.taps, lambda: Look.of(centre.config, centre.clock)).test_client()
    before = centre.state()
    assert client.post("/tap/seen", data=form, headers={"Origin": "http://localhost"}).status_code == 303
    assert centre.state() == before and centre.look.journal(0, 9) == []
