"""From the broker into the database: read, commit, and only then acknowledge.

One thread takes what has come in since the last commit and commits it as one (group commit): the busier the region,
the larger the commits. A database error ends the process with nothing acknowledged; systemd starts it again and the
sites send again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy.exc import DatabaseError

from zorgkiosk.contract.events import Event
from zorgkiosk.contract.names import Message
from zorgkiosk.contract.status import MAX_STATUS_BYTES, Ask, Online, PartnerStates, SiteState, encode_status
from zorgkiosk.contract.topics import Leaf, Topic
from zorgkiosk.hub.config import HubConfig
from zorgkiosk.hub.inbox import Inbox
from zorgkiosk.hub.letters import Letter, Unreadable, read
from zorgkiosk.hub.link import Arrival, Arrived, Connected
from zorgkiosk.hub.metrics import IntakeMetrics
from zorgkiosk.hub.positions import Receipt
from zorgkiosk.hub.retention import Pruning
from zorgkiosk.hub.revocation import Revoked

log = logging.getLogger(__name__)

MESSAGES_A_COMMIT = 64
_WAIT_S = 0.5
_MAX_ASKED = 9999


class Post(Protocol):
    """The way to the sites and back."""

    def receive(self, *, limit: int, timeout_s: float) -> list[Arrival]: ...

    def say(self, topic: str, payload: bytes) -> None: ...

    def settle(self, arrivals: Sequence[Arrival]) -> None:
        """These are committed: the broker may forget them."""


class Intake:
    """`now` gives aware UTC."""

    def __init__(
        self, config: HubConfig, inbox: Inbox, post: Post, now: Callable[[], datetime], metrics: IntakeMetrics
    ) -> None:
        self._config = config
        self._sites = {site.name: site for site in config.site}
        self._inbox = inbox
        self._post = post
        self._now = now
        self._metrics = metrics
        self._pruning = Pruning(inbox, config.retention)
        self._revoked = Revoked(config.broker.revoked_file, config.broker.ca_file)
        self._asked = 0
        self._turned_s = time.monotonic()

    def run(self, stop: threading.Event, turned: Callable[[], None] = lambda: None) -> None:
        """Take in what comes until `stop` is set; `turned` hears of each round."""
        try:
            while not stop.is_set():
                arrivals = self._post.receive(limit=MESSAGES_A_COMMIT, timeout_s=_WAIT_S)
                if arrivals:
                    self.handle(arrivals)
                self._metrics.pruned(self._pruning.step(self._now()))
                self.tell_revoked(time.monotonic())
                self._turned_s = time.monotonic()
                turned()
        except DatabaseError:
            self._metrics.database_failed()
            raise

    def tell_revoked(self, now_s: float) -> None:
        """Every site, when the list of revoked certificates has changed, and every so often; `now_s` monotonic."""
        if (revoked := self._revoked.due(now_s)) is not None:
            for name in self._sites:
                self._say(name, "revoked", revoked)

    def stuck_s(self) -> float:
        """For how long the present round lasts; a second is much. May be asked from another thread."""
        return time.monotonic() - self._turned_s

    def handle(self, arrivals: Sequence[Arrival]) -> None:
        """Commit all of it as one, then answer."""
        letters = [letter for arrival in arrivals if isinstance(arrival, Arrived) for letter in self._read(arrival)]
        receipts = self._keep(letters) if letters else []
        for receipt in receipts:
            self._say(receipt.site, "ack", receipt.ack)
        if receipts:
            said_s = time.monotonic()
            events = [each for each in arrivals if isinstance(each, Arrived) and each.topic.endswith("/events")]
            self._metrics.acknowledged(said_s - each.arrived_s for each in events)
        self._post.settle(arrivals)
        if Connected() in arrivals:
            for name in self._sites:
                self._ask(name)
        for name in dict.fromkeys(each.site for each in letters if isinstance(each, Online) and each.online):
            self._say(name, "partners", self._partners(name))
            self._ask(name)
            if self._revoked.current is not None:
                self._say(name, "revoked", self._revoked.current)

    def _read(self, arrival: Arrived) -> list[Letter]:
        return read(arrival.topic, arrival.payload, region=self._config.hub.region, sites=self._sites)

    def _keep(self, letters: Iterable[Letter]) -> list[Receipt]:
        events: list[Event] = []
        unreadable: list[Unreadable] = []
        with self._inbox.commit(self._now()) as commit:
            for letter in letters:
                match letter:
                    case Event():
                        events.append(letter)
                    case SiteState():
                        commit.take_state(letter)
                    case Online():
                        log.info("%s is %s", letter.site, "online" if letter.online else "offline")
                        commit.take_online(letter)
                    case Unreadable():
                        log.warning("%s/%s set aside: %s", letter.site, letter.leaf, letter.sentence)
                        unreadable.append(letter)
                        commit.set_aside(letter)
            receipts = commit.take(events, unreadable)
        places = sum(letter.place is not None for letter in unreadable)
        self._metrics.committed(len(events) + places, commit.known, unreadable)
        return receipts

    def _ask(self, site: str) -> None:
        self._asked = min(self._asked + 1, _MAX_ASKED)
        self._say(site, "ask", Ask(wanted=self._asked))

    def _partners(self, site: str) -> PartnerStates:
        """What is known of the site's partners, as many as a message may hold."""
        now = self._now()
        known = self._inbox.states(self._sites[site].partners)
        while True:
            message = PartnerStates(
                partners=tuple(state for state, _ in known),
                heard_age_s={state.site: max(0.0, (now - heard_at).total_seconds()) for state, heard_at in known},
            )
            if len(encode_status(message)) <= MAX_STATUS_BYTES:
                return message
            known = known[:-1]

    def _say(self, site: str, leaf: Leaf, message: Message) -> None:
        self._post.say(str(Topic(self._config.hub.region, site, leaf)), encode_status(message))
