"""One site that reports beds, its broker and its hub: where sync is measured. No telephony.

Sync reaches the broker through a proxy that can break the connection; nothing else is between them.
"""

from __future__ import annotations

import shutil
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from zorgkiosk.contract.events import CapacityReported
from zorgkiosk.hub.broker import HUB_NAME, BrokerParameters
from zorgkiosk.lab.authority import Authority
from zorgkiosk.lab.broker import RunningBroker
from zorgkiosk.lab.daemon import Daemon
from zorgkiosk.lab.fault_proxy import FaultProxy
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.config import load_site
from zorgkiosk.site.store import Store, StoreView

REGION, SITE = "bench", "vvt-linde"
_SOON_S = 60.0


@dataclass(frozen=True)
class Wire:
    """`panel` is ours to write, `hub` the intake's database, `acks` sync's file, `sync` the unit that is measured."""

    panel: Store
    acks: StoreView
    hub: Path
    sync: Daemon
    proxy: FaultProxy

    @classmethod
    @asynccontextmanager
    async def opened(cls, directory: Path) -> AsyncIterator[Wire]:
        """Everything runs but sync. `directory` is made anew. Raises LabError."""
        shutil.rmtree(directory, ignore_errors=True)
        authority = Authority.create(directory / "ca")
        broker = RunningBroker.start(_broker(directory, authority))
        intake = _unit(directory, "intake", _hub_file(directory, authority, broker.parameters.port))
        try:
            with FaultProxy(("127.0.0.1", broker.parameters.port)).running() as proxy:
                site_file = _site_file(directory, authority, proxy.port)
                config = load_site(site_file)
                wire = cls(
                    panel=Store.open(config.panel_db, "panel", SystemClock.of_this_boot()),
                    acks=StoreView(config.sync_db),
                    hub=directory / "hub.db",
                    sync=_unit(directory, "sync", site_file),
                    proxy=proxy,
                )
                intake.start()
                await intake.until(wire._hub_is_there, _SOON_S, "its database is there")
                yield wire
                wire.sync.stop()
        finally:
            intake.stop()
            broker.stop()

    async def begin(self) -> None:
        """Start sync and wait until the hub acknowledged something. Raises LabError."""
        self.sync.start()
        await self.sync.until(lambda: self.acked() > 0, _SOON_S, "something is acknowledged")

    def tap(self, free: int) -> int:
        """One tap as the panel commits it; its sequence."""
        report = CapacityReported(category="elv-laag", free=free)
        with self.panel.transaction() as change:
            change.put("capacity/elv-laag", report.model_dump(mode="json", exclude_none=True))
            return change.report(report)

    def backlog(self, rows: int) -> int:
        """As many rows more, each a copy of the newest, in one commit; the sequence of the last."""
        with closing(sqlite3.connect(self.panel.path)) as connection:
            with connection:
                connection.execute(_COPIES, (rows,))
            return int(connection.execute("SELECT max(sequence) FROM outbox").fetchone()[0])

    def acked(self) -> int:
        """How far sync knows that the hub has it: what the panel may forget."""
        fact = self.acks.state().get("acked/panel")
        return 0 if fact is None else int(fact.value["up_to"])

    def _hub_is_there(self) -> bool:
        if not self.hub.exists():
            return False
        with closing(sqlite3.connect(f"file:{self.hub}?mode=ro", uri=True)) as connection:
            found = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'dead_letter'").fetchone()
        return bool(found[0])


_COPIES = (
    "INSERT INTO outbox (kind, data, said_at, boot_id, uptime_ms, clock_synced)"
    " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    " SELECT kind, data, said_at, boot_id, uptime_ms, clock_synced"
    " FROM n, (SELECT * FROM outbox ORDER BY sequence DESC LIMIT 1)"
)


def _unit(directory: Path, unit: str, config: Path) -> Daemon:
    command = [sys.executable, "-m", "zorgkiosk", "run", unit, "--config", str(config)]
    return Daemon(unit, command, directory / f"{unit}.log")


def _broker(directory: Path, authority: Authority) -> BrokerParameters:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    certificate, key = authority.issue("broker", addresses=("127.0.0.1",))
    return BrokerParameters(
        region=REGION,
        directory=directory / "broker",
        address="127.0.0.1",
        port=port,
        ca_file=authority.ca_file,
        certificate_file=certificate,
        key_file=key,
        sites={SITE: ()},
    )


def _hub_file(directory: Path, authority: Authority, port: int) -> Path:
    file = directory / "hub.toml"
    file.write_text(
        f'[hub]\nregion = "{REGION}"\ndatabase = "sqlite:///{directory}/hub.db"\n'
        f"[broker]\n{_member(authority, HUB_NAME, port)}"
        f'[[site]]\nname = "{SITE}"\ntitle = "De Linde"\nkind = "vvt"\n'
    )
    return file


def _site_file(directory: Path, authority: Authority, port: int) -> Path:
    file = directory / "site.toml"
    file.write_text(
        f'[site]\nname = "{SITE}"\ntitle = "De Linde"\nregion = "{REGION}"\ndata_dir = "data"\nrun_dir = "run"\n'
        f"[hub]\n{_member(authority, SITE, port)}reconnect_max_s = 1\n"
        '[[capacity]]\ncode = "elv-laag"\n'
    )
    return file


def _member(authority: Authority, name: str, port: int) -> str:
    certificate, key = authority.issue(name)
    return (
        f'host = "127.0.0.1"\nport = {port}\nca_file = "{authority.ca_file}"\n'
        f'certificate_file = "{certificate}"\nkey_file = "{key}"\n'
    )
