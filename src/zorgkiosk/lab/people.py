"""Everybody with a telephone: triagists at their desks, and callers behind each centre's trunk.

Each speaks a tone of their own, so that whoever is heard is known.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address

from zorgkiosk.lab.daemon import LabError
from zorgkiosk.lab.handset import Handset, Registration
from zorgkiosk.lab.region import Region, Site
from zorgkiosk.lab.tone import TONES_HZ

NUMBER_PREFIX = "020555"
"""What callers' numbers begin with (555 is given to nobody): it must be found in no log and no table."""

_PICK_UP_S = 0.6
_CONNECT_S = 25.0
_MEDIA_PORTS_EACH = 10


@dataclass
class People:
    """Handsets by who holds them: desks by site, one on the exchange of a site, callers in the order they came."""

    tones: Iterator[int] = field(default_factory=lambda: iter(TONES_HZ))
    desks: dict[str, dict[str, Handset]] = field(default_factory=dict)
    exchange: dict[str, Handset] = field(default_factory=dict)
    callers: list[Handset] = field(default_factory=list)
    _phones: dict[str, Callable[[], Awaitable[Handset]]] = field(default_factory=dict)

    async def sit_down(self, site: Site) -> None:
        """A phone for each desk of the site, registered at its front; it is picked up soon after it rings."""
        sip = site.config.front
        if sip is None:
            return
        passwords = tomllib.loads(site.file.with_name("secrets.toml").read_text(encoding="utf-8"))["phones"]
        phones = self.desks.setdefault(site.name, {})
        for number, desk in enumerate(site.config.desk):
            if desk.phone is None:
                continue
            phones[desk.id] = await Handset.start(
                f"{site.name} {desk.id}",
                address=str(IPv4Address(int(sip.address) + 2)),
                port=5060 + number,
                rtp_port=42000 + number * _MEDIA_PORTS_EACH,
                tone_hz=next(self.tones),
                user=desk.phone,
                registration=Registration(
                    f"sip:{desk.phone}@{sip.address}:{sip.sip_port}", passwords[desk.phone], site.name
                ),
            )
            await phones[desk.id].answers(_PICK_UP_S)

    async def attend_exchange(self, site: Site) -> None:
        """One phone that rings for every extension of the site's exchange, the last resort among them."""
        sip = site.config.front
        if sip is None or sip.exchange_address is None:
            return
        self.exchange[site.name] = await Handset.start(
            f"{site.name} exchange",
            address=str(sip.exchange_address),
            port=sip.exchange_port,
            tone_hz=next(self.tones),
            user="exchange",
        )

    async def gather_callers(self, site: Site, number: int) -> None:
        """Callers behind the site's trunk, each with a telephone number."""
        sip = site.config.front
        if sip is None:
            return
        for index in range(number):
            name = f"caller {len(self.callers) + 1}"
            self._phones[name] = partial(
                Handset.start,
                name,
                address=str(IPv4Address(int(sip.address) + 1)),
                port=5060 + index,
                rtp_port=42000 + index * _MEDIA_PORTS_EACH,
                tone_hz=next(self.tones),
                user=f"{NUMBER_PREFIX}{1001 + len(self.callers)}",
            )
            self.callers.append(await self._phones[name]())

    async def lose_phone(self, caller: Handset) -> None:
        """The caller's phone loses power, whatever it is doing; another one is put in its place.

        One that hangs up while a front that died has forgotten its call asks for the end of it over and over: PJSIP
        2.15.1 answers each 481 to its BYE with a BYE, until the front is silent. That takes longer than a scene.
        """
        await caller.crash()
        self.callers[self.callers.index(caller)] = await self._phones[caller.name]()

    def everyone(self) -> list[Handset]:
        desks = [phone for site in self.desks.values() for phone in site.values()]
        return [*self.callers, *desks, *self.exchange.values()]

    async def meet(self, caller: Handset) -> Meeting:
        """Wait until the caller is connected and both hear each other and nobody else. Raises HandsetError."""
        await caller.wait_for("connected", timeout_s=_CONNECT_S)
        dialled_s = next(event.at_s for event in reversed(caller.history) if event.name == "calling")
        far = {
            phone.tone_hz: (site, desk, phone) for site, desks in self.desks.items() for desk, phone in desks.items()
        }
        far |= {phone.tone_hz: (site, "exchange", phone) for site, phone in self.exchange.items()}
        async with asyncio.timeout(_CONNECT_S):
            while not (heard := set((await caller.listen()).tones)) & set(far):
                pass
        if len(heard) != 1:
            raise LabError(f"{caller.name} hears {sorted(heard)} at once")
        site, desk, phone = far[heard.pop()]
        await phone.hears({caller.tone_hz})
        # The caller may have been answered before, while it waited; the triagist's phone tells when they met.
        met_s = next(event.at_s for event in reversed(phone.history) if event.name == "connected")
        return Meeting(caller, phone, site, desk, met_s - dialled_s)

    async def still_talk(self, meetings: Iterable[Meeting]) -> int:
        """How many of these still hear each other, both ways, right now."""
        count = 0
        for meeting in meetings:
            hears = set((await meeting.caller.listen()).tones) == {meeting.desk_phone.tone_hz}
            count += hears and set((await meeting.desk_phone.listen()).tones) == {meeting.caller.tone_hz}
        return count

    async def stop(self) -> None:
        await asyncio.gather(*(phone.stop() for phone in self.everyone()))


@dataclass(frozen=True)
class Meeting:
    """A caller and the triagist they talk to; `waited_s` is from dialling to the pick-up."""

    caller: Handset
    desk_phone: Handset
    site: str
    desk: str
    waited_s: float


def dial(region: Region, name: str) -> str:
    """The address that the trunk of a centre calls."""
    sip = region.sites[name].config.front
    if sip is None:
        raise LabError(f"{name} takes no calls")
    return f"sip:huisartsenpost@{sip.address}:{sip.sip_port}"
