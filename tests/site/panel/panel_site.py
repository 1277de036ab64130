"""What the panel's tests share: a clock moved by hand, two sites, and hands on the three stores."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from full_store import fill, relieve
from shipped import ANNOUNCEMENTS
from zorgkiosk.contract.events import EventData, Said
from zorgkiosk.contract.names import Message
from zorgkiosk.contract.status import Ack
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.panel.actions import Taps
from zorgkiosk.site.panel.known import Known, Look
from zorgkiosk.site.panel.rounds import Rounds
from zorgkiosk.site.store import StateValue, Store, StoreError

BOOT = "11111111-2222-3333-4444-555555555555"
OTHER_BOOT = "99999999-2222-3333-4444-555555555555"
NOON = datetime(2026, 11, 21, 13, 5, tzinfo=UTC)  # a Saturday, 14:05 in the Netherlands
UPTIME_S = 900_000.0


@dataclass
class HandClock:
    at: datetime = NOON
    up_s: float = UPTIME_S
    boot_id: str = BOOT
    synced: bool = True

    def now(self) -> datetime:
        return self.at

    def uptime_s(self) -> float:
        return self.up_s

    def said(self) -> Said:
        return Said(self.at, self.boot_id, int(self.up_s * 1000), self.synced)

    def forward(self, span_s: float) -> None:
        self.at += timedelta(seconds=span_s)
        self.up_s += span_s


def said(ago_s: float = 0.0) -> Said:
    return Said(NOON - timedelta(seconds=ago_s), BOOT, int((UPTIME_S - ago_s) * 1000), True)


def value(content: Message | Mapping[str, Any], ago_s: float = 0.0) -> StateValue:
    plain = content.model_dump(mode="json") if isinstance(content, Message) else dict(content)
    return StateValue(plain, said(ago_s))


def nursing_home(folder: Path, codes: tuple[str, ...] = ("elv-laag", "elv-hoog"), **panel: Any) -> SiteConfig:
    """Totals are 8 for every category but the last, which has none."""
    totals = [8] * (len(codes) - 1) + [None]
    return SiteConfig.model_validate(
        {
            "site": {"name": "vvt-linde", "title": "VVT De Linde", "region": "oost", "data_dir": folder / "data"},
            "hub": {"host": "127.0.0.1", "ca_file": "ca", "certificate_file": "crt", "key_file": "key"},
            "panel": panel,
            "capacity": [{"code": code, "total": total} for code, total in zip(codes, totals, strict=True)],
        }
    )


def reporting(folder: Path, *capacity: dict[str, Any], **panel: Any) -> SiteConfig:
    """A site that reports these `[[capacity]]` sections."""
    plain = nursing_home(folder, **panel).model_dump(mode="json")
    return SiteConfig.model_validate(plain | {"capacity": capacity})


def triage_centre(folder: Path, desks: int = 2) -> SiteConfig:
    return SiteConfig.model_validate(
        {
            "site": {"name": "hap-midden", "title": "HAP Midden", "region": "oost", "data_dir": folder / "data"},
            "hub": {"host": "127.0.0.1", "ca_file": "ca", "certificate_file": "crt", "key_file": "key"},
            "front": {"address": "127.0.0.2", "trunk_addresses": ["127.0.0.0/8"]},
            "announcements": {"folder": ANNOUNCEMENTS},
            "telephony": {},
            "desk": [{"id": f"desk-{n}", "title": f"Werkplek {n}", "phone": f"desk-{n}"} for n in range(1, desks + 1)],
            "partner": [
                {"name": "hap-zuid", "title": "HAP Zuid", "address": "127.0.0.3", "agreed_on": "2026-01-12"},
                {"name": "hap-noord", "title": "HAP Noord", "address": "127.0.0.4", "agreed_on": "2026-03-01"},
            ],
            "secrets": {"phones": {f"desk-{n}": "long-enough" for n in range(1, desks + 1)}},
        }
    )


def known(config: SiteConfig, **parts: Any) -> Known:
    empty: dict[str, Any] = {"panel": {}, "telephony": {}, "sync": {}}
    return Known(config=config, now=said(), **(empty | parts))


@dataclass
class Panel:
    """A panel's inside on real files, without its web server."""

    config: SiteConfig
    clock: HandClock = field(default_factory=HandClock)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        self.store = Store.open(self.config.panel_db, "panel", self.clock)
        self.taps = Taps(self.config, self.store, self.clock)
        self.look = Look.of(self.config, self.clock)
        self.rounds = Rounds(self.look, self.taps)

    def restart(self) -> None:
        self.close()
        self.open()

    def close(self) -> None:
        self.look.close()
        self.store.close()

    def beat(self) -> None:
        self.rounds.beat(self.clock.uptime_s())

    def wait(self, span_s: float) -> None:
        self.clock.forward(span_s)
        self.beat()

    def state(self) -> dict[str, Any]:
        return {key: content.value for key, content in self.look.known().panel.items()}

    def said_of(self, key: str) -> Said:
        return self.look.known().panel[key].said

    def events(self) -> list[EventData]:
        return [row.data for row in self.store.view().outbox(after=0, limit=100)]

    def ack(self, up_to: int, epoch: str | None = None) -> None:
        """The hub's ack, as sync writes it into its own file."""
        ack = Ack(stream="panel", epoch=epoch or self.store.view().epoch() or "", up_to=up_to)
        self.write("sync", **{"acked/panel": ack})

    def write(self, unit: str, **facts: Message) -> None:
        path = {"sync": self.config.sync_db, "telephony": self.config.telephony_db}[unit]
        other = Store.open(path, unit, self.clock)
        with other.transaction() as change:
            for key, fact in facts.items():
                change.put(key, fact.model_dump(mode="json"))
        other.close()

    def fill_disk(self) -> None:
        """From now on the panel's file takes nothing that needs a new page."""
        fill(self.store)
        for size in (300, 30, 1):
            with contextlib.suppress(StoreError):
                for n in itertools.count():
                    with self.store.transaction() as change:
                        change.put(f"f/{size}/{n}", "x" * size)

    def free_disk(self) -> None:
        relieve(self.store)
