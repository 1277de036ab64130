"""A long-running process of the lab: its log file, its end by pid, its death noticed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_STOP_S = 5.0
_POLL_S = 0.02


class LabError(Exception):
    """The region cannot be started or does not do what it should; one sentence says what and where to look."""


@dataclass
class Daemon:
    """`command` writes to `log`. `process` is None until started."""

    name: str
    command: Sequence[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it in a session of its own: Ctrl-C in the terminal is for whoever started the region."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def pid(self) -> int:
        if self.process is None:
            raise LabError(f"{self.name} was not started")
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL to it and the children it keeps in its session, as systemd does to what is left of a unit."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL after 5 s. Safe to repeat."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    async def until(self, ready: Callable[[], bool], timeout_s: float, wanted: str) -> None:
        """Wait for a condition of this process. Raises LabError when it ends or does not get there."""

        def checked() -> bool:
            if not self.alive:
                raise LabError(f"{self.name} ended instead of {wanted}: {self.last_words()} (see {self.log})")
            return ready()

        await until(checked, timeout_s, f"{self.name}: {wanted} (see {self.log})")

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return lines[-1] if lines else "it said nothing"


async def until(ready: Callable[[], bool], timeout_s: float, wanted: str) -> float:
    """Wait for a condition and return how many seconds that took. Raises LabError after `timeout_s`."""
    begin_s = time.monotonic()
    while not ready():
        if time.monotonic() - begin_s > timeout_s:
            raise LabError(f"not within {timeout_s:g} s: {wanted}")
        await asyncio.sleep(_POLL_S)
    return time.monotonic() - begin_s
