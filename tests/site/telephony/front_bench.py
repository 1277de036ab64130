"""A real front between test endpoints: everything on loopback addresses of its own, ended by process id."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sip_peer import Message, Peer, digest

from zorgkiosk.lab.authority import Authority
from zorgkiosk.lab.ports import free_port
from zorgkiosk.site.telephony.front import FrontParameters, FrontPartner, Phone, command, rpc_socket, write
from zorgkiosk.site.telephony.front_rpc import FrontError, FrontRpc

FRONT, TRUNK, EXCHANGE, DESK, STRANGER, PARTNER = (f"127.0.71.{host}" for host in (1, 50, 55, 60, 66, 9))
GOOD, NOBODY, SILENT, IMPOSTOR, FOREIGN = "hap-zuid", "hap-oost", "hap-stil", "hap-west", "hap-ver"
PASSWORD = "long-enough-4-a-phone"


@dataclass
class Bench:
    """The front, how to reach it and who may be at its ends."""

    parameters: FrontParameters
    authority: Authority
    foreign: Authority
    log_file: Path
    rpc: FrontRpc
    process: subprocess.Popen[bytes]
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

    def ask(self, method: str, *params: str | int) -> Any:
        """Any question to the front, to see what it holds."""
        return asyncio.run(self.rpc._ask(method, *params))

    def line_lives(self, for_s: int = 3600) -> None:
        """As a line says it again and again."""
        asyncio.run(self.rpc.line_is_here())
        self.ask("htable.setex", "line", "here", for_s)

    def again(self, worker: Peer, index: int) -> Peer:
        """The same worker after the front was started anew, and forgot that it is ready."""
        asyncio.run(self.rpc.worker_ready(self.parameters.worker_uris[index]))
        return worker

    def caller(self, address: str = TRUNK) -> Peer:
        return self._keep(Peer.udp(address, 0, self.outside))

    def close(self, peer: Peer) -> None:
        self._open.remove(peer)
        peer.close()

    def invite(self, caller: Peer, *headers: tuple[str, str], body: str) -> Message:
        return caller.request("INVITE", f"sip:line@{self.parameters.address}", body=body, headers=headers)

    def options(self, caller: Peer) -> Message:
        return caller.reply_to(caller.request("OPTIONS", f"sip:line@{self.parameters.address}"))

    def register(self, phone: Peer, user: str, password: str, *, expires_s: int = 60) -> Message:
        """The answer to a REGISTER with digest."""
        answer = self.try_password(phone, user, password, expires_s=expires_s, timeout_s=2.0)
        assert answer is not None
        return answer

    def try_password(
        self, phone: Peer, user: str, password: str, *, expires_s: int = 60, timeout_s: float = 0.02,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Message | None:  # fmt: skip
        """The same for one whom the front may meet with silence: None then."""
        asked = self._ask_to_register(phone, user, expires_s)
        challenge = phone.maybe(lambda message: message.get("Call-ID") == asked["Call-ID"], timeout_s)
        if challenge is None:
            return None
        answer = digest(challenge["WWW-Authenticate"], "REGISTER", asked.uri, user, password)
        told = self._ask_to_register(phone, user, expires_s, ("Authorization", answer), *headers)
        return phone.maybe(lambda message: message.get("Call-ID") == told["Call-ID"], timeout_s)

    def borrowed_challenge(self, guesser: Peer, phone: Peer, user: str) -> None:
        """A wrong password from the phone's address, on a challenge that was sent to the guesser."""
        challenge = guesser.reply_to(self._ask_to_register(guesser, user, 60))["WWW-Authenticate"]
        answer = digest(challenge, "REGISTER", f"sip:{self.parameters.address}", user, "wrong")
        assert phone.reply_to(self._ask_to_register(phone, user, 60, ("Authorization", answer))).code == 401

    def _ask_to_register(self, phone: Peer, user: str, expires_s: int, *headers: tuple[str, str]) -> Message:
        address = f"<sip:{user}@{self.parameters.address}>"
        return phone.request(
            "REGISTER", f"sip:{self.parameters.address}", to=address, from_=f"{address};tag=1", cseq=1 + len(headers),
            call_id=f"register-{user}-{time.monotonic_ns()}", headers=(("Expires", str(expires_s)), *headers),
        )  # fmt: skip

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
    def deaf(self, partner: str) -> Iterator[None]:
        """A black hole at the partner's address: so many wait there already that the kernel drops every SYN."""
        with socket.socket() as listener, ExitStack() as crowd:
            listener.bind((PARTNER, self.port_of(partner)))
            listener.listen(0)
            for _ in range(3):
                waiting = crowd.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(listener.getsockname())
            yield

    @contextmanager
    def listening(self, partner: str) -> Iterator[socket.socket]:
        """The bare TCP listener at the partner's address, once the front has seen that an earlier one is gone: what it
        sends in the very moment of its end is lost."""
        deadline = time.monotonic() + 5
        while any(each["src_port"] == self.port_of(partner) for each in self.ask("core.tcp_list")):
            assert time.monotonic() < deadline, self.ask("core.tcp_list")
            time.sleep(0.005)
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

    def exchange(self) -> Peer:
        """The PBX at the place where workers may dial extensions."""
        assert self.parameters.exchange
        return self._keep(Peer.udp(*self.parameters.exchange, self.outside))

    def crash(self) -> None:
        """Kill the front with all its processes, none of which may tidy up, and start it again as a service would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self.process = spawn(self.parameters, self.log_file)
        await_answer(self)

    def quiet(self) -> None:
        """End what a test left: no dialogs, no claims, no active worker, no open sockets."""
        for uri in self.parameters.worker_uris:
            asyncio.run(self.rpc.worker_died(uri))
        self.close_all()

    def close_all(self) -> None:
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
        exchange=(EXCHANGE, free_port(EXCHANGE)),
        extensions=("200", "huisarts1"),
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
    log_file = given.directory / "log"
    bench = Bench(given, authority, foreign, log_file, FrontRpc(rpc_socket(given)), spawn(given, log_file))
    try:
        await_answer(bench)
        yield bench
    finally:
        bench.process.terminate()
        bench.process.wait(10)


def spawn(given: FrontParameters, log_file: Path) -> subprocess.Popen[bytes]:
    """The front's process, leader of a group of its own."""
    with log_file.open("ab") as log:
        return subprocess.Popen(command(given), stdout=log, stderr=log, start_new_session=True)


def await_answer(bench: Bench) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            asyncio.run(bench.rpc.status())
        except FrontError:
            assert bench.process.poll() is None, bench.log_file.read_text()
            time.sleep(0.02)
        else:
            bench.line_lives()
            return
    raise AssertionError(bench.log_file.read_text())
