"""The ways in. On loopback the screen itself; from the building's network, over TLS, whoever has typed the PIN."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

COOKIE = "__Host-zorgkiosk"
"""The prefix lets a browser take it only with Secure, for this one host and over TLS (RFC 6265bis §4.1.3.2)."""
SESSION_S = 8 * 3600.0
MOST_SESSIONS = 16


class Sessions:
    """Who has typed the PIN on the network: random tokens in memory, gone after a shift or a restart."""

    def __init__(self, uptime_s: Callable[[], float]) -> None:
        self._uptime_s = uptime_s
        self._ends: dict[str, float] = {}
        self._lock = threading.Lock()

    def begin(self) -> str:
        """A new token. With too many sessions the oldest one ends."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._ends) >= MOST_SESSIONS:
                del self._ends[next(iter(self._ends))]
            self._ends[token] = self._uptime_s() + SESSION_S
        return token

    def knows(self, token: str) -> bool:
        return self._ends.get(token, float("-inf")) > self._uptime_s()

    def end(self, token: str) -> None:
        with self._lock:
            self._ends.pop(token, None)


@dataclass(frozen=True)
class Door:
    """`device`: its name in the logbook. `names`: hosts a request may be meant for. `sessions`: None on loopback."""

    device: str = "paneel 1 (touch)"
    names: frozenset[str] = field(default=frozenset({"127.0.0.1", "localhost"}))
    sessions: Sessions | None = None


LOOPBACK = Door()
