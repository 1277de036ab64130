"""The sections of site.toml that a HAP has: its line, its front, its desks, and whom it helps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from zorgkiosk.config_section import UNREAD, Rule, Section, with_keys
from zorgkiosk.contract.names import Code
from zorgkiosk.overflow.hours import Window
from zorgkiosk.overflow.hours import parse as parse_hours
from zorgkiosk.site.emergency import NoEmergency

if TYPE_CHECKING:
    from zorgkiosk.site.config import SiteConfig

Port = Annotated[int, Field(ge=1, le=65535)]
Title = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^0-9]*([0-9]{1,3}[^0-9]+)*[0-9]{0,3}$")]


def _is_one_of_a_box(value: IPv4Address) -> IPv4Address:
    if value.is_unspecified or value.is_multicast or value.is_reserved:
        raise ValueError(f"{value} is not the address of one machine: write this box's own, fixed one")
    return value


def _are_not_everybody(value: tuple[IPv4Network, ...]) -> tuple[IPv4Network, ...]:
    if any(network.prefixlen == 0 for network in value):
        raise ValueError("0.0.0.0/0 lets everybody call in as the exchange: write the exchange's own addresses")
    return value


def _is_a_day(value: str) -> str:
    try:
        date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"'{value}' is no day: write year, month and day as in 2026-01-31") from None
    return value


def _are_understood(value: tuple[str, ...]) -> tuple[str, ...]:
    parse_hours(value)
    return value


class Front(Section):
    """Kamailio: `address` on the building's network for trunk, phones and partners; workers on loopback.

    `exchange_address` is where desks that are extensions, and the last resort, are called through.
    `handover`: `bridge` keeps the caller's place and carries the audio; `redirect` sends the trunk elsewhere (302).
    """

    address: Annotated[IPv4Address, AfterValidator(_is_one_of_a_box)]
    sip_port: Port = 5060
    tls_port: Port = 5061
    internal_port: Port = 5080
    trunk_addresses: Annotated[tuple[IPv4Network, ...], Field(min_length=1), AfterValidator(_are_not_everybody)]
    exchange_address: IPv4Address | None = None
    exchange_port: Port = 5060
    handover: Literal["bridge", "redirect"] = "bridge"


class Announcements(Section):
    """What callers hear: WAV files (8 kHz, 16 bits, mono) in `folder`. The shipped ones are in Dutch.

    `minutes` names one file per number of minutes by the place of `{}`; those that exist are used.
    """

    folder: Path
    welcome: str = "welkom.wav"
    waiting: str = "wachten.wav"
    almost: str = "bijna.wav"
    minutes: Annotated[str, Field(pattern=r"^[^{}/]*\{\}[^{}/]*$")] = "minuten-{}.wav"
    longer: str = "langer.wav"
    partner: str = "partner.wav"
    urgent: str = "spoed.wav"
    lost: str = "verbroken.wav"
    every_s: Annotated[float, Field(ge=10, le=300)] = 30
    """Seconds from one announcement to the next; silence between."""

    def rules(self) -> tuple[Rule, ...]:
        return (self._are_there,)

    def _are_there(self) -> Iterator[str]:
        files = (self.welcome, self.waiting, self.almost, self.longer, self.partner, self.urgent, self.lost)
        names = [name for name in files if name is not UNREAD]
        try:
            missing = [name for name in names if not (self.folder / name).is_file()]
        except OSError as error:
            yield f"{self.folder} cannot be looked into ({error.strerror}): let everybody read it"
            return
        if missing:
            yield f"not in {self.folder}: {', '.join(missing)}: copy the shipped announcements there"


Extension = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,20}$"), NoEmergency]
RedirectTo = Annotated[str, Field(pattern=r"^sips?:[A-Za-z0-9+._-]+@[A-Za-z0-9.-]+(:\d+)?$"), NoEmergency]


class Telephony(Section):
    """The waiting line and its call workers. One worker is one caller, so `workers` bounds the line's length."""

    workers: Annotated[int, Field(ge=1, le=64)] = 12
    worker_sip_port: Port = 5100
    worker_rtp_port: Port = 41000
    recycle_after_calls: Annotated[int, Field(ge=1, le=100_000)] = 500
    """A worker is replaced after so many callers, so that its memory stays bounded."""
    answer_after_s: Annotated[float, Field(ge=0, le=600)] = 45
    """Waiting callers hear early media until then; many trunks cut it after one to three minutes, so then we answer."""
    ring_s: Annotated[float, Field(ge=5, le=120)] = 20
    no_answer_rest_s: Annotated[float, Field(ge=0, le=600)] = 60
    handling_s: Annotated[float, Field(ge=10, le=3600)] = 360
    """Mean handling time a forecast starts from; the line learns the centre's own from its calls."""
    urgent_overflow_s: Annotated[float, Field(ge=0, le=300)] = 15
    urgent_last_resort_s: Annotated[float, Field(ge=5, le=600)] = 60
    last_resort: Extension | None = None
    """Extension of the exchange that rings for an urgent caller nobody picks up."""


class Desk(Section):
    """One triagist's desk: a `phone` that registers at the front (its password in secrets), or an `extension`.

    An extension may also be a ring group of the exchange; it counts as one desk.
    """

    id: Code
    title: Title
    phone: Annotated[Code, NoEmergency] | None = None
    extension: Extension | None = None

    def rules(self) -> tuple[Rule, ...]:
        return (self._is_one_of_both,)

    def _is_one_of_both(self) -> Iterator[str]:
        if (self.phone is None) == (self.extension is None):
            yield "a desk has either a phone or an extension: write one of them"


class Partner(Section):
    """An agreement with another centre: each may take the other's calls. They are asked in the order of the file."""

    name: Code
    title: Title
    address: IPv4Address
    tls_port: Port = 5061
    agreed_on: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$"), AfterValidator(_is_a_day)]
    hours: Annotated[tuple[str, ...], AfterValidator(_are_understood)] = ("altijd",)
    give_at_once: Annotated[int, Field(ge=0, le=99)] = 5
    give_per_hour: Annotated[int, Field(ge=0, le=999)] = 60
    give_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """At most this share of the calls that reached us in the last hour."""
    take_at_once: Annotated[int, Field(ge=0, le=99)] = 5
    patience_s: Annotated[float, Field(ge=5, le=600)] = 60
    """How long a call may wait at the partner before another one is asked."""
    redirect_to: RedirectTo | None = None
    """Where the trunk is sent with `handover = "redirect"`."""

    @property
    def windows(self) -> tuple[Window, ...]:
        return parse_hours(self.hours)


class Overflow(Section):
    """How readily calls are given and taken. Whether a partner is asked follows from the norms."""

    wait_first_s: Annotated[float, Field(ge=0, le=600)] = 105
    """So long a caller waits here before a partner is asked, unless urgent or no desk is manned."""
    margin: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Part of the chance to miss the norm here that a partner must take away."""
    reserve_desks: Annotated[int, Field(ge=0, le=99)] = 0
    """So many free desks are kept from partners' callers."""
    line_length: Annotated[int, Field(ge=1, le=99)] = 10
    """With so many callers waiting here, partners' offers are declined."""
    rest_s: Annotated[float, Field(ge=0, le=600)] = 60
    """How long a partner that refused or did not answer is left alone."""


def telephony_rules(config: SiteConfig) -> tuple[Rule, ...]:
    """What the sections of a HAP say against each other."""
    parts = {"telephony": config.telephony, "front": config.front, "announcements": config.announcements}
    missing = [f"[{name}]" for name, section in parts.items() if section is None]
    if len(missing) == len(parts):
        return (lambda: _needs_a_line(config),)
    if missing:
        sentence = f"[telephony], [front] and [announcements] belong together: {', '.join(missing)} is missing: add it"
        return (lambda: [sentence],)
    rules = (_has_desks, _has_passwords, _has_an_exchange, _exchange_is_another, _partners_are_elsewhere)
    return tuple(partial(rule, config) for rule in (*rules, _partners_are_others, _partners_can_be_sent_to))


def _needs_a_line(config: SiteConfig) -> Iterator[str]:
    if config.desk or config.partner:
        yield "[[desk]] and [[partner]] need [telephony], [front] and [announcements]: add them"


def _has_desks(config: SiteConfig) -> Iterator[str]:
    if not config.desk:
        yield "[telephony] needs at least one [[desk]]: add it"


def _has_passwords(config: SiteConfig) -> Iterator[str]:
    for desk in with_keys(config.desk, "id", "phone"):
        if desk.phone is not None and desk.phone not in config.secrets.phones:
            yield f"[[desk]] {desk.id}: phone '{desk.phone}' has no password: write it in secrets.toml under [phones]"


def _has_an_exchange(config: SiteConfig) -> Iterator[str]:
    front, telephony = config.front, config.telephony
    if front is None or telephony is None or front.exchange_address is not None:
        return
    cure = "is called through the exchange: write [front] exchange_address"
    for desk in with_keys(config.desk, "id"):
        if desk.extension is not None:
            yield f"[[desk]] {desk.id}: its extension {cure}"
    if telephony.last_resort is not None:
        yield f"[telephony] last_resort {cure}"


def _exchange_is_another(config: SiteConfig) -> Iterator[str]:
    """Addresses of others that are this box's own: a call to them would come back."""
    front = config.front
    if front is None or front.exchange_address is None:
        return
    if (front.exchange_address, front.exchange_port) == (front.address, front.sip_port):
        yield "[front] exchange_address is this box's own address: write the exchange's"


def _partners_are_elsewhere(config: SiteConfig) -> Iterator[str]:
    for partner in with_keys(config.partner, "name", "address", "tls_port"):
        front = config.front
        if front is not None and (partner.address, partner.tls_port) == (front.address, front.tls_port):
            yield f"[[partner]] {partner.name}: address '{partner.address}' is this box's own: write the other centre's"


def _partners_are_others(config: SiteConfig) -> Iterator[str]:
    if any(partner.name == config.site.name for partner in with_keys(config.partner, "name")):
        yield "[[partner]] names this site itself: write the other centre's name"


def _partners_can_be_sent_to(config: SiteConfig) -> Iterator[str]:
    for partner in with_keys(config.partner, "name"):
        if config.front is not None and config.front.handover == "redirect" and partner.redirect_to is None:
            yield f'[[partner]] {partner.name}: handover = "redirect" needs redirect_to: write where the trunk is sent'
