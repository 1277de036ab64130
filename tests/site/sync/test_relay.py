from datetime import UTC, datetime

from zorgkiosk.contract.events import CapacityConfirmed, Event, Said, encode_batch, split_batch
from zorgkiosk.site.sync.relay import MAX_BATCH_BYTES, fitting

SAID = Said(datetime(2026, 3, 2, tzinfo=UTC), "0" * 36, 1, clock_synced=True)
LARGE = CapacityConfirmed(categories=("abcdefghij-" * 3 + "a",) * 100)


def events(count: int) -> list[Event]:
    return [Event("r", "s", "panel", "0" * 16, number, number - 1, SAID, LARGE) for number in range(1, count + 1)]


def test_a_payload_holds_as_many_of_the_first_events_as_fit() -> None:
    many = events(100)
    assert len(encode_batch(many)) > MAX_BATCH_BYTES
    fit, payload = fitting(many)
    assert fit == many[: len(fit)] and 1 <= len(fit) < 100
    assert len(payload) <= MAX_BATCH_BYTES and len(split_batch(payload)) == len(fit)


def test_few_events_travel_together() -> None:
    assert fitting(events(10)) == (events(10), encode_batch(events(10)))
    assert fitting([]) == ([], b"[]")
