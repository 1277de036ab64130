"""Is audio still arriving from both sides of a conversation? Pure.

A far end that loses its power says nothing: no BYE comes, and the session timer (RFC 4028) takes up to 90 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SILENCE_S = 10.0


@dataclass(frozen=True)
class Heard:
    """`packets`: RTP and RTCP packets so far, a phone with silence suppression still sends RTCP.
    `expected`: false while the party has us on hold (RFC 3264 §8.4)."""

    packets: int
    expected: bool


class SilenceWatch:
    """Who of the bridged parties has been silent for `SILENCE_S`."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, float]] = {}

    def silent(self, heard: Mapping[str, Heard], now_s: float) -> list[str]:
        """The parties that should send and did not; feed it about once a second. An empty mapping starts anew."""
        last = {}
        for party, now in heard.items():
            packets, since_s = self._last.get(party, (-1, now_s))
            moved = now.packets != packets or not now.expected
            last[party] = (now.packets, now_s if moved else since_s)
        self._last = last
        return [party for party, (_, since_s) in last.items() if now_s - since_s >= SILENCE_S]
