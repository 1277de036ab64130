"""From what the line holds to what `overflow` is asked, and to what the screens and the hub are told. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from zorgkiosk.contract.events import Triage
from zorgkiosk.overflow.accept import Here
from zorgkiosk.overflow.forecast import chance_within, pressure
from zorgkiosk.overflow.terms import Caller, Desk, Partner, PartnerStatus, Rules, StandingOffer
from zorgkiosk.site import config_telephony as config
from zorgkiosk.site.facts import CallFact, DeskFact, LineFact, OfferFact, OverflowSwitch
from zorgkiosk.site.telephony.floor import DESK, PARTNER, DeskStand, Held, PartnerStand

STATUS_BELIEVED_S = 60.0
"""A partner's words are believed for this long after they were heard."""


@dataclass(frozen=True)
class Heard:
    """A partner's last words and when they were heard, on the line's clock."""

    status: PartnerStatus
    heard_s: float


@dataclass(frozen=True)
class Floor:
    """Everything at one moment."""

    held: tuple[Held, ...]
    desks: tuple[DeskStand, ...]
    partners: tuple[PartnerStand, ...]
    heard: Mapping[str, Heard]
    switch: OverflowSwitch
    handling_s: float
    lost: int
    ended: tuple[str, ...] = ()

    def at_partner(self, name: str) -> list[Held]:
        """Callers of ours that wait or talk at the partner."""
        return [
            held
            for held in self.held
            if held.talking_at == PARTNER + name or (held.waiting and held.offered_at(name) is not None)
        ]


def callers(floor: Floor) -> list[Caller]:
    return [
        Caller(
            id=str(held.worker),
            urgent=held.call.urgent,
            arrived_s=held.call.arrived_s,
            waited_before_s=held.call.waited_before_s,
            hops=held.call.hops,
            rings_at=held.rings_at,
            ringing_since_s=held.ringing_since_s,
            offers=tuple(StandingOffer(offer.partner, offer.since_s) for offer in held.offers),
            last_resort_since_s=held.last_resort_since_s,
            last_resort_after_s=held.last_resort_after_s,
            leaving=len(held.leaving),
        )
        for held in floor.held
        if held.waiting
    ]


def desks(floor: Floor) -> list[Desk]:
    """The manned ones; one that does not answer its phone still counts as manned for nobody."""
    return [
        Desk(stand.id, stand.idle_since_s if stand.state == "free" else None)
        for stand in floor.desks
        if stand.state in ("free", "ringing", "busy")
    ]


def partners(
    floor: Floor, agreements: Iterable[config.Partner], is_open: Callable[[config.Partner], bool], now_s: float
) -> list[Partner]:
    """In the agreement's order. `is_open`: whether these are hours of that agreement."""
    stands = {stand.name: stand for stand in floor.partners}
    result = []
    for agreed in agreements:
        there, stand = floor.at_partner(agreed.name), stands[agreed.name]
        result.append(
            Partner(
                name=agreed.name,
                status=_status(floor.heard.get(agreed.name), now_s),
                give_at_once=agreed.give_at_once,
                give_per_hour=agreed.give_per_hour,
                give_share=agreed.give_share,
                open=is_open(agreed),
                patience_s=agreed.patience_s,
                ours_there=len(there),
                ours_waiting_there=sum(1 for held in there if held.waiting),
                given_last_hour=stand.given_last_hour(now_s),
                resting=now_s < stand.resting_until_s,
            )
        )
    return result


def _status(heard: Heard | None, now_s: float) -> PartnerStatus | None:
    if heard is None or now_s - heard.heard_s > STATUS_BELIEVED_S:
        return None
    return heard.status


def status_of(said: Triage) -> PartnerStatus:
    """What a partner's published state says to the decision."""
    return PartnerStatus(said.accepting_overflow, said.desks_present, said.desks_free, said.waiting)


def here(floor: Floor, agreed: config.Partner, overflow: config.Overflow, *, is_open: bool) -> Here:
    """What the receiving rules look at when this partner offers a caller."""
    manned, waiting = desks(floor), [held for held in floor.held if held.waiting]
    return Here(
        accepting=floor.switch.accepting,
        open=is_open,
        desks_present=len(manned),
        desks_free=sum(1 for desk in manned if desk.free_since_s is not None),
        reserve_desks=overflow.reserve_desks,
        own_waiting=sum(1 for held in waiting if not held.from_partner),
        waiting=len(waiting),
        line_length=overflow.line_length,
        taken_from_partner=sum(1 for held in floor.held if held.call.origin == agreed.name),
        take_at_once=agreed.take_at_once,
    )


def triage(floor: Floor, rules: Rules, now_s: float) -> Triage:
    """The line in numbers, for the panel, the partners and the region."""
    manned, waiting = desks(floor), [held for held in floor.held if held.waiting]
    free = sum(1 for desk in manned if desk.free_since_s is not None)
    chance = chance_within(
        ahead=len([held for held in waiting if held.rings_at is None]),
        desks_present=len(manned),
        desks_free=free,
        handling_s=floor.handling_s,
        time_s=rules.norms.short_s,
    )
    helping = [held.call.origin for held in floor.held if held.from_partner]
    talking = [held.talking_at for held in floor.held if held.talking_at is not None]
    helped = [leg.removeprefix(PARTNER) for leg in talking if leg.startswith(PARTNER)]
    return Triage(
        desks_present=len(manned),
        desks_free=free,
        waiting=len(waiting),
        longest_wait_s=round(max((held.waited_s(now_s) for held in waiting), default=0.0), 1),
        accepting_overflow=floor.switch.accepting,
        pressure=pressure(chance, rules.norms),
        chance_2min=round(chance, 3),
        helping={name: helping.count(name) for name in sorted(set(helping))},
        helped_by={name: helped.count(name) for name in sorted(set(helped))},
    )


def line_fact(floor: Floor, now_s: float) -> LineFact:
    """The line for the panel, and for the line itself after a restart."""
    return LineFact(
        desks=tuple(
            DeskFact(id=stand.id, state=stand.state, since_uptime_ms=_ms(stand.since_s)) for stand in floor.desks
        ),
        calls=tuple(_call_fact(held) for held in floor.held),
        resting_partners=tuple(stand.name for stand in floor.partners if now_s < stand.resting_until_s),
        given_uptime_ms={stand.name: tuple(_ms(at) for at in stand.given_s) for stand in floor.partners},
        lost=floor.lost,
        ended=floor.ended,
    )


def _call_fact(held: Held) -> CallFact:
    return CallFact(
        worker=held.worker,
        sip_call_id=held.call.sip_call_id,
        origin=held.call.origin,
        hops=held.call.hops,
        urgent=held.call.urgent,
        arrived_uptime_ms=_ms(held.call.arrived_s),
        waited_before_s=held.call.waited_before_s,
        talking_at=None if held.talking_at is None else held.talking_at.removeprefix(DESK).removeprefix(PARTNER),
        rings_at=held.rings_at,
        offers=tuple(
            OfferFact(partner=each.partner, chance_home=each.chance_home, chance_partner=each.chance_partner)
            for each in (held.offers if held.won is None else (held.won,))
        ),
    )


def _ms(time_s: float) -> int:
    return int(time_s * 1000)
