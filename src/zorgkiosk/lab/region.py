"""A whole region on loopback with real parts: Mosquitto, Kamailio, pjsua2 workers, the hub and every site's units.

The configs are those of `firmware_config/demo`, copied into a directory with certificates of a throw-away CA beside
them. Everything is a process of its own that is ended by pid.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from zorgkiosk.contract.status import Ack
from zorgkiosk.hub.broker import BrokerParameters
from zorgkiosk.hub.config import HubConfig, load_hub
from zorgkiosk.lab.authority import Authority
from zorgkiosk.lab.broker import RunningBroker
from zorgkiosk.lab.daemon import Daemon, LabError, until
from zorgkiosk.lab.nextion import SimulatedDisplay
from zorgkiosk.site.config import SiteConfig, load_site
from zorgkiosk.site.facts import LineFact, LinkFact, read
from zorgkiosk.site.store import StoreView
from zorgkiosk.site.telephony import front
from zorgkiosk.site.telephony.front_rpc import FrontError, FrontRpc
from zorgkiosk.site.telephony.journal import UNREPORTED
from zorgkiosk.site.telephony.wiring import TriageSite, front_directory, front_parameters

CONFIGS = Path("firmware_config/demo")
ANNOUNCEMENTS = Path("firmware_config/announcements")
_READY_S = 20.0

T = TypeVar("T")


@dataclass
class Site:
    """One site's config and its running units by name; `kamailio` is among them at a HAP. `display`: of its first
    serial panel, plugged in while the region runs."""

    config: SiteConfig
    file: Path
    units: dict[str, Daemon] = field(default_factory=dict)
    display: SimulatedDisplay | None = None

    @property
    def name(self) -> str:
        return self.config.site.name

    @property
    def panel_url(self) -> str:
        return f"http://{self.config.panel.address}:{self.config.panel.port}"

    def panel_listens(self) -> bool:
        return _listens(self.panel_url)

    def line(self) -> LineFact:
        """The line as it was last written."""
        return _read_once(self.config.telephony_db, lambda view: read(LineFact, view.state().get("line"))) or LineFact()

    def connected(self) -> bool:
        link = _read_once(self.config.sync_db, lambda view: read(LinkFact, view.state().get("link")))
        return link is not None and link.connected

    def unacknowledged(self) -> int:
        """Events of all units that the hub has not acknowledged, also those on their way to an outbox."""
        acked = _read_once(self.config.sync_db, lambda view: view.state()) or {}
        total = 0
        for stream in ("panel", "telephony", "sync"):
            ack = read(Ack, acked.get(f"acked/{stream}"))
            view = StoreView(self.config.site.data_dir / f"{stream}.db")
            unreported = view.state().get(UNREPORTED)  # before the outbox, or it could slip from the one to the other
            total += 0 if unreported is None else len(unreported.value)
            total += view.waiting(after=ack.up_to if ack else 0)
            view.close()
        return total

    def workers(self) -> dict[int, int]:
        """Process ids of the call workers by number. They are nobody's children once a line has died."""
        mark = str(self.config.site.run_dir / "worker-").encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:  # it has just ended
                continue
            for word in words:
                if word.startswith(mark) and word.endswith(b".lock"):
                    found[int(word.removeprefix(mark).removesuffix(b".lock"))] = int(folder.name)
        return found

    async def idle_workers(self) -> int:
        """Workers that the front would place a caller on now."""
        try:
            status = await FrontRpc(front_directory(self.config) / front.RPC_SOCKET).status()
        except FrontError:
            return 0
        return sum(1 for worker in status if worker.idle)


@dataclass
class Region:
    """The running region. Made by `start`; `stop` ends every process of it."""

    directory: Path
    hub: HubConfig
    sites: dict[str, Site]
    broker_parameters: BrokerParameters
    broker: RunningBroker | None = None
    hub_units: dict[str, Daemon] = field(default_factory=dict)

    @property
    def board_url(self) -> str:
        return f"http://{self.hub.board.address}:{self.hub.board.port}"

    @classmethod
    def prepare(cls, directory: Path, configs: Path = CONFIGS, displays: Container[str] = ()) -> Region:
        """Copy the configs, make the certificates. What an earlier region left in `directory` is removed.

        `configs` holds a `site.toml` below each site's name, and `hub/hub.toml`. `displays` names the sites that get a
        serial display, simulated.
        """
        directory = directory.resolve()
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(configs, directory)
        authority = Authority.create(directory / "ca")
        sites = {}
        for file in sorted(directory.glob("*/site.toml")):
            name = file.parent.name
            shutil.copytree(ANNOUNCEMENTS, file.parent / "announcements")
            _certificates(authority, name, file.parent, "site")
            _phone_passwords(file)
            if name in displays:
                _add_display(file)
            config = load_site(file)
            sites[name] = Site(config, file)
        _certificates(authority, "hub-intake", directory / "hub", "hub")
        hub = load_hub(directory / "hub" / "hub.toml")
        certificate, key = authority.issue("broker", addresses=(hub.broker.host,))
        broker = BrokerParameters(
            region=hub.hub.region,
            directory=directory / "broker",
            address=hub.broker.host,
            port=hub.broker.port,
            ca_file=authority.ca_file,
            certificate_file=certificate,
            key_file=key,
            sites={site.name: site.partners for site in hub.site},
        )
        return cls(directory, hub, sites, broker)

    def taken_ports(self) -> list[str]:
        """What cannot be listened on, in words; empty when the region can start."""
        return [
            f"{address}:{port} ({what})" for what, address, port, kind in self._ports() if _taken(address, port, kind)
        ]

    async def start(self) -> None:
        """Start everything and wait until it is ready. Raises LabError."""
        self.start_broker()
        for unit in ("intake", "board"):
            self.start_hub_unit(unit)
        for site in self.sites.values():
            self._plug_display(site)
            for unit in ("panel", "sync"):
                self.start_unit(site, unit)
            if site.config.telephony is not None:
                self.start_front(site)
                self.start_line(site)
        await self._until_ready()

    def start_broker(self) -> None:
        self.broker = RunningBroker.start(self.broker_parameters)

    def stop_broker(self) -> None:
        if self.broker is not None:
            self.broker.stop()

    def start_front(self, site: Site) -> None:
        triage = TriageSite.of(site.config)
        if triage is None:
            raise LabError(f"{site.name} takes no calls")
        parameters = front_parameters(triage)
        front.write(parameters)
        daemon = Daemon(f"{site.name}-kamailio", front.command(parameters), self._log(f"{site.name}-kamailio"))
        daemon.start()
        site.units["kamailio"] = daemon

    def start_line(self, site: Site) -> None:
        self.start_unit(site, "telephony")

    async def line_again(self, site: Site) -> None:
        """The next line of the site: it has all its workers, old ones with callers and new ones.

        Until then the store and the front still say what the line before has told them.
        """
        log = site.units["telephony"].log
        begin, workers = log.stat().st_size, 0 if site.config.telephony is None else site.config.telephony.workers
        self.start_line(site)
        here = f"{site.name}: the next line has its {workers} workers"
        await until(lambda: log.read_bytes()[begin:].count(b" is here ") >= workers, _READY_S, here)
        async with asyncio.timeout(_READY_S):  # the line's own count each time: it may still be coming back
            while await site.idle_workers() < workers - len(site.line().calls):
                await asyncio.sleep(0.05)

    def start_unit(self, site: Site, unit: str) -> None:
        """`panel`, `sync` or `telephony` of a site; what it was before has ended."""
        site.units[unit] = self._unit(unit, site.file, f"{site.name}-{unit}")

    def start_hub_unit(self, unit: str) -> None:
        """`intake` or `board`; what it was before has ended."""
        self.hub_units[unit] = self._unit(unit, self.directory / "hub" / "hub.toml", f"hub-{unit}")

    def stop(self) -> None:
        """End every process, the newest first; workers that outlive their line included."""
        for site in self.sites.values():
            for unit in reversed(site.units.values()):
                unit.stop()
            for pid in site.workers().values():
                _end(pid)
            if site.display is not None:
                site.display.unplug()
        for unit in reversed(self.hub_units.values()):
            unit.stop()
        self.stop_broker()

    def _plug_display(self, site: Site) -> None:
        if site.config.serial_panel:
            site.display = SimulatedDisplay(site.config.serial_panel[0].device)
            site.display.plug()

    def _unit(self, unit: str, config: Path, name: str) -> Daemon:
        daemon = Daemon(
            name, [sys.executable, "-m", "zorgkiosk", "run", unit, "--config", str(config)], self._log(name)
        )
        daemon.start()
        return daemon

    def _log(self, name: str) -> Path:
        return self.directory / "log" / f"{name}.log"

    async def _until_ready(self) -> None:
        await self.hub_units["board"].until(lambda: _listens(self.board_url), _READY_S, "the board listens")
        for site in self.sites.values():
            await site.units["panel"].until(site.panel_listens, _READY_S, "the panel listens")
            await site.units["sync"].until(site.connected, _READY_S, "the hub's broker is reached")
            if site.config.telephony is not None:
                await self.until_idle(site, site.config.telephony.workers)

    async def until_idle(self, site: Site, workers: int) -> None:
        """Wait until the front has this many workers to place callers on."""
        async with asyncio.timeout(_READY_S):
            while await site.idle_workers() < workers:
                for unit in ("telephony", "kamailio"):
                    if not site.units[unit].alive:
                        raise LabError(f"{site.name}: {unit} ended: {site.units[unit].last_words()}")
                await asyncio.sleep(0.05)

    def _ports(self) -> Iterator[tuple[str, str, int, socket.SocketKind]]:
        tcp, udp = socket.SOCK_STREAM, socket.SOCK_DGRAM
        yield "broker", self.hub.broker.host, self.hub.broker.port, tcp
        yield "board", str(self.hub.board.address), self.hub.board.port, tcp
        for site in self.sites.values():
            yield f"panel of {site.name}", site.config.panel.address, site.config.panel.port, tcp
            if site.config.front is not None and site.config.telephony is not None:
                sip, telephony = site.config.front, site.config.telephony
                yield f"SIP of {site.name}", str(sip.address), sip.sip_port, udp
                yield f"SIP over TLS of {site.name}", str(sip.address), sip.tls_port, tcp
                yield f"inside SIP of {site.name}", "127.0.0.1", sip.internal_port, udp
                for number in range(telephony.workers):
                    yield f"worker {number} of {site.name}", "127.0.0.1", telephony.worker_sip_port + number, udp


def _certificates(authority: Authority, name: str, folder: Path, prefix: str) -> None:
    certificate, key = authority.issue(name)
    shutil.copy(authority.ca_file, folder / "region-ca.pem")
    shutil.copy(certificate, folder / f"{prefix}.pem")
    shutil.copy(key, folder / f"{prefix}-key.pem")


def _add_display(site_file: Path) -> None:
    """Give the site a serial panel at a device beside its config, for a simulated display."""
    with site_file.open("a", encoding="utf-8") as config:
        config.write(f'\n[[serial_panel]]\ndevice = "{site_file.with_name("display")}"\nbaud = 115200\n')


def _phone_passwords(site_file: Path) -> None:
    """A random password for each phone that the config names."""
    phones = [
        line.split('"')[1] for line in site_file.read_text(encoding="utf-8").splitlines() if line.startswith("phone = ")
    ]
    if phones:
        file = site_file.with_name("secrets.toml")
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write("[phones]\n" + "".join(f'{phone} = "{secrets.token_urlsafe(12)}"\n' for phone in phones))


def _read_once(file: Path, get: Callable[[StoreView], T]) -> T:
    view = StoreView(file)
    try:
        return get(view)
    finally:
        view.close()


def _taken(address: str, port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:
            # Connections of a region that has just ended linger for a minute; they are in nobody's way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return True
    return False


def _listens(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
