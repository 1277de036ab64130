"""Statuses, what is expected and limits in a real browser, on the real unit."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from test_panel_unit import Unit, assert_keys_fit, open_page

from zorgkiosk.contract.events import CapacityConfirmed, CapacityReported
from zorgkiosk.contract.status import Ack
from zorgkiosk.lab.panel_unit import SITE as PANEL_SITE
from zorgkiosk.lab.ports import free_port
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.facts import LinkFact
from zorgkiosk.site.store import Store, StoreView

pytest_plugins = ["panel_chromium"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

REPORTS = """
undo_s = 2
[[capacity]]
code = "seh"
[[capacity]]
code = "elv-palliatief"
total = 18
ask_expected = true
limits = ["gesloten-afdeling", "isolatie", "bariatrisch", "alleen-m", "alleen-v"]
[[capacity]]
code = "grz"
total = 4
ask_expected = true
due_min = 0.001
overdue_min = 600
unknown_min = 1200
[[capacity]]
code = "so-dienst"
[[capacity]]
code = "apotheek"
"""
SITE = PANEL_SITE.replace("vvt-linde", "zh-oost").replace("VVT De Linde", "Streekziekenhuis Oost") + REPORTS


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    unit = Unit(tmp_path, free_port())
    (tmp_path / "site.toml").write_text(SITE.format(port=unit.port))
    unit.start()
    yield unit
    assert unit.process is not None
    if unit.process.poll() is None:
        assert unit.end(signal.SIGTERM) == 0


def hub_acknowledges(unit: Unit, up_to: int) -> None:
    """As sync writes it into its own file."""
    panel = StoreView(unit.folder / "data" / "panel.db")
    epoch = panel.epoch()
    panel.close()
    assert epoch is not None
    sync = Store.open(unit.folder / "data" / "sync.db", "sync", SystemClock.of_this_boot())
    with sync.transaction() as change:
        change.put("link", LinkFact(connected=True).model_dump())
        change.put("acked/panel", Ack(stream="panel", epoch=epoch, up_to=up_to).model_dump())
    sync.close()


def test_a_coordinator_stops_says_why_and_until_when_and_sees_it_arrive(chromium: Browser, unit: Unit) -> None:
    page, complaints = open_page(chromium, unit)
    department = page.locator("form.status", has_text="Spoedeisende hulp")
    stop = department.get_by_role("button", name="stop", exact=True)
    stop.click()
    expect(stop).to_have_attribute("aria-pressed", "true")
    department.get_by_role("link", name="Reden en tijd").click()
    page.get_by_role("button", name="te weinig personeel").click()
    page.get_by_role("button", name="over 2 uur").click()
    told = page.locator(".said .readout")
    expect(told).to_contain_text(re.compile(r"stop\s+te weinig personeel · tot .*\d\d:\d\d"))
    expect(page.locator("#line")).to_contain_text("1 wijziging wacht", timeout=8000)
    (event,) = unit.events()
    assert isinstance(event, CapacityReported) and event.until is not None
    assert event == CapacityReported(category="seh", status="stop", reason="personeel", until=event.until)
    page.get_by_role("link", name="Terug").click()
    way = department.locator(".way")
    expect(way).to_have_text("op dit apparaat")
    hub_acknowledges(unit, 1)
    expect(way).to_have_text(re.compile(r"regio heeft het ✓ \d\d:\d\d"))
    page.get_by_role("button", name="Klopt nog").click()
    expect(way).to_have_text("op dit apparaat")
    assert unit.events()[-1] == CapacityConfirmed(categories=("seh",))
    assert complaints == []
    page.close()


def test_a_nurse_says_what_is_expected_and_for_whom_and_undoes_it(chromium: Browser, unit: Unit) -> None:
    page, complaints = open_page(chromium, unit)
    plus = page.get_by_role("button", name="ELV palliatief terminaal: één meer")
    plus.click()
    beds = page.get_by_role("group", name="ELV palliatief terminaal")
    expect(beds.locator(".number b")).to_have_text("1")
    beds.get_by_role("link").click()
    page.get_by_role("button", name="Over 24 uur: één meer").click()
    for limit in ("alleen man", "alleen vrouw", "isolatie"):
        page.get_by_role("button", name=limit).click()
    expect(page.get_by_role("button", name="alleen man")).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".expected .number b")).to_have_text("2")
    expect(page.locator("#line")).to_contain_text("1 wijziging wacht", timeout=8000)
    ward = CapacityReported(
        category="elv-palliatief", free=1, total=18, expected_free_24h=2, limits=("isolatie", "alleen-v")
    )
    assert unit.events() == [ward]
    page.get_by_role("button", name="isolatie").click()
    page.get_by_role("button", name="Ongedaan maken").click()
    expect(page.get_by_role("button", name="isolatie")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("link", name="Terug").click()
    expect(page.locator(".tile", has_text="ELV palliatief")).to_contain_text("isolatie · alleen vrouw")
    expect(page.locator(".tile", has_text="ELV palliatief")).to_contain_text("24 u: 2")
    assert unit.events() == [ward] and complaints == []
    page.close()


def fill(page: Page, unit: Unit) -> None:
    """The longest that can stand on each tile."""
    for path, form in (
        ("status/seh", "status=dreigend"),
        ("reason/seh/geen-bedden", "on=yes"),
        ("status/so-dienst", "status=geen"),
        ("end/so-dienst", "end=4-uur"),
        ("status/apotheek", "status=dicht"),
        ("end/apotheek", "end=4-uur"),
        *[("capacity/elv-palliatief", "step=%2B1")] * 17,
        ("capacity/grz", "step=-1"),
        *[("expected/elv-palliatief", "step=-1")] * 5,
        *[(f"limit/elv-palliatief/{limit}", "on=yes") for limit in ("gesloten-afdeling", "isolatie", "bariatrisch")],
    ):
        assert unit.tap(f"/tap/{path}", f"{form}&place=capacity/1") == 303
    expect(page.locator("#line")).to_contain_text("wachten", timeout=8000)
    hub_acknowledges(unit, 9)
    expect(page.locator(".way").first).to_contain_text("regio heeft het")
    expect(page.locator(".way").nth(1)).to_have_text(re.compile(r"regio ✓ \d\d:\d\d"))
    expect(page.locator(".tile", has_text="Geriatrische")).to_contain_text("bevestigen")


PATHS = ("/capacity/1", "/capacity/2", "/detail/1", "/detail/2", "/detail/3", "/detail/4", "/detail/5")


def test_keys_are_large_and_apart_also_with_the_longest_words(chromium: Browser, unit: Unit) -> None:
    page, _ = open_page(chromium, unit)
    for path in PATHS:
        page.goto(unit.url + path)
        assert_keys_fit(page)
        assert page.evaluate(CUT_OFF) == []
    page.goto(unit.url)
    fill(page, unit)
    for path in PATHS:
        page.goto(unit.url + path)
        assert_keys_fit(page)
        assert page.evaluate(CUT_OFF) == []
    page.close()


CUT_OFF = """[
  ...[...document.querySelectorAll(".readout, .key")].filter(box => box.scrollHeight > box.clientHeight + 1),
  ...[...document.querySelectorAll(".readout p, .key")].filter(box => box.scrollWidth > box.clientWidth + 1),
].map(box => box.innerText)"""
