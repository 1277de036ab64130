"""A call worker on a test bench: a real process, a line that says what the test says, and a town of raw SIP phones.

Everything runs in the test's own thread: `Bench.until` turns line, SIP and RTP until a condition holds.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from zorgkiosk.lab.ports import free_port
from zorgkiosk.lab.tone import level_db, measure, sine
from zorgkiosk.site.telephony.messages import Command, Message, decode, encode

FRAME = 160
FRAME_S = 0.02
HEARD_S = 0.2
T = TypeVar("T")
_serial = itertools.count(1)


def _alaw(sample: int) -> int:
    """One 16-bit sample as G.711 A-law (ITU-T G.711 table 1a)."""
    sign, size = (0x80, sample >> 4) if sample >= 0 else (0x00, ~sample >> 4)
    exponent = max(size.bit_length() - 4, 0)
    code = (exponent << 4) | (size >> max(exponent - 1, 0)) & 0x0F
    return (sign | code) ^ 0x55


def _linear(code: int) -> int:
    code ^= 0x55
    exponent, mantissa = (code >> 4) & 7, code & 0x0F
    size = (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << (exponent - 1)
    return size if code & 0x80 else -size


@dataclass(frozen=True)
class Sip:
    """A message as it came; header names in lower case, repeated ones joined with a newline."""

    start: str
    headers: dict[str, str]
    body: str
    source: tuple[str, int]

    @classmethod
    def parse(cls, data: bytes, source: tuple[str, int]) -> Sip:
        head, _, body = data.decode(errors="surrogateescape").partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            key = name.strip().lower()
            headers[key] = f"{headers[key]}\n{value.strip()}" if key in headers else value.strip()
        return cls(start, headers, body, source)

    @property
    def code(self) -> int:
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else 0

    @property
    def method(self) -> str:
        return "" if self.code else self.start.split()[0]

    @property
    def cseq_method(self) -> str:
        return self.headers["cseq"].split()[1]


class Phone:
    """One dialog seen from the far end: a caller that sent an INVITE, or a desk that got one."""

    def __init__(self, town: Town, call_id: str, tone_hz: int) -> None:
        self.town = town
        self.call_id = call_id
        self.tone_hz = tone_hz
        self.me = ""
        self.other = ""
        self.target = town.worker_uri
        self.cseq = 10
        self.invite_via = ""
        self.invite: Sip | None = None
        self.answered = False
        self.requests: list[Sip] = []
        self.codes: list[tuple[str, int]] = []
        self.replies: list[Sip] = []
        self.obeys_cancel = True
        self.talk_to: tuple[str, int] | None = None
        self.speaking = True
        self.samples: list[int] = []
        self._measured: tuple[int, set[int]] = (0, set())
        self.keys: set[int] = set()
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind(("127.0.0.1", 0))
        self.rtp.setblocking(False)
        self.frames = _frames(tone_hz)
        self.sequence = 0

    # --- what happened ---

    def code(self, method: str = "INVITE") -> int:
        """The last status of our request of this method, 0 when there is none."""
        return next((code for name, code in reversed(self.codes) if name == method), 0)

    def got(self, method: str) -> bool:
        return any(request.method == method for request in self.requests)

    def hears(self) -> set[int]:
        """Tones in the last 0.2 s that came; too little sound holds none."""
        wanted = round(HEARD_S * 8000)
        if len(self.samples) < wanted:
            return set()
        if self._measured[0] != len(self.samples):
            self._measured = (len(self.samples), set(measure(self.samples[-wanted:]).tones))
        return self._measured[1]

    def bursts(self, hz: int) -> list[float]:
        """How long, in seconds, this tone sounded each time in all that came; as exact as a frame. Alone:
        in so short a piece a tone nearby counts too."""
        loud = [level_db(self.samples[at : at + FRAME], hz) > -30 for at in range(0, len(self.samples), FRAME)]
        return [len(list(run)) * FRAME_S for on, run in itertools.groupby(loud) if on]

    def ever_heard(self, hz: int) -> bool:
        """Not even for a tenth of a second; a window that exact tells apart tones that are mixed."""
        starts = range(0, len(self.samples) - 5 * FRAME, 2 * FRAME)
        return any(level_db(self.samples[at : at + 5 * FRAME], hz) > -25 for at in starts)

    def deaf(self) -> None:
        self.samples.clear()

    # --- what to do ---

    def sdp(self, direction: str = "sendrecv") -> str:
        port = self.rtp.getsockname()[1]
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
            f"a=fmtp:101 0-16\r\na={direction}\r\n"
        )

    def request(self, method: str, body: str = "", extra: str = "", via: str = "", cseq: int = 0) -> None:
        if not cseq:
            self.cseq += 1
        number = cseq or self.cseq
        via = via or f"Via: SIP/2.0/UDP 127.0.0.1:{self.town.port};branch=z9hG4bK{next(_serial)}{time.monotonic_ns()}"
        if method == "INVITE" and not self.invite_via:
            self.invite_via = via
        kind = "Content-Type: application/sdp\r\n" if body else ""
        text = (
            f"{method} {self.target} SIP/2.0\r\n{via}\r\nFrom: {self.me}\r\nTo: {self.other}\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: {number} {method}\r\nMax-Forwards: 70\r\n"
            f"Contact: <sip:far@127.0.0.1:{self.town.port}>\r\n{extra}{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self.town.send(text, self.town.worker)

    def cancel(self) -> None:
        self.request("CANCEL", via=self.invite_via, cseq=11)

    def reply(self, code: int, reason: str = "Whatever", sdp: bool = False, extra: str = "") -> None:
        """Answer the INVITE this phone got."""
        assert self.invite is not None
        self.answered = self.answered or code >= 200
        self.answer(self.invite, code, reason, self.sdp() if sdp else "", extra)

    def answer(self, request: Sip, code: int, reason: str = "OK", body: str = "", extra: str = "") -> None:
        kind = "Content-Type: application/sdp\r\n" if body else ""
        via = "\r\n".join(f"Via: {value}" for value in request.headers["via"].split("\n"))
        to = request.headers["to"] if "tag=" in request.headers["to"] else self.me
        text = (
            f"SIP/2.0 {code} {reason}\r\n{via}\r\nFrom: {request.headers['from']}\r\nTo: {to}\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: {request.headers['cseq']}\r\n"
            f"Contact: <sip:far@127.0.0.1:{self.town.port}>\r\n{extra}{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self.town.send(text, request.source)

    def press(self, digit: int) -> None:
        """An RFC 4733 event of 100 ms, three times its end."""
        assert self.talk_to is not None
        start = self.sequence * FRAME
        for step in range(8):
            self.sequence += 1
            event = bytes((digit, 0x8A if step > 4 else 0x0A)) + ((min(step, 5) + 1) * FRAME).to_bytes(2, "big")
            head = bytes((0x80, (0x80 if step == 0 else 0) | 101)) + self.sequence.to_bytes(2, "big")
            self.rtp.sendto(head + start.to_bytes(4, "big") + b"\0\0\0\7" + event, self.talk_to)

    # --- what comes in ---

    def take(self, message: Sip) -> None:
        if message.body and (found := re.search(r"m=audio (\d+)", message.body)):
            address = re.search(r"c=IN IP4 (\S+)", message.body)
            assert address is not None
            self.talk_to = (address[1], int(found[1]))
        if message.code:
            self._reply(message)
        else:
            self._request(message)

    def _reply(self, message: Sip) -> None:
        self.codes.append((message.cseq_method, message.code))
        self.replies.append(message)
        if message.cseq_method != "INVITE" or message.code < 200:
            return
        number = int(message.headers["cseq"].split()[0])
        if message.code >= 300:
            self.other = message.headers["to"]
            self.request("ACK", via=self.invite_via, cseq=number)
            return
        self.other, self.answered = message.headers["to"], True
        if contact := re.search(r"<([^>]+)>", message.headers["contact"]):
            self.target = contact[1]
        offer_came = self.invite is None and self.offerless
        self.request("ACK", cseq=number, body=self.sdp() if offer_came else "")

    offerless = False

    def _request(self, message: Sip) -> None:
        if any((message.method, message.headers["cseq"]) == (old.method, old.headers["cseq"]) for old in self.requests):
            return  # sent again: nobody answered yet
        self.requests.append(message)
        if message.method == "INVITE" and self.invite is None:
            self.invite = message
            self.me = f"{message.headers['to']};tag=far{next(_serial)}"
            self.other = message.headers["from"]
            contact = re.search(r"<([^>]+)>", message.headers["contact"])
            assert contact is not None
            self.target = contact[1]
        elif message.method == "CANCEL":
            self.answer(message, 200)
            if not self.answered and self.obeys_cancel:
                self.reply(487, "Request Terminated")
        elif message.method != "ACK":
            body = self.sdp() if message.method in ("INVITE", "UPDATE") and message.body else ""
            self.answer(message, 200, body=body)

    def turn_audio(self) -> None:
        while True:
            try:
                packet = self.rtp.recv(2048)
            except BlockingIOError:
                break
            if packet[1] & 0x7F == 101:
                self.keys.add(packet[12])
            if packet[1] & 0x7F == 8:
                self.samples.extend(_linear(code) for code in packet[12:])

    def speak(self) -> None:
        if self.talk_to is None or not self.speaking:
            return
        self.sequence += 1
        head = bytes((0x80, 8)) + (self.sequence & 0xFFFF).to_bytes(2, "big")
        stamp = (self.sequence * FRAME & 0xFFFFFFFF).to_bytes(4, "big")
        self.rtp.sendto(head + stamp + b"\0\0\0\7" + next(self.frames), self.talk_to)


@functools.cache
def _tone(hz: int) -> bytes:
    """One second, which holds a whole number of turns."""
    return bytes(_alaw(sample) for sample in sine({hz: 8000.0}, 1.0))


def _frames(tone_hz: int) -> Iterator[bytes]:
    sound = _tone(tone_hz)
    return itertools.cycle(sound[at : at + FRAME] for at in range(0, len(sound), FRAME))


class Town:
    """One UDP socket that is the front and everyone behind it."""

    def __init__(self, worker_port: int) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.port = int(self.sock.getsockname()[1])
        self.worker = ("127.0.0.1", worker_port)
        self.worker_uri = f"sip:hap@127.0.0.1:{worker_port}"
        self.phones: dict[str, Phone] = {}
        self.tones = itertools.cycle((632, 982, 1175, 1388, 1660))
        self.next_frame_s = time.monotonic()
        self.strays: list[Sip] = []

    def send(self, text: str, to: tuple[str, int]) -> None:
        self.sock.sendto(text.encode(errors="surrogateescape"), to)

    def call(self, headers: dict[str, str] | None = None, body: str | None = None, name: str = '"A. Caller"') -> Phone:
        """A caller's INVITE. `body` replaces the offer; empty sends none."""
        phone = Phone(self, f"caller-{next(_serial)}-{time.monotonic_ns()}", 440)
        self.phones[phone.call_id] = phone
        phone.me = f"{name} <sip:0201234567@pbx.example>;tag=c{next(_serial)}"
        phone.other = f"<{self.worker_uri}>"
        phone.offerless = body == ""
        extra = "".join(f"X-Zorgkiosk-{key}: {value}\r\n" for key, value in (headers or {"Origin": "trunk"}).items())
        phone.request("INVITE", body=phone.sdp() if body is None else body, extra=extra)
        return phone

    def turn(self) -> None:
        phones = list(self.phones.values())
        wait_s = max(0.0, min(0.005, self.next_frame_s - time.monotonic()))
        select.select([self.sock, *(phone.rtp for phone in phones)], [], [], wait_s)
        while True:
            try:
                data, source = self.sock.recvfrom(65535)
            except BlockingIOError:
                break
            self._take(Sip.parse(data, source))
        for phone in phones:
            phone.turn_audio()
        if time.monotonic() >= self.next_frame_s:
            self.next_frame_s += FRAME_S
            for phone in phones:
                phone.speak()

    def _take(self, message: Sip) -> None:
        call_id = message.headers["call-id"]
        if call_id not in self.phones:
            if message.method != "INVITE":
                self.strays.append(message)
                return
            self.phones[call_id] = Phone(self, call_id, next(self.tones))
        self.phones[call_id].take(message)

    def called(self, user: str) -> Phone | None:
        """The newest phone that was called under this user name."""
        return next(
            (
                p
                for p in reversed(self.phones.values())
                if p.invite and p.invite.start.startswith(f"INVITE sip:{user}@")
            ),
            None,
        )


@dataclass
class Line:
    """A line that does only what the test says."""

    path: Path
    server: socket.socket | None = None
    peer: socket.socket | None = None
    rest: bytes = b""
    events: list[Message] = field(default_factory=list)

    def open(self) -> None:
        self.path.unlink(missing_ok=True)
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(str(self.path))
        self.server.listen(4)
        self.server.setblocking(False)

    def die(self) -> None:
        for each in (self.peer, self.server):
            if each is not None:
                each.close()
        self.peer = self.server = None
        self.rest = b""

    def turn(self) -> None:
        if self.server is None:
            return
        if self.peer is None:
            try:
                self.peer, _ = self.server.accept()
            except BlockingIOError:
                return
            self.peer.setblocking(False)
        try:
            data = self.peer.recv(65536)
        except BlockingIOError:
            return
        *whole, self.rest = (self.rest + data).split(b"\n")
        self.events += [decode(each) for each in whole]

    def say(self, command: Command) -> None:
        assert self.peer is not None
        self.peer.sendall(encode(command))

    def last(self, kind: type[T]) -> T | None:
        return next((event for event in reversed(self.events) if isinstance(event, kind)), None)


class Bench:
    """One worker, its line, its town."""

    def __init__(self, folder: Path, *, front_port: int | None = None, lost: Path | None = None) -> None:
        self.folder = folder
        self.sip_port = free_port()
        self.town = Town(self.sip_port)
        self.line = Line(folder / f"line{self.sip_port}.sock")
        self.others: list[Bench] = []
        self.log = (folder / f"worker{self.sip_port}.log").open("wb")
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "zorgkiosk.site.telephony.worker",
                "--number", "3", "--sip-port", str(self.sip_port),
                "--front", f"127.0.0.1:{front_port or self.town.port}",
                "--media-address", "127.0.1.1", "--rtp-port", str(20000 + (self.sip_port * 20) % 40000),
                "--line", str(self.line.path), "--lock", str(folder / f"lock{self.sip_port}"),
                *(("--lost-announcement", str(lost)) if lost else ()),
            ],
            stderr=self.log, stdout=self.log, env=os.environ | {"PYTHONFAULTHANDLER": "1"},
        )  # fmt: skip

    def turn(self) -> None:
        self.town.turn()
        self.line.turn()
        for other in self.others:
            other.town.turn()
            other.line.turn()

    def until(self, condition: Callable[[], T | None], timeout_s: float = 4.0, why: str = "") -> T:
        """Turn everything until the condition is true; its value. Fails the test after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {why}; events {self.line.events}"
            assert self.process.poll() is None, f"worker ended with {self.process.returncode}: {self.output()}"
            self.turn()
        return value

    def event(self, kind: type[T], timeout_s: float = 4.0) -> T:
        """The next event of this kind; events before and with it are taken off the list."""

        def found() -> T | None:
            return next((event for event in self.line.events if isinstance(event, kind)), None)

        event = self.until(found, timeout_s, f"no {kind.__name__}")
        del self.line.events[: self.line.events.index(event) + 1]  # type: ignore[arg-type]
        return event

    def called(self, user: str) -> Phone:
        return self.until(lambda: self.town.called(user), why=f"nobody called {user}")

    def until_ended(self) -> None:
        deadline = time.monotonic() + 4.0
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "the worker does not end"
            self.turn()

    def output(self) -> str:
        return Path(self.log.name).read_text()

    def memory_kb(self) -> int:
        """What the worker has that is no file's (proc(5), smaps_rollup)."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        found = re.search(r"^Anonymous:\s+(\d+) kB", text, re.MULTILINE)
        assert found is not None
        return int(found[1])

    def close(self) -> None:
        self.line.die()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(5)
        self.log.close()
        for phone in self.town.phones.values():
            phone.rtp.close()
        self.town.sock.close()
