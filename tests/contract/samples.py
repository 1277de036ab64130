"""One message of each kind, as the golden files hold them."""

from __future__ import annotations

from datetime import UTC, datetime

from zorgkiosk.contract.events import (
    CallHandled,
    CapacityConfirmed,
    CapacityReported,
    DeviceHealth,
    Event,
    EventData,
    JournalHead,
    Said,
    Triage,
    TriageChanged,
)
from zorgkiosk.contract.names import Message
from zorgkiosk.contract.status import Ack, Ask, CapacityState, Freshness, Online, PartnerStates, SiteState
from zorgkiosk.contract.trust import CertificateRequest, IssuedCertificate, RevocationList, packed, serial

BOOT_ID = "3f0c2c3e-6a0e-4b7e-9d8c-2f4f3c1f7a55"
SAID = Said(datetime(2026, 3, 2, 20, 15, 4, 123456, tzinfo=UTC), BOOT_ID, 3_600_500, clock_synced=True)


def event(data: EventData, sequence: int = 42) -> Event:
    return Event("roaz-oost", "hap-noord", "telephony", "00ff00ff00ff00ff", sequence, sequence - 1, SAID, data)


_TRIAGE = {
    "desks_present": 3,
    "desks_free": 1,
    "waiting": 4,
    "longest_wait_s": 71.5,
    "accepting_overflow": True,
    "pressure": "oranje",
    "chance_2min": 0.71,
    "helping": {"hap-west": 1},
    "helped_by": {"hap-zuid": 2},
}

EVENTS: dict[str, Event] = {
    "capacity.reported.status": event(
        CapacityReported(category="seh", status="stop", reason="personeel", until="2026-03-02T22:00:00Z")
    ),
    "capacity.reported.limits": event(
        CapacityReported(category="grz", free=1, total=4, expected_free_24h=0, limits=("isolatie", "alleen-v"))
    ),
} | {
    data.KIND: event(data)
    for data in (
        CapacityReported(category="elv-laag", free=-1, total=12, staffed=10, expected_free_24h=2),
        CapacityConfirmed(categories=("elv-laag", "respijt")),
        TriageChanged.model_validate(_TRIAGE),
        CallHandled(
            waited_s=75.25,
            talked_s=210.0,
            urgent=False,
            outcome="answered",
            origin="hap-noord",
            hops=1,
            partner="hap-zuid",
            chance_home=0.4,
            chance_partner=0.93,
        ),
        DeviceHealth(unit="sync", condition="link", ok=False, count=3),
        JournalHead(line=1705, sha256="0123456789abcdef" * 4),
    )
}

_STATE = SiteState(
    region="roaz-oost",
    site="hap-noord",
    title="HAP Noord 2",
    said_at="2026-03-02T20:15:04.123456Z",
    boot_id=BOOT_ID,
    uptime_ms=3_600_500,
    clock_synced=True,
    waiting_to_send=7,
    capacity=(
        CapacityState(
            category="elv-laag",
            free=2,
            total=12,
            age_s=30.5,
            freshness=Freshness(due_s=28_800, overdue_s=43_200, unknown_s=86_400),
        ),
    ),
    triage=Triage.model_validate(_TRIAGE),
)

_DER = packed(b"\x30\x81\x80" + bytes(range(128)))
"""What the form wants, and nothing that is signed."""

STATUSES: dict[str, Message] = {
    "state": _STATE,
    "online": Online(site="hap-noord", online=False),
    "ack": Ack(stream="telephony", epoch="00ff00ff00ff00ff", up_to=42),
    "partners": PartnerStates(partners=(_STATE,), heard_age_s={"hap-noord": 12.5}),
    "ask": Ask(wanted=1),
    "revoked": RevocationList(crl=_DER),
    "request": CertificateRequest(csr=_DER, in_force=serial(0xA1B2)),
    "certificate": IssuedCertificate(certificate=_DER),
}

MORE_STATES: dict[str, Message] = {
    "ask.certificate": Ask(wanted=0, certificate=True),
    "state.status": _STATE.model_copy(
        update={
            "capacity": (
                CapacityState(
                    category="seh",
                    status="dreigend",
                    reason="drukte",
                    age_s=12.5,
                    freshness=Freshness(due_s=7_200, overdue_s=14_400, unknown_s=28_800),
                ),
            ),
            "triage": None,
        }
    ),
}
ALL_STATUSES = STATUSES | MORE_STATES
