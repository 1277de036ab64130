"""One tap after another, as pure steps."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from panel_site import NOON, said

from zorgkiosk.site.config import CapacityItem
from zorgkiosk.site.facts import CapacityFact
from zorgkiosk.site.panel import draft
from zorgkiosk.site.panel.draft import End, RefusedError
from zorgkiosk.site.panel.known import PendingTap

BED = CapacityItem(code="grz", total=4, ask_expected=True, limits=("alleen-m", "isolatie", "alleen-v"))
SEH = CapacityItem(code="seh")
NIGHT = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)  # 02:02 in the Netherlands
STOP = PendingTap(status="stop", reason="drukte", until="2026-11-21T15:05:00Z")


@pytest.mark.parametrize(
    ("free", "expected", "step", "becomes"),
    [(2, None, 1, 3), (2, None, -1, 1), (2, 0, -1, -1), (2, 4, 1, 4), (0, -99, -1, -99)],
)
def test_what_is_expected_counts_on_from_what_is_free(free: int, expected: int | None, step: int, becomes: int) -> None:
    after = draft.expect(BED, PendingTap(free=free, expected_free_24h=expected, limits=("isolatie",)), step)
    assert after == PendingTap(free=free, expected_free_24h=becomes, limits=("isolatie",))


def test_a_number_keeps_what_else_was_said_of_it() -> None:
    before = PendingTap(free=2, expected_free_24h=3, limits=("isolatie",))
    assert draft.step(BED, None, before, 1) == before.model_copy(update={"free": 3})


def test_a_number_that_became_unknown_is_counted_on_without_the_rest() -> None:
    told = CapacityFact(category="grz", free=2, expected_free_24h=3, limits=("isolatie",))
    assert draft.step(BED, told, None, 1) == PendingTap(free=3)


def test_limits_stand_in_the_order_of_the_config_and_exclude_each_other() -> None:
    said_so_far = PendingTap(free=1)
    for code, on, expected in (
        ("isolatie", True, ("isolatie",)),
        ("alleen-m", True, ("alleen-m", "isolatie")),
        ("alleen-v", True, ("isolatie", "alleen-v")),
        ("alleen-v", True, ("isolatie", "alleen-v")),
        ("isolatie", False, ("alleen-v",)),
        ("alleen-m", False, ("alleen-v",)),
    ):
        said_so_far = draft.limit(BED, said_so_far, code, on=on)
        assert said_so_far.limits == expected


def test_another_status_takes_neither_reason_nor_end_along_and_the_same_keeps_them() -> None:
    assert draft.choose(SEH, STOP, "dreigend") == PendingTap(status="dreigend")
    assert draft.choose(SEH, STOP, "stop") == STOP
    assert draft.choose(SEH, None, "open") == PendingTap(status="open")


def test_a_reason_is_said_changed_and_taken_back() -> None:
    assert draft.reason(SEH, STOP, "personeel", on=True).reason == "personeel"
    assert draft.reason(SEH, STOP, "drukte", on=False).reason is None
    assert draft.reason(SEH, STOP, "personeel", on=False).reason == "drukte", "another hand changed it in between"


@pytest.mark.parametrize(
    ("code", "now", "local"),
    [
        ("1-uur", NOON, "2026-11-21T15:05+01:00"),
        ("2-uur", NOON.replace(minute=6), "2026-11-21T16:10+01:00"),
        ("4-uur", NOON.replace(hour=22, minute=58), "2026-11-22T04:00+01:00"),
        ("8-uur", NOON, "2026-11-22T08:00+01:00"),
        ("8-uur", NIGHT, "2026-11-22T08:00+01:00"),
        ("18-uur", NOON, "2026-11-21T18:00+01:00"),
        ("18-uur", NOON.replace(hour=17, minute=0), "2026-11-22T18:00+01:00"),
        # The night in which summer begins and an hour is missing.
        ("8-uur", datetime(2026, 3, 28, 20, 0, tzinfo=UTC), "2026-03-29T08:00+02:00"),
        ("geen", NOON, None),
    ],
)
def test_ends_are_big_steps_from_now(code: End, now: datetime, local: str | None) -> None:
    assert draft.end_at(code, now) == (None if local is None else datetime.fromisoformat(local))
    until = draft.end(SEH, STOP, code, replace(said(), at=now)).until
    assert (until is None) == (local is None)


def test_a_clock_that_may_be_wrong_offers_no_time_of_day() -> None:
    doubtful = replace(said(), clock_synced=False)
    assert draft.ends(doubtful) == ("1-uur", "2-uur", "4-uur", "geen") and draft.ends(said()) == draft.ENDS
    with pytest.raises(RefusedError, match="De klok is niet gelijk"):
        draft.end(SEH, STOP, "8-uur", doubtful)
    assert draft.end(SEH, STOP, "1-uur", doubtful).until is not None


@pytest.mark.parametrize(
    ("item", "verb", "args", "kept"),
    [
        (SEH, draft.step, (None, None, 1), {}),
        (SEH, draft.expect, (STOP, 1), {}),
        (BED, draft.expect, (None, 1), {}),
        (CapacityItem(code="grz"), draft.expect, (PendingTap(free=1), 1), {}),
        (BED, draft.limit, (None, "isolatie"), {"on": True}),
        (BED, draft.limit, (PendingTap(free=1), "bariatrisch"), {"on": True}),
        (SEH, draft.choose, (None, "vol"), {}),
        (BED, draft.choose, (None, "stop"), {}),
        (SEH, draft.reason, (None, "drukte"), {"on": True}),
        (SEH, draft.reason, (PendingTap(status="open"), "drukte"), {"on": True}),
        (SEH, draft.reason, (STOP, "mevrouw Jansen"), {"on": True}),
        (SEH, draft.end, (PendingTap(status="dreigend"), "1-uur", said()), {}),
        (SEH, draft.end, (STOP, "3-uur", said()), {}),
        (SEH, draft.end, (None, "1-uur", said()), {}),
    ],
)
def test_what_makes_no_sense_is_one_short_dutch_sentence(
    item: CapacityItem, verb: Any, args: tuple[object, ...], kept: dict[str, object]
) -> None:
    with pytest.raises(RefusedError) as refused:
        verb(item, *args, **kept)
    assert 10 < len(str(refused.value)) < 50 and str(refused.value).endswith(".")
