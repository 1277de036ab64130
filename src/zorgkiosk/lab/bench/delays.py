"""How long callers and triagists wait for the appliance itself. Each instant is that of a message at an endpoint."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from zorgkiosk.lab.bench.dialog import Dialog
from zorgkiosk.lab.bench.figures import Figure, delays
from zorgkiosk.lab.bench.ground import NOORD, ZUID, Ground
from zorgkiosk.lab.bench.partner import WaitingPartner
from zorgkiosk.lab.daemon import LabError, until
from zorgkiosk.lab.region import Site

PACE_S = 0.1
"""Ten calls a second …"""
CALL_S = 0.75
"""… of which each lasts so long: eight at once, and nobody leaves in the very moment that another comes."""
_TALK_S = 0.15
_SOON_S = 5.0
_TWO = 2


async def overflow_to_partner(ground: Ground, samples: int) -> list[Figure]:
    """The trunk's INVITE leaves → it arrives over TLS where the partner's front is. No desk at home is manned."""
    await ground.scene(home=0, partner=8, answer=False)
    async with _partner_plays(ground) as partner:
        calls = await _calls(ground, samples + 1)
        waits_s = _waits_s(calls, partner.invited_s)
    return delays("overflow_invite_to_invite", waits_s, 50, 99)


async def overflow_to_desk(ground: Ground, samples: int) -> list[Figure]:
    """The trunk's INVITE leaves → a desk phone of the real partner gets its INVITE, which it picks up."""
    await ground.scene(home=0, partner=len(ground.partner.config.desk), answer=True)
    calls = await _calls(ground, samples + 1)
    rung_s = {number: desk.moments["invited"] for number, desk in ground.rung[ZUID].items()}
    waits_s = _waits_s(calls, rung_s)
    return delays("overflow_invite_to_desk", waits_s, 50, 99)


async def desk_free_to_ring(ground: Ground, samples: int) -> list[Figure]:
    """BYE of a desk or of its caller, in turns, leaves → the next waiting caller's INVITE arrives at that desk."""
    await ground.scene(home=_TWO, partner=0, answer=True)
    queue = [ground.trunk.dial() for _ in range(_TWO * 3)]
    waits_s: list[float] = []
    for number in range(samples):
        caller, desk = await _somebody_talks(ground, queue)
        await asyncio.sleep(_TALK_S)
        queue.remove(caller)
        before = set(ground.rung[NOORD])
        leaving = caller if number % 2 else desk
        leaving.hang_up()
        await until(lambda before=before: set(ground.rung[NOORD]) - before, _SOON_S, "the next caller rings")  # type: ignore[misc]
        [newcomer] = set(ground.rung[NOORD]) - before
        rings = ground.rung[NOORD][newcomer]
        if rings.user != desk.user:
            raise LabError("the next caller rang at another desk than the one that came free")
        waits_s.append(rings.moments["invited"] - leaving.moments["left"])
        queue.append(ground.trunk.dial())
    return delays("desk_free_to_ring", waits_s, 50, 99)


async def withdraw(ground: Ground, samples: int) -> list[Figure]:
    """200 of the first pick-up leaves → CANCEL arrives at the phone on the other side; both sides win in turns."""
    waits_s: list[float] = []
    while len(waits_s) < samples:
        await ground.scene(home=0, partner=8, answer=False)
        callers = [ground.trunk.dial() for _ in range(8)]
        there = [await ground.until_rung(ground.partner, caller) for caller in callers]
        await ground.man(ground.home, 8)
        here = [await ground.until_rung(ground.home, caller) for caller in callers]
        for number, (one, other) in enumerate(zip(here, there, strict=True)):
            home_wins = number % 2 == 0
            wins, loses = (one, other) if home_wins else (other, one)
            ground.pick_up(ground.home if home_wins else ground.partner, wins)
            waits_s.append(await loses.reached("cancelled") - wins.moments["answered"])
    return delays("withdraw", waits_s, 99)


async def dead_partner(ground: Ground, samples: int) -> list[Figure]:
    """A caller of whom a black-holed partner is asked → the line gives it up. The caller waits on, in the home line."""
    await ground.scene(home=0, partner=8, answer=False)
    frozen = front_processes(ground.partner)
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    took_s: list[float] = []
    try:
        for _ in range(samples):
            caller = ground.trunk.dial()
            await until(lambda: _rests(ground), _SOON_S * 2, "the partner is given up")
            took_s.append(time.monotonic() - caller.moments["invited"])
            if caller.over:
                raise LabError("the caller was lost with the partner")
            caller.hang_up()
            await until(lambda: not _rests(ground), _SOON_S, "the partner has rested")
            await ground.empty(ground.home)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    return [Figure("dead_partner_s", max(took_s), "s", len(took_s))]


def front_processes(site: Site) -> list[int]:
    """The site's Kamailio and all its children."""
    parent = site.units["kamailio"].pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
    return [parent, *map(int, children)]


@asynccontextmanager
async def _partner_plays(ground: Ground) -> AsyncIterator[WaitingPartner]:
    """An endpoint in the place of the partner's front, with the partner's certificate."""
    front = ground.partner.config.front
    if front is None:
        raise LabError("the partner takes no calls")
    ground.partner.units["kamailio"].stop()
    partner = WaitingPartner((str(front.address), front.tls_port), ground.partner.file.parent)
    try:
        await partner.open()
        yield partner
    finally:
        await partner.close()
        ground.region.start_front(ground.partner)


async def _calls(ground: Ground, number: int) -> list[Dialog]:
    """So many calls at their pace, each hung up in time."""
    loop, calls = asyncio.get_running_loop(), []
    next_s = loop.time()
    for _ in range(number):
        call = ground.trunk.dial()
        loop.call_later(CALL_S, call.hang_up)
        calls.append(call)
        next_s += PACE_S
        await asyncio.sleep(next_s - loop.time())
    await asyncio.sleep(CALL_S)
    return calls


def _waits_s(calls: Sequence[Dialog], came_s: Mapping[str, float]) -> list[float]:
    """From each caller's INVITE to the instant it came, by number; who gave up before it came waited that long.

    The first call is left out: it pays for the connection between the sites, which then stays. Raises LabError when
    a tenth never came: that is no delay.
    """
    missing = sum(call.number not in came_s for call in calls)
    if missing * 10 > len(calls):
        raise LabError(f"{missing} of {len(calls)} callers never came to the partner")
    return [came_s.get(call.number, call.moments["left"]) - call.moments["invited"] for call in calls[1:]]


async def _somebody_talks(ground: Ground, queue: list[Dialog]) -> tuple[Dialog, Dialog]:
    """Wait until all desks talk; the caller who talks longest, and the desk."""
    rung = ground.rung[NOORD]

    def talking() -> list[Dialog]:
        return [
            each for each in queue if each.number in rung and {"answered", "up"} <= rung[each.number].moments.keys()
        ]

    await until(lambda: len(talking()) >= _TWO, _SOON_S, "every desk talks")
    caller = min(talking(), key=lambda each: rung[each.number].moments["answered"])
    await caller.reached("answered")
    return caller, rung[caller.number]


def _rests(ground: Ground) -> bool:
    return ZUID in ground.home.line().resting_partners
