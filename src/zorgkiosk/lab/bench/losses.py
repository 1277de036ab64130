"""Twenty calls are up and something is killed: who notices."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from zorgkiosk.lab.bench.dialog import Dialog
from zorgkiosk.lab.bench.figures import Figure
from zorgkiosk.lab.bench.ground import NOORD, Ground
from zorgkiosk.lab.daemon import LabError, until

CALLS = 20
GAP_S = 2.0
"""A call whose audio stops for longer, at either end, is lost; so is one that ends."""
WATCHED_S = 5.0
_PACE_S = 0.1
_DOWN_S = 0.1
"""systemd's own pause before it starts a unit again (RestartSec, systemd.service(5))."""
_SOON_S = 15.0


@dataclass(frozen=True)
class Conversation:
    """A caller, and the desk phone that talks to them."""

    caller: Dialog
    desk: Dialog

    @property
    def up(self) -> bool:
        """Both ends are in the call and have heard something."""
        return all(
            end.stream is not None and end.stream.packets > 0 and not end.over for end in (self.caller, self.desk)
        )

    def watch(self, now_s: float) -> None:
        """What happened before does not count."""
        for end in (self.caller, self.desk):
            if end.stream is not None:
                end.stream.forget(now_s)

    def lost(self, now_s: float) -> bool:
        ends = (self.caller, self.desk)
        return any(end.over or end.stream is None or end.stream.gap_s(now_s) > GAP_S for end in ends)


async def fill(ground: Ground, conversations: list[Conversation]) -> list[Conversation]:
    """As many new calls as are missing to twenty; all that are up then."""
    kept = [each for each in conversations if not each.lost(time.monotonic())]
    for each in conversations:
        if each not in kept:
            each.caller.hang_up()
            each.desk.hang_up()
    for _ in range(CALLS - len(kept)):
        caller = ground.trunk.dial()
        desk = await ground.until_rung(ground.home, caller)
        await desk.reached("up")
        await caller.reached("answered")
        kept.append(Conversation(caller, desk))
        await asyncio.sleep(_PACE_S)
    await until(lambda: all(each.up for each in kept), _SOON_S, f"{CALLS} calls are up, audio both ways")
    return kept


async def killed(ground: Ground, conversations: list[Conversation]) -> tuple[list[Figure], list[Conversation]]:
    """One part after another; each is started again, and the calls that were lost are replaced."""
    figures: list[Figure] = []
    for what, kill in (
        ("worker", _kill_worker),
        ("line", _kill_line),
        ("front", _kill_front),
        ("panel", _kill_panel),
        ("sync", _kill_sync),
    ):
        begin_s = time.monotonic()
        for each in conversations:
            each.watch(begin_s)
        await kill(ground)
        await asyncio.sleep(max(0.0, begin_s + WATCHED_S - time.monotonic()))
        lost = sum(each.lost(time.monotonic()) for each in conversations)
        figures.append(Figure(f"calls_lost_killing_{what}", lost, "calls", len(conversations)))
        conversations = await fill(ground, conversations)
        if (known := len(ground.home.line().calls)) != CALLS:
            raise LabError(f"after the {what} was killed the line knows {known} calls of {CALLS}")
    return figures, conversations


Kill = Callable[[Ground], Awaitable[None]]


async def _kill_worker(ground: Ground) -> None:
    holding = next(call.worker for call in ground.home.line().calls if call.talking_at is not None)
    os.kill(ground.home.workers()[holding], signal.SIGKILL)


async def _kill_line(ground: Ground) -> None:
    await _kill_unit(ground, "telephony")


async def _kill_panel(ground: Ground) -> None:
    await _kill_unit(ground, "panel")


async def _kill_sync(ground: Ground) -> None:
    await _kill_unit(ground, "sync")


async def _kill_unit(ground: Ground, unit: str) -> None:
    ground.home.units[unit].kill()
    await asyncio.sleep(_DOWN_S)
    ground.region.start_unit(ground.home, unit)


async def _kill_front(ground: Ground) -> None:
    ground.home.units["kamailio"].kill()
    await asyncio.sleep(_DOWN_S)
    ground.region.start_front(ground.home)
    config = ground.home.config.telephony
    if config is not None:
        await ground.region.until_idle(ground.home, config.workers - len(ground.rung[NOORD]))
