"""Thin probes for `doctor`: each reads one thing of the box and says what it was, none changes anything."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from zorgkiosk.care.apply import panel_answers
from zorgkiosk.care.doctor import Facts, Reached
from zorgkiosk.care.sip_options import over_tls, over_udp
from zorgkiosk.care.update.manifest import UpdateError
from zorgkiosk.care.update.slots import BOX, Slots
from zorgkiosk.config_file import Problem
from zorgkiosk.contract.status import Ack
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.config_telephony import Partner
from zorgkiosk.site.facts import LinkFact, read
from zorgkiosk.site.store import StoreView
from zorgkiosk.site.telephony.front import RPC_SOCKET
from zorgkiosk.site.telephony.front_rpc import FrontError, FrontRpc
from zorgkiosk.site.telephony.wiring import front_directory

_TIMEOUT_S = 5.0
_TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")
_SERIAL = Path("/dev/serial/by-id")
_LIFE = Path("/sys/block/mmcblk0/device/life_time")
"""JEDEC eMMC 5.0, EXT_CSD 268 and 269: tenths used, of both kinds of cells. Plain SD cards do not tell."""


def probe(config: SiteConfig, problems: Sequence[Problem], slots: Slots = BOX) -> Facts:
    """Everything `doctor` wants to know of this box; takes some seconds when the network is silent."""
    link_problem, waiting = _sync(config)
    front = None if config.front is None else asyncio.run(_front_fault(config))
    return Facts(
        free_mb=_free_mb(config.site.data_dir),
        clock_synced=SystemClock.of_this_boot().synced(),
        config_faults=tuple(str(problem) for problem in problems),
        dns_fault=_dns_fault(config.hub.host),
        broker_fault=tls_fault(config, config.hub.host, config.hub.port),
        link_problem=link_problem,
        unacknowledged=waiting,
        panel_fault="" if panel_answers(config) else "does not answer",
        front_fault=front,
        trunks=_trunks(config),
        partners=tuple(_partner(config, each) for each in config.partner),
        serial_devices=tuple(sorted(each.name for each in _SERIAL.iterdir())) if _SERIAL.is_dir() else None,
        temperature_c=_temperature_c(),
        throttled=_throttled(),
        worn_percent=_worn_percent(),
        versions=_versions(slots),
        waits_for_proof=slots.updating.exists(),
    )


def _versions(slots: Slots) -> str | None:
    try:
        return slots.told()
    except UpdateError:
        return None


def tls_fault(config: SiteConfig, host: str, port: int) -> str:
    """Why no TLS connection with our certificate comes about."""
    try:
        with _tls(config, host, port, host) as secure:
            # TLS 1.3: a refusal of our certificate comes only after the handshake.
            secure.settimeout(0.3)
            try:
                return "" if secure.recv(1) else "ends the connection at once: is our certificate revoked?"
            except TimeoutError:
                return ""
    except OSError as error:
        return _tls_error(error)


def _trunks(config: SiteConfig) -> tuple[Reached, ...]:
    """The exchange and each single trunk address; a whole network cannot be asked. All at once, within the bound."""
    front = config.front
    if front is None:
        return ()
    addresses = [str(each.network_address) for each in front.trunk_addresses if each.prefixlen == 32]
    asked = [str(front.exchange_address)] * (front.exchange_address is not None) + addresses
    targets = list(dict.fromkeys(asked))

    def ask(address: str) -> Reached:
        good, told = over_udp(address, front.exchange_port, str(front.address), secrets.token_hex(8))
        return Reached(f"{address}:{front.exchange_port}", good, told)

    with ThreadPoolExecutor(max_workers=8) as asking:
        return tuple(asking.map(ask, targets))


def _partner(config: SiteConfig, partner: Partner) -> Reached:
    """Its front shows a certificate in its name, takes ours, and answers: 200, or 503 while its line is full."""
    try:
        with _tls(config, str(partner.address), partner.tls_port, partner.name) as secure:
            good, told = over_tls(secure, partner.name, secrets.token_hex(8))
    except OSError as error:
        good, told = False, _tls_error(error)
    return Reached(partner.name, good, told)


@contextmanager
def _tls(config: SiteConfig, host: str, port: int, name: str) -> Iterator[ssl.SSLSocket]:
    """A connection with our certificate to who has to be `name`. Raises OSError."""
    context = ssl.create_default_context(cafile=str(config.hub.ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(str(config.hub.certificate_file), str(config.hub.key_file))
    with (
        socket.create_connection((host, port), timeout=_TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        yield secure


def _tls_error(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"refuses or is not trusted ({error.reason or error})"
    return f"not reached ({error.strerror or error})"


def _dns_fault(host: str) -> str:
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        return f"{host} is not found ({error.strerror})"
    return ""


def _sync(config: SiteConfig) -> tuple[str | None, int]:
    """What sync says of the hub, and how many events the hub has not acknowledged."""
    view = StoreView(config.sync_db)
    try:
        state = view.state()
    finally:
        view.close()
    waiting = 0
    for stream, file in (("panel", config.panel_db), ("telephony", config.telephony_db), ("sync", config.sync_db)):
        ack = read(Ack, state.get(f"acked/{stream}"))
        outbox = StoreView(file)
        try:
            waiting += outbox.waiting(after=ack.up_to if ack is not None and ack.epoch == outbox.epoch() else 0)
        finally:
            outbox.close()
    link = read(LinkFact, state.get("link"))
    if link is None:
        return "sync has not said anything yet", waiting
    return (None if link.connected else link.problem or "sync is not connected"), waiting


async def _front_fault(config: SiteConfig) -> str:
    try:
        await FrontRpc(front_directory(config) / RPC_SOCKET).status()
    except FrontError as error:
        return f"does not answer ({error})"
    return ""


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
