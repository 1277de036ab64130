"""The newest words of every partner: what the broker brought, and without it what its own front answers over SIP."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from zorgkiosk.overflow.terms import PartnerStatus
from zorgkiosk.site.telephony.front_rpc import FrontError, PartnerAnswer
from zorgkiosk.site.telephony.situation import Heard

_LOG = logging.getLogger(__name__)

ASK_AFTER_S = 25.0
"""Sites say their state every 20 s: older words mean that the broker, or the partner's way to it, is away."""
ASK_EVERY_S = 2.0
_CANNOT = PartnerStatus(accepting=False, desks_present=0, desks_free=0, waiting=0)


class Asks(Protocol):
    """The front's own question to a partner (SIP OPTIONS over TLS)."""

    async def ask_partner(self, name: str) -> PartnerAnswer | None:
        """None when nobody answered within a second. Raises FrontError."""


class PartnerNews:
    """Calls `tell` with everything known whenever something new is heard. Times are CLOCK_MONOTONIC."""

    def __init__(self, names: Sequence[str], front: Asks, tell: Callable[[Mapping[str, Heard]], None]) -> None:
        self._names = names
        self._front = front
        self._tell = tell
        self._heard: dict[str, Heard] = {}
        self._asking: set[str] = set()

    def broker_brought(self, heard: Mapping[str, Heard]) -> None:
        """The partners' states as they stand in sync's store."""
        for name, news in heard.items():
            if name not in self._heard or news.heard_s > self._heard[name].heard_s:
                self._heard[name] = news
                if name in self._asking:
                    _LOG.info("partner %s is heard over the broker again", name)
                    self._asking.discard(name)
        self._tell(self._heard)

    async def run(self) -> None:
        """Ask those whose words are old, until cancelled."""
        while True:
            now_s = time.monotonic()
            stale = [name for name in self._names if self._is_stale(name, now_s)]
            if stale:
                await asyncio.gather(*(self._ask(name) for name in stale))
                self._tell(self._heard)
            await asyncio.sleep(ASK_EVERY_S)

    def _is_stale(self, name: str, now_s: float) -> bool:
        return name in self._asking or name not in self._heard or now_s - self._heard[name].heard_s > ASK_AFTER_S

    async def _ask(self, name: str) -> None:
        if name not in self._asking:
            _LOG.info("nothing new of partner %s over the broker: its front is asked", name)
            self._asking.add(name)
        try:
            answer = await self._front.ask_partner(name)
        except FrontError as error:
            _LOG.debug("partner %s cannot be asked: %s", name, error)
            return
        if name not in self._asking:
            return  # the broker was faster
        if answer is not None and answer.code == 200 and answer.status is None:
            return  # it can take a call and says no more: what was known stands until it is too old
        said = answer.status if answer is not None and answer.code == 200 else None
        status = (
            _CANNOT
            if said is None
            else PartnerStatus(
                accepting=said.accepting,
                desks_present=said.desks_present,
                desks_free=said.desks_free,
                waiting=said.waiting,
            )
        )
        self._heard[name] = Heard(status, time.monotonic())
