"""The process of one simulated phone, seen from asyncio: commands go in, events come out, its end is noticed.

`handset.Handset` puts the verbs of a phone on top.
"""

from __future__ import annotations

import asyncio
import collections
import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

STOP_S = 3.0
REPLY_S = 5.0
STDERR_LINES = 40

T = TypeVar("T")


class HandsetError(Exception):
    """A phone did not do what was expected; the text says what it did."""


class HandsetDiedError(HandsetError):
    """The process of the phone has ended; the text holds the end of its stderr."""


class NoSuchEventError(HandsetError):
    """The event did not come in time."""


@dataclass(frozen=True)
class Event:
    """What a phone said. `at_s` is CLOCK_MONOTONIC, the same clock in every process of this machine."""

    name: str
    at_s: float
    details: Mapping[str, Any]

    def __str__(self) -> str:
        details = " ".join(f"{key}={value}" for key, value in self.details.items() if key != "headers")
        return f"{self.at_s:.3f} {self.name} {details}".rstrip()


class PhoneProcess:
    """One running `zorgkiosk.lab.phone`. `history` holds all its events in order."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.history: list[Event] = []
        self._process = process
        self._news = asyncio.Condition()
        self._over = False
        self._told = 0
        self._replies: dict[int, Event] = {}
        self._stderr: collections.deque[str] = collections.deque(maxlen=STDERR_LINES)
        self._watching: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, name: str, command: list[str], environment: Mapping[str, str]) -> PhoneProcess:
        """In a session of its own, so that Ctrl-C in a terminal reaches only whoever started it."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, env=dict(environment), start_new_session=True
        )
        phone = cls(name, process)
        phone._watching = asyncio.create_task(phone._watch())
        return phone

    @property
    def pid(self) -> int:
        return self._process.pid

    async def tell(self, **command: Any) -> None:
        """Give a command and wait until the phone has done it: then it is in force. HandsetError says why not."""
        if self._over or self._process.stdin is None:
            raise self._died()
        self._told += 1
        number = self._told
        try:
            self._process.stdin.write(json.dumps({**command, "number": number}).encode() + b"\n")
            await self._process.stdin.drain()
        except ConnectionError:
            await self._end()
            raise self._died() from None
        reply = await self.until(lambda: self._replies.pop(number, None), REPLY_S, f"reply to {command['do']}")
        if reply.name == "problem":
            raise HandsetError(f"{self.name} cannot {command['do']}: {reply.details['sentence']}")

    async def until(self, find: Callable[[], T | None], timeout_s: float, wanted: str) -> T:
        try:
            async with asyncio.timeout(timeout_s), self._news:
                while (found := find()) is None:
                    if self._over:
                        raise self._died()
                    await self._news.wait()
                return found
        except TimeoutError:
            seen = "; ".join(str(event) for event in self.history[-12:]) or "nothing at all"
            message = f"{self.name}: no {wanted!r} in {timeout_s:g} s. It said: {seen}"
            raise NoSuchEventError(message) from None

    def _died(self) -> HandsetDiedError:
        errors = "\n".join(self._stderr) or "(nothing on stderr)"
        return HandsetDiedError(f"{self.name}: its phone has ended with {self._process.returncode}:\n{errors}")

    async def _watch(self) -> None:
        if self._process.stdout is not None and self._process.stderr is not None:
            await asyncio.gather(self._read_events(self._process.stdout), self._read_errors(self._process.stderr))
        await self._process.wait()
        async with self._news:
            self._over = True
            self._news.notify_all()

    async def _read_events(self, stdout: asyncio.StreamReader) -> None:
        async for line in stdout:
            data = json.loads(line)
            event = Event(data.pop("event"), data.pop("at_s"), data)
            async with self._news:
                if event.details.get("number") is not None:
                    self._replies[event.details["number"]] = event
                else:
                    self.history.append(event)
                self._news.notify_all()

    async def _read_errors(self, stderr: asyncio.StreamReader) -> None:
        async for line in stderr:
            self._stderr.append(line.decode(errors="replace").rstrip())

    async def stop(self) -> None:
        """End the process: hang up, unregister, quit; by force after 3 s. Safe to repeat."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self.thaw()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_S)
        except TimeoutError:
            self._signal(signal.SIGKILL)
        await self._end()

    async def crash(self) -> None:
        """SIGKILL: what a phone that loses power does."""
        self._signal(signal.SIGKILL)
        await self._end()

    def freeze(self) -> None:
        """SIGSTOP: the phone is there and swallows every packet, until `thaw`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    async def _end(self) -> None:
        await self._process.wait()
        if self._watching is not None:
            await self._watching

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            self._process.send_signal(number)
