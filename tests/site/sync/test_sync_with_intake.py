"""Sync against the real hub: broker, intake and its database, each a process of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from lab_region import CLOCK, REGION, SITES, Region, running_sync, wait_for

from zorgkiosk.contract.events import CapacityReported
from zorgkiosk.contract.status import Ack
from zorgkiosk.hub.broker import HUB_NAME
from zorgkiosk.site.facts import read
from zorgkiosk.site.store import Store

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]


class RealHub:
    """`zorgkiosk run intake` on an SQLite file; `forget` takes its database away, as a disk does."""

    def __init__(self, region: Region) -> None:
        certificate, key = region.authority.issue(HUB_NAME)
        self.database = region.directory / "hub.db"
        self._file = region.directory / "hub.toml"
        self._process: subprocess.Popen[bytes] | None = None
        sites = "".join(
            f'[[site]]\nname = "{name}"\ntitle = "HAP"\nkind = "hap"\npartners = {list(partners)}\n'
            for name, partners in SITES.items()
        )
        self._file.write_text(
            f'[hub]\nregion = "{REGION}"\ndatabase = "sqlite:///{self.database}"\n'
            f'[broker]\nhost = "127.0.0.1"\nport = {region.port}\nca_file = "{region.authority.ca_file}"\n'
            f'certificate_file = "{certificate}"\nkey_file = "{key}"\n{sites}'
        )

    def start(self) -> None:
        command = [sys.executable, "-m", "zorgkiosk", "run", "intake", "--config", str(self._file)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def forget(self) -> None:
        for file in self.database.parent.glob("hub.db*"):
            file.unlink()

    def held(self) -> list[int]:
        """Sequences of the panel's rows in the database, in order."""
        engine = sa.create_engine(f"sqlite:///{self.database}")
        with engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT sequence FROM event WHERE stream = 'panel' ORDER BY sequence"))
            sequences = [int(row[0]) for row in rows]
        engine.dispose()
        return sequences


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    region = Region.start(tmp_path)
    yield region
    region.broker.stop()


@pytest.fixture
def hub(region: Region) -> Iterator[RealHub]:
    hub = RealHub(region)
    hub.start()
    yield hub
    hub.kill()


def taps(panel: Store, count: int) -> None:
    with panel.transaction() as change:
        for free in range(count):
            change.report(CapacityReported(category="elv-laag", free=free % 20))


def acked(store: Store) -> int:
    ack = read(Ack, store.view().state().get("acked/panel"))
    return 0 if ack is None else ack.up_to


def test_tap_to_ack_and_the_pace_of_a_backlog(region: Region, hub: RealHub, capsys: pytest.CaptureFixture[str]) -> None:
    config = region.site("hap-noord")
    panel = Store.open(config.panel_db, "panel", CLOCK)
    taps(panel, 1)
    waits_ms = []
    with running_sync(config) as store:
        wait_for(lambda: acked(store) == 1, "the hub runs", within_s=20)
        view = store.view()
        for count in range(2, 222):
            taps(panel, 1)
            began_s = time.perf_counter()
            while view.state()["acked/panel"].value["up_to"] < count:
                assert time.perf_counter() < began_s + 10, f"tap {count} was not acknowledged"
                time.sleep(0.001)
            waits_ms.append((time.perf_counter() - began_s) * 1000)
        taps(panel, 5_000)
        began_s = time.perf_counter()
        wait_for(lambda: acked(store) == 5_221, "drained", within_s=40)
        drain_per_s = 5_000 / (time.perf_counter() - began_s)
    assert hub.held() == list(range(1, 5_222))
    steps = statistics.quantiles(waits_ms, n=100)
    with capsys.disabled():
        sys.stdout.write(
            f"\ncommit to stored ack: p50 {steps[49]:.1f} ms, p99 {steps[98]:.1f} ms; {drain_per_s:.0f} events/s\n"
        )
    assert steps[49] < 150 and drain_per_s > 100


def test_a_hub_that_is_killed_and_a_hub_that_forgot_are_both_caught_up_with(region: Region, hub: RealHub) -> None:
    config = region.site("hap-noord")
    panel = Store.open(config.panel_db, "panel", CLOCK)
    taps(panel, 10)
    with running_sync(config) as store:
        wait_for(lambda: acked(store) == 10, "the hub runs", within_s=20)
        hub.kill()
        taps(panel, 2_000)
        hub.start()
        wait_for(lambda: acked(store) == 2_010, "caught up after a kill", within_s=30)
        assert hub.held() == list(range(1, 2_011))
        panel.prune(str(panel.view().epoch()), 2_010)
        hub.kill()
        hub.forget()
        hub.start()
        taps(panel, 5)
        wait_for(lambda: acked(store) == 2_015, "caught up with a hub that forgot", within_s=40)
    assert hub.held() == list(range(2_010, 2_016))
