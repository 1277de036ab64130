"""The loop of sync with a clock and an uplink in our hands; stores are real."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from zorgkiosk.contract.events import CapacityReported, DeviceHealth, Event, Said, from_cloudevent, split_batch
from zorgkiosk.contract.names import Message
from zorgkiosk.contract.status import Ack, Ask, SiteState, decode_status, encode_status
from zorgkiosk.site.config import CapacityItem, Hub, Site, SiteConfig
from zorgkiosk.site.facts import LinkFact, read
from zorgkiosk.site.store import Store, StoreView
from zorgkiosk.site.sync import trouble
from zorgkiosk.site.sync.announcer import Announcer
from zorgkiosk.site.sync.certificates import Certificates
from zorgkiosk.site.sync.clock import ClockFloor
from zorgkiosk.site.sync.connection import Connection
from zorgkiosk.site.sync.health import Health
from zorgkiosk.site.sync.inbox import Inbox
from zorgkiosk.site.sync.link import Link
from zorgkiosk.site.sync.partners import Partners
from zorgkiosk.site.sync.relay import Outlet, Relay, Sender
from zorgkiosk.site.sync.session import Session
from zorgkiosk.site.sync.uplink import Answered, Closed, Happening, Opened, Received

OWN = "zorgkiosk/v1/roaz-oost/vvt-linde"


@dataclass
class HandClock:
    """A clock that moves when told."""

    uptime: float = 100.0
    synced: bool = True

    def now(self) -> datetime:
        return datetime(2026, 3, 2, 12, tzinfo=UTC) + timedelta(seconds=self.uptime)

    def uptime_s(self) -> float:
        return self.uptime

    def said(self) -> Said:
        return Said(self.now(), "0" * 36, int(self.uptime * 1000), self.synced)


@dataclass
class HandUplink:
    """An uplink whose broker is the test: it says what happens and sees what is sent."""

    coming: list[Happening] = field(default_factory=list)
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    subscribed: list[str] = field(default_factory=list)
    opens: int = 0

    def open(self) -> None:
        self.opens += 1

    def poll(self, timeout_s: float) -> list[Happening]:
        assert timeout_s > 0
        happened, self.coming = self.coming, []
        return happened

    def subscribe(self, topics: list[str]) -> None:
        self.sent.append(("subscribe", b""))
        self.subscribed = topics

    def publish(self, topic: str, payload: bytes) -> None:
        self.sent.append((topic.removeprefix(OWN + "/"), payload))

    def close(self) -> None:
        self.sent.append(("close", b""))


@dataclass
class Rig:
    config: SiteConfig
    panel: Store
    store: Store
    clock: HandClock
    uplink: HandUplink
    session: Session

    def happen(self, *happenings: Happening) -> None:
        self.uplink.coming.extend(happenings)
        self.session.step()

    def wait(self, seconds: float) -> None:
        self.clock.uptime += seconds
        self.session.step()

    def tap(self, free: int) -> None:
        with self.panel.transaction() as change:
            change.put("capacity/elv-laag", {"category": "elv-laag", "free": free})
            change.report(CapacityReported(category="elv-laag", free=free))

    def hear(self, leaf: str, message: Message) -> None:
        self.happen(Received(f"{OWN}/{leaf}", encode_status(message)))

    def ack(self, up_to: int, epoch: str | None = None) -> None:
        self.hear("ack", Ack(stream="panel", epoch=epoch or str(self.panel.view().epoch()), up_to=up_to))

    def leaves(self) -> list[str]:
        """What was sent since the last call, by leaf."""
        sent, self.uplink.sent = [leaf for leaf, _ in self.uplink.sent], []
        return sent

    def events(self) -> list[Event]:
        batches = [payload for leaf, payload in self.uplink.sent if leaf == "events"]
        self.uplink.sent.clear()
        return [from_cloudevent(item) for payload in batches for item in split_batch(payload)]

    def last_state(self) -> SiteState:
        return decode_status(SiteState, [payload for leaf, payload in self.uplink.sent if leaf == "state"][-1])

    def link(self) -> LinkFact | None:
        return read(LinkFact, self.store.view().state().get("link"))

    def health(self) -> list[DeviceHealth]:
        return [row.data for row in self.store.view().outbox(after=0, limit=99) if isinstance(row.data, DeviceHealth)]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    files = Path("ca.pem"), Path("site.pem"), Path("site.key")
    config = SiteConfig(
        site=Site(name="vvt-linde", title="De Linde", region="roaz-oost", data_dir=tmp_path),
        hub=Hub(host="127.0.0.1", ca_file=files[0], certificate_file=files[1], key_file=files[2]),
        capacity=(CapacityItem(code="elv-laag", total=12),),
    )
    clock, uplink = HandClock(), HandUplink()
    panel = Store.open(config.panel_db, "panel", clock)
    store = Store.open(config.sync_db, "sync", clock)
    return Rig(config, panel, store, clock, uplink, session_of(config, store, clock, uplink))


def session_of(config: SiteConfig, store: Store, clock: HandClock, uplink: HandUplink) -> Session:
    sender, health, facts = Sender("roaz-oost", "vvt-linde"), Health(store), store.view().state()
    files = {"panel": config.panel_db, "sync": config.sync_db}
    outlets = {
        stream: Outlet(stream, StoreView(path), sender, read(Ack, facts.get(f"acked/{stream}")))
        for stream, path in files.items()
    }
    return Session(
        connection=Connection(uplink, config, lambda: 0.0),
        relay=Relay(outlets, lambda: 0.0),
        announcer=Announcer(config, StoreView(config.panel_db), StoreView(config.telephony_db), clock),
        inbox=Inbox(config, store, Partners(store, [], clock, {}), health, Certificates(config, health)),
        link=Link(store, health, read(LinkFact, facts.get("link"))),
        floor=ClockFloor(store, clock),
        clock=clock,
    )


ACCEPTED = Answered(f"{OWN}/online", code=0)


def test_on_each_connection_the_present_goes_before_history(rig: Rig) -> None:
    rig.tap(3)
    rig.session.step()
    assert rig.leaves() == []
    rig.happen(Opened())
    assert rig.uplink.subscribed == [f"{OWN}/{leaf}" for leaf in ("ack", "partners", "ask", "revoked", "certificate")]
    assert rig.last_state().capacity[0].free == 3 and rig.last_state().capacity[0].total == 12
    assert rig.leaves() == ["subscribe", "online", "state", "events"]
    rig.happen(Closed(trouble.LOST))
    rig.tap(4)
    rig.wait(60)
    rig.happen(Opened())
    assert rig.leaves() == ["subscribe", "online", "state", "events"]


def test_only_what_is_not_acked_is_sent_on_the_next_connection(rig: Rig) -> None:
    for free in range(5):
        rig.tap(free)
    rig.happen(Opened())
    assert [event.sequence for event in rig.events()] == [1, 2, 3, 4, 5]
    rig.ack(3)
    rig.happen(Closed(trouble.LOST), Opened())
    assert [(event.sequence, event.previous) for event in rig.events()] == [(4, 3), (5, 4)]


def test_an_ack_is_stored_and_that_of_another_epoch_or_beyond_the_store_is_not(rig: Rig) -> None:
    rig.tap(1)
    rig.tap(2)
    rig.happen(Opened())
    rig.ack(1, epoch="f" * 16)
    rig.ack(3)
    assert "acked/panel" not in rig.store.view().state()
    rig.ack(2)
    assert rig.store.view().state()["acked/panel"].value["up_to"] == 2
    rig.ack(1)
    assert rig.store.view().state()["acked/panel"].value["up_to"] == 2


def test_sync_starts_again_where_the_stored_ack_says(rig: Rig) -> None:
    for free in range(3):
        rig.tap(free)
    rig.happen(Opened())
    rig.ack(2)
    uplink = HandUplink()
    again = Rig(
        rig.config, rig.panel, rig.store, rig.clock, uplink, session_of(rig.config, rig.store, rig.clock, uplink)
    )
    again.happen(Opened())
    assert [event.sequence for event in again.events()] == [3]


def test_a_replaced_store_is_sent_from_its_beginning(rig: Rig) -> None:
    rig.tap(1)
    rig.happen(Opened())
    rig.ack(1)
    rig.panel.close()
    for file in rig.config.site.data_dir.glob("panel.db*"):
        file.unlink()
    rig.panel = Store.open(rig.config.panel_db, "panel", rig.clock)
    rig.uplink.sent.clear()
    rig.tap(8)
    rig.session.step()
    events = rig.events()
    assert [(event.sequence, event.previous, event.epoch) for event in events] == [(1, 0, rig.panel.view().epoch())]


def test_without_an_ack_rows_go_again_later_each_time_and_lead_with_the_oldest_held(rig: Rig) -> None:
    rig.tap(1)
    rig.happen(Opened())
    rig.ack(1)
    rig.tap(2)
    rig.session.step()
    rig.uplink.sent.clear()
    rig.wait(5.9)
    assert rig.events() == []
    rig.wait(0.2)
    assert [event.sequence for event in rig.events()] == [2]
    rig.wait(11.9)
    assert rig.events() == []
    rig.wait(0.2)
    assert [(event.sequence, event.previous) for event in rig.events()] == [(1, 0), (2, 1)]


def test_a_hub_that_asks_gets_the_present_and_what_it_may_have_missed(rig: Rig) -> None:
    rig.tap(1)
    rig.happen(Opened())
    rig.leaves()
    rig.clock.uptime += 0.25
    rig.hear("ask", Ask())
    assert rig.leaves() == ["state"], "the ack is still to be expected"
    rig.clock.uptime += 0.5
    rig.hear("ask", Ask())
    assert rig.leaves() == ["state", "events"]


def test_the_present_is_said_when_it_changes_and_every_so_often_but_not_for_nothing(rig: Rig) -> None:
    rig.tap(1)
    rig.happen(Opened())
    rig.ack(1)
    rig.leaves()
    rig.wait(1)
    assert rig.leaves() == []
    rig.panel.prune(str(rig.panel.view().epoch()), 1)
    rig.wait(1)
    assert rig.leaves() == [], "pruning changes nothing that is said"
    rig.tap(2)
    rig.wait(0.01)
    assert rig.leaves() == ["state", "events"]
    rig.tap(3)
    rig.wait(0.01)
    assert rig.leaves() == ["events"], "a change soon after another waits a moment"
    rig.wait(0.2)
    assert rig.last_state().capacity[0].free == 3
    rig.leaves()
    rig.wait(19.5)
    assert "state" not in rig.leaves()
    rig.wait(1)
    assert "state" in rig.leaves()


def test_times_told_before_the_clock_was_set_are_corrected_when_sent(rig: Rig) -> None:
    rig.clock.synced = False
    rig.tap(1)
    rig.clock.synced = True
    rig.clock.uptime += 30
    rig.happen(Opened())
    (event,) = rig.events()
    assert event.said.clock_synced and event.said.at == rig.clock.now() - timedelta(seconds=30)


def test_pauses_between_attempts_grow_and_a_steady_connection_makes_them_short_again(rig: Rig) -> None:
    rig.session.step()
    assert rig.uplink.opens == 1
    for pause_s, opens in ((1, 2), (2, 3), (4, 4)):
        rig.happen(Closed(trouble.LOST))
        rig.wait(pause_s - 0.1)
        assert rig.uplink.opens == opens - 1
        rig.wait(0.2)
        assert rig.uplink.opens == opens
    rig.happen(Opened())
    rig.clock.uptime += 11
    rig.happen(Closed(trouble.LOST))
    rig.wait(1.1)
    assert rig.uplink.opens == 5


def test_the_link_fact_follows_and_its_loss_and_return_are_reported(rig: Rig) -> None:
    rig.happen(Opened())
    assert rig.link() is None, "not proven before the broker took something"
    rig.happen(ACCEPTED)
    assert rig.link() == LinkFact(connected=True) and rig.health() == []
    rig.happen(Closed(trouble.SILENT))
    assert rig.link() == LinkFact(connected=False, problem=trouble.SILENT.screen)
    rig.happen(Opened(), ACCEPTED)
    assert [(item.condition, item.ok, item.count) for item in rig.health()] == [("link", False, 1), ("link", True, 1)]


def test_a_hub_that_never_acks_is_a_problem_also_when_the_broker_is_fine(rig: Rig) -> None:
    rig.happen(Opened(), ACCEPTED)
    rig.wait(100)
    assert rig.link() == LinkFact(connected=True), "nothing waits, so silence is fine"
    rig.tap(1)
    for _ in range(17):
        rig.wait(1)
    assert rig.link() == LinkFact(connected=False, problem=trouble.UNCONFIRMED.screen)
    rig.ack(1)
    ack = Ack(stream="sync", epoch=str(rig.store.view().epoch()), up_to=1)
    rig.hear("ack", ack)
    assert rig.link() == LinkFact(connected=True)


def test_a_broker_that_refuses_our_events_is_named_and_reported_once(rig: Rig) -> None:
    refused = Answered(f"{OWN}/events", code=0x87)
    rig.happen(Opened(), ACCEPTED, refused, refused, ACCEPTED)
    assert rig.link() == LinkFact(connected=False, problem=trouble.REFUSED.screen)
    rig.happen(Answered(f"{OWN}/events", code=0))
    assert rig.link() == LinkFact(connected=True)
    assert [(item.condition, item.ok) for item in rig.health() if item.condition == "publish-refused"] == [
        ("publish-refused", False),
        ("publish-refused", True),
    ]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (f"{OWN}/ack", b"\xff\xfe"),
        (f"{OWN}/ack", b"{}"),
        (f"{OWN}/partners", b"[]"),
        (f"{OWN}/ask", b"x" * 70_000),
        (f"{OWN}/events", b"[]"),
        ("zorgkiosk/v1/roaz-oost/hap-vreemd/state", b"{}"),
        ("iets/anders", b"{}"),
    ],
)
def test_what_cannot_be_read_is_counted_and_stops_nothing(
    rig: Rig, topic: str, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    rig.happen(Opened(), Received(topic, payload), Received(topic, payload))
    assert [(item.condition, item.count) for item in rig.health()] == [("unreadable-message", 1)]
    assert len([record for record in caplog.records if "unreadable-message" in record.message]) == 1
    rig.clock.uptime += 601
    rig.happen(Received(topic, payload))
    assert [(item.condition, item.count) for item in rig.health()][-1] == ("unreadable-message", 3)
    rig.tap(1)
    rig.session.step()
    assert 1 in [event.sequence for event in rig.events() if event.stream == "panel"]


def test_sync_forgets_its_own_rows_when_they_are_acked(rig: Rig) -> None:
    with rig.store.transaction() as change:
        for count in range(1, 4):
            change.report(DeviceHealth(unit="sync", condition="link", ok=True, count=count))
    rig.happen(Opened())
    rig.hear("ack", Ack(stream="sync", epoch=str(rig.store.view().epoch()), up_to=3))
    assert [item.count for item in rig.health()] == [3], "the newest stays as the link for `previous`"


def test_it_says_goodbye(rig: Rig) -> None:
    rig.happen(Opened())
    rig.leaves()
    rig.session.close()
    assert rig.leaves() == ["online", "close"]


def test_a_link_that_breaks_again_and_again_is_named_and_a_steady_one_forgives(rig: Rig) -> None:
    for _ in range(2):
        rig.happen(Opened(), ACCEPTED)
        rig.happen(Closed(trouble.LOST))
    assert rig.link() == LinkFact(connected=False, problem=trouble.AGAIN_AND_AGAIN.screen)
    rig.happen(Closed(trouble.NO_ANSWER))
    assert rig.link() == LinkFact(connected=False, problem=trouble.NO_ANSWER.screen), "what is known is said"
    rig.happen(Opened(), ACCEPTED)
    rig.wait(60)
    rig.happen(Closed(trouble.LOST))
    assert rig.link() == LinkFact(connected=False, problem=trouble.LOST.screen)


def test_nobody_who_reads_the_events_is_told_apart_from_nobody_who_acknowledges(rig: Rig) -> None:
    rig.happen(Opened(), ACCEPTED)
    rig.tap(3)
    rig.happen(Answered(f"{OWN}/events", code=trouble.NO_SUBSCRIBERS))
    rig.wait(16)
    assert rig.link() == LinkFact(connected=False, problem=trouble.HUB_AWAY.screen)
    rig.happen(Answered(f"{OWN}/events"))
    assert rig.link() == LinkFact(connected=False, problem=trouble.UNCONFIRMED.screen)
    rig.ack(1)
    assert rig.link() == LinkFact(connected=True)
