"""What partners said last, kept in sync.db for the line: it decides by it when hub and network are gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from zorgkiosk.contract.events import Said
from zorgkiosk.contract.status import PartnerStates, SiteState
from zorgkiosk.site.clock import Clock
from zorgkiosk.site.store import StateValue, Store

PUT_EVERY_S = 1.0
"""A partner's state is written at most this often; a busy one says something several times a second."""


@dataclass(frozen=True)
class Heard:
    """A partner's word and when we, or the hub, heard it."""

    state: SiteState
    at: Said


def known(facts: Mapping[str, StateValue], names: Collection[str], boot_id: str) -> dict[str, Heard]:
    """What sync.db holds from this boot; what was heard before it has no age that can be trusted."""
    values = {name: facts.get(f"partner/{name}") for name in names}
    return {
        name: Heard(SiteState.model_validate(value.value), value.said)
        for name, value in values.items()
        if value is not None and value.said.boot_id == boot_id
    }


class Partners:
    """The last word of each configured partner, with the instant it was heard.

    Of one boot of a partner, the larger uptime is the newer word. Across boots a direct word is always newer, and
    what the hub remembers counts when it was heard later than ours.
    """

    def __init__(self, store: Store, names: Collection[str], clock: Clock, known: Mapping[str, Heard]) -> None:
        self._store = store
        self._names = names
        self._clock = clock
        self._last = dict(known)
        self._unsaved: dict[str, Heard] = {}
        self._saved_at_s: dict[str, float] = {}

    def heard(self, state: SiteState) -> None:
        """The partner itself said it, just now."""
        last = self._last.get(state.site)
        if last is None or not _same_boot_newer(last.state, state):
            self._keep(Heard(state, self._clock.said()))

    def remembered(self, message: PartnerStates) -> None:
        """The hub tells what it last heard of our partners, and how long ago."""
        for state in message.partners:
            if state.site not in self._names or state.site not in message.heard_age_s:
                continue
            heard = Heard(state, _ago(self._clock.said(), message.heard_age_s[state.site]))
            last = self._last.get(state.site)
            if last is None or (heard.at.uptime_ms > last.at.uptime_ms and not _same_boot_newer(last.state, state)):
                self._keep(heard)

    def save(self, now_s: float) -> None:
        """Write what is new, each partner at most once per `PUT_EVERY_S`. Raises StoreError."""
        ripe = {
            site: heard
            for site, heard in self._unsaved.items()
            if now_s - self._saved_at_s.get(site, -PUT_EVERY_S) >= PUT_EVERY_S
        }
        if not ripe:
            return
        with self._store.transaction() as change:
            for site, heard in ripe.items():
                change.put(f"partner/{site}", heard.state.model_dump(mode="json", exclude_none=True), said=heard.at)
        for site in ripe:
            del self._unsaved[site]
            self._saved_at_s[site] = now_s

    def _keep(self, heard: Heard) -> None:
        self._last[heard.state.site] = heard
        self._unsaved[heard.state.site] = heard


def _same_boot_newer(ours: SiteState, theirs: SiteState) -> bool:
    return ours.boot_id == theirs.boot_id and ours.uptime_ms > theirs.uptime_ms


def _ago(now: Said, age_s: float) -> Said:
    return replace(now, at=now.at - timedelta(seconds=age_s), uptime_ms=now.uptime_ms - int(age_s * 1000))
