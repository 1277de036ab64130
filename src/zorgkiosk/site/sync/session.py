"""The loop of sync: connect, say the present, then history; hear acks and partners; wait and try again.

One thread, one owner of everything here. The order after a connection is the promise to the board: subscriptions,
`online`, `state`, and only then the rows that waited.
"""

from __future__ import annotations

from zorgkiosk.site.clock import Clock
from zorgkiosk.site.sync.announcer import Announcer
from zorgkiosk.site.sync.clock import ClockFloor
from zorgkiosk.site.sync.connection import Connection
from zorgkiosk.site.sync.inbox import Inbox
from zorgkiosk.site.sync.link import SILENT_S, Link
from zorgkiosk.site.sync.relay import Relay
from zorgkiosk.site.sync.trouble import HUB_AWAY, UNCONFIRMED
from zorgkiosk.site.sync.uplink import Answered, Closed, Happening, Opened, Received


class Session:
    """Puts it together. `step` does everything that is due and takes about `POLL_S`."""

    def __init__(
        self,
        connection: Connection,
        relay: Relay,
        announcer: Announcer,
        inbox: Inbox,
        link: Link,
        clock: Clock,
        floor: ClockFloor,
    ) -> None:
        self._connection = connection
        self._relay = relay
        self._announcer = announcer
        self._inbox = inbox
        self._link = link
        self._clock = clock
        self._floor = floor

    def step(self) -> None:
        """One round. Raises StoreError when sync.db takes nothing any more."""
        for happening in self._connection.poll(self._clock.uptime_s()):
            self._handle(happening, self._clock.uptime_s())
        now_s = self._clock.uptime_s()
        self._inbox.keep_acks(self._relay, now_s)
        self._inbox.save_partners(now_s)
        self._floor.keep(now_s)
        if self._relay.look():
            self._announcer.want_if_changed()
        if self._inbox.take_asked():
            self._announcer.want()
            self._relay.hub_asked(now_s)
        if self._connection.is_open:
            self._send()
        self._keep_link(now_s)

    def close(self) -> None:
        self._connection.close()

    def _handle(self, happening: Happening, now_s: float) -> None:
        match happening:
            case Opened():
                self._connection.opened(self._inbox.topics(), now_s)
                self._announcer.restart()
                self._relay.restart()
            case Closed(why):
                self._connection.closed(why, now_s)
            case Received():
                self._inbox.hear(happening, now_s)
            case Answered():
                self._link.taken(self._connection.answered(happening))

    def _send(self) -> None:
        state = self._announcer.next(self._relay.waiting)
        if state is not None:
            self._connection.publish("state", state)
        if (request := self._inbox.take_request()) is not None:
            self._connection.publish("request", request)
        while (batch := self._relay.next_batch(self._clock)) is not None:
            self._connection.publish("events", batch)

    def _keep_link(self, now_s: float) -> None:
        trouble = self._connection.trouble
        if not self._connection.is_open:
            if trouble is not None:
                self._link.now(trouble)
            return
        if not self._connection.proven:
            return
        if trouble is None and self._relay.unanswered_s(now_s) > SILENT_S:
            trouble = HUB_AWAY if self._connection.unheard else UNCONFIRMED
        self._link.now(trouble)
