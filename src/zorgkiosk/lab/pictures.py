"""Makes the README's pictures: the region in a rush, photographed in a real Chromium. `make pictures`."""

from __future__ import annotations

import asyncio
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from zorgkiosk.lab import evidence
from zorgkiosk.lab.daemon import until
from zorgkiosk.lab.people import People, dial
from zorgkiosk.lab.region import Region

CHROMIUM = "/usr/bin/chromium"
_FREE = {"elv-laag": 2, "elv-hoog": 1, "wlz-crisis": 0, "respijt": 3}


@dataclass(frozen=True)
class Picture:
    """A file of `width` by `height` pixels, of the address."""

    name: str
    url: str
    width: int
    height: int


async def make(directory: Path, folder: Path) -> None:
    """Start a region in `directory`, bring it into a rush, and write the PNG files to `folder`."""
    region, people = Region.prepare(directory), People()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        await region.start()
        await _rush(region, people)
        noord, linde = region.sites["hap-noord"], region.sites["vvt-linde"]
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for picture in (
                Picture("panel-vvt", linde.panel_url, 800, 480),
                Picture("panel-hap", noord.panel_url, 800, 480),
                Picture("panel-regio", noord.panel_url + "/regio", 800, 480),
                Picture("board", region.board_url, 1280, 800),
            ):
                await _take(browser, picture, folder)
            await browser.close()
    finally:
        await people.stop()
        region.stop()


async def _rush(region: Region, people: People) -> None:
    """Five callers at hap-noord with two desks; beds at the nursing home."""
    noord, zuid, linde = (region.sites[name] for name in ("hap-noord", "hap-zuid", "vvt-linde"))
    for site in (noord, zuid):
        await people.sit_down(site)
        for desk in site.config.desk:
            await evidence.tap(site, f"desk/{desk.id}", present="yes")
    # One desk of the partner is on a break, so that somebody waits in the picture.
    await evidence.tap(zuid, "desk/desk-3", present="no")
    for code, free in _FREE.items():
        for _ in range(max(free, 1)):
            await evidence.tap(linde, f"capacity/{code}", step="+1")
    await evidence.tap(linde, "capacity/wlz-crisis", step="-1")
    await people.gather_callers(noord, 5)
    for caller in people.callers[:4]:
        await caller.call(dial(region, noord.name))
        await people.meet(caller)
    await people.callers[4].call(dial(region, noord.name))
    await until(lambda: len(noord.line().calls) == 5 and not linde.unacknowledged(), 10, "the rush is on")
    await asyncio.sleep(3)  # the longest wait should be a number worth looking at


async def _take(browser: Browser, picture: Picture, folder: Path) -> None:
    page = await browser.new_page(
        viewport={"width": picture.width, "height": picture.height}, locale="nl-NL", color_scheme="light"
    )
    await page.goto(picture.url)
    await page.wait_for_load_state("load")
    await page.screenshot(path=folder / f"{picture.name}.png")
    await page.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(make(Path(sys.argv[1]), Path(sys.argv[2])))
