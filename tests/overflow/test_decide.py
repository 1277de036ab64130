"""decide(): examples a shift lead would agree with, and properties that hold for every line."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.overflow.accept import Decline, Here, consider
from zorgkiosk.overflow.decide import (
    Caller,
    Desk,
    Offer,
    Partner,
    PartnerStatus,
    Ring,
    Rules,
    StopRinging,
    Withdraw,
    decide,
    in_order,
)

BUSY = (Desk("desk-1", None), Desk("desk-2", None))
ZUID = Partner("hap-zuid", PartnerStatus(True, 3, 3, 0), give_at_once=5, give_per_hour=60, patience_s=60)
RULES = Rules()


def caller(name: str, arrived_s: float = 0.0, *, urgent: bool = False) -> Caller:
    return Caller(name, urgent=urgent, arrived_s=arrived_s)


def test_a_free_desk_rings_for_the_longest_waiting_and_nobody_is_moved() -> None:
    desks = (Desk("desk-1", 5.0), Desk("desk-2", 3.0))
    decisions = decide([caller("b", 8), caller("a", 7)], desks, [ZUID], RULES, 10.0)
    assert decisions == [Ring("a", "desk-2"), Ring("b", "desk-1")]


def test_who_would_miss_the_norm_is_offered_and_told_why() -> None:
    [offer] = decide([caller("a")], BUSY, [ZUID], RULES, 0.0)
    assert isinstance(offer, Offer) and (offer.caller, offer.partner, offer.chance_partner) == ("a", "hap-zuid", 1.0)
    assert offer.chance_home == pytest.approx(0.4866, abs=1e-4)


def test_who_will_meet_the_norm_stays() -> None:
    assert decide([caller("a")], BUSY, [ZUID], replace(RULES, handling_s=60), 0.0) == []


def test_an_offer_is_not_repeated_and_not_made_for_a_caller_of_another_centre() -> None:
    assert decide([replace(caller("a"), offered_to="hap-zuid")], BUSY, [ZUID], RULES, 0.0) == []
    assert decide([replace(caller("a"), hops=1)], BUSY, [ZUID], RULES, 0.0) == []


def test_the_offered_keep_their_place_and_still_ring_at_home() -> None:
    offered, desks = replace(caller("a"), offered_to="hap-zuid"), (Desk("desk-1", 9.0), BUSY[1])
    resting = replace(ZUID, resting=True)
    assert decide([offered, caller("b", 1)], desks, [resting], RULES, 10.0) == [Ring("a", "desk-1")]


def test_urgent_goes_first() -> None:
    line = [caller("old"), caller("urgent", 50, urgent=True)]
    assert decide(line, (Desk("desk-1", 1.0),), [], RULES, 60.0) == [Ring("urgent", "desk-1")]


def test_time_waited_elsewhere_counts() -> None:
    here, moved = caller("here", 0), replace(caller("moved", 50), waited_before_s=100)
    assert [c.id for c in in_order([here, moved], 60)] == ["moved", "here"]


def test_a_desk_that_rings_too_long_is_given_up() -> None:
    ringing = replace(caller("a"), rings_at="desk-1", ringing_since_s=0.0)
    assert decide([ringing], BUSY, [], RULES, 19.9) == []
    assert decide([ringing], BUSY, [], RULES, 20.0) == [StopRinging("a", "desk-1")]


@pytest.mark.parametrize(
    "partner",
    [
        replace(ZUID, resting=True),
        replace(ZUID, ours_there=5),
        replace(ZUID, given_last_hour=60),
        replace(ZUID, status=PartnerStatus(False, 3, 3, 0)),
        replace(ZUID, status=PartnerStatus(True, 0, 0, 0)),
        replace(ZUID, status=PartnerStatus(True, 2, 0, 1)),
        replace(ZUID, status=None, ours_waiting_there=1),
    ],
)
def test_a_partner_that_cannot_help_is_not_asked(partner: Partner) -> None:
    assert decide([caller("a")], BUSY, [partner], RULES, 0.0) == []


def test_a_partner_nobody_heard_of_lately_is_asked_by_trying_one_call() -> None:
    decisions = decide([caller("a"), caller("b", 1)], BUSY, [replace(ZUID, status=None)], RULES, 2.0)
    assert [(d.caller, d.partner) for d in decisions if isinstance(d, Offer)] == [("a", "hap-zuid")]


def test_closing_and_impatience_withdraw() -> None:
    offered = replace(caller("a"), offered_to="hap-zuid", offered_since_s=10)
    assert decide([offered], BUSY, [ZUID], replace(RULES, giving=False), 11) == [Withdraw("a", "hap-zuid", "closed")]
    assert decide([offered], BUSY, [ZUID], RULES, 70) == [Withdraw("a", "hap-zuid", "patience")]


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Caller], list[Desk], list[Partner], Rules, float]:
    now_s = 1000.0
    moment = st.floats(0, now_s)
    desks = [Desk(f"desk-{i}", draw(st.none() | moment)) for i in range(draw(st.integers(0, 4)))]
    partners = [
        Partner(
            f"hap-{letter}",
            draw(st.none() | st.builds(PartnerStatus, st.booleans(), st.integers(0, 5), st.integers(0, 5), st.just(0))),
            give_at_once=draw(st.integers(0, 3)),
            give_per_hour=draw(st.integers(0, 3)),
            patience_s=60,
            resting=draw(st.booleans()),
        )
        for letter in "ab"[: draw(st.integers(0, 2))]
    ]
    names = [partner.name for partner in partners]
    callers = [
        Caller(
            f"c{i}",
            urgent=draw(st.booleans()),
            arrived_s=draw(moment),
            waited_before_s=draw(st.floats(0, 300)),
            hops=draw(st.integers(0, 1)),
            offered_to=draw(st.sampled_from([None, *names])),
            offered_since_s=now_s,
        )
        for i in range(draw(st.integers(0, 8)))
    ]
    return callers, desks, partners, Rules(giving=draw(st.booleans())), now_s


@given(situations())
def test_what_holds_for_every_line(situation: tuple[list[Caller], list[Desk], list[Partner], Rules, float]) -> None:
    callers, desks, partners, rules, now_s = situation
    decisions = decide(callers, desks, partners, rules, now_s)
    by_id = {c.id: c for c in callers}
    rings = [d for d in decisions if isinstance(d, Ring)]
    offers = [d for d in decisions if isinstance(d, Offer)]
    free = {desk.id for desk in desks if desk.free_since_s is not None}
    assert len({d.desk for d in rings}) == len(rings) == min(len(free), len(callers))
    assert {d.desk for d in rings} <= free
    served = [by_id[d.caller] for d in rings]
    assert served == in_order(callers, now_s)[: len(served)], "urgent first, then by time waited: no one is passed"
    assert not {d.caller for d in rings} & {d.caller for d in offers}
    for offer in offers:
        assert by_id[offer.caller].hops == 0 and by_id[offer.caller].offered_to is None and rules.giving
        assert offer.chance_partner >= offer.chance_home + rules.margin
    for partner in partners:
        given_now = sum(1 for offer in offers if offer.partner == partner.name)
        assert given_now == 0 or not partner.resting
        assert given_now <= min(partner.give_at_once, partner.give_per_hour)


@pytest.mark.parametrize(
    ("here", "hops", "answer"),
    [
        (Here(True, 3, 0, 0, 5), 1, None),
        (Here(True, 3, 2, 4, 5), 1, None),
        (Here(True, 3, 0, 0, 5), 2, Decline(482, "Loop Detected")),
        (Here(False, 3, 0, 0, 5), 1, Decline(603, "Overflow closed")),
        (Here(True, 0, 0, 0, 5), 1, Decline(480, "No desk manned")),
        (Here(True, 3, 0, 5, 5), 1, Decline(486, "Agreed number taken")),
        (Here(True, 3, 3, 0, 5), 1, Decline(486, "Own callers wait")),
    ],
)
def test_the_receiving_site_decides(here: Here, hops: int, answer: Decline | None) -> None:
    assert consider(here, hops=hops) == answer
