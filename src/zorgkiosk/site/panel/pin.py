"""The PIN before taps that affect others: kept as a scrypt hash (RFC 7914), and only so many guesses a minute."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Callable
from typing import Literal

WRONG_IN_A_ROW = 5
PAUSE_S = 60.0
_DIGITS = re.compile(r"[0-9]{6,8}")

Verdict = Literal["right", "wrong", "paused"]


def is_pin(text: str) -> bool:
    """Six to eight digits: with five guesses a minute, months of trying."""
    return _DIGITS.fullmatch(text) is not None


def hashed(pin: str, salt: bytes | None = None) -> str:
    """`scrypt:<salt>:<hash>`, as secrets.toml keeps it. About 16 MB and a tenth of a second."""
    salt = secrets.token_bytes(16) if salt is None else salt
    digest = hashlib.scrypt(pin.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)
    return f"scrypt:{salt.hex()}:{digest.hex()}"


def matches(pin: str, stored: str) -> bool:
    _, salt, _ = stored.split(":")
    return hmac.compare_digest(hashed(pin, bytes.fromhex(salt)), stored)


class PinGate:
    """One for all doors of a panel, so that guesses add up. One guess is tried at a time."""

    def __init__(self, stored: str | None, uptime_s: Callable[[], float]) -> None:
        self._stored = stored
        self._uptime_s = uptime_s
        self._lock = threading.Lock()
        self._wrong = 0
        self._paused_until_s = float("-inf")

    def check(self, pin: str) -> Verdict:
        """`paused`: after five wrong ones nothing is tried for a minute, also not the right one."""
        with self._lock:
            if self.pause_s() > 0:
                return "paused"
            if self._stored is not None and is_pin(pin) and matches(pin, self._stored):
                self._wrong = 0
                return "right"
            self._wrong += 1
            if self._wrong >= WRONG_IN_A_ROW:
                self._wrong = 0
                self._paused_until_s = self._uptime_s() + PAUSE_S
                return "paused"
            return "wrong"

    def pause_s(self) -> float:
        """Seconds until the next guess; 0 when one may be made now."""
        return max(0.0, self._paused_until_s - self._uptime_s())
