"""The region that is measured: the demo's, with room for twenty calls at once, and endpoints that weigh little."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

from zorgkiosk.contract.status import SiteState
from zorgkiosk.lab import evidence
from zorgkiosk.lab.bench.dialog import Dialog
from zorgkiosk.lab.bench.endpoint import Endpoint
from zorgkiosk.lab.bench.media import Media
from zorgkiosk.lab.daemon import LabError, until
from zorgkiosk.lab.region import CONFIGS, Region, Site
from zorgkiosk.site.facts import read
from zorgkiosk.site.store import StoreView

NOORD, ZUID = "hap-noord", "hap-zuid"
DESKS = {NOORD: 21, ZUID: 12}
"""The home centre has one more than the calls that are up when something is killed. Every centre has a spare worker."""
PARTNER_RESTS_S = 1.0
OVERFLOW = "[overflow]\n"
"""The section of the demo's configs that limits are added to."""
_PORTS_FROM_DEMO = 400
_FIRST_PHONE = 10
_SOON_S = 15.0
_PORTS_WAIT_S = 120.0


@dataclass
class Ground:
    """The running region, its trunk, and its phones by site and user.

    `rung`: each site's desk dialogs by the caller's number.
    """

    region: Region
    trunk: Endpoint
    phones: dict[str, dict[str, Endpoint]]
    rung: dict[str, dict[str, Dialog]] = field(default_factory=lambda: {NOORD: {}, ZUID: {}})
    _asked: dict[str, bool] = field(default_factory=dict)

    @property
    def home(self) -> Site:
        return self.region.sites[NOORD]

    @property
    def partner(self) -> Site:
        return self.region.sites[ZUID]

    @classmethod
    @asynccontextmanager
    async def opened(cls, directory: Path) -> AsyncIterator[Ground]:
        """Start everything below `directory`, which is removed first; end it at the end. Raises LabError."""
        shutil.rmtree(directory, ignore_errors=True)
        configs = write_configs(directory / "configs")
        region = Region.prepare(directory / "region", configs)
        await _ports_are_free(region)
        media = {name: Media.at(_beside(region.sites[name], 2)) for name in (NOORD, ZUID)}
        phones = {name: _phones(region.sites[name], media[name]) for name in (NOORD, ZUID)}
        trunk = _endpoint(region.sites[NOORD], 1, Media.at(_beside(region.sites[NOORD], 1)))
        ground = cls(region, trunk, phones)
        speaking = [asyncio.create_task(each.run()) for each in (trunk.media, *media.values())]
        try:
            await region.start()
            for endpoint in ground.endpoints():
                await endpoint.open()
            yield ground
        finally:
            for task in speaking:
                task.cancel()
            for endpoint in ground.endpoints():
                endpoint.close()
            region.stop()

    def endpoints(self) -> Iterable[Endpoint]:
        return (self.trunk, *(phone for site in self.phones.values() for phone in site.values()))

    def pick_up(self, site: Site, ringing: Dialog) -> None:
        """At the desk where it rings."""
        self.phones[site.name][ringing.user].pick_up(ringing)

    def desks_answer(self, site: Site, *, answer: bool) -> None:
        """The site's phones pick up at once, or ring until they are told to."""
        rung = self.rung[site.name]

        def invited(dialog: Dialog) -> None:
            rung[dialog.number] = dialog
            if answer:
                self.pick_up(site, dialog)

        for phone in self.phones[site.name].values():
            phone.on_invite = invited

    async def scene(self, *, home: int, partner: int, answer: bool) -> None:
        """Everybody hangs up, phones register, and so many desks are manned. Raises LabError when that fails."""
        for endpoint in self.endpoints():
            for dialog in endpoint.dialogs.values():
                dialog.hang_up()
        for site, manned in ((self.home, home), (self.partner, partner)):
            await self.empty(site)
            self.desks_answer(site, answer=answer)
            for phone, password in site.config.secrets.phones.items():
                await self.phones[site.name][phone].register(phone, password)
            await self.man(site, manned)
        for endpoint in self.endpoints():
            endpoint.dialogs.clear()
        for rung in self.rung.values():
            rung.clear()
        await until(self._is_told, _SOON_S, "the home centre knows how many desks the partner has")

    async def man(self, site: Site, manned: int) -> None:
        """Triagists at the first so many desks, nobody at the others."""
        for number, desk in enumerate(site.config.desk):
            present = number < manned
            if self._asked.get(f"{site.name}/{desk.id}", False) != present:
                await evidence.tap(site, f"desk/{desk.id}", present="yes" if present else "no")
                self._asked[f"{site.name}/{desk.id}"] = present

        def seen() -> bool:
            return sum(desk.state != "away" for desk in site.line().desks) == manned

        await until(seen, _SOON_S, f"{site.name}: {manned} desks are manned")

    async def empty(self, site: Site) -> None:
        await until(lambda: not site.line().calls, _SOON_S, f"{site.name}: the line is empty")
        if site.units["kamailio"].alive and site.config.telephony is not None:
            await self.region.until_idle(site, site.config.telephony.workers)

    async def until_rung(self, site: Site, caller: Dialog, timeout_s: float = 5.0) -> Dialog:
        """The desk dialog that rings at this site for the caller."""
        rung = self.rung[site.name]
        await until(lambda: caller.number in rung, timeout_s, f"{site.name}: a desk rings for the caller")
        return rung[caller.number]

    def _is_told(self) -> bool:
        """What the partner last said of itself has reached the home centre's `sync`."""
        manned = sum(desk.state != "away" for desk in self.partner.line().desks)
        view = StoreView(self.home.config.sync_db)
        try:
            said = read(SiteState, view.state().get(f"partner/{ZUID}"))
        finally:
            view.close()
        triage = None if said is None else said.triage
        return triage is not None and (triage.desks_present, triage.desks_free) == (manned, manned)


def write_configs(folder: Path) -> Path:
    """The demo's configs with more of everything, at places of their own. `folder` must not exist."""
    shutil.copytree(CONFIGS, folder)
    for file in folder.glob("*/*.toml"):
        text = beside_the_demo(file.read_text(encoding="utf-8"))
        desks = DESKS.get(file.parent.name)
        file.write_text(text if desks is None else enlarged(text, desks), encoding="utf-8")
    return folder


def beside_the_demo(text: str) -> str:
    """Another loopback network, and other ports on 127.0.0.1, so that a demo may run on the same machine."""
    text = re.sub(r"\b127\.0\.1([0-2])\.", r"127.0.2\1.", text)
    return re.sub(
        r"(?m)^((?:internal_|worker_sip_)?port = )(\d+)",
        lambda found: f"{found[1]}{int(found[2]) + _PORTS_FROM_DEMO}",
        text,
    )


def enlarged(text: str, desks: int) -> str:
    """A site.toml with so many desks, a worker more than those, and no limit that a rush would meet."""
    head, _, rest = text.partition("[[desk]]")
    agreement = rest.partition("[[partner]]")[2]
    head = re.sub(r"(?m)^workers = .*$", f"workers = {desks + 1}", head)
    agreement = re.sub(r"(?m)^(give|take)_at_once = .*$", r"\1_at_once = 99", agreement)
    places = "".join(
        f'[[desk]]\nid = "desk-{number}"\ntitle = "Werkplek {number}"\nphone = "phone{number}"\n\n'
        for number in range(1, desks + 1)
    )
    limits = f"[overflow]\nrest_s = {PARTNER_RESTS_S}\nline_length = 99\n"
    return f"{head.replace(OVERFLOW, limits)}{places}[[partner]]{agreement}give_per_hour = 999\n"


def _phones(site: Site, media: Media) -> dict[str, Endpoint]:
    """Each at an address of its own, as the front counts what comes from one; their audio shares a socket."""
    return {
        phone: _endpoint(site, _FIRST_PHONE + number, media) for number, phone in enumerate(site.config.secrets.phones)
    }


def _endpoint(site: Site, after: int, media: Media) -> Endpoint:
    if site.config.front is None:
        raise LabError(f"{site.name} takes no calls")
    return Endpoint((_beside(site, 0), site.config.front.sip_port), (_beside(site, after), 5060), media)


def _beside(site: Site, after: int) -> str:
    """The address so many places after that of the site's front."""
    if site.config.front is None:
        raise LabError(f"{site.name} takes no calls")
    return str(IPv4Address(int(site.config.front.address) + after))


async def _ports_are_free(region: Region) -> None:
    if taken := region.taken_ports():
        print(f"waiting for {', '.join(taken[:3])}", file=sys.stderr)
        await until(lambda: not region.taken_ports(), _PORTS_WAIT_S, "the region's ports are free")
