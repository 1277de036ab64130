"""A TCP proxy that misbehaves on command: cut, half-open, late, slow, refusing. It stands between a site and its hub.

It runs in a thread of its own, so that the test that gives the commands need not be asynchronous. A command holds for
what comes after it; `cut` and `freeze` are for the connections that are there.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_CHUNK_BYTES = 65_536
_READY_WITHIN_S = 10.0


@dataclass(frozen=True)
class Weather:
    """How bytes travel, in either direction. `silent`: new connections are accepted and never answered.

    Each piece of up to 64 kB waits `delay_s`, and the next one behind it.
    """

    delay_s: float = 0.0
    bytes_per_s: float | None = None
    silent: bool = False


FAIR = Weather()


@dataclass(eq=False)
class _Pair:
    """A client's connection and ours to the target; `frozen` ones swallow all that is written to them, for good."""

    client: asyncio.StreamWriter
    target: asyncio.StreamWriter | None = None
    frozen: bool = False

    def abort(self) -> None:
        for writer in (self.client, self.target):
            if writer is not None:
                writer.transport.abort()


@dataclass
class FaultProxy:
    """Listens on `address`:`port` (0: any that is free) and passes on to `target`."""

    target: tuple[str, int]
    address: str = "127.0.0.1"
    port: int = 0
    accepted: int = 0
    """Connections so far."""
    _weather: Weather = FAIR
    _pairs: set[_Pair] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    @contextmanager
    def running(self) -> Iterator[FaultProxy]:
        """Until the end of the `with`."""
        thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        thread.start()
        try:
            self.listen()
            yield self
        finally:
            self.refuse()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(_READY_WITHIN_S)
            self._loop.close()

    def weather(self, weather: Weather) -> None:
        """From now on."""
        self._weather = weather

    def cut(self) -> None:
        """Reset every connection (RST): both sides notice at once."""
        self._now(self._cut)

    def freeze(self) -> None:
        """Make every connection half-open: nothing arrives any more, and neither side is told."""
        self._now(self._freeze)

    def refuse(self) -> None:
        """Cut everything and stop listening."""
        asyncio.run_coroutine_threadsafe(self._refuse(), self._loop).result(_READY_WITHIN_S)

    def listen(self) -> None:
        """Accept connections (again)."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(_READY_WITHIN_S)

    @property
    def open(self) -> int:
        """Connections that are there now, frozen ones too."""
        return len(self._pairs)

    def _now(self, act: Callable[[], None]) -> None:
        done: Future[None] = Future()

        def run() -> None:
            act()
            done.set_result(None)

        self._loop.call_soon_threadsafe(run)
        done.result(_READY_WITHIN_S)

    def _cut(self) -> None:
        for pair in self._pairs:
            pair.abort()

    def _freeze(self) -> None:
        for pair in self._pairs:
            pair.frozen = True

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, self.address, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self._cut()
        while self._pairs:
            await asyncio.sleep(0.005)

    async def _accept(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self.accepted += 1
        pair = _Pair(to_client, frozen=self._weather.silent)
        self._pairs.add(pair)
        try:
            with suppress(OSError):
                from_target, to_target = await asyncio.open_connection(*self.target)
                pair.target = to_target
                await self._carry(pair, (from_client, to_target), (from_target, to_client))
        finally:
            pair.abort()
            self._pairs.discard(pair)

    async def _carry(self, pair: _Pair, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        pumps = [asyncio.create_task(self._pump(pair, reader, writer)) for reader, writer in ways]
        _, others = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        while pair.frozen and others:  # one end has given up; the other must not be told
            _, others = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
        for other in others:
            other.cancel()

    async def _pump(self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                if pair.frozen:
                    continue
                weather = self._weather
                pause_s = weather.delay_s + (len(chunk) / weather.bytes_per_s if weather.bytes_per_s else 0.0)
                if pause_s:
                    await asyncio.sleep(pause_s)
                if not pair.frozen:
                    writer.write(chunk)
                    await writer.drain()
