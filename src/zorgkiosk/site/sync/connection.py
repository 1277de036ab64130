"""The uplink with its pauses: when to try again, and what is wrong now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from zorgkiosk.contract.status import Online, encode_status
from zorgkiosk.contract.topics import Topic
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.sync import backoff, trouble
from zorgkiosk.site.sync.trouble import Trouble
from zorgkiosk.site.sync.uplink import Answered, Happening, Uplink

Said = Literal["events", "state", "online", "request"]

POLL_S = 0.25
"""How long a commit of another unit may stay unnoticed when its word does not come through."""
STEADY_S = 10.0
"""A connection that held for so long was a good one: the next pause is short again."""
SHORT_LIVED = 2
"""So many connections one after the other that did not last: not every broker says that another took our name."""
RECONNECT_FIRST_S = 1.0


class Connection:
    """Publishes below the site's own name. `trouble` is None while all works or nothing was tried.

    `unheard`: the broker says that nobody reads our events.
    """

    def __init__(self, uplink: Uplink, config: SiteConfig, jitter: Callable[[], float]) -> None:
        self._uplink = uplink
        self._site = config.site
        self._most_s = config.hub.reconnect_max_s
        self._jitter = jitter
        self._trying = False
        self._attempts = 0
        self._short_lived = 0
        self._retry_at_s = 0.0
        self._opened_at_s = 0.0
        self._refused: dict[str, Trouble] = {}
        self.is_open = False
        self.proven = False
        self.unheard = False
        self.trouble: Trouble | None = None

    def poll(self, now_s: float) -> list[Happening]:
        if not self._trying and now_s >= self._retry_at_s:
            self._trying = True
            self._uplink.open()
        return self._uplink.poll(POLL_S)

    def opened(self, topics: list[str], now_s: float) -> None:
        self.is_open, self.proven, self.unheard, self.trouble = True, False, False, None
        self._opened_at_s = now_s
        self._refused.clear()
        self._uplink.subscribe(topics)
        self.publish("online", encode_status(Online(site=self._site.name, online=True)))

    def closed(self, why: Trouble, now_s: float) -> None:
        steady = self.is_open and now_s - self._opened_at_s >= STEADY_S
        if self.is_open:
            self._short_lived = 0 if steady else self._short_lived + 1
        if self._short_lived >= SHORT_LIVED and why in (trouble.LOST, trouble.CLOSED):
            why = trouble.AGAIN_AND_AGAIN
        self._attempts = 1 if steady else self._attempts + 1
        pause_s = backoff.wait_s(self._attempts, self._jitter(), first_s=RECONNECT_FIRST_S, most_s=self._most_s)
        self.is_open, self._trying, self.trouble = False, False, why
        self._retry_at_s = now_s + pause_s

    def answered(self, answer: Answered) -> bool:
        """Whether the broker takes our messages; one kind that it refuses is enough for no."""
        refusal = trouble.of_puback(answer.code)
        if refusal is None:
            self._refused.pop(answer.topic, None)
        else:
            self._refused[answer.topic] = refusal
        if answer.topic == self._topic("events"):
            self.unheard = answer.code == trouble.NO_SUBSCRIBERS
        self.trouble = next(iter(self._refused.values()), None)
        self.proven = True
        return not self._refused

    def publish(self, leaf: Said, payload: bytes) -> None:
        self._uplink.publish(self._topic(leaf), payload)

    def close(self) -> None:
        if self.is_open:
            self.publish("online", encode_status(Online(site=self._site.name, online=False)))
        self._uplink.close()

    def _topic(self, leaf: Said) -> str:
        return str(Topic(self._site.region, self._site.name, leaf))
