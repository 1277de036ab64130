"""How long a tap on a serial display takes to be in the panel's store: the real unit, a simulated display at 115200."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zorgkiosk.lab.bench.figures import Figure, percentile
from zorgkiosk.lab.daemon import Daemon, LabError, until
from zorgkiosk.lab.nextion import SimulatedDisplay
from zorgkiosk.lab.panel_unit import SITE, panel_daemon
from zorgkiosk.lab.ports import free_port
from zorgkiosk.site.panel.nextion_panel import DOUBLE_TAP_S
from zorgkiosk.site.store import StoreView

BETWEEN_S = DOUBLE_TAP_S + 0.05
CAPACITY = 'capacity = [{code = "ongelabeld"}]'
DISPLAY = "[[serial_panel]]\ndevice = {device}\nbaud = 115200\n"


async def tap_to_store(folder: Path, taps: int) -> list[Figure]:
    """From the first byte of the released key until the commit can be read. Raises LabError."""
    folder.mkdir(parents=True)
    display = SimulatedDisplay(folder / "display")
    display.plug()
    try:
        with _panel(folder, display) as panel:
            await panel.until(lambda: display.beats > 0, 20, "the display shows the panel")
            samples_s = await _samples(folder / "data" / "panel.db", display, taps)
    finally:
        display.unplug()
    return [Figure("serial_tap_to_store_ms_p99", percentile(samples_s, 0.99) * 1000, "ms", taps)]


async def _samples(store: Path, display: SimulatedDisplay, taps: int) -> list[float]:
    view = StoreView(store)
    samples_s = []
    try:
        for wanted in range(1, taps + 1):
            begin_s = time.monotonic()
            await asyncio.to_thread(display.tap, "p0")
            while not (view.changed() and _tapped(view) == wanted):
                if time.monotonic() - begin_s > 5:
                    raise LabError(f"tap {wanted} of the serial display did not reach the store")
                await asyncio.sleep(0)
            samples_s.append(time.monotonic() - begin_s)
            await until(lambda wanted=wanted: display.text("n0") == str(wanted), 5, "the display shows the tap")  # type: ignore[misc]
            await asyncio.sleep(max(0.0, begin_s + BETWEEN_S - time.monotonic()))
    finally:
        view.close()
    return samples_s


def _tapped(view: StoreView) -> int:
    value = view.state().get("pending/ongelabeld")
    return 0 if value is None else int(value.value["free"])


@contextmanager
def _panel(folder: Path, display: SimulatedDisplay) -> Iterator[Daemon]:
    section = DISPLAY.format(device=json.dumps(str(display.link)))
    panel = panel_daemon(folder, CAPACITY + SITE.format(port=free_port()) + section)
    panel.start()
    try:
        yield panel
    finally:
        panel.stop()
