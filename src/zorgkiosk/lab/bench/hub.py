"""What a hub takes: a real Mosquitto, a real intake, a database that syncs to disk, and sites that weigh little.

No region runs beside it: sites are asyncio connections that speak as much MQTT 5 as they need (see lab/bench/wire.py).
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from zorgkiosk.contract.events import CallHandled, Event, Said, encode_batch
from zorgkiosk.contract.status import Ack, Online, SiteState, decode_status, encode_status
from zorgkiosk.hub.broker import HUB_NAME, BrokerParameters
from zorgkiosk.lab.authority import Authority
from zorgkiosk.lab.bench.figures import Figure
from zorgkiosk.lab.bench.wire import Wire
from zorgkiosk.lab.broker import RunningBroker
from zorgkiosk.lab.daemon import LabError
from zorgkiosk.lab.ports import free_port

REGION = "meetregio"
EPOCH = "00112233aabbccdd"
BOOT = "3f1c2a44-9d0e-4c55-8a11-0123456789ab"
BATCH_EVENTS = 100
_IN_FLIGHT = 4
_WRITERS = 20
_EVENTS = 120_000
_SITES = 5_000
_AT_ONCE = 200
_WITHIN_S = 180.0
_BINARIES = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Hub:
    """A running broker with an intake, and certificates for its sites."""

    directory: Path
    authority: Authority
    broker: RunningBroker
    sites: tuple[str, ...]

    async def wire(self, site: str) -> Wire:
        certificate, key = self.authority.directory / f"{site}.pem", self.authority.directory / f"{site}.key"
        parameters = self.broker.parameters
        wire = await Wire.open((parameters.address, parameters.port), site, (parameters.ca_file, certificate, key))
        await wire.subscribe(_topic(site, "ack"))
        return wire


def ingest(directory: Path, kind: str) -> list[Figure]:
    """Events a second from sites' batches to acks, of twenty sites that always have more to say."""
    names = tuple(f"hap-{number}" for number in range(1, _WRITERS + 1))
    with _database(directory, kind) as database, _hub(directory, database, names) as hub:
        took_s = asyncio.run(asyncio.wait_for(_write(hub), _WITHIN_S))
    return [Figure(f"hub_ingest_events_per_s_{kind}", _EVENTS / took_s, "events/s", _EVENTS)]


def reconnect(directory: Path) -> list[Figure]:
    """Seconds from a broker that is back until every site has said its state and had an event acknowledged."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * _SITES)), hard))
    names = tuple(f"vvt-{chr(97 + number // 1000)}-{number % 1000}" for number in range(_SITES))
    with _database(directory, "sqlite") as database, _hub(directory, database, names) as hub:
        hub.broker.kill()
        broker = RunningBroker.start(hub.broker.parameters)
        try:
            took_s = asyncio.run(asyncio.wait_for(_return(hub), _WITHIN_S))
        finally:
            broker.stop()
    return [Figure("reconnect_5000_sites_s", took_s, "s", _SITES)]


async def _write(hub: Hub) -> float:
    each = _EVENTS // len(hub.sites)
    batches = {
        site: [_batch(site, first) for first in range(1, each + 1, BATCH_EVENTS)] for site in hub.sites
    }  # encoded before the clock runs: a region's sites have machines of their own
    wires = {site: await hub.wire(site) for site in hub.sites}
    begin_s = time.monotonic()
    await asyncio.gather(*(_say_all(wires[site], site, batches[site]) for site in hub.sites))
    took_s = time.monotonic() - begin_s
    for wire in wires.values():
        wire.close()
    return took_s


async def _say_all(wire: Wire, site: str, batches: list[bytes]) -> None:
    sent = acked = 0
    while acked < len(batches):
        while sent < min(len(batches), acked + _IN_FLIGHT):
            wire.publish(_topic(site, "events"), batches[sent])
            sent += 1
        try:
            ack = await asyncio.wait_for(_ack(wire), 2)
        except TimeoutError:
            sent = acked
        else:
            acked = max(acked, ack.up_to // BATCH_EVENTS)


async def _return(hub: Hub) -> float:
    gate = asyncio.Semaphore(_AT_ONCE)
    begin_s = time.monotonic()
    wires = await asyncio.gather(*(_greet(hub, site, gate) for site in hub.sites))
    took_s = time.monotonic() - begin_s
    for wire in wires:
        wire.close()
    return took_s


async def _greet(hub: Hub, site: str, gate: asyncio.Semaphore) -> Wire:
    async with gate:
        while True:
            try:
                wire = await hub.wire(site)
                break
            except OSError:
                await asyncio.sleep(0.5)
    wire.publish(_topic(site, "online"), encode_status(Online(site=site, online=True)))
    wire.publish(_topic(site, "state"), encode_status(_state(site)))
    while True:
        wire.publish(_topic(site, "events"), encode_batch([_event(site, 1)]))
        try:
            await asyncio.wait_for(_ack(wire), 5)
        except TimeoutError:
            continue
        return wire


async def _ack(wire: Wire) -> Ack:
    while True:
        topic, payload = await wire.heard()
        if topic.endswith("/ack"):
            return decode_status(Ack, payload)


def _topic(site: str, leaf: str) -> str:
    return f"zorgkiosk/v1/{REGION}/{site}/{leaf}"


def _batch(site: str, first: int) -> bytes:
    return encode_batch([_event(site, number) for number in range(first, first + BATCH_EVENTS)])


def _event(site: str, sequence: int) -> Event:
    call = CallHandled(waited_s=12.5, talked_s=300, urgent=False, outcome="answered", origin=site, hops=0)
    said = Said(datetime(2026, 11, 23, 12, tzinfo=UTC), BOOT, sequence, clock_synced=True)
    return Event(REGION, site, "telephony", EPOCH, sequence, sequence - 1, said, call)


def _state(site: str) -> SiteState:
    return SiteState(
        region=REGION, site=site, title="Meetplaats", said_at="2026-11-23T12:00:00Z", boot_id=BOOT, uptime_ms=1,
        clock_synced=True,
    )  # fmt: skip


@contextmanager
def _hub(directory: Path, database: str, sites: tuple[str, ...]) -> Iterator[Hub]:
    directory.mkdir(parents=True, exist_ok=True)
    authority = Authority.create(directory / "pki")
    for name in sites:
        authority.issue(name)
    broker_certificate, broker_key = authority.issue("broker", addresses=("127.0.0.1",))
    parameters = BrokerParameters(
        REGION, directory / "broker", "127.0.0.1", free_port(), authority.ca_file, broker_certificate, broker_key,
        dict.fromkeys(sites, ()),
    )  # fmt: skip
    broker = RunningBroker.start(parameters)
    intake = _start_intake(directory, database, authority, parameters.port, sites)
    try:
        yield Hub(directory, authority, broker, sites)
    finally:
        intake.kill()
        intake.wait()
        broker.stop()


def _start_intake(
    directory: Path, database: str, authority: Authority, port: int, sites: tuple[str, ...]
) -> subprocess.Popen[bytes]:
    certificate, key = authority.issue(HUB_NAME)
    config = directory / "hub.toml"
    listed = "".join(f'[[site]]\nname = "{name}"\ntitle = "Meetplaats"\nkind = "hap"\n' for name in sites)
    config.write_text(
        f'[hub]\nregion = "{REGION}"\ndatabase = "{database}"\n[broker]\nhost = "127.0.0.1"\nport = {port}\n'
        f'ca_file = "{authority.ca_file}"\ncertificate_file = "{certificate}"\nkey_file = "{key}"\n{listed}'
    )
    log_file = directory / "intake.log"
    with log_file.open("wb") as log:
        command = [sys.executable, "-m", "zorgkiosk", "run", "intake", "--config", str(config)]
        intake = subprocess.Popen(command, stderr=log, stdout=log)
    until_s = time.monotonic() + 30
    while b"connected\n" not in log_file.read_bytes():
        if intake.poll() is not None or time.monotonic() > until_s:
            intake.kill()
            raise LabError(f"intake does not start: {log_file.read_text()[-500:]}")
        time.sleep(0.05)
    return intake


@contextmanager
def _database(directory: Path, kind: str) -> Iterator[str]:
    """A database that keeps its word: WAL with synchronous=FULL, PostgreSQL with fsync."""
    directory.mkdir(parents=True, exist_ok=True)
    if kind == "sqlite":
        yield f"sqlite:///{directory / 'hub.db'}"
        return
    binaries = sorted(_BINARIES.glob("*/bin"))
    if not binaries:
        raise LabError("postgresql is not installed: apt-get install postgresql")
    home, as_user = directory / "pg", list[str]()
    home.mkdir()
    if os.geteuid() == 0:  # the server refuses to be root
        directory.chmod(0o755)
        shutil.chown(home, "postgres", "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    initdb = [*as_user, str(binaries[-1] / "initdb"), "-D", str(home / "data"), "-U", "zorgkiosk", "-A", "trust"]
    subprocess.run([*initdb, "-E", "UTF8", "--locale=C"], check=True, capture_output=True, cwd=home)
    settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={home}"]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [*as_user, str(binaries[-1] / "postgres"), "-D", str(home / "data"), *settings], stderr=log, cwd=home
        )
    try:
        ready = [str(binaries[-1] / "pg_isready"), "-q", "-h", str(home)]
        until_s = time.monotonic() + 30
        while subprocess.run(ready, check=False).returncode:
            if time.monotonic() > until_s:
                raise LabError("PostgreSQL does not start")
            time.sleep(0.1)
        yield f"postgresql+psycopg://zorgkiosk@/postgres?host={home}"
    finally:
        server.terminate()
        server.wait(30)
