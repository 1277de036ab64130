"""Thin probes for `doctor`: each reads one thing of the box and says what it was, none changes anything."""

from __future__ import annotations

import asyncio
import errno
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from zorgkiosk.care.apply import panel_answers
from zorgkiosk.care.doctor import Cause, Echo, Facts, Reached, SyncSaid
from zorgkiosk.care.lasting import forgotten
from zorgkiosk.care.sip_options import over_tls, over_udp
from zorgkiosk.care.update.manifest import UpdateError
from zorgkiosk.care.update.slots import BOX, Slots
from zorgkiosk.config_file import Problem
from zorgkiosk.contract.status import Ack
from zorgkiosk.site import wake
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.config import Hub, Site, SiteConfig
from zorgkiosk.site.config_serial import SerialPanel
from zorgkiosk.site.config_telephony import Partner
from zorgkiosk.site.facts import EchoFact, LinkFact, read
from zorgkiosk.site.store import StoreView
from zorgkiosk.site.telephony.front import RPC_SOCKET
from zorgkiosk.site.telephony.front_rpc import FrontError, FrontRpc
from zorgkiosk.site.telephony.wiring import front_directory

_TIMEOUT_S = 5.0
_ECHO_S, _ECHO_LOOK_S = 15.0, 0.005
"""A hub that was started a moment ago asks for what it missed within seconds; an ack takes some 30 ms as a rule."""
_ETC = Path("/etc/zorgkiosk")
_DATA: Path = Site.model_fields["data_dir"].default
_SWAPS = Path("/proc/swaps")
_TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")
_SERIAL = Path("/dev/serial/by-id")
_LIFE = Path("/sys/block/mmcblk0/device/life_time")
"""JEDEC eMMC 5.0, EXT_CSD 268 and 269: tenths used, of both kinds of cells. Plain SD cards do not tell."""


def probe(config: SiteConfig | None, problems: Sequence[Problem], slots: Slots = BOX) -> Facts:
    """Everything `doctor` wants to know of this box; takes some seconds when the network is silent.

    Without a config that can be used, what needs none.
    """
    machine = Facts(
        free_mb=_free_mb(_DATA if config is None else config.site.data_dir),
        clock_synced=SystemClock.of_this_boot().synced(),
        config_faults=tuple(str(problem) for problem in problems),
        serial_devices=tuple(sorted(each.name for each in _SERIAL.iterdir())) if _SERIAL.is_dir() else None,
        temperature_c=_temperature_c(),
        throttled=_throttled(),
        worn_percent=_worn_percent(),
        versions=_versions(slots),
        waits_for_proof=slots.updating.exists(),
        swaps=tuple(name for name in _swaps(_SWAPS.read_text(encoding="utf-8")) if "/zram" not in name),
        forgotten=forgotten(_DATA if config is None else config.site.data_dir, _ETC),
    )
    return machine if config is None else _of_site(machine, config)


def _of_site(machine: Facts, config: SiteConfig) -> Facts:
    sync = _sync(config)
    return replace(
        machine,
        dns_fault=_dns_fault(config.hub.host),
        broker=_broker(config),
        sync=sync,
        echo=_echo(config) if sync.runs and sync.problem is None else None,
        panel_fault="" if panel_answers(config) else "does not answer",
        front_fault=None if config.front is None else asyncio.run(_front_fault(config)),
        trunks=_trunks(config),
        partners=tuple(_partner(config, each) for each in config.partner),
        serial_panels=tuple(_serial_panel(each) for each in config.serial_panel),
    )


def _serial_panel(panel: SerialPanel) -> Reached:
    there = panel.device.exists()
    return Reached(panel.name, there, f"{panel.device} is {'there' if there else 'not there'}")


def _versions(slots: Slots) -> str | None:
    try:
        return slots.told()
    except UpdateError:
        return None


def _broker(config: SiteConfig) -> Reached:
    """Whether a TLS connection with our certificate comes about, and why not."""
    host, port = config.hub.host, config.hub.port
    name = f"{host}:{port}"
    try:
        with _tls(config, host, port, host) as secure:
            # TLS 1.3: a refusal of our certificate comes only after the handshake.
            secure.settimeout(0.3)
            try:
                if not secure.recv(1):
                    told = "ends the connection at once: is our certificate revoked?"
                    return Reached(name, False, told, Cause.TRUST)
            except TimeoutError:
                pass
    except _OwnFilesError as error:
        return Reached(name, False, str(error), Cause.OWN_FILES)
    except OSError as error:
        return Reached(name, False, *_tls_error(error))
    return Reached(name, True, "reached")


def _trunks(config: SiteConfig) -> tuple[Reached, ...]:
    """The exchange and each single trunk address; a whole network cannot be asked. All at once, within the bound."""
    front = config.front
    if front is None:
        return ()
    addresses = [str(each.network_address) for each in front.trunk_addresses if each.prefixlen == 32]
    asked = [str(front.exchange_address)] * (front.exchange_address is not None) + addresses
    targets = list(dict.fromkeys(asked))
    if not targets:
        told = "a whole network, nobody in it was asked; [front] exchange_address names one that is"
        return tuple(Reached(str(each), True, told) for each in front.trunk_addresses)
    if not _is_ours(str(front.address)):
        told = f"not asked: this box has no address {front.address}"
        return tuple(Reached(f"{each}:{front.exchange_port}", False, told, Cause.OWN_ADDRESS) for each in targets)

    def ask(address: str) -> Reached:
        good, told = over_udp(address, front.exchange_port, str(front.address), secrets.token_hex(8))
        return Reached(f"{address}:{front.exchange_port}", good, told)

    with ThreadPoolExecutor(max_workers=8) as asking:
        return tuple(asking.map(ask, targets))


def _is_ours(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            udp.bind((address, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True


def _partner(config: SiteConfig, partner: Partner) -> Reached:
    """Its front shows a certificate in its name, takes ours, and answers: 200, or 503 while its line is full."""
    try:
        with _tls(config, str(partner.address), partner.tls_port, partner.name) as secure:
            good, told = over_tls(secure, partner.name, secrets.token_hex(8))
    except _OwnFilesError as error:
        return Reached(partner.name, False, str(error), Cause.OWN_FILES)
    except OSError as error:
        return Reached(partner.name, False, *_tls_error(error))
    # Connected: what is wrong from here on is between the two ends, not on the way.
    return Reached(partner.name, good, told, Cause.WAY if good else Cause.TRUST)


class _OwnFilesError(Exception):
    """A file of ours that a connection needs is not there or is none."""


@contextmanager
def _tls(config: SiteConfig, host: str, port: int, name: str) -> Iterator[ssl.SSLSocket]:
    """A connection with our certificate to who has to be `name`. Raises OSError and _OwnFilesError."""
    context = _context(config.hub)
    with (
        socket.create_connection((host, port), timeout=_TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        yield secure


def _context(hub: Hub) -> ssl.SSLContext:
    for file in (hub.ca_file, hub.certificate_file, hub.key_file):
        try:
            file.read_bytes()
        except OSError as error:
            raise _OwnFilesError(f"not asked: {file}: {error.strerror}") from None
    try:
        context = ssl.create_default_context(cafile=str(hub.ca_file))
        context.load_cert_chain(str(hub.certificate_file), str(hub.key_file))
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or error
        raise _OwnFilesError(f"not asked: our certificate, key or CA cannot be used ({reason})") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _tls_error(error: OSError) -> tuple[str, Cause]:
    if isinstance(error, ssl.SSLError):
        return f"refuses or is not trusted ({error.reason or error})", Cause.TRUST
    return f"not reached ({error.strerror or error})", Cause.WAY


def _dns_fault(host: str) -> str:
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        return f"{host} is not found ({error.strerror})"
    return ""


def _sync(config: SiteConfig) -> SyncSaid:
    """What sync says of the hub in this boot, when the hub acknowledged last, and how many events it has not yet."""
    view = StoreView(config.sync_db)
    try:
        state = view.state()
    finally:
        view.close()
    said = SystemClock.of_this_boot().said()
    waiting, heard_ms = 0, list[int]()
    for stream, file in (("panel", config.panel_db), ("telephony", config.telephony_db), ("sync", config.sync_db)):
        value = state.get(f"acked/{stream}")
        ack = read(Ack, value)
        outbox = StoreView(file)
        try:
            known = ack is not None and ack.epoch == outbox.epoch()
            waiting += outbox.waiting(after=ack.up_to if ack is not None and known else 0)
        finally:
            outbox.close()
        if known and value is not None and value.said.boot_id == said.boot_id:
            heard_ms.append(value.said.uptime_ms)
    link = state.get("link")
    fact = read(LinkFact, link)
    problem = None
    if fact is None or link is None or link.said.boot_id != said.boot_id:
        problem = "sync has not said anything yet"
    elif not fact.connected:
        problem = fact.problem or "sync is not connected"
    ago_s = (said.uptime_ms - max(heard_ms)) / 1000 if heard_ms else None
    return SyncSaid(wake.is_heard(config.sync_db.parent), problem, waiting, ago_s)


def _echo(config: SiteConfig) -> Echo:
    """Ask sync for a row, and wait until the hub has acknowledged it. The hub keeps it as any `device.health`."""
    view = StoreView(config.sync_db)
    since_s = time.monotonic()
    try:
        before, row = view.state().get("echo"), None
        with suppress(OSError):  # nobody listens to us: the question is not taken
            wake.ask_for_echo(config.sync_db.parent)
        while (waited_s := time.monotonic() - since_s) < (_TIMEOUT_S if row is None else _ECHO_S):
            state = view.state()
            if (said := state.get("echo")) != before:
                row = read(EchoFact, said)
            ack = read(Ack, state.get("acked/sync"))
            if row is not None and ack is not None and ack.epoch == view.epoch() and ack.up_to >= row.sequence:
                return Echo(taken=True, ms=waited_s * 1000, waited_s=waited_s)
            time.sleep(_ECHO_LOOK_S)
    finally:
        view.close()
    return Echo(taken=row is not None, ms=None, waited_s=waited_s)


async def _front_fault(config: SiteConfig) -> str:
    try:
        await FrontRpc(front_directory(config) / RPC_SOCKET).status()
    except FrontError as error:
        return f"does not answer ({error})"
    return ""


def _swaps(table: str) -> list[str]:
    """The names in the text of /proc/swaps, whose first line is a header."""
    return [line.split()[0] for line in table.splitlines()[1:]]


def _free_mb(folder: Path) -> int:
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(there).free // 1_000_000


def _temperature_c() -> float | None:
    try:
        return int(_TEMPERATURE.read_text()) / 1000
    except (OSError, ValueError):
        return None


def _throttled() -> int | None:
    if shutil.which("vcgencmd") is None:
        return None
    done = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True, check=False)
    found = re.search(r"0x([0-9a-fA-F]+)", done.stdout)
    return int(found[1], 16) if found else None


def _worn_percent() -> int | None:
    try:
        return max(int(word, 16) for word in _LIFE.read_text().split()) * 10
    except (OSError, ValueError):
        return None
