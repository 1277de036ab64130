"""The worker's end of the socket to the line. It never blocks and never gives up: calls go on without a line."""

from __future__ import annotations

import array
import contextlib
import fcntl
import logging
import socket
import termios
from dataclasses import dataclass
from pathlib import Path

from zorgkiosk.site.telephony.messages import CallFinished, Command, Event, decode, encode

RETRY_S = 0.2
LONGEST_LINE = 65536
"""More bytes without a newline than this are not a message of the line."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LineAttached:
    """A line took the connection; it expects `Attached` first."""


@dataclass(frozen=True)
class LineLost:
    """The line closed the connection, or died."""


Heard = LineAttached | LineLost | Command


class Link:
    """A unix stream connection that is opened again every `RETRY_S`, for ever."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._next_try_s = 0.0
        self._incoming = b""
        self._outgoing = b""
        self._unread: list[CallFinished] = []

    def poll(self, now_s: float) -> list[Heard]:
        """Everything the line said since the last poll. `now_s` is CLOCK_MONOTONIC."""
        if self._socket is None:
            if now_s < self._next_try_s:
                return []
            self._next_try_s = now_s + RETRY_S
            return [LineAttached()] if self._connect() else []
        try:
            self._flush(self._socket)
            all_read = not self._outgoing and _unread_bytes(self._socket) == 0
            heard: list[Heard] = list(self._receive(self._socket))
        except (ConnectionError, EOFError, ValueError) as error:
            log.info("line lost: %s", error)
            self._drop(now_s)
            return [LineLost()]
        if all_read:  # and the line still lives: what a dying line left unread counts as read by no one
            self._unread.clear()
        return heard

    def send(self, event: Event) -> None:
        """Say it to the line, if there is one. A `CallFinished` is said to every new line until one has read it."""
        if isinstance(event, CallFinished):
            self._unread.append(event)
        if self._socket is not None:
            self._outgoing += encode(event)

    def introduce(self, first: list[Event]) -> None:
        """Open a new connection's conversation: `first`, then what no earlier line has read."""
        self._outgoing = b"".join(encode(event) for event in [*first[:1], *self._unread, *first[1:]])

    @property
    def settled(self) -> bool:
        """Everything a line must know has been read by one."""
        return not self._unread

    def _connect(self) -> bool:
        attempt = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        attempt.setblocking(False)
        try:
            attempt.connect(str(self._path))
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError, PermissionError):
            attempt.close()
            return False
        log.info("line found")
        self._socket, self._incoming, self._outgoing = attempt, b"", b""
        return True

    def _drop(self, now_s: float) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._next_try_s = None, now_s + RETRY_S

    def _flush(self, line: socket.socket) -> None:
        if self._outgoing:
            with contextlib.suppress(BlockingIOError):
                self._outgoing = self._outgoing[line.send(self._outgoing) :]

    def _receive(self, line: socket.socket) -> list[Command]:
        try:
            chunk = line.recv(LONGEST_LINE)
        except BlockingIOError:
            return []
        if not chunk:
            raise EOFError("closed by the line")
        *whole, self._incoming = (self._incoming + chunk).split(b"\n")
        if len(self._incoming) > LONGEST_LINE:
            raise ValueError("a message without an end")
        return [command for each in whole if (command := _command(each))]


def _command(line: bytes) -> Command | None:
    """An order that cannot be read is set aside with a word; the next one may be fine."""
    try:
        message = decode(line)
    except ValueError as error:
        log.error("order of the line not understood: %s", error)
        return None
    if isinstance(message, Event):
        log.error("the line sent an event, %s", type(message).__name__)
        return None
    return message


def _unread_bytes(line: socket.socket) -> int:
    """What was written but not yet read by the line (SIOCOUTQ, unix(7)). Zero when all was read."""
    answer = array.array("i", [0])
    fcntl.ioctl(line.fileno(), termios.TIOCOUTQ, answer)
    return answer[0]
