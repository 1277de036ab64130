"""The door of the pool: what workers say reaches the line, nonsense costs a connection, our mistakes end the unit."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from zorgkiosk.site.telephony.messages import Attached, CallFinished, Event, Message, Retire, decode, encode
from zorgkiosk.site.telephony.pool import Pool, WorkerSettings

HERE = Attached(0, 1, "sip:127.0.0.1:5100", None)


def settings(run_dir: Path) -> WorkerSettings:
    return WorkerSettings(
        run_dir, 5100, 41000, "127.0.0.1", "127.0.0.1:5080", run_dir / "lost.wav", recycle_after_calls=2
    )


async def with_worker(
    run_dir: Path,
    on_event: Callable[[int, Event], None],
    said: bytes,
    seen: Callable[[Pool], bool],
    replies: list[Message] | None = None,
) -> None:
    """A pool of one; its worker, whose lock is held so that no process is started, connects and says this.

    `replies` gets what it is told; it is read until `seen`.
    """
    wiring = settings(run_dir)
    lock = os.open(wiring.lock_file(0), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    pool = Pool(wiring, 1, on_event, lambda _worker: None)
    running = asyncio.create_task(pool.run())
    try:
        async with asyncio.timeout(5):
            while not wiring.line_socket.exists():
                await asyncio.sleep(0.01)
            reader, writer = await asyncio.open_unix_connection(wiring.line_socket)
            writer.write(said)
            if replies is not None:
                replies.append(decode(await reader.readline()))
            while not running.done() and not seen(pool):
                await asyncio.sleep(0.01)
            if running.done():
                running.result()
            writer.close()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        os.close(lock)


def test_what_a_worker_says_reaches_the_line(tmp_path: Path) -> None:
    heard: list[tuple[int, Event]] = []
    asyncio.run(
        with_worker(tmp_path, lambda *news: heard.append(news), encode(HERE), lambda pool: pool.attached() == {0})
    )
    assert heard == [(0, HERE)]


def test_a_worker_that_had_its_share_of_calls_is_retired(tmp_path: Path) -> None:
    done = encode(CallFinished("id", "trunk", 0, False, 1.0, 1.0, None, "answered"))
    heard: list[Event] = []
    replies: list[Message] = []
    said = encode(HERE) + done * 2
    asyncio.run(
        with_worker(tmp_path, lambda _worker, event: heard.append(event), said, lambda _pool: len(heard) == 3, replies)
    )
    assert replies == [Retire()]


def test_nonsense_costs_the_connection_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[tuple[int, Event]] = []
    asyncio.run(with_worker(tmp_path, lambda *news: heard.append(news), b"hello\n", lambda _pool: bool(caplog.records)))
    assert heard == [] and "worker None" in caplog.text


def test_an_error_of_the_line_itself_ends_the_unit(tmp_path: Path) -> None:
    """Logged and forgotten, it would leave a line that answers nobody; ended, it is started again and rebuilt."""

    def broken(worker: int, event: Event) -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(with_worker(tmp_path, broken, encode(HERE), lambda _pool: False))
    assert raised.group_contains(ZeroDivisionError)
