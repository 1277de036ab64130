"""The real unit as a process of its own, by hand and in a real browser."""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from shipped import ANNOUNCEMENTS
from zorgkiosk.contract.events import CapacityConfirmed, CapacityReported, EventData
from zorgkiosk.lab.panel_unit import SITE as PANEL_SITE
from zorgkiosk.lab.ports import free_port
from zorgkiosk.site.panel.web.app import LIVE_PLACES
from zorgkiosk.site.store import StoreView

pytest_plugins = ["panel_chromium"]
pytestmark = pytest.mark.integration

START = (
    "import logging, sys; from pathlib import Path; from zorgkiosk.units.panel import run;"
    "logging.basicConfig(level='INFO'); run(Path(sys.argv[1]))"
)
CAPACITY = """
capacity = [{{code = "elv-laag", total = 8}}, {{code = "elv-hoog", total = 4}}, {{code = "wlz-crisis", total = 2}},
  {{code = "respijt"}}, {{code = "hospice", total = 5}}]
"""
SITE = CAPACITY + PANEL_SITE + "undo_s = 2\n"
CENTRE = f"""
[front]
address = "127.0.0.2"
trunk_addresses = ["127.0.0.0/8"]
[announcements]
folder = "{ANNOUNCEMENTS}"
[telephony]
"""


def wait_until(condition: Callable[[], bool], deadline_s: float = 20.0) -> None:
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, "the condition did not come true in time"
        time.sleep(0.05)


@dataclass
class Unit:
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.launch()
        wait_until(self.answers)

    def launch(self) -> None:
        """Without waiting: several units come up side by side."""
        self.process = subprocess.Popen([sys.executable, "-c", START, str(self.folder / "site.toml")])

    def answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None, "the unit ended"
        try:
            return "/tap/confirm" in self.ask("GET", "/capacity/1")[1]
        except ConnectionError:
            return False

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        os.kill(self.process.pid, number)
        return self.process.wait(timeout=10)

    def tap(self, path: str, form: str) -> int:
        return self.ask("POST", path, form)[0]

    def ask(self, method: str, path: str, form: str | None = None) -> tuple[int, str]:
        headers = {"Origin": self.url, "Content-Type": "application/x-www-form-urlencoded"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
            connection.request(method, path, form, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def events(self) -> list[EventData]:
        view = StoreView(self.folder / "data" / "panel.db")
        rows = view.outbox(after=0, limit=99)
        view.close()
        return [row.data for row in rows]


@pytest.fixture
def new_unit(tmp_path: Path) -> Iterator[Unit]:
    """A nursing home's panel that has not been started."""
    unit = Unit(tmp_path, free_port())
    (tmp_path / "site.toml").write_text(SITE.format(port=unit.port))
    yield unit
    if unit.process is not None and unit.process.poll() is None:
        assert unit.end(signal.SIGTERM) == 0


@pytest.fixture
def unit(new_unit: Unit) -> Unit:
    new_unit.start()
    return new_unit


def test_a_tap_survives_kill_9_and_is_reported_after_the_restart(unit: Unit) -> None:
    assert unit.tap("/tap/capacity/elv-laag", "step=%2B1&place=capacity/1") == 303
    assert unit.end(signal.SIGKILL) == -signal.SIGKILL
    assert unit.events() == []
    unit.start()
    assert "<b>1</b>" in unit.ask("GET", "/capacity/1")[1]
    wait_until(lambda: unit.events() == [CapacityReported(category="elv-laag", free=1, total=8)])


def open_page(browser: Browser, unit: Unit, width: int = 800, height: int = 480) -> tuple[Page, list[str]]:
    page = browser.new_page(viewport={"width": width, "height": height})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(unit.url)
    return page, complaints


def test_a_nurse_taps_undoes_and_confirms(chromium: Browser, unit: Unit) -> None:
    page, complaints = open_page(chromium, unit)
    line, undo = page.locator("#line"), page.get_by_role("button", name="Ongedaan maken")
    number = page.get_by_role("group", name="ELV laag complex").locator(".number b")
    plus = page.get_by_role("button", name="ELV laag complex: één meer")
    expect(undo).to_be_disabled()
    plus.click()
    expect(number).to_have_text("1")
    plus.click(delay=350)  # a second tap, not a bounce
    expect(number).to_have_text("2")
    expect(line).to_contain_text(re.compile(r"Bewaard\. Wordt over \d s verzonden\."))
    undo.click()
    expect(number).to_have_text("?")
    assert unit.events() == []
    plus.click()
    expect(line).to_contain_text("1 wijziging wacht, nog geen verbinding met de regio.", timeout=8000)
    page.get_by_role("button", name="Klopt nog").click()
    expect(line).to_contain_text("2 wijzigingen wachten")
    assert unit.events() == [
        CapacityReported(category="elv-laag", free=1, total=8),
        CapacityConfirmed(categories=("elv-laag",)),
    ]
    assert complaints == []
    page.close()


def test_a_bouncing_finger_counts_once_and_keys_stay_where_they_are(chromium: Browser, unit: Unit) -> None:
    page, _ = open_page(chromium, unit)
    plus = page.get_by_role("button", name="ELV laag complex: één meer")
    handle = plus.element_handle()
    assert handle is not None
    before = page.evaluate(BOXES)
    plus.dblclick()
    number = page.get_by_role("group", name="ELV laag complex").locator(".number b")
    expect(number).to_have_text("1")
    expect(page.locator("#line")).to_contain_text("wacht", timeout=8000)
    expect(number).to_have_text("1")
    assert handle.evaluate("key => key.isConnected"), "a live update replaced the key under the finger"
    assert page.evaluate(BOXES) == before
    page.close()


BOXES = """[...document.querySelectorAll(".key")].map(key => {
  const box = key.getBoundingClientRect();
  return [box.left, box.top, box.right, box.bottom];
})"""


def assert_keys_fit(page: Page) -> None:
    """20 mm a key and 3 mm between them on a seven-inch screen: 105 and 16 of its pixels."""
    page.wait_for_load_state()  # half a page, or one whose style is on its way, has another height
    page.locator(".key").first.wait_for()
    boxes = page.evaluate(BOXES)
    assert page.evaluate("document.documentElement.scrollHeight") == 480
    for index, (left, top, right, bottom) in enumerate(boxes):
        assert min(right - left, bottom - top) >= 105
        assert left >= 0 and top >= 0 and right <= 800 and bottom <= 480
        for left2, top2, right2, bottom2 in boxes[index + 1 :]:
            assert max(left2 - right, left - right2, top2 - bottom, top - bottom2) >= 16


@pytest.mark.parametrize("path", ["/capacity/1", "/capacity/2", "/regio/1"])
def test_keys_of_a_nursing_home(chromium: Browser, unit: Unit, path: str) -> None:
    page, _ = open_page(chromium, unit)
    page.goto(unit.url + path)
    assert_keys_fit(page)
    page.close()


def test_keys_of_a_triage_centre_with_long_names(chromium: Browser, new_unit: Unit) -> None:
    unit, folder = new_unit, new_unit.folder
    long = "Spoedplein achter de grote balie aan de linkerkant"
    desks = [f'[[desk]]\nid = "desk-{n}"\ntitle = "{long} {n}"\nphone = "desk-{n}"\n' for n in range(1, 8)]
    (folder / "site.toml").write_text(SITE.format(port=unit.port) + CENTRE + "".join(desks))
    secrets = folder / "secrets.toml"
    secrets.write_text("[phones]\n" + "".join(f'desk-{n} = "long-enough"\n' for n in range(1, 8)))
    secrets.chmod(0o600)
    unit.start()
    page, _ = open_page(chromium, unit)
    assert page.url.endswith("/triage/1")
    assert_keys_fit(page)
    page.get_by_role("button", name=f"{long} 2").click()
    expect(page.get_by_role("button", name=f"{long} 2")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("link", name="Meer 1/2").click()
    assert_keys_fit(page)
    page.goto(unit.url + "/capacity/1")
    assert_keys_fit(page)
    page.close()


def test_browsers_that_left_give_their_place_back(unit: Unit) -> None:
    for _ in range(2):
        open_streams = [http.client.HTTPConnection("127.0.0.1", unit.port, timeout=5) for _ in range(LIVE_PLACES)]
        for stream in open_streams:
            wait_until(lambda stream=stream: listens(stream))  # type: ignore[misc]
        assert unit.tap("/tap/undo", "place=capacity/1") == 303, "taps have threads of their own"
        for stream in open_streams:
            stream.close()


def listens(stream: http.client.HTTPConnection) -> bool:
    stream.close()
    stream.request("GET", "/live/capacity/1")
    return stream.getresponse().status == 200


def test_a_screen_that_hears_nothing_says_so(chromium: Browser, unit: Unit) -> None:
    page, _ = open_page(chromium, unit)
    expect(page.locator("#line")).to_contain_text("geen verbinding met de regio")
    unit.end(signal.SIGKILL)
    page.get_by_role("button", name="ELV laag complex: één meer").click()
    expect(page.locator("#line")).to_contain_text("Niet bewaard: het paneel antwoordt niet. Tik nog eens.")
    expect(page.locator("#line")).to_contain_text("krijgt geen nieuws meer", timeout=12_000)
    unit.start()
    expect(page.locator("#line")).to_contain_text("geen verbinding met de regio", timeout=12_000)
    expect(page.locator("#screen")).not_to_have_class(re.compile("stale"))
    page.close()
