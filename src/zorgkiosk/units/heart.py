"""A unit's word to systemd: that it is ready, and that its loops turn. sd_notify(3), without a library.

systemd starts a unit again whose word fails to come (`WatchdogSec=`). So it is given by the loops that do the work and
by nothing else: no thread of its own goes on saying that all is well.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, MutableMapping

log = logging.getLogger(__name__)

BEAT_S = 1.0
"""The word is given at most this often. The shortest `WatchdogSec=` is 20 s."""


class Heart:
    """Beats once every loop of `loops` has turned since the last beat. The first beat says that the unit is ready."""

    def __init__(self, *loops: str, tell: Callable[[str], None], now_s: Callable[[], float] = time.monotonic) -> None:
        self._loops = frozenset(loops)
        self._tell = tell
        self._now_s = now_s
        self._turned: set[str] = set()
        self._beat_at_s: float | None = None
        self._lock = threading.Lock()

    @classmethod
    def of_unit(cls, *loops: str) -> Heart:
        """Speaks to the systemd that started this process; to nobody when it was started otherwise."""
        return cls(*loops, tell=notifier(os.environ))

    def turned(self, loop: str) -> None:
        """That loop has gone round once. Raises KeyError for a loop that was not named at the start."""
        if loop not in self._loops:
            raise KeyError(loop)
        with self._lock:
            self._turned.add(loop)
            now_s = self._now_s()
            if self._turned != self._loops or (self._beat_at_s is not None and now_s - self._beat_at_s < BEAT_S):
                return
            first, self._beat_at_s = self._beat_at_s is None, now_s
            self._turned.clear()
        self._tell("READY=1\nWATCHDOG=1" if first else "WATCHDOG=1")


class LoopPulse:
    """Put into waitress's map of channels, it is asked on each turn of the server's loop whether it wants to read."""

    accepting = False
    KEY = -1
    """No descriptor: what never wants to read or write is never given to select."""

    def __init__(self, turned: Callable[[], None]) -> None:
        self._turned = turned

    def readable(self) -> bool:
        self._turned()
        return False

    def writable(self) -> bool:
        return False

    def close(self) -> None:
        """The server closes all that is in its map."""


def notifier(environment: MutableMapping[str, str]) -> Callable[[str], None]:
    """How to speak to systemd. NOTIFY_SOCKET is taken out, so that no child speaks for us.

    The name is a path, or begins with @ for Linux's abstract names. A systemd that does not listen harms nobody.
    """
    name = environment.pop("NOTIFY_SOCKET", "")
    if not name:
        return lambda _text: None
    address = "\0" + name[1:] if name.startswith("@") else name
    speaker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    speaker.setblocking(False)

    def tell(text: str) -> None:
        try:
            speaker.sendto(text.encode(), address)
        except OSError as error:
            log.warning("systemd cannot be told that this unit lives: %s", error)

    return tell
