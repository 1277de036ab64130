"""What of one stream is on its way to the hub. Sequences and seconds in, decisions out; it sends nothing itself."""

from __future__ import annotations

from collections import deque

MAX_IN_FLIGHT = 8
"""Batches of a stream that may be unacknowledged at a time: bounds what the broker has to hold."""


class Window:
    """Go-back-N over cumulative acks. `now_s` is monotonic.

    `acked`: the hub has all up to here in its database. `sent`: the newest that went out, or the place to go on from.
    """

    def __init__(self, acked: int) -> None:
        self.acked = acked
        self.sent = acked
        self.resends = 0
        self.unanswered_since_s: float | None = None
        self._in_flight: deque[int] = deque()
        self._resend_at_s = 0.0

    @property
    def has_room(self) -> bool:
        return len(self._in_flight) < MAX_IN_FLIGHT

    def note_sent(self, last: int, now_s: float, patience_s: float) -> None:
        """A batch up to `last` went out; without any progress within `patience_s` it is overdue."""
        if not self._in_flight:
            self._resend_at_s = now_s + patience_s
        if self.unanswered_since_s is None:
            self.unanswered_since_s = now_s
        self._in_flight.append(last)
        self.sent = max(self.sent, last)

    def note_ack(self, up_to: int, now_s: float, patience_s: float) -> bool:
        """The hub has all up to `up_to`; whether that is news."""
        while self._in_flight and self._in_flight[0] <= up_to:
            self._in_flight.popleft()
        news = up_to > self.acked
        if news:
            self.acked, self.sent = up_to, max(self.sent, up_to)
            self.resends = 0
            self._resend_at_s = now_s + patience_s
        if news or not self._in_flight:
            self.unanswered_since_s = now_s if self._in_flight else None
        return news

    def overdue(self, now_s: float) -> bool:
        return bool(self._in_flight) and now_s >= self._resend_at_s

    def rewind(self, *, to_oldest: bool = False) -> None:
        """Send again: the first time what is not acknowledged, after that all the site still holds (`to_oldest`).

        The oldest row held is sent as the first of the stream (`previous` 0), which lets a hub that was put back
        from an older copy go on from there instead of waiting for rows that no longer exist.
        """
        self.resends += 1
        self.sent = self.acked if self.resends == 1 and not to_oldest else 0
        self._in_flight.clear()

    def restart(self) -> None:
        """The connection was lost and with it, possibly, all that was on its way."""
        self.sent, self.resends, self.unanswered_since_s = self.acked, 0, None
        self._in_flight.clear()
