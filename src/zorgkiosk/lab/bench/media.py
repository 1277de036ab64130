"""The audio of many calls on one socket: 50 packets a second to each, and when the last one came from each."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from dataclasses import dataclass, field

PACKET_S = 0.02
_SAMPLES = 160
_SILENCE = b"\xd5" * _SAMPLES
"""A-law zero; what is said does not matter, that it arrives does."""
_PAYLOAD_TYPE = 8
_LATE_S = 0.2


@dataclass
class Stream:
    """One call's audio as this end sees it. `longest_gap_s`: the longest time without a packet since `forget`."""

    far: tuple[str, int]
    last_s: float
    longest_gap_s: float = 0.0
    packets: int = 0

    def arrived(self, now_s: float) -> None:
        self.longest_gap_s = self.gap_s(now_s)
        self.last_s = now_s
        self.packets += 1

    def gap_s(self, now_s: float) -> float:
        """The longest silence, the one that lasts included."""
        return max(self.longest_gap_s, now_s - self.last_s)

    def forget(self, now_s: float) -> None:
        self.longest_gap_s, self.last_s = 0.0, now_s


@dataclass
class Media:
    """RTP (RFC 3550) of one side's calls. Far ends differ by their port, so one socket hears them apart."""

    socket: socket.socket
    streams: dict[tuple[str, int], Stream] = field(default_factory=dict)
    _sequence: int = 0

    @classmethod
    def at(cls, address: str) -> Media:
        """On a free port of `address`."""
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        opened.bind((address, 0))
        opened.setblocking(False)
        return cls(opened)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.socket.getsockname()
        return str(host), int(port)

    def begin(self, far: tuple[str, int]) -> Stream:
        stream = self.streams.get(far)
        if stream is None:
            stream = self.streams[far] = Stream(far, time.monotonic())
        return stream

    def end(self, far: tuple[str, int]) -> None:
        self.streams.pop(far, None)

    async def run(self) -> None:
        """Speak and listen until cancelled."""
        next_s = time.monotonic()
        while True:
            self._hear()
            self._speak()
            next_s += PACKET_S
            now_s = time.monotonic()
            if now_s - next_s > _LATE_S:
                next_s = now_s  # the machine stood still; nothing is made good by a burst
            await asyncio.sleep(next_s - now_s)

    def _speak(self) -> None:
        self._sequence += 1
        sequence, timestamp = self._sequence & 0xFFFF, self._sequence * _SAMPLES & 0xFFFFFFFF
        packet = struct.pack("!BBHII", 0x80, _PAYLOAD_TYPE, sequence, timestamp, 1) + _SILENCE
        for far in list(self.streams):
            try:
                self.socket.sendto(packet, far)
            except (ConnectionRefusedError, BlockingIOError):
                continue  # nobody there any more, which the gap on our side will tell

    def _hear(self) -> None:
        while True:
            try:
                _, far = self.socket.recvfrom(2048)
            except ConnectionRefusedError:
                continue
            except BlockingIOError:
                return
            if (stream := self.streams.get(far)) is not None:
                stream.arrived(time.monotonic())
