"""The way to the hub as a fact in sync.db, for the panel, and in the log."""

from __future__ import annotations

import logging

from zorgkiosk.site.facts import LinkFact
from zorgkiosk.site.faults import numbered
from zorgkiosk.site.store import Store
from zorgkiosk.site.sync.health import Health
from zorgkiosk.site.sync.trouble import Trouble

log = logging.getLogger(__name__)

SILENT_S = 15.0
"""Rows on their way for so long without an ack: the broker is there, the region's intake is not."""


class Link:
    """Keeps `link` in sync.db, and reports when it is lost and when it is back. `known`: what stood there last."""

    def __init__(self, store: Store, health: Health, known: LinkFact | None) -> None:
        self._store = store
        self._health = health
        self._fact = known
        self._put = False

    def taken(self, ok: bool) -> None:
        """Whether the broker takes our messages: an ACL that refuses them is a fault of the region's set-up."""
        self._health.change("publish-refused", ok=ok)

    def now(self, trouble: Trouble | None) -> None:
        """The link as it is: `trouble` is None while it works. Raises StoreError.

        It is put once by each process also when it is as before: so it tells since when that process has it.
        """
        fact = LinkFact(connected=trouble is None, problem=None if trouble is None else trouble.screen)
        if fact == self._fact and self._put:
            return
        before = self._fact
        with self._store.transaction() as change:
            change.put("link", fact.model_dump(mode="json"))
            if before is not None and before.connected != fact.connected:
                self._health.report(change, "link", ok=fact.connected)
        self._fact, self._put = fact, True
        if trouble is None:
            log.info("sync: connected with the hub")
        else:
            log.info("sync: no link with the hub: %s", numbered(trouble.screen, trouble.log))
