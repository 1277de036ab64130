"""A real front between test endpoints: everything on loopback addresses of its own, ended by process id."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sip_peer import Message, Peer, digest

from zorgkiosk.lab.authority import Authority
from zorgkiosk.site.telephony.front import FrontParameters, FrontPartner, Phone, command, rpc_socket, write
from zorgkiosk.site.telephony.front_rpc import FrontError, FrontRpc

FRONT, TRUNK, DESK, STRANGER, PARTNER = (f"127.0.71.{host}" for host in (1, 50, 60, 66, 9))
GOOD, NOBODY, SILENT, IMPOSTOR, FOREIGN = "hap-zuid", "hap-oost", "hap-stil", "hap-west", "hap-ver"
PASSWORD = "long-enough-4-a-phone"


def free_port(address: str) -> int:
    """A port nobody has now, on UDP and on TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            tcp.bind((address, 0))
            port = int(tcp.getsockname()[1])
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                try:
                    udp.bind((address, port))
                except OSError:
                    continue
                return port


@dataclass
class Bench:
    """The front, how to reach it and who may be at its ends."""

    parameters: FrontParameters
    authority: Authority
    foreign: Authority
    log_file: Path
    rpc: FrontRpc
    _open: list[Peer] = field(default_factory=list)

    @property
    def outside(self) -> tuple[str, int]:
        return self.parameters.address, self.parameters.sip_port

    def worker(self, index: int, *, ready: bool = True) -> Peer:
        uri = self.parameters.worker_uris[index]
        port = int(uri.rpartition(":")[2])
        peer = self._keep(Peer.udp("127.0.0.1", port, ("127.0.0.1", self.parameters.internal_port)))
        peer.answers_probes = ready
        if ready:
            asyncio.run(self.rpc.worker_ready(uri))
        return peer

    def caller(self, address: str = TRUNK) -> Peer:
        return self._keep(Peer.udp(address, 0, self.outside))

    def close(self, peer: Peer) -> None:
        self._open.remove(peer)
        peer.close()

    def invite(self, caller: Peer, *headers: tuple[str, str], body: str) -> Message:
        return caller.request("INVITE", f"sip:line@{self.parameters.address}", body=body, headers=headers)

    def options(self, caller: Peer) -> Message:
        return caller.reply_to(caller.request("OPTIONS", f"sip:line@{self.parameters.address}"))

    def register(self, phone: Peer, user: str, password: str) -> Message:
        """The answer to a REGISTER with digest."""
        registrar = f"sip:{self.parameters.address}"
        address = f"<sip:{user}@{self.parameters.address}>"

        def ask(cseq: int, *headers: tuple[str, str]) -> Message:
            return phone.request(
                "REGISTER", registrar, to=address, from_=f"{address};tag=1", cseq=cseq,
                call_id=f"register-{user}-{time.monotonic_ns()}", headers=(("Expires", "60"), *headers),
            )  # fmt: skip

        challenge = phone.reply_to(ask(1))["WWW-Authenticate"]
        answer = digest(challenge, "REGISTER", registrar, user, password)
        return phone.reply_to(ask(2, ("Authorization", answer)))

    def partner(self, name: str, *, authority: Authority | None = None, listens_on: int = 0) -> Peer:
        """A partner's front that connects to ours, with a certificate in that name."""
        context = self._context(ssl.PROTOCOL_TLS_CLIENT, name, authority)
        front = (self.parameters.address, self.parameters.tls_port)
        raw = socket.create_connection(front, timeout=2, source_address=(PARTNER, 0))
        wrapped = context.wrap_socket(raw, server_hostname=self.parameters.site)
        return self._keep(Peer.tls(wrapped, (PARTNER, listens_on or 5061)))

    def without_certificate(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=self.authority.ca_file)
        raw = socket.create_connection((self.parameters.address, self.parameters.tls_port), timeout=2)
        return context.wrap_socket(raw, server_hostname=self.parameters.site)

    def port_of(self, partner: str) -> int:
        return next(each.tls_port for each in self.parameters.partners if each.name == partner)

    @contextmanager
    def listening(self, partner: str) -> Iterator[socket.socket]:
        """The bare TCP listener at the partner's address."""
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((PARTNER, self.port_of(partner)))
            listener.listen()
            listener.settimeout(3)
            yield listener

    def accept(self, listener: socket.socket, name: str, *, authority: Authority | None = None) -> Peer:
        """Let our front in at a partner that shows a certificate in that name."""
        raw, _ = listener.accept()
        raw.settimeout(3)
        wrapped = self._context(ssl.PROTOCOL_TLS_SERVER, name, authority).wrap_socket(raw, server_side=True)
        return self._keep(Peer.tls(wrapped, (PARTNER, listener.getsockname()[1])))

    def quiet(self) -> None:
        """End what a test left: no dialogs, no claims, no active worker, no open sockets."""
        for uri in self.parameters.worker_uris:
            asyncio.run(self.rpc.worker_died(uri))
        for peer in self._open:
            peer.close()
        self._open.clear()

    def _keep(self, peer: Peer) -> Peer:
        self._open.append(peer)
        return peer

    def _context(self, protocol: int, name: str, authority: Authority | None) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.load_verify_locations(self.authority.ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(*(authority or self.authority).issue(name))
        return context


def many_partners() -> tuple[FrontPartner, ...]:
    names = (GOOD, NOBODY, SILENT, IMPOSTOR, FOREIGN)
    ports: set[int] = set()
    while len(ports) < len(names):
        ports.add(free_port(PARTNER))
    return tuple(FrontPartner(name, PARTNER, port) for name, port in zip(names, ports, strict=True))


def parameters(
    directory: Path, authority: Authority, site: str, address: str, partners: tuple[FrontPartner, ...], tls_port: int
) -> FrontParameters:
    certificate, key = authority.issue(site, (address,))
    return FrontParameters(
        site=site,
        directory=directory,
        address=address,
        sip_port=free_port(address),
        tls_port=tls_port,
        internal_port=free_port("127.0.0.1"),
        trunk_addresses=(f"{TRUNK}/32",),
        worker_uris=tuple(f"sip:127.0.0.1:{free_port('127.0.0.1')}" for _ in range(2)),
        phones=(Phone("desk1", PASSWORD), Phone("desk2", PASSWORD)),
        partners=partners,
        ca_file=authority.ca_file,
        certificate_file=certificate,
        key_file=key,
    )


@contextmanager
def running(directory: Path) -> Iterator[Bench]:
    """A front with five partners, of which the test plays as many as it likes."""
    authority = Authority.create(directory / "ca")
    given = parameters(directory / "a", authority, "hap-noord", FRONT, many_partners(), free_port(FRONT))
    with started(given, authority, Authority.create(directory / "foreign")) as bench:
        yield bench


@contextmanager
def facing(bench: Bench) -> Iterator[Bench]:
    """A second real front, where the first one expects its partner GOOD."""
    us = bench.parameters
    back = FrontPartner(us.site, us.address, us.tls_port)
    directory = us.directory.with_name("b")
    given = parameters(directory, bench.authority, GOOD, PARTNER, (back,), bench.port_of(GOOD))
    with started(given, bench.authority, bench.foreign) as other:
        yield other


@contextmanager
def started(given: FrontParameters, authority: Authority, foreign: Authority) -> Iterator[Bench]:
    """Start the front, wait until it answers, end it by its process id."""
    write(given)
    bench = Bench(given, authority, foreign, given.directory / "log", FrontRpc(rpc_socket(given)))
    with bench.log_file.open("wb") as log:
        process = subprocess.Popen(command(given), stdout=log, stderr=log)
        try:
            _await_answer(bench, process)
            yield bench
        finally:
            process.terminate()
            process.wait(10)


def _await_answer(bench: Bench, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            asyncio.run(bench.rpc.status())
        except FrontError:
            assert process.poll() is None, bench.log_file.read_text()
            time.sleep(0.02)
        else:
            return
    raise AssertionError(bench.log_file.read_text())
