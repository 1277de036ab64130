"""The two clocks of a box without a battery: the wall clock that may be wrong, and the boot's own.

`uptime_s` is CLOCK_MONOTONIC: the same in every process of a boot, and it never jumps. Whether the wall clock is to
be trusted is the kernel's own flag (adjtimex(2), state TIME_ERROR = unsynchronised), whoever disciplines it.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from zorgkiosk.contract.events import Said

_TIME_ERROR = 5
_STRUCT_TIMEX_BYTES = 208
_LIBC = ctypes.CDLL(None)
"""Opened once: every event asks for its time."""


class Clock(Protocol):
    """Reads the time. Edges take one; pure code takes `now`."""

    def now(self) -> datetime:
        """Aware UTC, as good as `synced`."""

    def uptime_s(self) -> float:
        """Seconds since this boot."""

    def said(self) -> Said:
        """This instant as it is written on an event."""


@dataclass(frozen=True)
class SystemClock:
    """The machine's clocks. `boot_id` is the kernel's random UUID of this boot."""

    boot_id: str

    @classmethod
    def of_this_boot(cls) -> SystemClock:
        return cls(boot_id=Path("/proc/sys/kernel/random/boot_id").read_text().strip())

    def now(self) -> datetime:
        return datetime.now(UTC)

    def uptime_s(self) -> float:
        return time.monotonic()

    def synced(self) -> bool:
        # struct timex is larger than any field read here; modes = 0 only reads.
        buffer = ctypes.create_string_buffer(_STRUCT_TIMEX_BYTES)
        state = _LIBC.adjtimex(buffer)
        return state not in (-1, _TIME_ERROR)

    def said(self) -> Said:
        return Said(
            at=self.now(),
            boot_id=self.boot_id,
            uptime_ms=int(self.uptime_s() * 1000),
            clock_synced=self.synced(),
        )
