"""Sync as a process whose clock, OpenSSL's too, is a year off and jumps: libfaketime, on a box that was never set."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lab_region import CLOCK, ActingHub, Region, SetClock, wait_for

from zorgkiosk.contract.events import CapacityReported
from zorgkiosk.contract.status import Ack
from zorgkiosk.site.facts import read
from zorgkiosk.site.store import Store, StoreView

pytest_plugins = ["sync_fixtures"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
LIBRARY = "/usr/$LIB/faketime/libfaketimeMT.so.1"
"""Debian's package `faketime`; the dynamic linker fills in $LIB (ld.so(8))."""
LONG_S = 40.0
YEAR = 366


def test_a_year_back_and_a_year_ahead_keep_link_order_and_times(region: Region, tmp_path: Path) -> None:
    config, hub = region.site("hap-noord"), ActingHub(region)
    offset, told = tmp_path / "offset", tmp_path / "told"
    panel = Store.open(config.panel_db, "panel", SetClock(CLOCK.boot_id, right=False))
    view = StoreView(config.sync_db)

    def jump(days: int) -> None:
        fresh = tmp_path / "offset.new"
        fresh.write_text(f"{days:+d}d\n")
        fresh.replace(offset)
        wanted = datetime.now(UTC) + timedelta(days=days)
        wait_for(lambda: abs(_last(told) - wanted) < timedelta(hours=1), f"the fake time is {days} days off", LONG_S)

    def acked() -> int:
        ack = read(Ack, view.state().get("acked/panel"))
        return 0 if ack is None else ack.up_to

    process = _start(region.directory / "hap-noord" / "site.toml", offset, told)
    try:
        for count, days in enumerate((-YEAR, YEAR, -YEAR), start=1):
            jump(days)
            with panel.transaction() as change:
                change.report(CapacityReported(category="elv-laag", free=count))
            wait_for(lambda count=count: acked() == count, f"acked, {days} days off", within_s=LONG_S)  # type: ignore[misc]
            states = len(hub.states)
            region.broker.stop()
            region.restart_broker()
            wait_for(lambda states=states: len(hub.states) > states, f"connects, {days} days off", within_s=LONG_S)  # type: ignore[misc]
    finally:
        process.kill()
        process.wait()
        hub.close()
    assert hub.sequences("panel") == [1, 2, 3]
    said = [event.said for key, event in sorted(hub.events.items()) if key[1] == "panel"]
    assert not any(each.clock_synced for each in said), "told as what it is: by a clock that was never set"
    assert [each.uptime_ms for each in said] == sorted(each.uptime_ms for each in said)


def _start(site_file: Path, offset: Path, told: Path) -> subprocess.Popen[bytes]:
    offset.write_text(f"{-YEAR:+d}d\n")
    fake = {
        "LD_PRELOAD": LIBRARY,
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": os.pathsep.join([*map(str, sys.path), str(Path(__file__).parent)]),
    }
    script = Path(__file__).with_name("unset_sync.py")
    with told.open("wb") as out:
        return subprocess.Popen([sys.executable, str(script), str(site_file)], stdout=out, env=os.environ | fake)


def _last(told: Path) -> datetime:
    whole = told.read_text().rpartition("\n")[0].splitlines()
    return datetime.fromisoformat(whole[-1]) if whole else datetime(1970, 1, 1, tzinfo=UTC)
