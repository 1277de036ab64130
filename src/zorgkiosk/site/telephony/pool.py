"""The call workers as processes: started ahead, heard over a unix socket, replaced when they die.

Workers outlive the line: they are not ended with it and come back to the next one by themselves. A worker holds a
lock file for its life, so that a new line knows which of them are still there.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import socket
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zorgkiosk.site.config_ports import RTP_PORTS_EACH
from zorgkiosk.site.telephony.messages import Attached, CallFinished, Command, Event, Retire, decode, encode

_LOG = logging.getLogger(__name__)

_ATTACH_S = 10.0
"""A started worker is ready in 0.1 s; one that has not come by then is ended and another is started."""
_WATCH_S = 0.2
_STARTING_AT_ONCE = 2
"""Each takes a core until it is ready; more at a time would starve those that hold callers."""
_LINE_MAX_BYTES = 65_536
_KEEP_ALIVE = b"\r\n\r\n"


@dataclass(frozen=True)
class WorkerSettings:
    """What every worker of a site is started with; its number fixes its ports."""

    run_dir: Path
    first_sip_port: int
    first_rtp_port: int
    media_address: str
    front: str
    lost_announcement: Path
    recycle_after_calls: int

    @property
    def line_socket(self) -> Path:
        return self.run_dir / "line.sock"

    def lock_file(self, number: int) -> Path:
        return self.run_dir / f"worker-{number}.lock"

    def sip_address(self, number: int) -> tuple[str, int]:
        return "127.0.0.1", self.first_sip_port + number

    def sip_uri(self, number: int) -> str:
        host, port = self.sip_address(number)
        return f"sip:{host}:{port}"

    def command(self, number: int) -> list[str]:
        return [
            *(sys.executable, "-m", "zorgkiosk.site.telephony.worker"),
            *("--number", str(number), "--sip-port", str(self.first_sip_port + number)),
            *("--front", self.front, "--media-address", self.media_address),
            *("--rtp-port", str(self.first_rtp_port + number * RTP_PORTS_EACH)),
            *("--line", str(self.line_socket), "--lock", str(self.lock_file(number))),
            *("--lost-announcement", str(self.lost_announcement)),
        ]


class Pool:
    """Keeps `size` workers running. `on_event` and `on_gone` are called on the loop, in order, for each worker."""

    def __init__(
        self,
        settings: WorkerSettings,
        size: int,
        on_event: Callable[[int, Event], None],
        on_gone: Callable[[int], None],
    ) -> None:
        self._settings = settings
        self._size = size
        self._on_event = on_event
        self._on_gone = on_gone
        self._attached: dict[int, asyncio.StreamWriter] = {}
        self._started: dict[int, tuple[asyncio.subprocess.Process, float]] = {}
        self._calls: Counter[int] = Counter()
        self._bell: socket.socket | None = None
        self._came = asyncio.Event()

    def send(self, worker: int, commands: Sequence[Command]) -> None:
        writer = self._attached.get(worker)
        if writer is not None and not writer.is_closing():
            writer.write(b"".join(map(encode, commands)))
            self._ring(worker)

    def _ring(self, worker: int) -> None:
        """Wake the worker, which waits on the sockets of its SIP stack and on no other, for up to 50 ms.

        The datagram is SIP's own keep-alive (RFC 5626 §3.5.1): every stack ignores it. One that does not arrive costs
        a few milliseconds.
        """
        if self._bell is not None:
            with contextlib.suppress(OSError):
                self._bell.sendto(_KEEP_ALIVE, self._settings.sip_address(worker))

    def attached(self) -> set[int]:
        """Numbers of the workers that are here."""
        return set(self._attached)

    def retire_all(self) -> None:
        """Every worker ends as soon as it has no caller."""
        for worker in self._attached:
            self.send(worker, [Retire()])

    async def run(self) -> None:
        """Serve until cancelled. What is wrong with one worker ends its connection; any other error ends us."""
        path = self._settings.line_socket
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bell:
            bell.setblocking(False)
            self._bell = bell
            await self._serve_all(path)

    async def _serve_all(self, path: Path) -> None:
        async with asyncio.TaskGroup() as serving:

            def come_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                # In a group of ours: asyncio only logs an error in a task of its own, and nobody restarts the line.
                serving.create_task(self._serve(reader, writer))

            server = await asyncio.start_unix_server(come_in, path, limit=_LINE_MAX_BYTES)
            path.chmod(0o600)
            async with server:
                await self._keep()

    async def _keep(self) -> None:
        """As many workers as there should be."""
        while True:
            for number in range(self._size):
                if number not in self._attached and (number in self._started or self._starting < _STARTING_AT_ONCE):
                    await self._start(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_S):
                    await self._came.wait()
            self._came.clear()

    @property
    def _starting(self) -> int:
        return sum(
            process.returncode is None and number not in self._attached
            for number, (process, _) in self._started.items()
        )

    async def _start(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        if number in self._started:
            process, since_s = self._started[number]
            if process.returncode is None and loop.time() - since_s < _ATTACH_S:
                return
            if process.returncode is None:
                _LOG.error("worker %d does not come: ended", number)
                process.kill()
            else:
                _LOG.warning("worker %d ended with %s before or after its work", number, process.returncode)
            await process.wait()
            del self._started[number]
        if self._is_alive(number):
            return  # a worker of the line before: it will come
        process = await asyncio.create_subprocess_exec(*self._settings.command(number), start_new_session=True)
        self._started[number] = process, loop.time()

    def _recycle(self, number: int, event: Event) -> None:
        """A worker that had its share of calls makes room for a fresh one, so that memory stays bounded."""
        if isinstance(event, Attached):
            self._calls[number] = 0
        elif isinstance(event, CallFinished):
            self._calls[number] += 1
            if self._calls[number] == self._settings.recycle_after_calls:
                self.send(number, [Retire()])

    def _is_alive(self, number: int) -> bool:
        handle = os.open(self._settings.lock_file(number), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One worker's connection, from its `Attached` to its end."""
        number: int | None = None
        try:
            while line := await reader.readline():
                event = decode(line)
                if isinstance(event, Attached) and event.worker < self._size:
                    number = event.worker
                    self._attached[number] = writer
                    self._came.set()
                    _LOG.info("worker %d is here (process %d)", number, event.pid)
                if number is None or not isinstance(event, Event):
                    raise ValueError(f"said {type(event).__name__} before it said who it is, or what only we say")
                self._on_event(number, event)
                self._recycle(number, event)
        except asyncio.CancelledError:
            return  # it is the line that stops: the worker lives on, and nobody is lost
        except (ValueError, ConnectionError) as error:
            _LOG.error("worker %s: %s", number, error)
        finally:
            writer.close()
        if number is not None and self._attached.get(number) is writer:
            del self._attached[number]
            self._on_gone(number)
