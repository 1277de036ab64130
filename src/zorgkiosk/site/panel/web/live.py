"""Live updates as server-sent events (HTML Living Standard §9.2): the screen again whenever it looks different."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

POLL_S = 0.1
BEAT_S = 2.0
"""A sign of life, so that a browser that stopped hearing us says so, and a browser that left is noticed."""
LIFE_S = 600.0
RETRY_MS = 500


@dataclass(frozen=True)
class Picture:
    """A rendered screen. `at_ms` is the boot's clock when it was made: the browser drops an older one."""

    html: str
    at_ms: int


class Places:
    """How many browsers may listen at once: each holds a thread of the server, and taps need some too."""

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)

    def take(self) -> bool:
        return self._free.acquire(blocking=False)

    def give_back(self) -> None:
        self._free.release()


class Live:
    """The stream of one browser; iterated by one thread of the server, which closes it at the end."""

    def __init__(self, paint: Callable[[], Picture], leave: Callable[[], None]) -> None:
        self._paint = paint
        self._leave = leave
        self._frames = self._run()
        self._left = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._frames)

    def close(self) -> None:
        if not self._left:
            self._left = True
            self._leave()

    def _run(self) -> Iterator[bytes]:
        yield f"retry: {RETRY_MS}\n\n".encode()
        shown, said_s = "", time.monotonic()
        end_s = said_s + LIFE_S
        while (now_s := time.monotonic()) < end_s:
            picture = self._paint()
            if picture.html != shown:
                shown, said_s = picture.html, now_s
                yield f"data: {json.dumps({'html': picture.html, 'at': picture.at_ms})}\n\n".encode()
            elif now_s - said_s >= BEAT_S:
                said_s = now_s
                yield b"event: beat\ndata: \n\n"
            time.sleep(POLL_S)
