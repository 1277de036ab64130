"""The SIP front of a site: what Kamailio is told.

Kamailio is the only SIP port of the appliance that anyone outside reaches. This module turns the site's parameters
into its configuration: `render` is pure text, `write` puts it on disk, `command` says how to start it. What happens at
run time (releasing workers, ending calls of a dead one) is in `front_rpc.py`.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import jinja2

from zorgkiosk.site.emergency import is_emergency
from zorgkiosk.site.telephony.worker.headers import GIVEN_UP_S

CONFIG_FILE = "kamailio.cfg"
SECRETS_FILE = "secrets.cfg"
RPC_SOCKET = "rpc.sock"
PHONES_DIRECTORY = "phones"

CALLS_PER_S = 60
"""New calls a second in all. Eight workers bridged 60 a second without loss and failed at 78."""
CALLS_PER_WORKER_PER_S = 10
WORKER_DEAD_MS = round(GIVEN_UP_S * 1000)
"""A worker on loopback says 100 within a few ms; one that said nothing by then is dead."""
FAR_DEAD_MS = 2_300
"""The same for desk phones and partners, with the TCP connection and the TLS handshake inside it."""
RING_MS = 120_000
QUEUE_S = 7_200
"""A caller may wait in early media (183) that long."""
CLAIM_S = 14_400
"""A claim nobody released, and a dialog nobody refreshed, is forgotten after this."""
REGISTER_S = 120
GUESSES, GUESS_S = 10, 60
"""After so many wrong passwords in a row an address is not heard for so long."""
ENDS, ENDED_S = 12, 5
"""BYEs or CANCELs of one call that are heard, until there was none for so long. RFC 3261 §17.1.2.2: one is sent eleven
times within 32 s, at most 4 s apart."""
FORGOTTEN_PER_S = 50
"""How often a second one address hears that there is no such call."""
LINE_SILENT_S = 6
"""A line that has not said for so long that it is here is dead or hangs: who asks hears that no call can be placed."""
STATUS_S = 30
"""What the line says of itself is told to partners that long."""
TLS_IDLE_S, TLS_OPENED_IDLE_S = 15, 10
"""A connection without a message ends, and who opened it ends it first: what is sent in the very moment in which the
other one ends it is lost, and it is mostly the opener who has something to send."""
TLS_HELLO_S = 3
TLS_CONNECTIONS, TLS_PER_SOURCE = 512, 16
CHILDREN = 2
MEMORY_MB = 128
"""Shared memory, taken when used. 32 MB ran out at 78 calls a second; a half-open TLS connection holds 0.1 MB."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_EXTENSION = re.compile(r"[A-Za-z0-9]{1,32}")
_PATH = re.compile(r"/[A-Za-z0-9._/@+-]+")
_WORKER_URI = re.compile(r"sip:127\.0\.0\.1:(\d{1,5})")
_UNIX_PATH_MAX = 107  # sun_path of unix(7): 108 bytes with the closing zero


@dataclass(frozen=True)
class Phone:
    """A desk phone's account. `password` is never written; the disk gets the digest of RFC 2617 §3.2.2.2 (HA1)."""

    user: str
    password: str


@dataclass(frozen=True)
class FrontPartner:
    """A partner centre. `name` is the common name of its certificate, `address` the IP address it listens on."""

    name: str
    address: str
    tls_port: int


@dataclass(frozen=True)
class FrontParameters:
    """All that the front of one site has to know.

    `address` is the site's IP address on its network; `internal_port` is on 127.0.0.1 and for workers only.
    `trunk_addresses` are addresses or networks (CIDR) whose calls are taken; `worker_uris` read `sip:127.0.0.1:5101`.
    `exchange` is the IP address and port of the PBX or trunk where workers may dial `extensions`, and those only.
    `directory` is the front's own: configuration, sockets, places of phones. Certificate and key are PEM files.
    """

    site: str
    directory: Path
    address: str
    sip_port: int
    tls_port: int
    internal_port: int
    trunk_addresses: tuple[str, ...]
    worker_uris: tuple[str, ...]
    phones: tuple[Phone, ...]
    partners: tuple[FrontPartner, ...]
    ca_file: Path
    certificate_file: Path
    key_file: Path
    exchange: tuple[str, int] | None = None
    extensions: tuple[str, ...] = ()
    revoked_file: Path | None = None
    """Certificates of the region that are trusted no longer (a CRL, PEM); read at the start and at `reload_tls`."""


def rpc_socket(parameters: FrontParameters) -> Path:
    """The datagram socket on which the line speaks to the front, see `front_rpc.FrontRpc`."""
    return parameters.directory / RPC_SOCKET


def render(parameters: FrontParameters) -> dict[str, str]:
    """Relative file name → content. Raises ValueError with every fault of the parameters, a sentence each.

    The check is strict because all values end up inside Kamailio's own language.
    """
    if found := list(faults(parameters)):
        raise ValueError(" ".join(found))
    return {
        CONFIG_FILE: _main(parameters),
        SECRETS_FILE: _secrets(parameters),
        "tls.cfg": _tls(parameters),
        "trunk.list": "".join(_trunk_line(network) for network in parameters.trunk_addresses),
        # The third field, 1, is "inactive": a worker counts from its first answer to a probe.
        "worker.list": "".join(f"1 {uri} 1 0\n" for uri in parameters.worker_uris),
    }


def write(parameters: FrontParameters) -> Path:
    """Write the files, the secret one readable by its owner alone, and return the path of the main one.

    The front has to run as the user who calls this.

    Raises ValueError as `render` does, OSError when the directory cannot be written.
    """
    contents = render(parameters)
    (parameters.directory / "run").mkdir(mode=0o750, parents=True, exist_ok=True)
    (parameters.directory / PHONES_DIRECTORY).mkdir(mode=0o700, exist_ok=True)
    for phone in parameters.phones:
        # A phone that registered keeps its place; for the others there has to be something to read.
        (parameters.directory / PHONES_DIRECTORY / phone.user).touch(mode=0o600)
    for name, content in contents.items():
        path = parameters.directory / name
        fresh = path.with_name(f"{name}.new")
        fresh.unlink(missing_ok=True)
        mode = 0o600 if name == SECRETS_FILE else 0o640
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            file.write(content)
        fresh.replace(path)
    return parameters.directory / CONFIG_FILE


def command(parameters: FrontParameters) -> tuple[str, ...]:
    """How to start the front in the foreground, as a plain user, logging to stderr."""
    # No process file: after a power cut it may name a process that is now somebody else, and the front would not start.
    return (
        *("kamailio", "-DD", "-E", "-m", str(MEMORY_MB)),
        *("-f", str(parameters.directory / CONFIG_FILE)),
        *("-Y", str(parameters.directory / "run")),
    )


def _main(parameters: FrontParameters) -> str:
    text = files(__package__).joinpath("kamailio.cfg.j2").read_text(encoding="utf-8")
    template = jinja2.Template(text, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    rendered: str = template.render(
        site=parameters.site,
        directory=parameters.directory,
        rpc_socket=rpc_socket(parameters),
        address=parameters.address,
        sip_port=parameters.sip_port,
        tls_port=parameters.tls_port,
        internal_port=parameters.internal_port,
        children=CHILDREN,
        calls_per_s=CALLS_PER_S,
        calls_per_worker_per_s=CALLS_PER_WORKER_PER_S,
        worker_dead_ms=WORKER_DEAD_MS,
        far_dead_ms=FAR_DEAD_MS,
        ring_ms=RING_MS,
        queue_s=QUEUE_S,
        queue_ms=QUEUE_S * 1000,
        claim_s=CLAIM_S,
        tls_idle_s=TLS_IDLE_S,
        tls_opened_idle_s=TLS_OPENED_IDLE_S,
        tls_hello_s=TLS_HELLO_S,
        tls_connections=TLS_CONNECTIONS,
        tls_per_source=TLS_PER_SOURCE,
        register_s=REGISTER_S,
        guesses=GUESSES,
        guess_s=GUESS_S,
        ends=ENDS,
        ended_s=ENDED_S,
        forgotten_per_s=FORGOTTEN_PER_S,
        line_silent_s=LINE_SILENT_S,
        status_s=STATUS_S,
        exchange_address=parameters.exchange[0] if parameters.exchange else "",
        exchange="{}:{}".format(*parameters.exchange) if parameters.exchange else "",
    )
    return rendered


def _secrets(parameters: FrontParameters) -> str:
    def ha1(phone: Phone) -> str:
        # MD5 is what SIP digest is made of (RFC 3261 §22.4); most desk phones know nothing else.
        text = f"{phone.user}:{parameters.site}:{phone.password}"
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    lines = ["event_route[htable:mod-init] {"]
    lines += [f'\t$sht(user=>{phone.user}) = "{ha1(phone)}";' for phone in parameters.phones]
    for partner in parameters.partners:
        hop = f"{partner.address}:{partner.tls_port}"
        lines.append(f'\t$sht(hop=>{partner.name}) = "sip:{hop};transport=tls";')
        lines.append(f'\t$sht(at=>{partner.name}) = "{hop}";')
        lines.append(f'\t$sht(name=>{hop}) = "{partner.name}";')
    lines += [f"\t$sht(extension=>{extension}) = 1;" for extension in parameters.extensions]
    lines += ["\treturn;", "}", "", "event_route[core:worker-one-init] {", "\troute(HUSH);"]
    lines += [f'\t$var(user) = "{phone.user}"; route(RECALL);' for phone in parameters.phones]
    return "\n".join([*lines, "\treturn;", "}", ""])


def _tls(parameters: FrontParameters) -> str:
    profile = (
        "method = TLSv1.2+\nverify_certificate = yes\nrequire_certificate = yes\nverify_depth = 3\n"
        f"ca_list = {parameters.ca_file}\n"
        f"certificate = {parameters.certificate_file}\nprivate_key = {parameters.key_file}\n"
    )
    if parameters.revoked_file is not None:
        profile += f"crl = {parameters.revoked_file}\n"
    return f"[server:default]\n{profile}\n[client:default]\n{profile}"


def _trunk_line(network: str) -> str:
    parsed = ipaddress.ip_network(network)
    return f"1 {parsed.network_address} {parsed.prefixlen}\n"


def faults(parameters: FrontParameters) -> Iterator[str]:
    """Every fault of the parameters, a sentence each."""
    yield from _faults_of_names(parameters)
    yield from _faults_of_extensions(parameters)
    yield from _faults_of_addresses(parameters)
    yield from _faults_of_paths(parameters)


def _faults_of_names(parameters: FrontParameters) -> Iterator[str]:
    partners = [partner.name for partner in parameters.partners]
    users = [phone.user for phone in parameters.phones]
    for what, names in (("site", [parameters.site]), ("partner", partners), ("phone user", users)):
        for name in names:
            if not _NAME.fullmatch(name):
                yield f"The {what} {name!r} may hold only letters, digits, dots and dashes, 64 at most: write another."
        if len(set(names)) != len(names):
            yield f"A {what} is named twice: give each its own name."
    for name in {"desk", "exchange", parameters.site} & set(partners):
        yield f"A partner cannot be called {name!r}: that name is taken, write another."


def _faults_of_extensions(parameters: FrontParameters) -> Iterator[str]:
    for extension in parameters.extensions:
        if not _EXTENSION.fullmatch(extension):
            yield f"The extension {extension!r} may hold only letters and digits, 32 at most."
        if is_emergency(extension):
            yield f"The extension {extension!r} is an emergency number: an overflow must never ring there."
    if parameters.extensions and parameters.exchange is None:
        yield "Extensions need an exchange to dial them at."


def _faults_of_addresses(parameters: FrontParameters) -> Iterator[str]:
    exchange = [parameters.exchange] if parameters.exchange else []
    partners = [(partner.address, partner.tls_port) for partner in parameters.partners]
    for address in (parameters.address, *(address for address, _ in (*partners, *exchange))):
        if not _is(ipaddress.IPv4Address, address):
            yield f"{address!r} is not an IPv4 address."
    for network in parameters.trunk_addresses:
        if not _is(ipaddress.IPv4Network, network):
            yield f"{network!r} is not an IPv4 address or network such as 192.168.1.0/24."
    if len(set(partners)) != len(partners):
        yield "Two partners have the same address and port: write each centre's own."
    own = [parameters.sip_port, parameters.tls_port, parameters.internal_port]
    for port in (*own, *(port for _, port in (*partners, *exchange))):
        if not 0 < port < 65536:
            yield f"{port} is not a port."
    if not parameters.worker_uris:
        yield "The front needs a worker."
    for uri in parameters.worker_uris:
        if not _WORKER_URI.fullmatch(uri):
            yield f"The worker {uri!r} has to read like sip:127.0.0.1:5101."


def _faults_of_paths(parameters: FrontParameters) -> Iterator[str]:
    for path in (
        parameters.directory,
        parameters.ca_file,
        parameters.certificate_file,
        parameters.key_file,
        *([parameters.revoked_file] if parameters.revoked_file else []),
    ):
        if not _PATH.fullmatch(str(path)):
            yield f"The path {str(path)!r} has to be absolute, without spaces or special signs: write another."
    if (length := len(os.fsencode(rpc_socket(parameters)))) > _UNIX_PATH_MAX:
        yield (
            f"The directory {parameters.directory} is too long: its socket needs {length} bytes"
            f" and a unix socket's path holds {_UNIX_PATH_MAX}: write a shorter [site] run_dir."
        )


def _is(kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv4Network], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True
