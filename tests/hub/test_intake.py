"""What the intake does with what arrives, over a real database and a post that remembers."""

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hub_said import CALL, EPOCH, NOON, REGION, bed, config, event, state

from zorgkiosk.contract.events import encode_batch, to_cloudevent
from zorgkiosk.contract.status import (
    MAX_STATUS_BYTES,
    Ack,
    Ask,
    Online,
    PartnerStates,
    decode_status,
    encode_status,
)
from zorgkiosk.hub import schema
from zorgkiosk.hub.config import HubSite
from zorgkiosk.hub.inbox import Inbox
from zorgkiosk.hub.intake import MESSAGES_A_COMMIT, Intake
from zorgkiosk.hub.link import Arrival, Arrived, Connected
from zorgkiosk.hub.metrics import IntakeMetrics


@dataclass
class RememberingPost:
    """Gives out what it was given, remembers what was said, and stops the intake when nothing is left."""

    stop: threading.Event = field(default_factory=threading.Event)
    arrivals: list[Arrival] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    said: list[tuple[str, bytes]] = field(default_factory=list)
    settled: list[Arrival] = field(default_factory=list)

    def receive(self, *, limit: int, timeout_s: float) -> list[Arrival]:  # noqa: ARG002
        taken, self.arrivals = self.arrivals[:limit], self.arrivals[limit:]
        self.rounds.append(len(taken))
        if not self.arrivals:
            self.stop.set()
        return taken

    def say(self, topic: str, payload: bytes) -> None:
        self.said.append((topic.removeprefix(f"zorgkiosk/v1/{REGION}/"), payload))

    def settle(self, arrivals: Sequence[Arrival]) -> None:
        self.settled += arrivals

    def acks(self) -> list[tuple[str, Ack]]:
        said = [(topic, payload) for topic, payload in self.said if topic.endswith("/ack")]
        return [(topic.removesuffix("/ack"), decode_status(Ack, payload)) for topic, payload in said]


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    opened = Inbox.open(f"sqlite:///{tmp_path / 'hub.db'}")
    yield opened
    opened.close()


@pytest.fixture
def post() -> RememberingPost:
    return RememberingPost()


@pytest.fixture
def intake(inbox: Inbox, post: RememberingPost) -> Intake:
    return Intake(config(), inbox, post, lambda: NOON, IntakeMetrics())


def arrived(leaf: str, payload: bytes, site: str = "hap-noord") -> Arrived:
    return Arrived(f"zorgkiosk/v1/{REGION}/{site}/{leaf}", payload)


def ack(up_to: int) -> Ack:
    return Ack(stream="telephony", epoch=EPOCH, up_to=up_to)


def test_what_came_in_together_is_acknowledged_once_as_a_whole(intake: Intake, post: RememberingPost) -> None:
    post.arrivals = [arrived("events", encode_batch([event(number)])) for number in (3, 2, 3)]
    post.arrivals.append(arrived("events", encode_batch([event(1, 0)])))
    intake.run(post.stop)
    assert post.acks() == [("hap-noord", ack(3))] and post.rounds == [4]


def test_no_more_is_taken_into_one_commit_than_was_set(intake: Intake, post: RememberingPost) -> None:
    last = MESSAGES_A_COMMIT + 5
    post.arrivals = [arrived("events", encode_batch([event(number)])) for number in range(1, last + 1)]
    intake.run(post.stop)
    assert post.rounds == [MESSAGES_A_COMMIT, 5]
    assert post.acks() == [("hap-noord", ack(MESSAGES_A_COMMIT)), ("hap-noord", ack(last))]


def test_a_stream_with_a_gap_is_told_how_far_it_is_held(intake: Intake, post: RememberingPost) -> None:
    intake.handle([arrived("events", encode_batch([event(1, 0), event(3)]))])
    intake.handle([arrived("events", encode_batch([event(4)]))])
    assert post.acks() == [("hap-noord", ack(1)), ("hap-noord", ack(1))]


def test_nothing_is_acknowledged_when_the_database_fails(intake: Intake, post: RememberingPost, tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'hub.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE stream_position RENAME TO gone")
    post.arrivals = [
        arrived("events", encode_batch([event(1, 0)])),
        arrived("state", encode_status(state("hap-noord"))),
    ]
    with pytest.raises(sa.exc.OperationalError):
        intake.run(post.stop)
    assert post.said == []
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.site_state)) == 0
    engine.dispose()


def test_one_unreadable_event_does_not_hold_up_the_rest(
    intake: Intake, post: RememberingPost, caplog: pytest.LogCaptureFixture
) -> None:
    worse = to_cloudevent(event(2)) | {"data": CALL.model_dump() | {"origin": "0612345678"}}
    items = [to_cloudevent(event(1, 0)), worse, "no envelope", to_cloudevent(event(3))]
    with caplog.at_level(logging.INFO):
        intake.handle([arrived("events", json.dumps(items).encode())])
    assert post.acks() == [("hap-noord", ack(3))]
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2 and lines[0].startswith("hap-noord/events set aside: call.handled: origin: ")
    assert "0612345678" not in caplog.text


def test_no_table_holds_the_number_that_a_site_sent_by_mistake(intake: Intake, tmp_path: Path) -> None:
    number = "0612345678"
    wrong = to_cloudevent(event(1, 0)) | {"data": {"caller": number}}
    more = to_cloudevent(event(2)) | {"caller": number, "data": CALL.model_dump() | {"caller": number}}
    status = json.loads(encode_status(state("hap-noord"))) | {"caller": number}
    intake.handle(
        [
            arrived("events", json.dumps([wrong, more]).encode()),
            arrived("state", json.dumps(status).encode()),
            arrived("state", f"caller {number}".encode()),
            arrived("events", f'["{number}"]'.encode(), site="hap-west"),
        ]
    )
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'hub.db'}")
    with engine.connect() as connection:
        rows = {table.name: connection.execute(sa.select(table)).all() for table in schema.metadata.sorted_tables}
    engine.dispose()
    assert {name: len(found) for name, found in rows.items()} == {
        "event": 2, "stream_position": 1, "site_state": 1, "dead_letter": 3
    }  # fmt: skip
    assert number not in repr(rows)


def test_a_site_that_is_not_configured_gets_no_answer(intake: Intake, post: RememberingPost) -> None:
    intake.handle(
        [
            arrived("events", encode_batch([event(1, 0, site="hap-west")]), site="hap-west"),
            arrived("online", encode_status(Online(site="hap-west", online=True)), site="hap-west"),
        ]
    )
    assert post.said == []


def test_every_site_is_asked_on_each_connection(intake: Intake, post: RememberingPost) -> None:
    intake.handle([Connected()])
    intake.handle([Connected()])
    asked = [(topic, decode_status(Ask, payload).wanted) for topic, payload in post.said]
    assert asked == [
        ("hap-noord/ask", 1), ("hap-zuid/ask", 2), ("vvt-linde/ask", 3),
        ("hap-noord/ask", 4), ("hap-zuid/ask", 5), ("vvt-linde/ask", 6),
    ]  # fmt: skip


def test_a_site_that_connects_is_told_of_its_partners_and_asked(
    intake: Intake, inbox: Inbox, post: RememberingPost
) -> None:
    with inbox.commit(NOON - timedelta(seconds=90)) as commit:
        commit.take_state(state("hap-zuid"))
        commit.take_state(state("vvt-linde"))
    intake.handle([arrived("online", encode_status(Online(site="hap-noord", online=True)))])
    (partners_topic, partners), (ask_topic, _) = post.said
    assert (partners_topic, ask_topic) == ("hap-noord/partners", "hap-noord/ask")
    assert decode_status(PartnerStates, partners) == PartnerStates(
        partners=(state("hap-zuid"),), heard_age_s={"hap-zuid": 90.0}
    )
    intake.handle([arrived("online", encode_status(Online(site="hap-noord", online=False)))])
    assert len(post.said) == 2, "who is gone is told nothing"


def test_partners_that_do_not_fit_into_one_message_are_left_out(inbox: Inbox, post: RememberingPost) -> None:
    names = ("hap-a", "hap-b", "hap-c", "hap-d", "hap-e")
    partners = tuple(HubSite(name=name, title="Partner", kind="hap") for name in names)
    noord = HubSite(name="hap-noord", title="HAP Noord", kind="hap", partners=names)
    settings = config().model_copy(update={"site": (noord, *partners)})
    beds = [bed("grz", 1, 0, total=8).model_copy(update={"category": f"bed-{'x' * 34}"})] * 100
    with inbox.commit(NOON) as commit:
        for name in names:
            commit.take_state(state(name, *beds))
    assert len(encode_status(state("hap-a", *beds))) * 5 > MAX_STATUS_BYTES
    online = arrived("online", encode_status(Online(site="hap-noord", online=True)))
    Intake(settings, inbox, post, lambda: NOON, IntakeMetrics()).handle([online])
    told = decode_status(PartnerStates, post.said[0][1])
    assert [partner.site for partner in told.partners] == ["hap-a", "hap-b", "hap-c", "hap-d"]
