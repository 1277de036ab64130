from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from zorgkiosk.contract.events import Said
from zorgkiosk.contract.status import PartnerStates, SiteState
from zorgkiosk.site.facts import age_s, read
from zorgkiosk.site.store import Store
from zorgkiosk.site.sync.partners import Partners, known


@dataclass
class HandClock:
    uptime: float = 500.0

    def now(self) -> datetime:
        return datetime(2026, 3, 2, 12, tzinfo=UTC) + timedelta(seconds=self.uptime)

    def uptime_s(self) -> float:
        return self.uptime

    def said(self) -> Said:
        return Said(self.now(), "0" * 36, int(self.uptime * 1000), clock_synced=True)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(tmp_path: Path, clock: HandClock) -> Store:
    return Store.open(tmp_path / "sync.db", "sync", clock)


@pytest.fixture
def partners(store: Store, clock: HandClock) -> Partners:
    return Partners(store, ["hap-zuid"], clock, {})


def word(uptime_ms: int, boot: str = "a", waiting_to_send: int = 0) -> SiteState:
    return SiteState(
        region="roaz-oost",
        site="hap-zuid",
        title="HAP Zuid",
        said_at="2026-03-02T12:00:00Z",
        boot_id=boot * 36,
        uptime_ms=uptime_ms,
        clock_synced=True,
        waiting_to_send=waiting_to_send,
    )


def kept(store: Store) -> SiteState | None:
    return read(SiteState, store.view().state().get("partner/hap-zuid"))


def test_the_newer_word_of_one_boot_and_any_direct_word_of_another_boot_is_kept(
    store: Store, partners: Partners
) -> None:
    for now_s, (said, expected) in enumerate(
        [(word(50), word(50)), (word(40), word(50)), (word(60), word(60)), (word(1, "b"), word(1, "b"))]
    ):
        partners.heard(said)
        partners.save(float(now_s))
        assert kept(store) == expected


def test_a_partner_that_says_much_is_written_once_a_second_with_its_last_word(
    store: Store, partners: Partners, clock: HandClock
) -> None:
    view = store.view()
    view.changed()
    partners.heard(word(1))
    partners.save(10.0)
    assert view.changed()
    for uptime_ms in range(2, 9):
        partners.heard(word(uptime_ms))
        partners.save(10.0 + uptime_ms / 10)
    assert not view.changed()
    partners.save(11.0)
    assert kept(store) == word(8)


def test_the_hub_s_memory_counts_when_it_was_heard_later_than_ours(
    store: Store, partners: Partners, clock: HandClock
) -> None:
    def remembered(state: SiteState, heard_age_s: float) -> None:
        partners.remembered(PartnerStates(partners=(state,), heard_age_s={"hap-zuid": heard_age_s}))
        partners.save(clock.uptime)
        clock.uptime += 10

    remembered(word(100), 30)
    assert kept(store) == word(100)
    assert age_s(store.view().state()["partner/hap-zuid"], clock) == 40
    remembered(word(200, "b"), 60)
    assert kept(store) == word(100), "heard before ours"
    remembered(word(90), 0)
    assert kept(store) == word(100), "an older word of the same boot"
    remembered(word(300, "b"), 1)
    assert kept(store) == word(300, "b")


def test_the_hub_s_memory_of_others_or_without_an_age_is_not_kept(store: Store, partners: Partners) -> None:
    other = word(1).model_copy(update={"site": "hap-west"})
    partners.remembered(PartnerStates(partners=(other, word(1)), heard_age_s={"hap-west": 1}))
    partners.save(0.0)
    assert store.view().state() == {}


def test_after_a_restart_of_sync_the_word_of_this_boot_still_counts(
    store: Store, partners: Partners, clock: HandClock
) -> None:
    partners.heard(word(50))
    partners.save(0.0)
    held = known(store.view().state(), ["hap-zuid", "hap-west"], "0" * 36)
    assert held["hap-zuid"].state == word(50) and set(held) == {"hap-zuid"}
    assert known(store.view().state(), ["hap-zuid"], "f" * 36) == {}
    again = Partners(store, ["hap-zuid"], clock, held)
    again.heard(word(40))
    again.save(5.0)
    assert kept(store) == word(50)
