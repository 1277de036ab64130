"""From a tap to the hub's database and back, and what a million rows that wait do to it.

Looked at from outside, every millisecond: the hub's database and sync's own file are read as any other unit would.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from zorgkiosk.lab.bench.figures import Figure, delays, percentile
from zorgkiosk.lab.bench.one_site import SITE, Wire
from zorgkiosk.lab.bench.weight import pss_kb
from zorgkiosk.lab.daemon import LabError

TAPS = 200
DRAINED = 30_000
BEHIND = 1_000_000
RECONNECTIONS = 5
_LOOK_S = 0.001
_SELDOM_S = 0.02
"""For what takes seconds: to look costs time that sync and hub would have."""
_SOON_S = 60.0
_PACE_S = 0.03
"""Taps come at no fixed beat, so that they fall anywhere between two looks of sync."""

_HELD = f"SELECT max(sequence) FROM event WHERE site = '{SITE}' AND stream = 'panel'"  # noqa: S608 - a constant
_STATE = f"SELECT json_extract(state, '$.capacity[0].free') FROM site_state WHERE site = '{SITE}'"  # noqa: S608


async def measure(directory: Path) -> list[Figure]:
    """All figures of sync. Raises LabError."""
    async with Wire.opened(directory) as wire:
        with closing(sqlite3.connect(f"file:{wire.hub}?mode=ro", uri=True)) as hub:
            wire.tap(0)
            await wire.begin()
            return [
                *await _taps(wire, "tap_to_hub_commit", lambda: int(hub.execute(_HELD).fetchone()[0])),
                *await _taps(wire, "tap_to_ack", wire.acked),
                await _drain(wire),
                *await _behind(wire, hub),
            ]


async def _taps(wire: Wire, name: str, reached: Callable[[], int]) -> list[Figure]:
    """From the commit of a tap until `reached` says its sequence."""
    waits_s = []
    for count in range(TAPS):
        await asyncio.sleep(random.random() * _PACE_S)
        sequence = wire.tap(count % 20)
        waits_s.append(await _until(lambda sequence=sequence: reached() >= sequence, f"tap {sequence}: {name}"))  # type: ignore[misc]
    return delays(name, waits_s, 50, 99)


async def _drain(wire: Wire) -> Figure:
    """A backlog that begins when sync is connected: until all of it is acknowledged."""
    last = wire.backlog(DRAINED)
    took_s = await _until(lambda: wire.acked() >= last, f"{DRAINED} rows are acknowledged", look_s=_SELDOM_S)
    return Figure("drain_events_per_s", DRAINED / took_s, "events/s", DRAINED)


async def _behind(wire: Wire, hub: sqlite3.Connection) -> list[Figure]:
    """With a million rows behind: how long after a connection the hub shows what was tapped without one."""
    wire.proxy.refuse()
    wire.tap(0)
    last = wire.backlog(BEHIND)
    waits_s, heaviest_kb = [], 0
    for count in range(1, RECONNECTIONS + 1):
        wire.proxy.refuse()
        wire.tap(20 + count)
        before = wire.proxy.accepted
        wire.proxy.listen()
        await _until(lambda before=before: wire.proxy.accepted > before, "sync connects again")  # type: ignore[misc]
        waits_s.append(
            await _until(lambda count=count: hub.execute(_STATE).fetchone()[0] == 20 + count, "the hub shows it")  # type: ignore[misc]
        )
        heaviest_kb = max(heaviest_kb, pss_kb([wire.sync.pid]))
        await asyncio.sleep(1)
    if wire.acked() >= last:
        raise LabError("sync: the million was gone before all was measured")
    heaviest_kb = max(heaviest_kb, pss_kb([wire.sync.pid]))
    return [
        Figure("state_after_reconnect_s_1m_backlog", percentile(waits_s, 1.0), "s", len(waits_s)),
        Figure("sync_memory_mb", heaviest_kb / 1024, "MB", RECONNECTIONS + 1),
    ]


async def _until(reached: Callable[[], bool], wanted: str, look_s: float = _LOOK_S) -> float:
    """Seconds until it is so. Raises LabError."""
    begin_s = time.monotonic()
    while not reached():
        if time.monotonic() - begin_s > _SOON_S:
            raise LabError(f"sync: not within {_SOON_S:g} s: {wanted}")
        await asyncio.sleep(look_s)
    return time.monotonic() - begin_s
