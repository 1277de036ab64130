"""What is true at this site now, from its units' stores: the `state` that hub and partners hear."""

from __future__ import annotations

from collections.abc import Mapping

from zorgkiosk.contract.events import Triage, format_instant
from zorgkiosk.contract.status import CapacityState, SiteState
from zorgkiosk.site.clock import Clock
from zorgkiosk.site.config import CapacityItem, SiteConfig
from zorgkiosk.site.facts import CapacityFact, age_s, end_now, read
from zorgkiosk.site.store import StateValue

TRIAGE_SILENT_S = 60.0
"""A line that said nothing for so long is not running: its last words are no longer the present."""

Facts = Mapping[str, StateValue]


def site_state(config: SiteConfig, panel: Facts, telephony: Facts, waiting: int, clock: Clock) -> SiteState:
    """The whole present. `waiting`: rows the hub has not acknowledged."""
    now = clock.said()
    states = [_capacity(item, panel.get(f"capacity/{item.code}"), clock) for item in config.capacity]
    return SiteState(
        region=config.site.region,
        site=config.site.name,
        title=config.site.title,
        said_at=format_instant(now.at),
        boot_id=now.boot_id,
        uptime_ms=now.uptime_ms,
        clock_synced=now.clock_synced,
        waiting_to_send=waiting,
        capacity=tuple(state for state in states if state is not None),
        triage=_triage(telephony.get("triage"), clock),
    )


def substance(panel: Facts, telephony: Facts) -> object:
    """What must differ for a new `state` to be worth sending at once; only to be compared."""
    said = {key: (fact.value, fact.said) for key, fact in panel.items() if key.startswith("capacity/")}
    triage = telephony.get("triage")
    return said, None if triage is None else triage.value


def _capacity(item: CapacityItem, fact: StateValue | None, clock: Clock) -> CapacityState | None:
    value = read(CapacityFact, fact)
    if value is None or fact is None:
        return None
    until = end_now(value.until, fact, clock)
    content = value.model_dump() | {
        "total": item.total if value.total is None else value.total,
        "until": None if until is None else format_instant(until),
    }
    return CapacityState(**content, age_s=age_s(fact, clock), freshness=item.freshness)


def _triage(fact: StateValue | None, clock: Clock) -> Triage | None:
    if fact is None or fact.said.boot_id != clock.said().boot_id or age_s(fact, clock) > TRIAGE_SILENT_S:
        return None
    return read(Triage, fact)
