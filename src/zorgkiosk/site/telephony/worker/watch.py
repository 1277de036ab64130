"""Is something still arriving from both sides of a conversation, and from who waits? Pure.

A far end that loses its power says nothing: no BYE comes, and the session timer (RFC 4028) takes up to 90 s. For a
partner's caller who waits here none runs yet, and the CANCEL that takes the place back may be lost on its way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SILENCE_S = 10.0
WAITING_SILENCE_S = 20.0
"""Who waits at a partner may send no audio, only RTCP every 5 s (RFC 3550 §6.2); a few of those may be lost."""


@dataclass(frozen=True)
class Heard:
    """`packets`: RTP and RTCP packets so far, a phone with silence suppression still sends RTCP.
    `expected`: false while the party has us on hold (RFC 3264 §8.4). `within_s`: the longest time without one."""

    packets: int
    expected: bool
    within_s: float = SILENCE_S


class SilenceWatch:
    """Who has been silent for too long."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[Heard, float]] = {}

    def silent(self, heard: Mapping[str, Heard], now_s: float) -> list[str]:
        """The parties that should send and did not; feed it about once a second.

        An empty mapping starts anew, and so does a party whose `within_s` has changed: an exchange that was silent
        while its caller waited may need a moment after the answer.
        """
        last = {}
        for party, now in heard.items():
            before, since_s = self._last.get(party, (None, now_s))
            unchanged = before is not None and (before.packets, before.within_s) == (now.packets, now.within_s)
            last[party] = (now, since_s if unchanged and now.expected else now_s)
        self._last = last
        return [party for party, (_, since_s) in last.items() if now_s - since_s >= heard[party].within_s]
