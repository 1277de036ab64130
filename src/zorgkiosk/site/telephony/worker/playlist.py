"""Which announcement a waiting caller hears when. Pure: what plays, and how long it is, is said to it.

Every `now_s` is CLOCK_MONOTONIC in seconds.
"""

from __future__ import annotations

GAP_S = 0.1
"""Silence between two files, so that the end of one and the start of the next never sound together."""
SHORTEST_TURN_S = 1.0
"""A list comes again no sooner than this, whatever `repeat_s` says: a list of bad files would be tried for ever."""


class Playlist:
    """A list of files, from its first every `repeat_s`; one that is longer starts again right after its end."""

    def __init__(self) -> None:
        self._files: tuple[str, ...] = ()
        self._repeat_s = SHORTEST_TURN_S
        self._follows: tuple[tuple[str, ...], float] | None = None
        self._rest: list[str] = []
        self._unplayable: set[str] = set()
        self._next_turn_s: float | None = None
        self._busy_until_s = float("-inf")

    def replace(self, files: tuple[str, ...], repeat_s: float, *, now: bool) -> None:
        """Play these instead: from now on, or `now=False` when the running list would have come again.

        Silence is no list to wait for: what follows an empty list comes at once.
        """
        if now or not self._files:
            self._files, self._repeat_s, self._follows = files, repeat_s, None
            self._rest, self._next_turn_s, self._busy_until_s = [], None, float("-inf")
        else:
            self._follows = (files, repeat_s)

    def due(self, now_s: float) -> str | None:
        """The file that should start now. The answer is the same until `started` or `unplayable` is called."""
        if now_s < self._busy_until_s:
            return None
        if not self._rest and (self._next_turn_s is None or now_s >= self._next_turn_s):
            self._begin(now_s)
        return self._rest[0] if self._rest else None

    def started(self, length_s: float, now_s: float) -> None:
        """The file that was due plays from now on."""
        del self._rest[0]
        self._busy_until_s = now_s + length_s + GAP_S

    def unplayable(self) -> None:
        """The file that was due cannot be played; it is left out from now on."""
        bad = self._rest[0]
        self._unplayable.add(bad)
        self._rest = [file for file in self._rest if file != bad]

    def _begin(self, now_s: float) -> None:
        if (
            self._follows is not None and self._next_turn_s is not None
        ):  # each list has its turn, also a short-lived one
            (self._files, self._repeat_s), self._follows = self._follows, None
        self._rest = [file for file in self._files if file not in self._unplayable]
        self._next_turn_s = now_s + max(self._repeat_s, SHORTEST_TURN_S)
