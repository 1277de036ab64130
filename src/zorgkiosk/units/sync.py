"""The unit `sync`: this site's stores to the region's hub, and back what hub and partners say."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Mapping
from pathlib import Path

from zorgkiosk.contract.events import DeviceHealth
from zorgkiosk.contract.status import Ack, Online, encode_status
from zorgkiosk.contract.topics import Topic
from zorgkiosk.site.clock import Clock, SystemClock
from zorgkiosk.site.config import SiteConfig, load_site
from zorgkiosk.site.facts import EchoFact, LinkFact, read
from zorgkiosk.site.store import Neighbour, Room, StateValue, Store, StoreView
from zorgkiosk.site.sync.announcer import Announcer
from zorgkiosk.site.sync.certificates import Certificates
from zorgkiosk.site.sync.clock import ClockFloor
from zorgkiosk.site.sync.connection import Connection
from zorgkiosk.site.sync.health import Health
from zorgkiosk.site.sync.inbox import Inbox
from zorgkiosk.site.sync.link import Link
from zorgkiosk.site.sync.partners import Partners, known
from zorgkiosk.site.sync.relay import Outlet, Relay, Sender
from zorgkiosk.site.sync.session import Session
from zorgkiosk.site.sync.uplink import MqttUplink
from zorgkiosk.site.wake import Wake
from zorgkiosk.units.heart import Heart

STREAM = "sync"


def run(config_path: Path) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError, and StoreError when sync.db cannot be used."""
    config = load_site(config_path)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    clock = SystemClock.of_this_boot()
    store = Store.open(config.sync_db, STREAM, clock, Room(config.site.store_max_mb))
    wake = Wake.beside(config.sync_db)
    with store.transaction() as change:
        # What the hub acknowledges of this process: `zorgkiosk apply` waits for it.
        change.report(DeviceHealth(unit="sync", condition="started", ok=True))
    session = compose(config, store, clock, wake)
    heart = Heart.of_unit("session")
    try:
        while not stopping.is_set():
            session.step()
            if wake.echo_wanted():
                _say_echo(store)
            store.tend()
            heart.turned("session")
    finally:
        session.close()
        wake.close()
        store.close()


def _say_echo(store: Store) -> None:
    """A row whose ack is the echo: from here to the hub's database and back. Several at once are one."""
    with store.transaction() as change:
        sequence = change.report(DeviceHealth(unit="sync", condition="echo", ok=True))
        change.put("echo", EchoFact(sequence=sequence).model_dump(mode="json"))


def compose(config: SiteConfig, store: Store, clock: Clock, wake: Wake) -> Session:
    """The session of one site; `store` is sync.db, open, and `wake` hears of commits beside it."""
    jitter = random.SystemRandom().random
    site, facts = config.site, store.view().state()
    names = [partner.name for partner in config.partner]
    will = encode_status(Online(site=site.name, online=False))
    health = Health(store)
    floor = ClockFloor(store, clock)
    return Session(
        connection=Connection(
            uplink=MqttUplink(
                hub=config.hub,
                name=site.name,
                will=(str(Topic(site.region, site.name, "online")), will),
                clock_floor=floor.passed,
                wake=wake,
            ),
            config=config,
            jitter=jitter,
        ),
        relay=Relay(_outlets(config, facts), jitter),
        announcer=Announcer(config, Neighbour(config.panel_db), Neighbour(config.telephony_db), clock),
        inbox=Inbox(
            config=config,
            store=store,
            partners=Partners(store, names, clock, known(facts, names, clock.said().boot_id)),
            health=health,
            certificates=Certificates(config, health),
        ),
        link=Link(store, health, read(LinkFact, facts.get("link"))),
        clock=clock,
        floor=floor,
    )


def _outlets(config: SiteConfig, facts: Mapping[str, StateValue]) -> dict[str, Outlet]:
    """Calls first: their history is what a coordinator waits for."""
    sender = Sender(config.site.region, config.site.name)
    views = {
        "telephony": Neighbour(config.telephony_db),
        "panel": Neighbour(config.panel_db),
        STREAM: StoreView(config.sync_db),
    }
    return {
        stream: Outlet(stream, view, sender, read(Ack, facts.get(f"acked/{stream}"))) for stream, view in views.items()
    }
