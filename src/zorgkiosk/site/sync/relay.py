"""Which rows of which outbox go to the hub next, in order, in batches, again when they stay unacknowledged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from zorgkiosk.contract.events import Event, Said, encode_batch
from zorgkiosk.contract.status import Ack
from zorgkiosk.site.clock import Clock
from zorgkiosk.site.store import OutboxRow, StoreView
from zorgkiosk.site.sync import backoff
from zorgkiosk.site.sync.clock import corrected
from zorgkiosk.site.sync.window import Window

log = logging.getLogger(__name__)

MAX_BATCH_EVENTS = 100
MAX_BATCH_BYTES = 200_000
"""Below what a reader takes (contract.events.MAX_BATCH_BYTES)."""
COUNTED_ROWS = 10_000
"""A backlog that is longer is not counted row by row."""

_RESEND_FIRST_S = 6.0
"""Three to six seconds, by the jitter; each time without any ack doubles it."""
_RESEND_MOST_S = 60.0
_ACK_USUAL_S = 0.3
"""An ack takes some 30 ms; most hubs stay below this, and for one that does not a few rows go twice."""


@dataclass(frozen=True)
class Sender:
    """Who speaks: the names on every event."""

    region: str
    site: str


class Outlet:
    """One unit's outbox on its way. Follows the store when its file is replaced (a new epoch)."""

    def __init__(self, stream: str, view: StoreView, sender: Sender, known: Ack | None) -> None:
        self.stream = stream
        self._view = view
        self._sender = sender
        self._known = known
        self._epoch: str | None = None
        self._window = Window(0)
        self._more = False

    def look(self) -> bool:
        """Whether the owner committed something since the last look."""
        if not self._view.changed():
            return False
        epoch = self._view.epoch()
        if epoch != self._epoch:
            self._window = Window(self._known.up_to if self._known and self._known.epoch == epoch else 0)
            self._epoch = epoch
        self._more = True
        return True

    def next_batch(self, clock: Clock, jitter: float) -> bytes | None:
        """The next payload to publish; None when nothing waits or enough is on its way."""
        now_s = clock.uptime_s()
        if self._window.overdue(now_s):
            self._window.rewind()
            self._more = True
            log.info("sync: %s: no ack, sending again (%d)", self.stream, self._window.resends)
        if not self._more or not self._window.has_room or self._epoch is None:
            return None
        rows = self._view.outbox(after=self._window.sent, limit=MAX_BATCH_EVENTS)
        now = clock.said()
        events, payload = fitting([self._event(row, now) for row in rows])
        self._more = len(rows) == MAX_BATCH_EVENTS or len(events) < len(rows)
        if not events:
            return None
        self._window.note_sent(events[-1].sequence, now_s, self._patience_s(jitter))
        return payload

    def take(self, ack: Ack, now_s: float, jitter: float) -> bool:
        """The hub's ack of this stream; whether more is acknowledged than before."""
        if ack.epoch != self._epoch:
            return False
        if ack.up_to > self._window.sent and ack.up_to > self._view.newest():
            log.warning("sync: %s: hub acknowledges %d, which this store never reached", self.stream, ack.up_to)
            return False
        return self._window.note_ack(ack.up_to, now_s, self._patience_s(jitter))

    def restart(self) -> None:
        self._window.restart()
        self._more = True

    def hub_asked(self, now_s: float) -> None:
        """A hub that asks may just have started: what it should have acknowledged by now went to nobody."""
        if self.unanswered_s(now_s) >= _ACK_USUAL_S:
            self._window.rewind(to_oldest=True)
            self._more = True

    def waiting(self) -> int:
        """Rows that the hub has not acknowledged; of a long backlog its span, in which some may be missing.

        Counting a million rows takes a second, in which nothing else would happen.
        """
        span = max(0, self._view.newest() - self._window.acked)
        return span if span > COUNTED_ROWS else self._view.waiting(after=self._window.acked)

    def unanswered_s(self, now_s: float) -> float:
        """For how long rows have been on their way without any ack."""
        since_s = self._window.unanswered_since_s
        return 0.0 if since_s is None else now_s - since_s

    def _event(self, row: OutboxRow, now: Said) -> Event:
        who = self._sender
        right = row if row.said.clock_synced else replace(row, said=corrected(row.said, now))
        return right.to_event(region=who.region, site=who.site, stream=self.stream, epoch=str(self._epoch))

    def _patience_s(self, jitter: float) -> float:
        return backoff.wait_s(self._window.resends + 1, jitter, first_s=_RESEND_FIRST_S, most_s=_RESEND_MOST_S)


class Relay:
    """All outlets of the site, by stream."""

    def __init__(self, outlets: Mapping[str, Outlet], jitter: Callable[[], float]) -> None:
        self._outlets = outlets
        self._jitter = jitter

    def look(self) -> set[str]:
        """The streams whose owner committed something since the last look."""
        return {stream for stream, outlet in self._outlets.items() if outlet.look()}

    def next_batch(self, clock: Clock) -> bytes | None:
        """The next payload of any stream to publish on `events`."""
        for outlet in self._outlets.values():
            payload = outlet.next_batch(clock, self._jitter())
            if payload is not None:
                return payload
        return None

    def take(self, acks: Iterable[Ack], now_s: float) -> list[Ack]:
        """The acks that are news, the newest of each stream, to be stored."""
        news = {}
        for ack in acks:
            outlet = self._outlets.get(ack.stream)
            if outlet is not None and outlet.take(ack, now_s, self._jitter()):
                news[ack.stream] = ack
        return list(news.values())

    def restart(self) -> None:
        """A new connection: go on after what is acknowledged."""
        for outlet in self._outlets.values():
            outlet.restart()

    def hub_asked(self, now_s: float) -> None:
        for outlet in self._outlets.values():
            outlet.hub_asked(now_s)

    def waiting(self) -> int:
        return sum(outlet.waiting() for outlet in self._outlets.values())

    def unanswered_s(self, now_s: float) -> float:
        return max((outlet.unanswered_s(now_s) for outlet in self._outlets.values()), default=0.0)


def fitting(events: list[Event]) -> tuple[list[Event], bytes]:
    """As many of the first events as one payload may hold, and that payload."""
    payload = encode_batch(events)
    while len(payload) > MAX_BATCH_BYTES and len(events) > 1:
        events = events[: len(events) // 2]
        payload = encode_batch(events)
    return events, payload
