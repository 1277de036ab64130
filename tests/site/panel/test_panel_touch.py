"""Habits of the touchscreen in a real Chromium: back home, one tap at a time, the PIN, the chime, its weight."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from panel_screens import PIN, BusyCentre, busy_centre
from playwright.sync_api import Browser, Page, Response, expect
from test_panel_unit import SITE, Unit, wait_until

from zorgkiosk.contract.events import Said
from zorgkiosk.lab.ports import free_port
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.facts import CapacityFact
from zorgkiosk.site.store import Store

pytest_plugins = ["panel_chromium"]
pytestmark = pytest.mark.integration

HOME_AFTER_S = 5
PAGE_BYTES = 150_000


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BusyCentre]:
    more = f'home_after_s = {HOME_AFTER_S}\npin_actions = ["giving"]'
    with busy_centre(tmp_path_factory.mktemp("centre"), more=more) as centre:
        yield centre


def opened(browser: Browser, url: str, *, touch: bool = False) -> Page:
    page = browser.new_context(viewport={"width": 800, "height": 480}, has_touch=touch).new_page()
    page.goto(url)
    page.locator(".key").first.wait_for()
    return page


@pytest.mark.parametrize("path", ["/regio/1", "/capacity/2", "/triage/2", "/logboek/1", "/pin/giving/no", "/nowhere"])
def test_an_untouched_screen_goes_home(chromium: Browser, centre: BusyCentre, path: str) -> None:
    page = opened(chromium, centre.url + path)
    expect(page).to_have_url(centre.url + "/triage/1", timeout=(HOME_AFTER_S + 4) * 1000)
    page.context.close()


def test_a_touch_begins_the_wait_anew_and_a_finger_on_the_glass_stops_it(chromium: Browser, centre: BusyCentre) -> None:
    page = opened(chromium, centre.url + "/logboek/1")
    page.clock.install()
    page.reload()
    page.clock.run_for((HOME_AFTER_S - 1) * 1000)
    page.mouse.move(400, 200)
    page.mouse.down()
    page.clock.run_for(3 * HOME_AFTER_S * 1000)
    assert page.url.endswith("/logboek/1"), "a finger lies on the glass"
    page.mouse.up()
    page.clock.run_for((HOME_AFTER_S - 1) * 1000)
    assert page.url.endswith("/logboek/1")
    page.clock.run_for(2000)
    expect(page).to_have_url(centre.url + "/triage/1")
    page.context.close()


def test_what_can_be_undone_keeps_the_screen(chromium: Browser, centre: BusyCentre) -> None:
    page = opened(chromium, centre.url + "/capacity/1")
    page.clock.install()
    page.reload()
    page.get_by_role("button", name="ELV laag complex: één meer").click()
    expect(page.locator("#screen")).to_have_attribute("data-undo", "yes")
    page.clock.run_for(HOME_AFTER_S * 1000 + 600)
    assert page.url.endswith("/capacity/1")
    expect(page.locator("#screen")).to_have_attribute("data-undo", "no", timeout=8000)
    page.clock.run_for(1000)
    expect(page).to_have_url(centre.url + "/triage/1")
    page.context.close()


def test_a_tap_counts_when_the_finger_is_lifted_on_the_key(chromium: Browser, centre: BusyCentre) -> None:
    page = opened(chromium, centre.url + "/triage/1")
    desk = page.get_by_role("button", name="Werkplek 4")
    box = desk.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    expect(desk).to_have_attribute("aria-pressed", "false")
    page.mouse.move(5, 5)
    page.mouse.up()  # the finger slid off: nothing was meant
    page.get_by_role("button", name="Werkplek 5").click()
    expect(page.get_by_role("button", name="Werkplek 5")).to_have_attribute("aria-pressed", "true")
    expect(desk).to_have_attribute("aria-pressed", "false")
    page.context.close()


def test_a_bounce_on_a_key_that_leads_on_goes_one_page(chromium: Browser, centre: BusyCentre) -> None:
    page = opened(chromium, centre.url + "/triage/1")
    page.get_by_role("link", name="Meer 1/2").dblclick()
    expect(page).to_have_url(centre.url + "/triage/2")
    page.wait_for_load_state("load")
    desk = page.get_by_role("button", name="Werkplek 6")
    box = desk.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    left = "([x, y]) => sessionStorage.setItem('left', JSON.stringify([Date.now(), x, y]))"
    page.evaluate(left, [x, y])  # the key stood where Werkplek 6 stands now, and the finger bounces
    page.mouse.click(x + 5, y)
    page.get_by_role("button", name="Werkplek 7").click()
    expect(page.get_by_role("button", name="Werkplek 7")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Werkplek 6")).to_have_attribute("aria-pressed", "false")
    page.context.close()


def test_an_alarm_is_acknowledged_and_no_key_moves(chromium: Browser, centre: BusyCentre) -> None:
    page = opened(chromium, centre.url + "/triage/1")
    switch = page.get_by_role("button", name="Hulp geven")
    before = switch.bounding_box()

    def alarmed() -> bool:
        centre.telephony_says(lost=2, failing=True)
        return page.get_by_role("button", name=re.compile("2 oproepen verloren.*nam niet op")).is_visible()

    wait_until(alarmed)
    assert switch.bounding_box() == before
    page.get_by_role("button", name="Gezien").click()
    expect(page.get_by_role("button", name="Gezien")).to_have_count(0)
    assert switch.bounding_box() == before
    page.context.close()


def test_the_pin_by_finger(chromium: Browser, centre: BusyCentre) -> None:
    page = opened(chromium, centre.url + "/triage/1", touch=True)
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.get_by_role("button", name="Hulp krijgen").tap()
    expect(page.get_by_role("heading", name="Hulp krijgen: uit")).to_be_visible()
    field = page.get_by_label("Pincode")
    page.get_by_role("button", name="9").tap()
    page.get_by_role("button", name="Laatste cijfer wissen").tap()
    for digit in PIN[:-1] + "0":
        page.get_by_role("button", name=digit, exact=True).tap()
    expect(field).to_have_attribute("type", "password")
    page.get_by_role("button", name="OK").tap()
    expect(page.get_by_role("status")).to_have_text("Deze pincode klopt niet.")
    expect(field).to_have_value("")
    page.wait_for_load_state("load")  # the number pad's script is there
    for digit in PIN:
        page.get_by_role("button", name=digit, exact=True).tap()
    page.get_by_role("button", name="OK").tap()
    expect(page.get_by_role("button", name="Hulp krijgen")).to_have_attribute("aria-pressed", "false")
    assert page.url == centre.url + "/triage/1"
    assert not any(PIN in address for address in addresses)
    page.get_by_role("button", name="Hulp krijgen").tap()
    expect(page.get_by_role("heading", name="Hulp krijgen: aan")).to_be_visible()
    page.context.close()


@pytest.mark.parametrize("path", ["/triage/1", "/capacity/1", "/regio/1", "/pin/giving/no"])
def test_the_first_load_is_light_and_from_here(chromium: Browser, centre: BusyCentre, path: str) -> None:
    context = chromium.new_context(viewport={"width": 800, "height": 480})
    page = context.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(centre.url + path)
    page.locator(".key").first.wait_for()
    page.wait_for_load_state("load")
    whole = [answer for answer in answers if "/live/" not in answer.url]
    for answer in whole:
        answer.finished()
    sizes = [answer.request.sizes() for answer in whole]
    weight = sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes)
    assert len(whole) >= 6 and 5_000 < weight < PAGE_BYTES, weight
    assert all(answer.url.startswith(centre.url) for answer in answers)
    context.close()


PLAYED = """() => {
  window.played = [];
  const play = Audio.prototype.play;
  Audio.prototype.play = function () {
    const done = play.call(this);
    done.then(() => window.played.push(this.src));
    return done;
  };
}"""


def test_a_value_that_nobody_confirms_is_asked_for_and_then_heard_once(chromium: Browser, tmp_path: Path) -> None:
    unit = Unit(tmp_path, free_port())
    site = SITE.format(port=unit.port) + 'sound_after_min = 0.05\nquiet_hours = ""\n'
    site = site.replace('{code = "elv-laag", total = 8}', '{code = "elv-laag", total = 8, due_min = 1}')
    (tmp_path / "site.toml").write_text(site)
    clock = SystemClock.of_this_boot()
    store = Store.open(tmp_path / "data" / "panel.db", "panel", clock)
    now = clock.said()
    told = Said(datetime.now(UTC) - timedelta(seconds=59), now.boot_id, now.uptime_ms - 59_000, now.clock_synced)
    with store.transaction() as change:
        change.put("capacity/elv-laag", CapacityFact(category="elv-laag", free=2, total=8).model_dump(), said=told)
    store.close()
    unit.start()
    page = chromium.new_context(viewport={"width": 800, "height": 480}).new_page()
    page.add_init_script(f"({PLAYED})()")
    page.goto(unit.url)
    line = page.locator("#line")
    expect(line).to_have_text("Klopt het nog? 1 aantal te bevestigen.")
    assert page.evaluate("played") == [], "quiet first"
    wait_until(lambda: bool(page.evaluate("played.length")))
    assert page.evaluate("played") == [unit.url + "/chime.wav"]
    page.get_by_role("button", name="Klopt nog").click()
    expect(line).not_to_contain_text("Klopt het nog?")
    page.context.close()
    assert unit.end(signal.SIGTERM) == 0
