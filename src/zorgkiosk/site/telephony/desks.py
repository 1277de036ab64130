"""The desks of a centre and their phones: who may ring next, and who is left alone for a while."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import replace

from zorgkiosk.site.telephony.floor import Activity, DeskStand

_LOG = logging.getLogger(__name__)


class Desks:
    """All desks by id. An id that is not configured (any more) is ignored: a worker may outlive a config."""

    def __init__(self, ids: Iterable[str], no_answer_rest_s: float) -> None:
        self._stands = {desk: DeskStand(desk) for desk in ids}
        self._no_answer_rest_s = no_answer_rest_s

    @property
    def stands(self) -> tuple[DeskStand, ...]:
        return tuple(self._stands.values())

    def set(self, desk: str, activity: Activity, now_s: float) -> None:
        """The desk's phone does this from now on; `idle` puts the desk at the end of the round."""
        if (stand := self._stands.get(desk)) is not None:
            idle_since_s = now_s if activity == "idle" else stand.idle_since_s
            self._stands[desk] = replace(stand, activity=activity, since_s=now_s, idle_since_s=idle_since_s)

    def rang_in_vain(self, desk: str, now_s: float) -> None:
        """Somebody else won the caller: the desk is idle again and has not lost its turn."""
        if (stand := self._stands.get(desk)) is not None:
            self._stands[desk] = replace(stand, activity="idle", since_s=now_s)

    def man(self, present: Collection[str], now_s: float) -> None:
        """At exactly these desks a triagist is present. Coming back ends a rest after an unanswered ring."""
        for stand in self.stands:
            if stand.present == (stand.id in present):
                continue
            self._stands[stand.id] = replace(stand, present=stand.id in present)
            if stand.activity in ("idle", "no-answer"):
                self.set(stand.id, "idle", now_s)
            _LOG.info("desk %s is %s", stand.id, "manned" if stand.id in present else "away")

    def tick(self, now_s: float) -> None:
        """A desk that did not answer may be tried again once it has rested."""
        for stand in self.stands:
            if stand.activity == "no-answer" and now_s - stand.since_s >= self._no_answer_rest_s:
                self.set(stand.id, "idle", now_s)
