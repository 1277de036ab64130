"""One region for each module of scenarios."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from stage import CALLERS, CONFIGS, SOON_S, Stage

from zorgkiosk.lab import evidence
from zorgkiosk.lab.daemon import until
from zorgkiosk.lab.evidence import HubDatabase
from zorgkiosk.lab.people import People
from zorgkiosk.lab.region import Region

PORTS_FREE_S = 120.0


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    directory = Path("/tmp") / f"zks-{os.getpid()}"  # noqa: S108 - a unix socket's path must be short
    region, people = Region.prepare(directory, CONFIGS), People()
    deadline_s = time.monotonic() + PORTS_FREE_S
    while taken := region.taken_ports():  # another region of this machine is ending
        assert time.monotonic() < deadline_s, taken
        time.sleep(0.2)
    with asyncio.Runner() as runner:
        try:
            runner.run(_open_doors(region, people))
            stage = Stage(runner, region, people, HubDatabase(region))
            runner.run(stage.tidy())
            yield stage
        finally:
            runner.run(people.stop())
            region.stop()


async def _open_doors(region: Region, people: People) -> None:
    """Everything runs, the phones are registered, everybody sits at a desk."""
    await region.start()
    noord, zuid = region.sites["hap-noord"], region.sites["hap-zuid"]
    await asyncio.gather(people.sit_down(noord), people.sit_down(zuid), people.attend_exchange(noord))
    await people.gather_callers(noord, CALLERS)
    await people.gather_callers(zuid, 1)
    for site in (noord, zuid):
        await until(lambda site=site: site.line().desks != (), SOON_S, "the line speaks")  # type: ignore[misc]
        await evidence.panel_text(site)
