"""Every page at every size in a real Chromium: keys in millimetres, nothing hidden, nothing axe-core objects to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import pytest
from axe_playwright_python.sync_playwright import Axe
from panel_screens import (
    HOSPITAL_PATHS,
    PATHS,
    SEVEN_INCH,
    SIZES,
    TEN_INCH,
    BusyCentre,
    Size,
    a_busy_centre,
    a_hospital,
    running,
    stop_hospital,
)
from playwright.sync_api import Browser, Page, expect
from test_panel_unit import Unit, wait_until

pytest_plugins = ["panel_chromium"]
pytestmark = pytest.mark.integration

ENGLISH = 'language = "en"'

OTHER_LIGHT = "for (const each of ['day', 'night']) document.getElementById('screen').classList.toggle(each)"
"""By night what is looked at by day, and the other way round: whatever the hour is, both are."""
MEASURE = """selector => [...document.querySelectorAll(selector)].map(each => {
  const box = each.getBoundingClientRect();
  return {name: each.textContent.trim(), box: [box.left, box.top, box.right, box.bottom],
    hidden: each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1};
})"""
WHOLE = ".key, .readout, #line, #line b, .link, .time, .helps, .region, .log, .seen .what, main"
"""What must show all of its text; names of sites and categories may end in an ellipsis."""


@dataclass(frozen=True)
class Sites:
    """By dpi, and on seven inches in English. At a centre numbers were told, two calls were lost, a desk failed."""

    centres: dict[float, BusyCentre]
    hospitals: dict[float, Unit]
    english: dict[str, Unit]


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    new = tmp_path_factory.mktemp
    centres = {dpi: a_busy_centre(new("centre"), dpi=dpi) for dpi in (SEVEN_INCH, TEN_INCH)}
    hospitals = {dpi: a_hospital(new("hospital"), dpi=dpi) for dpi in (SEVEN_INCH, TEN_INCH)}
    centre = a_busy_centre(new("centre"), more=ENGLISH)
    hospital = a_hospital(new("hospital"), dpi=SEVEN_INCH, more=ENGLISH)
    with running(*centres.values(), *hospitals.values(), centre, hospital):
        for each in (*hospitals.values(), hospital):
            stop_hospital(each)
        for each in centres.values():
            make_busy(each, "2 oproepen verloren", "Werkplek 2 nam niet op")
        make_busy(centre, "2 calls lost", "Werkplek 2 did not answer")
        yield Sites(centres, hospitals, {"centre": centre, "hospital": hospital})


def make_busy(centre: BusyCentre, *told: str) -> None:
    """Until its first page says all of `told`. The panel notices a loss only after it knew of none."""
    wait_until(lambda: centre.ask("GET", "/triage/1")[1].count('"key seen"') == 0)
    for code in ("elv-laag", "elv-hoog"):
        assert centre.tap(f"/tap/capacity/{code}", "step=%2B1&place=capacity/1") == 303
    for desk in (1, 2):
        assert centre.tap(f"/tap/desk/desk-{desk}", "present=yes&place=triage/1") == 303

    def alarmed() -> bool:
        centre.telephony_says(lost=2, failing=True)
        page = centre.ask("GET", "/triage/1")[1]
        return all(sentence in page for sentence in told)

    wait_until(alarmed)


@pytest.fixture(scope="module", params=SIZES, ids=str)
def screen(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[tuple[Page, Size]]:
    """A screen of each size, which is led from page to page as a hand would."""
    size: Size = request.param
    page = chromium.new_page(viewport={"width": size.width, "height": size.height})
    yield page, size
    page.close()


def show(page: Page, unit: Unit, path: str) -> None:
    """Opens the page anew."""
    if isinstance(unit, BusyCentre):
        unit.telephony_says(lost=2, failing=True)
    page.goto(unit.url + path)
    page.locator(".key").first.wait_for()


def assert_axe_is_content(page: Page) -> None:
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("path", PATHS)
def test_keys_are_large_and_apart_nothing_is_hidden_and_axe_has_no_objection(
    screen: tuple[Page, Size], sites: Sites, path: str
) -> None:
    page, size = screen
    show(page, sites.centres[size.dpi], path)
    assert_fits(page, size)
    assert_axe_is_content(page)
    if size == SIZES[0]:
        page.evaluate(OTHER_LIGHT)
        assert_axe_is_content(page)


@pytest.mark.parametrize("path", HOSPITAL_PATHS)
def test_statuses_and_details_fit_too_and_axe_has_no_objection(
    screen: tuple[Page, Size], sites: Sites, path: str
) -> None:
    page, size = screen
    show(page, sites.hospitals[size.dpi], path)
    assert_fits(page, size)
    assert_axe_is_content(page)


def assert_fits(page: Page, size: Size) -> None:
    an_mm = size.dpi / 25.4
    keys = page.evaluate(MEASURE, ".key")
    assert len(keys) >= 1
    for key in keys:
        left, top, right, bottom = key["box"]
        assert min(right - left, bottom - top) / an_mm >= 20, key
        assert left >= 0 and top >= 0 and right <= size.width and bottom <= size.height, key
    for one, other in combinations(keys, 2):
        left, top, right, bottom = one["box"]
        left2, top2, right2, bottom2 = other["box"]
        assert max(left2 - right, left - right2, top2 - bottom, top - bottom2) / an_mm >= 3, (one, other)
    scrolls = page.evaluate("(e => [e.scrollWidth, e.scrollHeight])(document.documentElement)")
    assert scrolls == [size.width, size.height]
    cut = [each["name"] for each in page.evaluate(MEASURE, WHOLE) if each["hidden"]]
    assert cut == []


@pytest.mark.parametrize(
    ("site", "path"), [*(("centre", p) for p in PATHS), *(("hospital", p) for p in HOSPITAL_PATHS)]
)
@pytest.mark.parametrize("screen", SIZES[:1], ids=str, indirect=True)
def test_english_fits_on_seven_inch_and_axe_has_no_objection(
    screen: tuple[Page, Size], sites: Sites, site: str, path: str
) -> None:
    page, size = screen
    show(page, sites.english[site], path)
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert_fits(page, size)
    assert_axe_is_content(page)


@pytest.mark.parametrize("screen", SIZES[:1], ids=str, indirect=True)
def test_a_centre_is_worked_with_the_keyboard_and_named_for_a_screen_reader(
    screen: tuple[Page, Size], sites: Sites
) -> None:
    page, _ = screen
    show(page, sites.centres[SEVEN_INCH], "/triage/1")
    line = page.get_by_role("status")
    expect(line).to_have_attribute("aria-live", "polite")
    expect(page.get_by_role("alert")).to_contain_text("2 oproepen verloren. Werkplek 2 nam niet op")
    desk = page.get_by_role("button", name="Werkplek 3")
    expect(desk).to_have_attribute("aria-pressed", "false")
    desk.focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    expect(desk).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Hulp krijgen")).to_have_attribute("aria-pressed", "true")
    page.reload()
    page.locator(".key").first.wait_for()
    keys = "[...document.querySelectorAll('button:enabled, a')]"
    reached = set()
    for _ in range(page.evaluate(f"{keys}.length")):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(f"{keys}.indexOf(document.activeElement)"))
    assert reached == set(range(page.evaluate(f"{keys}.length")))
