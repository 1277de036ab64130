"""A minimal SIP endpoint for tests: it says exactly what a test tells it to, right or wrong.

No transactions, no retransmissions, no dialogs of its own. `Peer` speaks UDP or, on a connected socket, TLS.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field

SDP = (
    "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
    "m=audio 40000 {transport} 8\r\na=rtpmap:8 PCMA/8000\r\n"
)

_serial = itertools.count(1)


def sdp(transport: str = "RTP/AVP", address: str = "127.0.0.1") -> str:
    return SDP.format(address=address, transport=transport)


@dataclass(frozen=True)
class Message:
    """A SIP message. `headers` keeps order and repetition; names compare without case."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: str = ""
    source: tuple[str, int] | None = None

    @property
    def method(self) -> str:
        """The method of a request; a reply has none."""
        return "" if self.code else self.start.split(" ", 1)[0]

    @property
    def uri(self) -> str:
        return self.start.split(" ")[1]

    @property
    def code(self) -> int:
        """The status of a reply; 0 for a request."""
        return int(self.start.split(" ")[1]) if self.start.startswith("SIP/2.0 ") else 0

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        assert value is not None, f"{self.start}: no header {name}"
        return value

    def encode(self) -> bytes:
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        body = self.body.encode()
        return ("\r\n".join([*lines, f"Content-Length: {len(body)}"]) + "\r\n\r\n").encode() + body


def parse(data: bytes, source: tuple[str, int] | None = None) -> Message:
    head, _, body = data.partition(b"\r\n\r\n")
    start, *lines = head.decode().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Message(start, tuple((name.strip(), value.strip()) for name, _, value in pairs), body.decode(), source)


def uri_of(header: str) -> str:
    """The URI inside a Contact or Record-Route value."""
    match = re.search(r"<([^>]+)>", header)
    return match[1] if match else header


@dataclass
class Peer:
    """One endpoint on one socket. `front` is where requests go over UDP.

    `answers_probes`: an OPTIONS that comes by while something else is awaited gets 200.
    """

    sock: socket.socket
    front: tuple[str, int]
    local: tuple[str, int]
    transport: str = "UDP"
    answers_probes: bool = False
    heard: list[Message] = field(default_factory=list)
    _stream: bytes = b""

    @classmethod
    def udp(cls, address: str, port: int, front: tuple[str, int]) -> Peer:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address, port))
        return cls(sock, front, sock.getsockname())

    @classmethod
    def tls(cls, sock: ssl.SSLSocket, listens_on: tuple[str, int]) -> Peer:
        """`listens_on` goes into Via and Contact: where this partner's own front would be found."""
        return cls(sock, sock.getpeername(), listens_on, "TLS")

    def close(self) -> None:
        self.sock.close()

    @property
    def contact(self) -> str:
        suffix = ";transport=tls" if self.transport == "TLS" else ""
        return f"sip:peer@{self.local[0]}:{self.local[1]}{suffix}"

    def send(self, message: Message, to: tuple[str, int] | None = None) -> None:
        if self.transport == "UDP":
            self.sock.sendto(message.encode(), to or self.front)
        else:
            self.sock.sendall(message.encode())

    def request(
        self, method: str, uri: str, *, body: str = "", cseq: int = 1, call_id: str = "", to: str = "",
        from_: str = "", headers: tuple[tuple[str, str], ...] = (),
    ) -> Message:  # fmt: skip
        """Build and send a request; From and To are given whole when it is inside a dialog."""
        number = next(_serial)
        rport = ";rport" if self.transport == "UDP" else ""
        content = (("Content-Type", "application/sdp"),) if body else ()
        message = Message(
            f"{method} {uri} SIP/2.0",
            (
                ("Via", f"SIP/2.0/{self.transport} {self.local[0]}:{self.local[1]};branch=z9hG4bK-{number}{rport}"),
                ("Max-Forwards", "70"),
                ("From", from_ or f"<sip:0612345678@{self.local[0]}>;tag=f{number}"),
                ("To", to or f"<{uri}>"),
                ("Call-ID", call_id or f"call-{number}-{time.monotonic_ns()}"),
                ("CSeq", f"{cseq} {method}"),
                *(() if any(name in ("Contact", "m") for name, _ in headers) else (("Contact", f"<{self.contact}>"),)),
                *headers,
                *content,
            ),
            body,
        )
        self.send(message)
        return message

    def ack_failure(self, invite: Message, reply: Message) -> None:
        """The hop's ACK of a final reply above 299 (RFC 3261 §17.1.1.3)."""
        kept = tuple((name, invite[name]) for name in ("Via", "Max-Forwards", "From", "Call-ID"))
        cseq = (("CSeq", invite["CSeq"].split()[0] + " ACK"),)
        self.send(Message(f"ACK {invite.uri} SIP/2.0", (*kept, ("To", reply["To"]), *cseq)))

    def cancel(self, invite: Message) -> None:
        """RFC 3261 §9.1: the INVITE's own branch, From, To, Call-ID and number."""
        kept = tuple((name, invite[name]) for name in ("Via", "Max-Forwards", "From", "To", "Call-ID"))
        cseq = ("CSeq", invite["CSeq"].split()[0] + " CANCEL")
        self.send(Message(f"CANCEL {invite.uri} SIP/2.0", (*kept, cseq)))

    def inside(self, method: str, invite: Message, answer: Message, *, cseq: int, body: str = "") -> Message:
        """A request of the calling side inside the dialog that `answer` confirmed."""
        route = tuple(("Route", value) for value in reversed(record_route(answer)))
        return self.request(
            method, uri_of(answer["Contact"]), body=body, cseq=cseq, call_id=invite["Call-ID"],
            from_=invite["From"], to=answer["To"], headers=route,
        )  # fmt: skip

    def reply(
        self, request: Message, code: int, reason: str = "Whatever", *, body: str = "",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Message:  # fmt: skip
        to = request["To"] if "tag=" in request["To"] or code == 100 else f"{request['To']};tag=t{self.local[1]}"
        copied = [(name, value) for name in ("Via", "Record-Route") for value in request.all(name)]
        content = (("Content-Type", "application/sdp"),) if body else ()
        message = Message(
            f"SIP/2.0 {code} {reason}",
            (
                *copied, ("From", request["From"]), ("To", to), ("Call-ID", request["Call-ID"]),
                ("CSeq", request["CSeq"]), ("Contact", f"<{self.contact}>"), *headers, *content,
            ),
            body,
        )  # fmt: skip
        self.send(message, request.source)
        return message

    def receive(self, wanted: Callable[[Message], bool], timeout_s: float = 2.0) -> Message:
        """The next message that fits; others are kept in `heard`. Fails the test after `timeout_s`."""
        message = self.maybe(wanted, timeout_s)
        assert message is not None, f"nothing within {timeout_s} s; heard {[each.start for each in self.heard]}"
        return message

    def maybe(self, wanted: Callable[[Message], bool], timeout_s: float) -> Message | None:
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            message = self._next(left)
            if message is None:
                return None
            self.heard.append(message)
            if wanted(message):
                return message
            if self.answers_probes and message.method == "OPTIONS":
                self.reply(message, 200)
        return None

    def request_in(self, method: str, timeout_s: float = 2.0) -> Message:
        return self.receive(lambda message: message.method == method, timeout_s)

    def reply_to(self, request: Message, timeout_s: float = 2.0, *, over: int = 199) -> Message:
        """The reply with a status above `over` (final by default) to this very request."""

        def fits(message: Message) -> bool:
            same = message.get("Call-ID") == request["Call-ID"] and message.get("CSeq") == request["CSeq"]
            return message.code > over and same

        return self.receive(fits, timeout_s)

    def _next(self, timeout_s: float) -> Message | None:
        self.sock.settimeout(timeout_s)
        with contextlib.suppress(TimeoutError):
            if self.transport == "UDP":
                data, source = self.sock.recvfrom(65535)
                return parse(data, source)
            return self._next_of_stream()
        return None

    def _next_of_stream(self) -> Message | None:
        while b"\r\n\r\n" not in self._stream:
            if not (data := self.sock.recv(65535)):
                return None
            self._stream = (self._stream + data).lstrip(b"\r\n")
        head, _, rest = self._stream.partition(b"\r\n\r\n")
        length = int(parse(head)["Content-Length"])
        while len(rest) < length:
            rest += self.sock.recv(65535)
        self._stream = rest[length:]
        return parse(head + b"\r\n\r\n" + rest[:length])


def record_route(message: Message) -> list[str]:
    return [part.strip() for value in message.all("Record-Route") for part in value.split(",")]


def digest(challenge: str, method: str, uri: str, user: str, password: str) -> str:
    """The Authorization header for a Digest challenge with qop=auth (RFC 2617 §3.2.2) or without."""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    given = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    realm, nonce = given["realm"], given["nonce"]
    ha1, ha2 = md5(f"{user}:{realm}:{password}"), md5(f"{method}:{uri}")
    plain = f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}"'
    if "qop" not in given:
        response = md5(f"{ha1}:{nonce}:{ha2}")
        return f'{plain}, response="{response}"'
    response = md5(f"{ha1}:{nonce}:00000001:abcdef:auth:{ha2}")
    return f'{plain}, qop=auth, nc=00000001, cnonce="abcdef", response="{response}"'
