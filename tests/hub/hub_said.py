"""What sites say, for the hub's tests: short ways to make events and states."""

from datetime import UTC, datetime
from typing import Any

from zorgkiosk.capacity.catalog import CATEGORIES
from zorgkiosk.contract.events import CallHandled, Event, EventData, Said, Triage
from zorgkiosk.contract.status import CapacityState, Freshness, SiteState
from zorgkiosk.hub.config import Broker, Hub, HubConfig, HubSite

REGION = "testregio"
BOOT = "3f1c2a44-9d0e-4c55-8a11-0123456789ab"
OTHER_BOOT = "77777777-9d0e-4c55-8a11-0123456789ab"
EPOCH = "00112233aabbccdd"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SAID = Said(at=NOON, boot_id=BOOT, uptime_ms=5000, clock_synced=True)
CALL = CallHandled(waited_s=12.5, talked_s=300, urgent=False, outcome="answered", origin="hap-noord", hops=0)

SITES = (
    HubSite(name="hap-noord", title="HAP Noord", kind="hap", partners=("hap-zuid",), subregion="Noord"),
    HubSite(name="hap-zuid", title="HAP Zuid", kind="hap", partners=("hap-noord",), subregion="Zuid"),
    HubSite(name="vvt-linde", title="De Linde", kind="vvt", subregion="Noord"),
)


def config(database: str = "sqlite:////nowhere/hub.db", broker: Broker | None = None) -> HubConfig:
    nowhere = Broker.model_validate(
        {"host": "127.0.0.1", "ca_file": "ca.pem", "certificate_file": "hub.pem", "key_file": "hub.key"}
    )
    return HubConfig(hub=Hub(region=REGION, database=database), broker=broker or nowhere, site=SITES)


def event(
    sequence: int, previous: int | None = None, *, site: str = "hap-noord", epoch: str = EPOCH, data: EventData = CALL
) -> Event:
    """Row `sequence` of the stream `telephony`; linked to the row before it when nothing else is said."""
    before = sequence - 1 if previous is None else previous
    return Event(REGION, site, "telephony", epoch, sequence, before, SAID, data)


def bed(code: str, free: int, age_s: float, total: int | None = None, ages: Freshness | None = None) -> CapacityState:
    freshness = ages or CATEGORIES[code].freshness
    return CapacityState(category=code, free=free, total=total, age_s=age_s, freshness=freshness)


def status(code: str, status: str, age_s: float = 0, **said: Any) -> CapacityState:
    content = {"category": code, "status": status, "age_s": age_s, "freshness": CATEGORIES[code].freshness}
    return CapacityState.model_validate(content | said)


def state(
    site: str = "vvt-linde",
    *capacity: CapacityState,
    uptime_ms: int = 1000,
    boot_id: str = BOOT,
    triage: Triage | None = None,
) -> SiteState:
    return SiteState(
        region=REGION,
        site=site,
        title="Naam op het scherm",
        said_at="2026-11-23T12:00:00Z",
        boot_id=boot_id,
        uptime_ms=uptime_ms,
        clock_synced=True,
        capacity=capacity,
        triage=triage,
    )
