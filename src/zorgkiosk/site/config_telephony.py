"""The sections of site.toml that a HAP has: its line, its front, its desks, and whom it helps."""

from __future__ import annotations

from datetime import date
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from zorgkiosk.config_file import Section
from zorgkiosk.contract.names import Code
from zorgkiosk.overflow.hours import Window
from zorgkiosk.overflow.hours import parse as parse_hours
from zorgkiosk.site.emergency import NoEmergency

if TYPE_CHECKING:
    from zorgkiosk.site.config import SiteConfig

Port = Annotated[int, Field(ge=1, le=65535)]
Title = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^0-9]*([0-9]{1,3}[^0-9]+)*[0-9]{0,3}$")]


class Front(Section):
    """Kamailio: `address` on the building's network for trunk, phones and partners; workers on loopback.

    `exchange_address` is where desks that are extensions, and the last resort, are called through.
    `handover`: `bridge` keeps the caller's place and carries the audio; `redirect` sends the trunk elsewhere (302).
    """

    address: IPv4Address
    sip_port: Port = 5060
    tls_port: Port = 5061
    internal_port: Port = 5080
    trunk_addresses: Annotated[tuple[IPv4Network, ...], Field(min_length=1)]
    exchange_address: IPv4Address | None = None
    exchange_port: Port = 5060
    handover: Literal["bridge", "redirect"] = "bridge"

    @field_validator("address")
    @classmethod
    def _is_one_of_a_box(cls, value: IPv4Address) -> IPv4Address:
        if value.is_unspecified or value.is_multicast or value.is_reserved:
            raise ValueError(f"{value} is not the address of one machine: write this box's own, fixed one")
        return value

    @field_validator("trunk_addresses")
    @classmethod
    def _are_not_everybody(cls, value: tuple[IPv4Network, ...]) -> tuple[IPv4Network, ...]:
        if any(network.prefixlen == 0 for network in value):
            raise ValueError("0.0.0.0/0 lets everybody call in as the exchange: write the exchange's own addresses")
        return value


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

    @model_validator(mode="after")
    def _are_there(self) -> Self:
        names = (self.welcome, self.waiting, self.almost, self.longer, self.partner, self.urgent, self.lost)
        try:
            missing = [name for name in names if not (self.folder / name).is_file()]
        except OSError as error:
            raise ValueError(f"{self.folder} cannot be looked into ({error.strerror}): let everybody read it") from None
        if missing:
            raise ValueError(f"not in {self.folder}: {', '.join(missing)}: copy the shipped announcements there")
        return self


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

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.phone is None) == (self.extension is None):
            raise ValueError("a desk has either a phone or an extension: write one of them")
        return self


class Partner(Section):
    """An agreement with another centre: each may take the other's calls. They are asked in the order of the file."""

    name: Code
    title: Title
    address: IPv4Address
    tls_port: Port = 5061
    agreed_on: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
    hours: tuple[str, ...] = ("altijd",)
    give_at_once: Annotated[int, Field(ge=0, le=99)] = 5
    give_per_hour: Annotated[int, Field(ge=0, le=999)] = 60
    give_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """At most this share of the calls that reached us in the last hour."""
    take_at_once: Annotated[int, Field(ge=0, le=99)] = 5
    patience_s: Annotated[float, Field(ge=5, le=600)] = 60
    """How long a call may wait at the partner before another one is asked."""
    redirect_to: RedirectTo | None = None
    """Where the trunk is sent with `handover = "redirect"`."""

    @field_validator("agreed_on")
    @classmethod
    def _is_a_day(cls, value: str) -> str:
        try:
            date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"'{value}' is no day: write year, month and day as in 2026-01-31") from None
        return value

    @field_validator("hours")
    @classmethod
    def _are_understood(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        parse_hours(value)
        return value

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


def telephony_problems(config: SiteConfig) -> list[str]:
    """What the sections of a HAP say against each other, a sentence each."""
    parts = {"telephony": config.telephony, "front": config.front, "announcements": config.announcements}
    missing = [f"[{name}]" for name, section in parts.items() if section is None]
    if len(missing) == len(parts):
        return ["[[desk]] and [[partner]] need [telephony], [front] and [announcements]"] * bool(
            config.desk or config.partner
        )
    if missing:
        return [f"[telephony], [front] and [announcements] belong together: {', '.join(missing)} is missing"]
    return [*_desk_problems(config), *_address_problems(config), *_partner_problems(config)]


def _desk_problems(config: SiteConfig) -> list[str]:
    problems = [] if config.desk else ["[telephony] needs at least one [[desk]]"]
    problems += [
        f"[[desk]] {desk.id}: phone '{desk.phone}' has no password: write it in secrets.toml under [phones]"
        for desk in config.desk
        if desk.phone is not None and desk.phone not in config.secrets.phones
    ]
    on_exchange = [f"[[desk]] {desk.id}: its extension" for desk in config.desk if desk.extension is not None]
    if config.telephony is not None and config.telephony.last_resort is not None:
        on_exchange.append("[telephony] last_resort")
    if config.front is not None and config.front.exchange_address is None:
        problems += [f"{each} is called through the exchange: write [front] exchange_address" for each in on_exchange]
    return problems


def _address_problems(config: SiteConfig) -> list[str]:
    """Addresses of others that are this box's own: a call to them would come back."""
    front = config.front
    if front is None:
        return []
    problems = []
    if front.exchange_address is not None and (front.exchange_address, front.exchange_port) == (
        front.address,
        front.sip_port,
    ):
        problems.append("[front] exchange_address is this box's own address: write the exchange's")
    return problems + [
        f"[[partner]] {partner.name}: address '{partner.address}' is this box's own: write the other centre's"
        for partner in config.partner
        if (partner.address, partner.tls_port) == (front.address, front.tls_port)
    ]


def _partner_problems(config: SiteConfig) -> list[str]:
    names_us = any(partner.name == config.site.name for partner in config.partner)
    problems = ["[[partner]] names this site itself: write the other centre's name"] * names_us
    if config.front is not None and config.front.handover == "redirect":
        problems += [
            f'[[partner]] {partner.name}: handover = "redirect" needs redirect_to: where the trunk is sent'
            for partner in config.partner
            if partner.redirect_to is None
        ]
    return problems
