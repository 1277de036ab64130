"""Whatever arrives from the network is read or set aside; nothing raises, and no number gets through."""

import json
import re
from typing import Any

import pytest
import sqlalchemy as sa
from hub_said import NOON, REGION, SITES, config, event, state
from hypothesis import given, settings
from hypothesis import strategies as st

from zorgkiosk.contract.events import Event, to_cloudevent
from zorgkiosk.contract.status import Online, SiteState, encode_status
from zorgkiosk.contract.topics import Topic
from zorgkiosk.hub import schema
from zorgkiosk.hub.inbox import Inbox
from zorgkiosk.hub.intake import Intake
from zorgkiosk.hub.letters import EXCERPT_CHARS, Letter, Unreadable, read
from zorgkiosk.hub.link import Arrived
from zorgkiosk.hub.metrics import IntakeMetrics

pytest_plugins = ["database_fixtures"]

pytestmark = pytest.mark.long

NAMES = frozenset(site.name for site in SITES)
BASE = f"zorgkiosk/v1/{REGION}/hap-noord"
FIVE_DIGITS = re.compile(r"\d{5}")

leaves = st.sampled_from(["events", "state", "online", "ack", "ask", "nothing"])
topics = st.one_of(leaves.map(lambda leaf: f"{BASE}/{leaf}"), st.text(max_size=80))
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.just("0612345678"),
    st.sampled_from(["2026-11-23T12:00:00Z", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59Z", "-1", "9" * 15]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def nearly(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """A good message with some of its fields gone, and others holding anything; also inside `data`."""
    item = dict(whole)
    for name in draw(st.lists(st.sampled_from(sorted(whole)), max_size=3)):
        if draw(st.booleans()):
            item.pop(name, None)
        elif isinstance(whole[name], dict) and draw(st.booleans()):
            item[name] = draw(nearly(whole[name]))
        else:
            item[name] = draw(values)
    return item


GOOD_EVENT = to_cloudevent(event(7))
GOOD_STATE = json.loads(encode_status(state("hap-noord")))
payloads = st.one_of(
    st.binary(max_size=200),
    values.map(lambda value: json.dumps(value).encode()),
    st.lists(nearly(GOOD_EVENT) | values, max_size=4).map(lambda items: json.dumps(items).encode()),
    nearly(GOOD_STATE).map(lambda item: json.dumps(item).encode()),
    nearly({"site": "hap-noord", "online": True}).map(lambda item: json.dumps(item).encode()),
    st.integers(1, 60_000).map(lambda depth: b"[" * depth),
    st.integers(1, 60_000).map(lambda depth: b'{"a":' * depth),
)


def read_at(topic: str, payload: bytes) -> list[Letter]:
    return read(topic, payload, region=REGION, sites=NAMES)


@settings(max_examples=600, deadline=None)
@given(topics, payloads)
def test_anything_is_read_or_set_aside(topic: str, payload: bytes) -> None:
    for letter in read_at(topic, payload):
        match letter:
            case Unreadable():
                assert len(letter.excerpt) <= EXCERPT_CHARS and len(letter.sentence) <= EXCERPT_CHARS
                assert not FIVE_DIGITS.search(letter.excerpt) and not FIVE_DIGITS.search(letter.sentence)
                assert letter.site in NAMES | {"-"} or topic.split("/")[3] == letter.site
            case Event():
                assert (letter.region, letter.site) == (REGION, "hap-noord") and letter.previous < letter.sequence
            case SiteState() | Online():
                assert letter.site == "hap-noord"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=120))
def test_any_topic_is_a_place_of_this_region_or_set_aside(topic: str) -> None:
    letters = read_at(topic, encode_status(Online(site="hap-noord", online=True)))
    assert all(isinstance(letter, Unreadable) for letter in letters) or topic == f"{BASE}/online"


class Deaf:
    def receive(self, *, limit: int, timeout_s: float) -> list[Any]:  # noqa: ARG002
        raise AssertionError("not asked")

    def say(self, topic: str, payload: bytes) -> None:
        assert topic.startswith(f"zorgkiosk/v1/{REGION}/hap-noord/") and json.loads(payload) is not None

    def settle(self, arrivals: Any) -> None:
        pass


def commit_and_go_on(inbox: Inbox, messages: list[tuple[str, bytes]]) -> None:
    """What a parser let through must not be refused by the database: one message would stop the hub for all."""
    intake = Intake(config(), inbox, Deaf(), lambda: NOON, IntakeMetrics())
    intake.handle([Arrived(topic, payload) for topic, payload in messages])
    with inbox.commit(NOON) as commit:
        assert commit.take([event(1, 0, epoch="e" * 16)])[0].ack.up_to >= 1


some_messages = st.lists(st.tuples(topics, payloads), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(some_messages)
def test_anything_can_be_committed_and_the_next_event_is_acknowledged(messages: list[tuple[str, bytes]]) -> None:
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    schema.metadata.create_all(engine)
    inbox = Inbox(engine)
    commit_and_go_on(inbox, messages)
    inbox.close()


@pytest.mark.integration
def test_anything_can_be_committed_on_postgresql_too(postgresql_database: str) -> None:
    """Its JSON and its text are stricter: no NUL, no lone surrogate."""
    inbox = Inbox.open(postgresql_database)

    @settings(max_examples=200, deadline=None)
    @given(some_messages)
    def committed(messages: list[tuple[str, bytes]]) -> None:
        commit_and_go_on(inbox, messages)

    committed()
    inbox.close()


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.sampled_from(["events", "state", "online"]))
def test_what_a_site_says_is_never_another_sites(name: str, leaf: str) -> None:
    payload = {"events": json.dumps([GOOD_EVENT | {"site": name}]), "state": json.dumps(GOOD_STATE | {"site": name}),
               "online": json.dumps({"site": name, "online": True})}[leaf]  # fmt: skip
    (letter,) = read_at(str(Topic(REGION, "hap-noord", "events")).replace("events", leaf), payload.encode())
    assert isinstance(letter, Unreadable) or name == "hap-noord"
