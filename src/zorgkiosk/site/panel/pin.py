"""The PIN before taps that affect others: kept as a scrypt hash (RFC 7914), and ever fewer guesses for who is wrong."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import re
import secrets
import threading
from collections.abc import Callable
from functools import cache
from typing import Literal

WRONG_IN_A_ROW = 5
PAUSE_S, MOST_PAUSE_S = 60.0, 3600.0
"""After the first five wrong ones in a row; twice as long after each five more, up to the second."""
_DIGITS = re.compile(r"[0-9]{6,8}")

Verdict = Literal["right", "wrong", "paused"]


def is_pin(text: str) -> bool:
    """Six to eight digits: with five guesses an hour, twenty years of trying."""
    return _DIGITS.fullmatch(text) is not None


def is_weak(pin: str) -> bool:
    """What is tried first: one digit again and again, or a straight run up or down (`123456`, `987654`, `567890`)."""
    steps = {(int(after) - int(before)) % 10 for before, after in itertools.pairwise(pin)}
    return len(steps) == 1 and steps <= {0, 1, 9}


MOST_GUESSED = ("123456", "000000", "111111", "654321", "12345678", "00000000")
"""The first of those. A hash does not show its PIN, so each of them is one more hash: not all are tried."""


@cache
def guessed(stored: str) -> bool:
    """Whether the PIN behind the hash is one of the most guessed. About half a second."""
    return any(matches(pin, stored) for pin in MOST_GUESSED)


def hashed(pin: str, salt: bytes | None = None) -> str:
    """`scrypt:<salt>:<hash>`, as secrets.toml keeps it. About 16 MB and a tenth of a second."""
    salt = secrets.token_bytes(16) if salt is None else salt
    digest = hashlib.scrypt(pin.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)
    return f"scrypt:{salt.hex()}:{digest.hex()}"


def matches(pin: str, stored: str) -> bool:
    _, salt, _ = stored.split(":")
    return hmac.compare_digest(hashed(pin, bytes.fromhex(salt)), stored)


def pause_after(wrong: int) -> float:
    """Seconds to wait after so many wrong ones in a row."""
    rounds = min(wrong // WRONG_IN_A_ROW, 16)
    return min(PAUSE_S * 2 ** (rounds - 1), MOST_PAUSE_S) if rounds else 0.0


class PinGate:
    """One for each door of a panel: who guesses from the network does not lock the screen. One guess at a time.

    The count of wrong ones is remembered outside, so that a restart or a pulled plug gives no new guesses: the wait
    begins again then, since no clock of a box says how long the power was off.
    """

    def __init__(
        self,
        stored: str | None,
        uptime_s: Callable[[], float],
        wrong: int = 0,
        remember: Callable[[int], None] = lambda _wrong: None,
    ) -> None:
        """`wrong`: how many there were in a row before; `remember` is told when that changes, before the verdict."""
        self._stored = stored
        self._uptime_s = uptime_s
        self._lock = threading.Lock()
        self._wrong = wrong
        self._remember = remember
        self._paused_until_s = uptime_s() + pause_after(wrong) if wrong >= WRONG_IN_A_ROW else float("-inf")

    def check(self, pin: str) -> Verdict:
        """`paused`: after five wrong ones nothing is tried for a while, also not the right one."""
        with self._lock:
            if self.pause_s() > 0:
                return "paused"
            if self._stored is not None and is_pin(pin) and matches(pin, self._stored):
                if self._wrong:
                    self._wrong = 0
                    self._remember(0)
                return "right"
            self._wrong += 1
            paused = self._wrong % WRONG_IN_A_ROW == 0
            if paused:
                self._paused_until_s = self._uptime_s() + pause_after(self._wrong)
            self._remember(self._wrong)
            return "paused" if paused else "wrong"

    def pause_s(self) -> float:
        """Seconds until the next guess; 0 when one may be made now."""
        return max(0.0, self._paused_until_s - self._uptime_s())
