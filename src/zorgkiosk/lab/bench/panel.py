"""How fast a tap is on the screen, and what a panel weighs: a real unit, looked at by a real Chromium."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

from zorgkiosk.lab.bench.figures import Figure, percentile
from zorgkiosk.lab.bench.weight import pss_kb
from zorgkiosk.lab.daemon import LabError
from zorgkiosk.lab.panel_unit import SITE, panel_daemon
from zorgkiosk.lab.ports import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

TAPS = 200
CHROMIUM = "/usr/bin/chromium"
CAPACITY = 'capacity = [{code = "elv-laag"}, {code = "elv-hoog"}, {code = "wlz-crisis"}, {code = "respijt"}]'
_START_S = 20.0
_WATCH = """() => {
  window.tapped = null;
  window.shown = null;
  addEventListener("click", (event) => { window.tapped = event.timeStamp; window.shown = null; }, true);
  new MutationObserver(() => requestAnimationFrame(() => setTimeout(() => {
    if (window.tapped !== null && window.shown === null) window.shown = performance.now() - window.tapped;
  }))).observe(document.querySelector(".number b"), { childList: true, characterData: true, subtree: true });
}"""
"""From the browser's own instant of the click until after the frame that drew the new number."""


@dataclass(frozen=True)
class _Panel:
    url: str
    pid: int


def figures(directory: Path, say: Callable[[str], None], taps: int = TAPS) -> list[Figure]:
    """All figures of a panel. `directory` is removed first and at the end. Raises LabError."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError as error:
        raise LabError(f"the panel is measured with {error.name}, which is not installed: pip install .[dev]") from None
    with _unit(directory) as panel, sync_playwright() as playwright:
        say("a panel and a Chromium")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 800, "height": 480})
        weighed = page_kb(page, panel.url)
        measured = tap_to_screen(page, taps)
        browser.close()
        return [measured, weighed, memory_mb(panel.pid)]


def tap_to_screen(page: Page, count: int) -> Figure:
    """`count` taps on − and + of the first tile in turn, each from the click to the frame with the new number."""
    page.evaluate(_WATCH)
    keys = page.locator(".tile .key")
    samples_ms = []
    for n in range(count):
        page.evaluate("window.shown = null")
        keys.nth(1 if n % 2 == 0 else 0).click()
        samples_ms.append(_until(lambda: page.evaluate("window.shown"), "the tap is on the screen"))
    return Figure("tap_to_screen_ms_p99", percentile(samples_ms, 0.99), "ms", count)


def page_kb(page: Page, url: str) -> Figure:
    """Opens the first page and adds up all that crossed the wire for it, headers included."""
    answers = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(url)
    page.wait_for_load_state("load")
    whole = [answer for answer in answers if "/live/" not in answer.url]
    for answer in whole:
        answer.finished()
    sizes = [answer.request.sizes() for answer in whole]
    total = sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes)
    return Figure("panel_page_kb", total / 1000, "kB", len(whole))


def memory_mb(pid: int) -> Figure:
    """The unit's proportional set size after it was used."""
    return Figure("panel_memory_mb", pss_kb([pid]) / 1024, "MB", 1)


@contextmanager
def _unit(directory: Path) -> Iterator[_Panel]:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    port = free_port()
    unit = panel_daemon(directory, CAPACITY + SITE.format(port=port))
    url = f"http://127.0.0.1:{port}/capacity/1"
    unit.start()
    try:
        _until(lambda: _answers(url), f"the panel answers (see {unit.log})")
        yield _Panel(url, unit.pid)
    finally:
        unit.stop()
    shutil.rmtree(directory, ignore_errors=True)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except URLError:
        return False


def _until(ask: Callable[[], float | bool | None], wanted: str) -> float:
    """What `ask` says once it is neither None nor False. Raises LabError after 20 s."""
    end_s = time.monotonic() + _START_S
    while not (found := ask()):
        if time.monotonic() > end_s:
            raise LabError(f"waited {_START_S:.0f} s in vain: {wanted}")
        time.sleep(0.01)
    return float(found)
