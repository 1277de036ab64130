"""`zorgkiosk demo`: start a region on this machine, tell the story, say which claims hold."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zorgkiosk.lab.broker import BrokerError
from zorgkiosk.lab.claims import Claims
from zorgkiosk.lab.daemon import LabError
from zorgkiosk.lab.handset import HandsetError
from zorgkiosk.lab.people import People
from zorgkiosk.lab.region import CONFIGS, Region
from zorgkiosk.lab.story import LINDE, Story

EX_OK, EX_FAILED, EX_UNAVAILABLE = 0, 1, 69


def run(directory: Path, *, keep: bool) -> int:
    """0 when every claim holds, 1 when one does not, 69 when the region cannot be started here."""
    logging.getLogger().setLevel(logging.WARNING)
    problem = _cannot_start()
    if problem is not None:
        print(f"zorgkiosk demo: {problem}")
        return EX_UNAVAILABLE
    try:
        with _only_one(directory):
            return asyncio.run(_demo(directory, keep=keep))
    except BlockingIOError:
        print("zorgkiosk demo: another demo runs in this directory: end it first (Ctrl-C in its terminal)")
        return EX_UNAVAILABLE


def _cannot_start() -> str | None:
    if not CONFIGS.is_dir():
        return f"{CONFIGS} is not here: run it in the directory of the repository"
    missing = [name for name in ("mosquitto", "kamailio") if not _program(name)]
    if missing:
        return f"missing: {', '.join(missing)}. Run: apt-get install -y mosquitto kamailio kamailio-tls-modules"
    return None


def _program(name: str) -> bool:
    # Debian keeps daemons in sbin, which is not on every user's PATH.
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


@contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    """Raises BlockingIOError while another demo holds the directory."""
    lock = os.open(directory.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)


async def _demo(directory: Path, *, keep: bool) -> int:
    claims, people = Claims(), People()
    region = Region.prepare(directory, displays=[LINDE])
    if taken := region.taken_ports():
        print("zorgkiosk demo: these are in use, so the region cannot start:", *taken, sep="\n  ")
        return EX_UNAVAILABLE
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    telling = asyncio.create_task(_tell(region, people, claims))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((telling, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not telling.done():
            print("\nzorgkiosk demo: stopped before its end")
            return EX_FAILED
        code = telling.result()
        if keep:
            _show_addresses(region)
            await stop.wait()
        return code
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
        stopping.cancel()
        await people.stop()
        region.stop()


async def _tell(region: Region, people: People, claims: Claims) -> int:
    claims.tell(f"a region is started in {region.directory}: broker, hub, {len(region.sites)} sites")
    try:
        await region.start()
        claims.tell("all units are ready")
        await Story(region, people, claims).tell()
    except (LabError, BrokerError, HandsetError, TimeoutError) as error:
        claims.check("the story comes to its end", f"{type(error).__name__}: {error}", False)
    print(f"\n{claims.table()}\n")
    held = sum(claim.holds for claim in claims.made)
    print(f"{held} of {len(claims.made)} claims hold.")
    return EX_OK if claims.all_hold else EX_FAILED


def _show_addresses(region: Region) -> None:
    print("\nThe region runs on. Open in a browser:")
    for site in region.sites.values():
        print(f"  panel of {site.config.site.title:<22} {site.panel_url}/")
    print(f"  board of the region             {region.board_url}/")
    print("Ctrl-C stops it.", flush=True)
