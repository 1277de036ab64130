"""What the panel says about the stores of its site, and that nothing else suffers."""

from pathlib import Path

import pytest
from panel_site import Panel, nursing_home, triage_centre

from zorgkiosk.site.panel import view
from zorgkiosk.site.store import Store, StoreDamagedError
from zorgkiosk.site.store_faults import DAMAGED, FULL, begin, end


@pytest.fixture
def panel(tmp_path: Path) -> Panel:
    return Panel(nursing_home(tmp_path))


def line(panel: Panel) -> view.Line:
    return view.line(panel.look.known(panel.taps.problem))


def spoil(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"worn out")


def test_a_damaged_panel_store_is_replaced_said_and_seen_with_the_next_tap(
    panel: Panel, caplog: pytest.LogCaptureFixture
) -> None:
    panel.taps.step("elv-laag", 1)
    panel.close()
    spoil(panel.config.panel_db)
    panel.clock.forward(5)
    panel.open()
    said = line(panel)
    assert (said.tone, said.text) == ("alarm", "De opslag van dit paneel was beschadigd en is vernieuwd.")
    assert said.detail == "Tik de aantallen opnieuw (storing 43)."
    assert caplog.messages[-1].endswith("a new file begins (storing 43).")
    panel.wait(60)
    assert line(panel).text == said.text, "until somebody has tapped"
    panel.taps.step("elv-laag", 1)
    assert line(panel).text.startswith("Bewaard.")
    panel.wait(6)
    assert line(panel).tone != "alarm" and panel.look.known().panel["capacity/elv-laag"].value["free"] == 1


def test_the_line_s_damaged_store_is_said_and_the_panel_goes_on(tmp_path: Path) -> None:
    panel = Panel(triage_centre(tmp_path))
    Store.open(panel.config.telephony_db, "telephony", panel.clock).close()
    spoil(panel.config.telephony_db)
    panel.taps.desk("desk-1", present=True)
    panel.beat()
    assert panel.look.known().telephony == {}, "as if it were not there, until its owner has started again"
    panel.clock.forward(5)
    Store.open(panel.config.telephony_db, "telephony", panel.clock).close()
    assert line(panel) == view.Line(
        "De opslag van de wachtrij was beschadigd en is vernieuwd.", "alarm", detail="Bel de technicus (storing 43)."
    )
    panel.clock.forward(5)
    panel.taps.desk("desk-2", present=True)
    assert line(panel).tone != "alarm"


def test_a_full_disk_is_said_until_there_is_room(panel: Panel) -> None:
    other = Store.open(panel.config.sync_db, "sync", panel.clock)
    with other.transaction() as change:
        begin(change, "sync", FULL)
    assert line(panel).text == "De opslag is vol. Oude meldingen maken plaats voor nieuwe."
    assert line(panel).detail == "Bel de technicus (storing 41)."
    panel.clock.forward(5)
    panel.taps.step("elv-laag", 1)
    panel.wait(6)
    assert line(panel).tone == "alarm", "a tap does not make room"
    with other.transaction() as change:
        end(change, "sync", FULL)
    assert line(panel).tone != "alarm"


def test_a_fault_is_told_once_and_its_end_too(panel: Panel) -> None:
    for _ in range(2):
        with panel.store.transaction() as change:
            begin(change, "panel", DAMAGED)
    for _ in range(2):
        with panel.store.transaction() as change:
            end(change, "panel", DAMAGED)
    assert [getattr(event, "ok", None) for event in panel.events()] == [False, True]


def test_damage_met_by_a_tap_ends_the_panel(panel: Panel) -> None:
    panel.taps.step("elv-laag", 1)
    panel.close()
    panel.open()
    panel.store._driver().execute("PRAGMA shrink_memory")  # pages that it still holds are as they were
    content = panel.config.panel_db.read_bytes()
    panel.config.panel_db.write_bytes(content[:4096] + bytes(len(content) - 4096))
    with pytest.raises(StoreDamagedError):
        panel.taps.step("elv-laag", 1)
    assert panel.taps.problem == "de opslag geeft een fout. Bel de technicus."
    with pytest.raises(StoreDamagedError):
        panel.beat()
    panel.restart()
    panel.taps.step("elv-laag", 1)
    assert panel.look.known().panel["pending/elv-laag"].value["free"] == 1
