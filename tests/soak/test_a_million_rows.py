"""A site that was cut off for weeks: a million rows go out in order while sync stays as small as it was."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from zorgkiosk.lab.bench.one_site import Wire
from zorgkiosk.lab.bench.weight import pss_kb

ROWS = 1_000_000
GROWTH_KB = 4_096
MOST_KB = 80 * 1024


async def drain(directory: Path) -> tuple[list[int], list[int | None]]:
    """What sync weighed in kB, about once a second; and of the hub: rows held, first and last sequence, gaps."""
    weights_kb: list[int] = []
    async with Wire.opened(directory) as wire:
        wire.tap(3)
        last = wire.backlog(ROWS)
        await wire.begin()
        while wire.acked() < last:
            weights_kb.append(pss_kb([wire.sync.pid]))
            await _further(wire, last)
        with closing(sqlite3.connect(f"file:{wire.hub}?mode=ro", uri=True)) as hub:
            held = hub.execute(
                "SELECT count(*), min(sequence), max(sequence), (SELECT sum(missing) FROM stream_position)"
                " FROM event WHERE stream = 'panel'"
            ).fetchone()
    return weights_kb, list(held)


async def _further(wire: Wire, last: int) -> None:
    goal = min(last, wire.acked() + 5_000)
    await wire.sync.until(lambda: wire.acked() >= goal, 120, f"{goal} rows are acknowledged")


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_memory_stays_flat_while_a_million_rows_drain(tmp_path: Path) -> None:
    weights_kb, held = asyncio.run(drain(tmp_path / "wire"))
    assert held == [ROWS + 1, 1, ROWS + 1, 0]
    quarter = len(weights_kb) // 4
    assert quarter > 20
    early, late = max(weights_kb[:quarter]), max(weights_kb[-quarter:])
    assert late <= early + GROWTH_KB and max(weights_kb) <= MOST_KB, f"{early} kB became {late} kB"
