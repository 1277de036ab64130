"""A display on a serial port: opened, asked who it is, written to and listened to. The only importer of pyserial."""

from __future__ import annotations

import errno
import os
import termios
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import serial

from zorgkiosk.site.config_serial import BAUDS
from zorgkiosk.site.panel.nextion_protocol import (
    ANSWER_ALWAYS,
    CONNECT,
    END,
    LEAVE_REPARSE,
    WHICH_PAGE,
    Connected,
    Decoder,
    Failure,
    Frame,
    Overflow,
    PageShown,
    Started,
    Success,
    Touch,
)

ANSWER_S = 0.6
"""A display answers within milliseconds; loading a page with pictures may take a few hundred."""
PROBE_S = 0.12
QUIET_S, SETTLE_S = 0.03, 0.3
WINDOW_BYTES, WINDOW_COUNT, WINDOW_S = 400, 8, 0.05
"""What may be under way: the display holds 1024 bytes; a tap should not wait longer than this for its turn."""
MAX_TOUCHES = 32
READ_BYTES = 4096

Answer = Success | Failure


class GoneError(Exception):
    """There is no display at the port, or it is there no longer; one sentence says why."""


class TroubledError(Exception):
    """What the display shows is not known any more: it was reset, it is silent, what it said is no sense."""


class Display:
    """One open port with a display behind it; used by one thread. Everything raises GoneError when the port is lost.

    `uptime_s` tells when a touch was heard. `noisy`: bytes came that mean nothing, since it was last set to false.
    """

    def __init__(self, port: serial.Serial, uptime_s: Callable[[], float]) -> None:
        self._port = port
        self._uptime_s = uptime_s
        self._decoder = Decoder()
        self._touches: deque[tuple[Touch, float]] = deque(maxlen=MAX_TOUCHES)
        self._model = ""
        self._quiet = True
        self.noisy = False

    @classmethod
    def open(cls, device: Path, baud: int | Literal["auto"], uptime_s: Callable[[], float]) -> Display:
        """Find the display, trying the usual rates if `auto`. Raises GoneError."""
        rates = BAUDS if baud == "auto" else (baud,)
        try:
            port = serial.Serial(str(device), rates[0], timeout=0, write_timeout=2, exclusive=True)
        except (OSError, termios.error) as error:
            raise GoneError(f"{device} {_why(error)}") from error
        display = cls(port, uptime_s)
        try:
            if any(display.is_there(rate) for rate in rates):
                return display
        except GoneError:
            display.close()
            raise
        display.close()
        raise GoneError(f"no display answers at {device}, at {', '.join(map(str, sorted(rates)))} baud")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __str__(self) -> str:
        return f"{self._model or 'a display'} at {self._port.baudrate} baud"

    def close(self) -> None:
        self._port.close()

    def is_there(self, baud: int) -> bool:
        """Whether a display answers to `connect` at this rate. Noise of another rate is forgotten first."""
        try:
            self._port.baudrate = baud
        except (OSError, termios.error, ValueError) as error:
            raise GoneError(f"{self._port.port} {_why(error)}") from error
        self._decoder = Decoder()
        self._send(END + LEAVE_REPARSE + CONNECT)
        end_s = time.monotonic() + PROBE_S + self._travel_s(len(LEAVE_REPARSE) + 80)
        while (left_s := end_s - time.monotonic()) > 0:
            for frame in self._receive(left_s):
                if isinstance(frame, Connected):
                    self._model = frame.model
                    return True
        return False

    def fit(self, instructions: Sequence[bytes]) -> int:
        """How many of the first may be under way together; at least one."""
        most_bytes = min(WINDOW_BYTES, int(self._port.baudrate / 10 * WINDOW_S))
        count = total = 0
        for instruction in instructions[:WINDOW_COUNT]:
            total += len(instruction)
            if total > most_bytes:
                break
            count += 1
        return max(1, count)

    def carry_out(self, instructions: Sequence[bytes]) -> list[Answer]:
        """Its answer to each. Touches meanwhile are kept. Raises TroubledError when not all are answered."""
        self._send(b"".join(instructions))
        answers: list[Answer] = []
        end_s = time.monotonic() + ANSWER_S + self._travel_s(sum(map(len, instructions)))
        while len(answers) < len(instructions):
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                raise TroubledError("it does not answer")
            answers += [frame for frame in self._sorted(left_s) if isinstance(frame, Success | Failure)]
        if len(answers) > len(instructions):
            raise TroubledError("it answers more than it was asked")
        return answers

    def touches(self, timeout_s: float) -> list[tuple[Touch, float]]:
        """All since the last call, with the uptime; waits for the first. Raises TroubledError when it was reset.

        A failure that nobody asked for is told by the drawing's own code. A success means that an earlier answer
        was taken for another's.
        """
        if not self._touches and Success() in self._sorted(timeout_s):
            raise TroubledError("it answers more than it was asked")
        touches = list(self._touches)
        self._touches.clear()
        return touches

    @property
    def touched(self) -> bool:
        return bool(self._touches)

    def forget_touches(self) -> None:
        self._touches.clear()

    def settle(self) -> None:
        """End whatever instruction it holds half of, and wait until all that was asked before is answered.

        Raises TroubledError when it does not say on which page it is, which is asked last.
        """
        self._send(END + ANSWER_ALWAYS + WHICH_PAGE)
        end_s = time.monotonic() + ANSWER_S + self._travel_s(READ_BYTES)
        while not any(isinstance(frame, PageShown) for frame in self._receive(QUIET_S)):
            if time.monotonic() > end_s:
                raise TroubledError("it does not answer")
        end_s = time.monotonic() + SETTLE_S
        while not self._quiet and time.monotonic() < end_s:
            self._receive(QUIET_S)
        self._touches.clear()
        self.noisy = False

    def _sorted(self, timeout_s: float) -> list[Frame]:
        """What came, with touches put aside. Raises TroubledError when it was reset or overrun."""
        frames = self._receive(timeout_s)
        for frame in frames:
            match frame:
                case Touch():
                    self._touches.append((frame, self._uptime_s()))
                case Started():
                    self._touches.clear()
                    raise TroubledError("it was reset")
                case Overflow():
                    raise TroubledError("it was sent too much")
        return frames

    def _receive(self, timeout_s: float) -> list[Frame]:
        """What came; waits for the first byte. An empty list when nothing did, or nothing whole."""
        try:
            self._port.timeout = timeout_s
            data = self._port.read(1)
            if data:
                data += self._port.read(min(self._port.in_waiting, READ_BYTES))
        except (OSError, termios.error) as error:
            raise GoneError(f"{self._port.port} {_why(error)}") from error
        self._quiet = not data
        before = self._decoder.skipped
        frames = self._decoder.feed(data)
        self.noisy |= self._decoder.skipped > before
        return frames

    def _send(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except (OSError, termios.error) as error:
            raise GoneError(f"{self._port.port} {_why(error)}") from error

    def _travel_s(self, count: int) -> float:
        return count * 10 / float(self._port.baudrate)


def _why(error: Exception) -> str:
    number = getattr(error, "errno", None)
    match number:
        case errno.ENOENT:
            return "is not there"
        case errno.EACCES:
            return "may not be used: put the unit's user in the group dialout"
        case errno.EAGAIN:
            return "is in use by another program"
        case int():
            return f"fails: {os.strerror(number)}"
        case _:
            return "is gone"
