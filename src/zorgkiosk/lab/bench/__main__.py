"""`python -m zorgkiosk.lab.bench`: one JSON object a figure on stdout, progress on stderr."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from zorgkiosk.lab.bench import box, delays, hub, losses, panel, prediction, provisioning, serial, storage, sync, weight
from zorgkiosk.lab.bench.figures import Figure
from zorgkiosk.lab.bench.ground import Ground
from zorgkiosk.lab.broker import BrokerError
from zorgkiosk.lab.daemon import LabError

Measure = Callable[[Ground], Awaitable[list[Figure]]]
EX_OK, EX_FAILED = 0, 1


async def _twenty_calls(ground: Ground) -> list[Figure]:
    await ground.scene(home=losses.CALLS + 1, partner=0, answer=True)
    conversations = await losses.fill(ground, [])
    figures = [*await weight.cpu(ground), *weight.memory(ground)]
    lost, _ = await losses.killed(ground, conversations)
    return figures + lost


MEASURES: dict[str, Measure] = {
    "overflow": lambda ground: delays.overflow_to_partner(ground, 200),
    "overflow-desk": lambda ground: delays.overflow_to_desk(ground, 100),
    "desk-free": lambda ground: delays.desk_free_to_ring(ground, 60),
    "withdraw": lambda ground: delays.withdraw(ground, 56),
    "twenty-calls": _twenty_calls,
    "dead-partner": lambda ground: delays.dead_partner(ground, 5),
    "serial": lambda ground: serial.tap_to_store(ground.region.directory / "serial", 100),
}

ALONE: dict[str, Callable[[Path], list[Figure]]] = {
    "ingest-sqlite": lambda directory: hub.ingest(directory, "sqlite"),
    "ingest-postgresql": lambda directory: hub.ingest(directory, "postgresql"),
    "reconnect": hub.reconnect,
    "panel": lambda directory: panel.figures(directory, _say),
    "store": lambda _directory: storage.figures(),
    "sync": lambda directory: asyncio.run(sync.measure(directory)),
    "exposure": lambda _directory: box.exposure(_say),
    "box": lambda _directory: box.memory(_say),
    "mistakes": provisioning.caught,
    "provision": provisioning.forty_sites,
}
"""What needs no region: each starts what it measures."""

ALL = [*MEASURES, *ALONE, "simulated"]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything that was asked was measured, 1 when something could not be."""
    options = _options(arguments)
    wanted = options.only or ALL
    measured = [name for name in wanted if name in MEASURES]
    whole = True
    if measured:
        try:
            whole = asyncio.run(_region(options.directory, measured))
        except (LabError, TimeoutError) as error:
            _say(f"the region could not be measured: {error}")
            whole = False
        if whole:
            shutil.rmtree(options.directory, ignore_errors=True)
        else:
            _say(f"its logs: {options.directory}/region/log")
    for name in (name for name in wanted if name in ALONE):
        whole = _alone(options.directory, name) and whole
    if "simulated" in wanted:
        _print(prediction.figures(_say))
    return EX_OK if whole else EX_FAILED


def _alone(directory: Path, name: str) -> bool:
    own = directory.with_name(f"{directory.name}-{name}")
    shutil.rmtree(own, ignore_errors=True)
    begin_s = time.monotonic()
    try:
        _print(ALONE[name](own))
    except (LabError, BrokerError, TimeoutError, OSError) as error:
        _say(f"{name} could not be measured: {error or type(error).__name__}; its logs: {own}")
        return False
    _say(f"{name}: {time.monotonic() - begin_s:.0f} s, load {os.getloadavg()[0]:.1f} of {os.cpu_count()}")
    shutil.rmtree(own, ignore_errors=True)
    return True


async def _region(directory: Path, names: Sequence[str]) -> bool:
    whole = True
    _say("starting the region")
    async with Ground.opened(directory) as ground:
        for name in names:
            begin_s = time.monotonic()
            try:
                _print(await MEASURES[name](ground))
            except (LabError, TimeoutError) as error:
                _say(f"{name} could not be measured: {error}")
                whole = False
            _say(f"{name}: {time.monotonic() - begin_s:.0f} s, load {os.getloadavg()[0]:.1f} of {os.cpu_count()}")
    return whole


def _print(figures: Sequence[Figure]) -> None:
    for figure in figures:
        print(figure.line(), flush=True)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="zorgkiosk bench", description="Measure a region on this machine.")
    parser.add_argument("only", nargs="*", metavar="WHAT", help=f"of {', '.join(ALL)}; else all")
    parser.add_argument(
        "--directory", type=Path, default=Path("/tmp") / f"zkb-{os.getpid()}",  # noqa: S108 - a socket's path must be short
        help="of the region's files; removed first",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if unknown := set(options.only) - set(ALL):
        parser.error(f"cannot measure {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    sys.exit(main())
