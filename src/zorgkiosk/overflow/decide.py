"""What to do with the waiting line now: which desk rings for whom, who is offered to which partner, what is withdrawn.

`decide` is a function of what it is given and nothing else. It is asked after every event and every second; whatever
it says is done at once, so it can be asked as often as one likes: once done, a decision is not repeated.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from zorgkiosk.overflow.forecast import chance_within, next_norm
from zorgkiosk.overflow.terms import (
    MOST_LEGS,
    Caller,
    Decision,
    Desk,
    Offer,
    Partner,
    Ring,
    RingLastResort,
    Rules,
    StandingOffer,
    StopLastResort,
    StopRinging,
    Withdraw,
)

URGENT_PARTNERS = 2


def in_order(callers: Sequence[Caller], now_s: float) -> list[Caller]:
    """The line: urgent callers first, then by the whole time waited, wherever it was spent."""
    return sorted(callers, key=lambda caller: (not caller.urgent, -caller.waited_s(now_s), caller.id))


def decide(
    callers: Sequence[Caller], desks: Sequence[Desk], partners: Sequence[Partner], rules: Rules, now_s: float
) -> list[Decision]:
    """Every decision that is due at `now_s`, in the order in which it must be done."""
    line = in_order(callers, now_s)
    rings = _ring(line, desks, rules)
    rung = {ring.caller for ring in rings}
    return [
        *_stop_ringing(line, rules, now_s),
        *rings,
        *_withdraw(line, partners, rules, now_s),
        *_last_resort(line, rung, rules, now_s),
        *_offers(line, rung, desks, partners, rules, now_s),
    ]


def _stop_ringing(line: Sequence[Caller], rules: Rules, now_s: float) -> list[Decision]:
    return [
        StopRinging(caller.id, caller.rings_at)
        for caller in line
        if caller.rings_at is not None and now_s - caller.ringing_since_s >= rules.ring_s
    ]


def _ring(line: Sequence[Caller], desks: Sequence[Desk], rules: Rules) -> list[Ring]:
    """The head of the line rings at the desk that has been free longest, and so on while there are both."""
    free = [desk for _, desk in sorted((d.free_since_s, d.id) for d in desks if d.free_since_s is not None)]
    rings: list[Ring] = []
    for caller in line:
        left = len(free) - len(rings)
        if left == 0:
            break
        if caller.rings_at is None and caller.legs < MOST_LEGS and (caller.hops == 0 or left > rules.reserve_desks):
            rings.append(Ring(caller.id, free[len(rings)]))
    return rings


def _withdraw(line: Sequence[Caller], partners: Sequence[Partner], rules: Rules, now_s: float) -> list[Decision]:
    patience_s = {partner.name: partner.patience_s for partner in partners}
    decisions: list[Decision] = []
    for caller in line:
        for offer in caller.offers:
            if not rules.giving:
                decisions.append(Withdraw(caller.id, offer.partner, "closed"))
            elif now_s - offer.since_s >= patience_s.get(offer.partner, 0.0):
                decisions.append(Withdraw(caller.id, offer.partner, "patience"))
    return decisions


def _last_resort(line: Sequence[Caller], rung: Collection[str], rules: Rules, now_s: float) -> list[Decision]:
    decisions: list[Decision] = []
    for caller in line:
        if not (caller.urgent and rules.has_last_resort and caller.waited_s(now_s) >= rules.urgent_last_resort_s):
            continue
        if caller.last_resort_since_s is not None:
            if now_s - caller.last_resort_since_s >= rules.ring_s:
                decisions.append(StopLastResort(caller.id))
            continue
        if now_s < caller.last_resort_after_s:
            continue
        if caller.legs + (caller.id in rung) < MOST_LEGS:
            decisions.append(RingLastResort(caller.id))
        elif caller.offers and not caller.leaving:
            # There is no fourth place: the longest tried partner makes room, and once it has the last resort rings.
            longest = min(caller.offers, key=lambda each: each.since_s)
            decisions.append(Withdraw(caller.id, longest.partner, "last-resort"))
    return decisions


def _offers(
    line: Sequence[Caller],
    rung: Collection[str],
    desks: Sequence[Desk],
    partners: Sequence[Partner],
    rules: Rules,
    now_s: float,
) -> list[Decision]:
    if not rules.giving:
        return []
    decisions: list[Decision] = []
    ahead = 0
    for caller in line:
        # While a desk rings there is hope at home; whom that takes too long for an urgent caller rings elsewhere too.
        if caller.id in rung or (caller.rings_at is not None and not _pressing(caller, rules, now_s)):
            continue
        offer = _offer(caller, ahead, len(desks), partners, rules, now_s)
        while offer is not None:
            decisions.append(offer)
            partners = [_one_more(other) if other.name == offer.partner else other for other in partners]
            standing = StandingOffer(offer.partner, now_s)
            caller = replace(caller, offers=(*caller.offers, standing))
            offer = _offer(caller, ahead, len(desks), partners, rules, now_s)
        ahead += caller.rings_at is None
    return decisions


def _pressing(caller: Caller, rules: Rules, now_s: float) -> bool:
    return caller.urgent and caller.waited_s(now_s) >= rules.urgent_overflow_s


def _offer(
    caller: Caller, ahead: int, desks_present: int, partners: Sequence[Partner], rules: Rules, now_s: float
) -> Offer | None:
    """The next offer that this caller needs; None when there is none to make."""
    pressing = _pressing(caller, rules, now_s)
    resort = caller.last_resort_since_s is not None or caller.waited_s(now_s) >= rules.urgent_last_resort_s
    # One place is for a desk at home, and once it is due one is for the last resort.
    most = URGENT_PARTNERS - (rules.has_last_resort and resort) if pressing else 1
    if caller.hops > 0 or len(caller.offers) >= most or caller.legs >= MOST_LEGS:
        return None
    if not caller.urgent and desks_present and caller.waited_s(now_s) < rules.wait_first_s:
        return None
    left_s, wanted = next_norm(waited_s=caller.waited_s(now_s), urgent=caller.urgent, norms=rules.norms)
    home = chance_within(
        ahead=ahead, desks_present=desks_present, desks_free=0, handling_s=rules.handling_s, time_s=left_s
    )
    if home >= wanted and not pressing:
        return None
    asked = {offer.partner for offer in caller.offers}
    best = _best_partner([partner for partner in partners if partner.name not in asked], left_s, rules)
    if best is None:
        return None
    chance, partner = best
    if not pressing and chance < home + rules.margin * (1 - home):
        return None
    return Offer(caller.id, partner.name, chance_home=home, chance_partner=chance)


def _best_partner(partners: Sequence[Partner], left_s: float, rules: Rules) -> tuple[float, Partner] | None:
    """The first in the agreement's order among those with the best chance; None when none may be asked."""
    best: tuple[float, Partner] | None = None
    for partner in partners:
        if not partner.open or partner.resting or partner.ours_there >= partner.give_at_once:
            continue
        if partner.given_last_hour >= _most_per_hour(partner, rules):
            continue
        chance = _chance_there(partner, left_s, rules)
        if chance is not None and (best is None or chance > best[0]):
            best = (chance, partner)
    return best


def _most_per_hour(partner: Partner, rules: Rules) -> int:
    """By number and by share; a share never forbids the first call of an hour."""
    if partner.give_share >= 1.0:
        return partner.give_per_hour
    return min(partner.give_per_hour, max(1, int(partner.give_share * rules.calls_last_hour)))


def _chance_there(partner: Partner, left_s: float, rules: Rules) -> float | None:
    """The chance at the partner; of one that nothing is known of, that it meets the norm: asking will tell."""
    status = partner.status
    if status is None:
        return None if partner.ours_waiting_there else rules.norms.short_share
    if not status.accepting:
        return None
    # Ours that wait there may not be in its last words yet; counting them twice only makes us careful.
    ahead = max(status.waiting, partner.ours_waiting_there)
    ours_talking = partner.ours_there - partner.ours_waiting_there
    return chance_within(
        ahead=ahead,
        desks_present=status.desks_present,
        desks_free=min(status.desks_free, max(0, status.desks_present - ours_talking)),
        handling_s=rules.handling_s,
        time_s=left_s,
    )


def _one_more(partner: Partner) -> Partner:
    return replace(
        partner,
        ours_there=partner.ours_there + 1,
        ours_waiting_there=partner.ours_waiting_there + 1,
        given_last_hour=partner.given_last_hour + 1,
    )
