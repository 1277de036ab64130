"""decide(): examples a shift lead would agree with, and properties that hold for every line."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.overflow.accept import Decline, Here, consider
from zorgkiosk.overflow.decide import decide, in_order
from zorgkiosk.overflow.terms import (
    Caller,
    Desk,
    Offer,
    Partner,
    PartnerStatus,
    Ring,
    RingLastResort,
    Rules,
    StandingOffer,
    StopLastResort,
    StopRinging,
    Withdraw,
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


def test_a_caller_waits_first_at_home_unless_urgent_or_nobody_is_there() -> None:
    patient = replace(RULES, wait_first_s=100)
    assert decide([caller("a")], BUSY, [ZUID], patient, 99.9) == []
    for line, desks, now_s in (
        ([caller("a")], BUSY, 100.0),
        ([replace(caller("a", 40), waited_before_s=50)], BUSY, 90.0),
        ([caller("a", urgent=True)], BUSY, 0.0),
        ([caller("a")], (), 0.0),
    ):
        [offer] = decide(line, desks, [ZUID], patient, now_s)
        assert isinstance(offer, Offer) and offer.partner == "hap-zuid"


def test_an_offer_is_not_repeated_and_not_made_for_a_caller_of_another_centre() -> None:
    assert decide([replace(caller("a"), offers=(StandingOffer("hap-zuid", 0.0),))], BUSY, [ZUID], RULES, 0.0) == []
    assert decide([replace(caller("a"), hops=1)], BUSY, [ZUID], RULES, 0.0) == []


def test_the_offered_keep_their_place_and_still_ring_at_home() -> None:
    offered, desks = replace(caller("a"), offers=(StandingOffer("hap-zuid", 0.0),)), (Desk("desk-1", 9.0), BUSY[1])
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
    offered = replace(caller("a"), offers=(StandingOffer("hap-zuid", 10.0),))
    assert decide([offered], BUSY, [ZUID], replace(RULES, giving=False), 11) == [Withdraw("a", "hap-zuid", "closed")]
    assert decide([offered], BUSY, [ZUID], RULES, 70) == [Withdraw("a", "hap-zuid", "patience")]


def test_an_urgent_caller_also_rings_at_two_partners_whatever_the_forecast() -> None:
    west = replace(ZUID, name="hap-west", status=PartnerStatus(True, 2, 0, 4))
    line, easy = [caller("a", urgent=True)], replace(RULES, handling_s=8)
    assert decide(line, BUSY, [ZUID, west], easy, 14.9) == []
    offers = [
        d.partner
        for d in decide(line, BUSY, [ZUID, west, replace(west, name="hap-oost")], easy, 15.0)
        if isinstance(d, Offer)
    ]
    assert offers == ["hap-zuid", "hap-west"]


def test_the_last_resort_rings_for_urgent_callers_only_and_gets_a_place() -> None:
    rules = replace(RULES, has_last_resort=True)
    full = replace(
        caller("a", urgent=True),
        rings_at="desk-1",
        ringing_since_s=55,
        offers=(StandingOffer("hap-zuid", 15.0), StandingOffer("hap-west", 20.0)),
    )
    west = replace(ZUID, name="hap-west")
    assert decide([full], BUSY, [ZUID, west], rules, 60.0) == [Withdraw("a", "hap-zuid", "last-resort")]
    west_left = (StandingOffer("hap-west", 20.0),)
    assert decide([replace(full, offers=west_left, leaving=1)], BUSY, [west], rules, 60.0) == []
    assert decide([replace(full, offers=west_left)], BUSY, [ZUID, west], rules, 60.0) == [RingLastResort("a")]
    assert decide([replace(full, urgent=False)], BUSY, [ZUID, west], rules, 60.0) == []
    assert RingLastResort("a") not in decide([full], BUSY, [ZUID, west], RULES, 60.0)
    rings = replace(full, offers=(StandingOffer("hap-west", 20.0),), last_resort_since_s=60.0, ringing_since_s=70)
    assert decide([rings], BUSY, [ZUID, west], rules, 79.9) == [], "the place of the withdrawn partner stays taken"
    assert decide([rings], BUSY, [ZUID, west], rules, 80.0)[0] == Withdraw("a", "hap-west", "patience")
    assert StopLastResort("a") in decide([rings], BUSY, [ZUID, west], rules, 80.0)


def test_an_urgent_caller_whose_desk_rings_too_long_also_rings_at_partners() -> None:
    ringing = replace(caller("a", urgent=True), rings_at="desk-1", ringing_since_s=0.0)
    assert decide([ringing], BUSY, [ZUID], RULES, 14.9) == []
    assert [d.partner for d in decide([ringing], BUSY, [ZUID], RULES, 15.0) if isinstance(d, Offer)] == ["hap-zuid"]
    assert decide([replace(ringing, urgent=False)], BUSY, [ZUID], RULES, 15.0) == []


def test_a_last_resort_that_refused_is_left_alone_for_a_while() -> None:
    rules = replace(RULES, has_last_resort=True)
    refused = replace(caller("a", urgent=True), last_resort_after_s=80.0)
    assert decide([refused], BUSY, [], rules, 79.9) == []
    assert decide([refused], BUSY, [], rules, 80.0) == [RingLastResort("a")]


def test_a_place_that_is_not_free_again_yet_is_not_given_away() -> None:
    """A fourth leg would be turned down, and a desk or a partner would be blamed for it."""
    full = replace(caller("a"), offers=(StandingOffer("hap-zuid", 0.0),), leaving=2)
    assert decide([full], (Desk("desk-1", 1.0),), [ZUID], RULES, 1.0) == []
    assert decide([replace(full, leaving=1)], (Desk("desk-1", 1.0),), [ZUID], RULES, 1.0) == [Ring("a", "desk-1")]


def test_reserved_desks_are_for_our_own_callers() -> None:
    theirs, ours = replace(caller("theirs", 0), hops=1, waited_before_s=100), caller("ours", 5)
    desks, rules = (Desk("desk-1", 1.0), Desk("desk-2", 2.0)), replace(RULES, reserve_desks=1)
    assert decide([theirs], desks, [], rules, 9.0) == [Ring("theirs", "desk-1")]
    assert decide([theirs], desks[:1], [], rules, 9.0) == []
    assert decide([theirs, ours], desks[:1], [], rules, 9.0) == [Ring("ours", "desk-1")]


@pytest.mark.parametrize(("share", "calls", "given", "offered"), [(0.2, 20, 3, 1), (0.2, 20, 4, 0), (0.2, 2, 0, 1)])
def test_the_agreed_share_of_the_hour_is_kept(share: float, calls: int, given: int, offered: int) -> None:
    partner = replace(ZUID, give_share=share, given_last_hour=given)
    rules = replace(RULES, calls_last_hour=calls)
    assert len(decide([caller("a"), caller("b", 1)], BUSY, [partner], rules, 2.0)) == offered


def test_outside_the_agreed_hours_a_partner_is_not_asked() -> None:
    assert decide([caller("a")], BUSY, [replace(ZUID, open=False)], RULES, 0.0) == []


def test_who_has_missed_two_minutes_is_judged_by_the_norm_of_ten() -> None:
    [offer] = decide([caller("a")], BUSY, [ZUID], replace(RULES, handling_s=300), 121.0)
    assert isinstance(offer, Offer) and 0.75 < offer.chance_home < 0.98


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
            give_share=draw(st.sampled_from([0.2, 1.0])),
            open=draw(st.booleans()),
            ours_there=draw(st.integers(0, 3)),
            given_last_hour=draw(st.integers(0, 3)),
            resting=draw(st.booleans()),
        )
        for letter in "abc"[: draw(st.integers(0, 3))]
    ]
    names = [partner.name for partner in partners]
    callers = [
        Caller(
            f"c{i}",
            urgent=draw(st.booleans()),
            arrived_s=draw(moment),
            waited_before_s=draw(st.floats(0, 300)),
            hops=draw(st.integers(0, 1)),
            offers=tuple(StandingOffer(name, now_s) for name in names[: draw(st.integers(0, min(2, len(names))))]),
            last_resort_since_s=draw(st.sampled_from([None, now_s])),
        )
        for i in range(draw(st.integers(0, 8)))
    ]
    rules = Rules(
        giving=draw(st.booleans()),
        reserve_desks=draw(st.integers(0, 2)),
        calls_last_hour=draw(st.integers(0, 20)),
        has_last_resort=draw(st.booleans()),
    )
    return callers, desks, partners, rules, now_s


@pytest.mark.long
@given(situations())
def test_what_holds_for_every_line(situation: tuple[list[Caller], list[Desk], list[Partner], Rules, float]) -> None:
    callers, desks, partners, rules, now_s = situation
    decisions = decide(callers, desks, partners, rules, now_s)
    by_id = {c.id: c for c in callers}
    rings = [d for d in decisions if isinstance(d, Ring)]
    offers = [d for d in decisions if isinstance(d, Offer)]
    free = {desk.id for desk in desks if desk.free_since_s is not None}
    assert len({d.desk for d in rings}) == len(rings) and {d.desk for d in rings} <= free
    can_ring = [c for c in in_order(callers, now_s) if c.legs < 3]
    own = [c for c in can_ring if c.hops == 0]
    assert [by_id[d.caller] for d in rings if by_id[d.caller].hops == 0] == own[: len(free)][: len(rings)][
        : sum(by_id[d.caller].hops == 0 for d in rings)
    ], "urgent first, then by time waited: no caller of ours is passed by another of ours"
    if rules.reserve_desks == 0:
        assert [by_id[d.caller] for d in rings] == can_ring[: len(free)], "nobody is passed, no free desk is idle"
    assert not {d.caller for d in rings} & {d.caller for d in offers}
    for offer in offers:
        c = by_id[offer.caller]
        assert c.hops == 0 and rules.giving and offer.partner not in {each.partner for each in c.offers}
        assert c.urgent or offer.chance_partner >= offer.chance_home + rules.margin * (1 - offer.chance_home)
    for c in callers:
        new = [d for d in decisions if isinstance(d, Ring | Offer | RingLastResort) and d.caller == c.id]
        gone = [d for d in decisions if isinstance(d, Withdraw | StopLastResort) and d.caller == c.id]
        assert len(new) == 0 or c.legs + len(new) - len(gone) <= 3, "a worker has three places"
        assert c.urgent or len(c.offers) + sum(isinstance(d, Offer) for d in new) <= max(1, len(c.offers))
    for partner in partners:
        given_now = sum(1 for offer in offers if offer.partner == partner.name)
        assert given_now == 0 or (partner.open and not partner.resting)
        assert given_now <= max(0, partner.give_at_once - partner.ours_there)
        assert given_now <= max(0, partner.give_per_hour - partner.given_last_hour)


@given(st.floats(0, 700), st.floats(0, 700), st.integers(0, 6), st.booleans())
def test_who_waited_longer_is_never_served_later(first_s: float, second_s: float, others: int, urgent: bool) -> None:
    """Monotone in the time waited, and so nobody starves: who waits long enough becomes the head of the line."""
    now_s = 800.0
    pair = [caller("x", now_s - first_s, urgent=urgent), caller("y", now_s - second_s, urgent=urgent)]
    rest = [caller(f"c{i}", now_s - 100.0 * i) for i in range(others)]
    order = [c.id for c in in_order([*pair, *rest], now_s)]
    if first_s > second_s:
        assert order.index("x") < order.index("y")


HERE = Here(
    accepting=True,
    open=True,
    desks_present=3,
    desks_free=1,
    reserve_desks=0,
    own_waiting=0,
    waiting=0,
    line_length=10,
    taken_from_partner=0,
    take_at_once=5,
)


@pytest.mark.parametrize(
    ("here", "hops", "answer"),
    [
        (HERE, 1, None),
        (replace(HERE, own_waiting=2, taken_from_partner=4, waiting=6, desks_free=0), 1, None),
        (HERE, 2, Decline(482, "Loop Detected")),
        (replace(HERE, accepting=False), 1, Decline(603, "Overflow closed")),
        (replace(HERE, open=False), 1, Decline(603, "Outside agreed hours")),
        (replace(HERE, desks_present=0), 1, Decline(480, "No desk manned")),
        (replace(HERE, taken_from_partner=5), 1, Decline(480, "Agreed number taken")),
        (replace(HERE, own_waiting=3), 1, Decline(480, "Own callers wait")),
        (replace(HERE, waiting=10), 1, Decline(480, "Line is long")),
        (replace(HERE, reserve_desks=1), 1, Decline(480, "Desks kept for own callers")),
        (replace(HERE, reserve_desks=1, desks_free=2), 1, None),
    ],
)
def test_the_receiving_site_decides(here: Here, hops: int, answer: Decline | None) -> None:
    assert consider(here, hops=hops) == answer
