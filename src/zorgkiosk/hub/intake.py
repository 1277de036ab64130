"""From the broker into the database: read, commit, and only then acknowledge.

One thread takes what has come in since the last commit and commits it as one (group commit): the busier the region,
the larger the commits. A database error ends the process with nothing acknowledged; systemd starts it again and the
sites send again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from zorgkiosk.contract.events import Event
from zorgkiosk.contract.names import Message
from zorgkiosk.contract.status import MAX_STATUS_BYTES, Ask, Online, PartnerStates, SiteState, encode_status
from zorgkiosk.contract.topics import Leaf, Topic
from zorgkiosk.hub.config import HubConfig
from zorgkiosk.hub.inbox import Inbox, Receipt
from zorgkiosk.hub.letters import Letter, Unreadable, read
from zorgkiosk.hub.link import Arrival, Arrived, Connected

log = logging.getLogger(__name__)

MESSAGES_A_COMMIT = 64
_WAIT_S = 0.5
_MAX_ASKED = 9999


class Post(Protocol):
    """The way to the sites and back."""

    def receive(self, *, limit: int, timeout_s: float) -> list[Arrival]: ...

    def say(self, topic: str, payload: bytes) -> None: ...


class Intake:
    """`now` gives aware UTC."""

    def __init__(self, config: HubConfig, inbox: Inbox, post: Post, now: Callable[[], datetime]) -> None:
        self._config = config
        self._sites = {site.name: site for site in config.site}
        self._inbox = inbox
        self._post = post
        self._now = now
        self._asked = 0

    def run(self, stop: threading.Event) -> None:
        """Take in what comes until `stop` is set."""
        while not stop.is_set():
            arrivals = self._post.receive(limit=MESSAGES_A_COMMIT, timeout_s=_WAIT_S)
            if arrivals:
                self.handle(arrivals)

    def handle(self, arrivals: Sequence[Arrival]) -> None:
        """Commit all of it as one, then answer."""
        letters = [letter for arrival in arrivals if isinstance(arrival, Arrived) for letter in self._read(arrival)]
        receipts = self._keep(letters) if letters else []
        for receipt in receipts:
            self._say(receipt.site, "ack", receipt.ack)
        if Connected() in arrivals:
            for name in self._sites:
                self._ask(name)
        for name in dict.fromkeys(each.site for each in letters if isinstance(each, Online) and each.online):
            self._say(name, "partners", self._partners(name))
            self._ask(name)

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
            return commit.take(events, unreadable)

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
