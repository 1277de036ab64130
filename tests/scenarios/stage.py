"""The running region of the scenarios, everybody in it, and what the hub must have heard of each call."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zorgkiosk.contract.status import SiteState
from zorgkiosk.lab import evidence
from zorgkiosk.lab.daemon import until
from zorgkiosk.lab.evidence import HubDatabase
from zorgkiosk.lab.handset import Handset, HandsetError
from zorgkiosk.lab.people import Meeting, People, dial
from zorgkiosk.lab.region import Region, Site
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.facts import CallFact, read
from zorgkiosk.site.store import StoreView

NOORD, ZUID = "hap-noord", "hap-zuid"
CONFIGS = Path(__file__).parent / "region"
SOON_S = 15.0
PICK_UP_S = 0.3
UNRECORDED_S = 5.0
"""Who leaves earlier is not recorded."""
SLACK_S = 1.0
WORKERS = 8
CALLERS = 4
NEIGHBOUR = CALLERS
"""Number of the one caller behind the trunk of hap-zuid."""


@dataclass(frozen=True)
class Record:
    """What a site must have said of a call: `waited_s` within a second (None: any), `moved` with the reasons why.

    `perhaps`: it may be missing, as when a wait lies around the five seconds that are recorded.
    """

    site: str
    outcome: str
    waited_s: float | None
    desk: str | None = None
    partner: str | None = None
    origin: str = "trunk"
    urgent: bool = False
    moved: bool = False
    perhaps: bool = False
    hops: int | None = None

    def fits(self, said: dict[str, Any]) -> bool:
        reasons = said.get("chance_home") is not None and said.get("chance_partner") is not None
        return (
            (self.site, self.outcome, self.desk, self.partner, self.origin, self.urgent, self.moved)
            == (
                *(said["reporter"], said["outcome"], said.get("desk"), said.get("partner")),
                *(said["origin"], said["urgent"], reasons),
            )
            and said["hops"] == (self.origin != "trunk" if self.hops is None else self.hops)
            and (self.waited_s is None or abs(said["waited_s"] - self.waited_s) <= SLACK_S)
        )


Scene = Callable[["Stage"], Coroutine[Any, Any, Iterable[Record]]]


@dataclass
class Stage:
    """The region on one event loop for a module. Callers 0 to 3 are those of hap-noord, `NEIGHBOUR` of hap-zuid."""

    runner: asyncio.Runner
    region: Region
    people: People
    hub: HubDatabase

    @property
    def noord(self) -> Site:
        return self.region.sites[NOORD]

    @property
    def zuid(self) -> Site:
        return self.region.sites[ZUID]

    @property
    def exchange(self) -> Handset:
        """The one phone behind the extensions of hap-noord's exchange."""
        return self.people.exchange[NOORD]

    def phones(self, site: Site) -> dict[str, Handset]:
        return self.people.desks[site.name]

    # --- a scene and what stays of it ---

    def play(self, scene: Scene) -> None:
        """The scene, then everybody hangs up, and the hub has exactly the records that the scene gives."""
        self.runner.run(self._whole(scene))

    async def _whole(self, scene: Scene) -> None:
        known = len(self.hub.calls())
        logs = {log: log.stat().st_size for log in sorted((self.region.directory / "log").iterdir())}
        try:
            expected = list(await scene(self))
            await self.all_hang_up()
            await self.empty()
            await self._recorded(expected, known)
        except BaseException:
            for log, length in logs.items():
                said = log.read_bytes()[length:].decode(errors="replace")
                print(f"--- {log.name}\n{said}" if said else "", end="")  # noqa: T201 - the region goes away
            raise
        finally:
            await self.all_hang_up()
            await self.tidy()

    async def _recorded(self, expected: list[Record], known: int) -> None:
        for site in (self.noord, self.zuid):
            await until(lambda site=site: site.unacknowledged() == 0, SOON_S, f"the hub has all of {site.name}")  # type: ignore[misc]
        said = self.hub.calls()[known:]
        unsaid = sorted(expected, key=lambda each: each.perhaps)
        for record in said:
            fitting = next((each for each in unsaid if each.fits(record)), None)
            assert fitting is not None, f"nobody saw {record}; expected {unsaid} of {said}"
            unsaid.remove(fitting)
        assert [each for each in unsaid if not each.perhaps] == [], f"of {said}"

    async def all_hang_up(self) -> None:
        for caller in self.people.callers:
            if in_a_call(caller):
                await hang_up(caller)

    async def empty(self) -> None:
        for site in (self.noord, self.zuid):
            await until(lambda site=site: not site.line().calls, SOON_S, f"{site.name}: the line is empty")  # type: ignore[misc]

    async def tidy(self) -> None:
        """As every scene begins: all desks manned and free, both switches on, the partners know it."""
        for site in (self.noord, self.zuid):
            for phone in self.phones(site).values():
                await phone.answers(PICK_UP_S)
            for desk in site.config.desk:
                await evidence.tap(site, f"desk/{desk.id}", present="no" if desk.extension else "yes")
            for switch in ("giving", "accepting"):
                await evidence.tap(site, f"overflow/{switch}", on="yes")
        await self.exchange.lets_ring()
        await self.empty()
        for site in (self.noord, self.zuid):
            await self.region.until_idle(site, WORKERS)
            await until(lambda site=site: self._ready(site), SOON_S, f"{site.name}: all free, nobody rests")  # type: ignore[misc]
        await self.knows(self.noord, self.zuid, free=3)
        await self.knows(self.zuid, self.noord, free=2)
        for phone in self.people.everyone():
            phone.forget()

    def _ready(self, site: Site) -> bool:
        manned = {desk.id for desk in site.config.desk if desk.phone is not None}
        wanted = {desk.id: "free" if desk.id in manned else "away" for desk in site.config.desk}
        return states(site) == wanted and not site.line().resting_partners

    # --- what happens in scenes ---

    async def dial(self, number: int) -> Handset:
        caller = self.people.callers[number]
        before = dialled(caller)
        await caller.call(dial(self.region, ZUID if number == NEIGHBOUR else NOORD))
        await until(lambda: dialled(caller) > before, SOON_S, "the phone dials")
        return caller

    async def meet(self, number: int) -> Meeting:
        return await self.people.meet(await self.dial(number))

    async def wait_in_line(self, number: int) -> Handset:
        """The caller is in the line of hap-noord and hears so."""
        waiting = len(self.waiting(self.noord))
        caller = await self.dial(number)
        await until(lambda: len(self.waiting(self.noord)) == waiting + 1, SOON_S, "one more waits")
        return caller

    async def man(self, site: Site, *desks: str) -> None:
        """At exactly these desks somebody is present."""
        for desk in site.config.desk:
            await evidence.tap(site, f"desk/{desk.id}", present="yes" if desk.id in desks else "no")
        await until(lambda: present(site) == set(desks), SOON_S, f"{site.name}: manned are {desks}")

    async def switch(self, site: Site, switch: str, *, on: bool) -> None:
        await evidence.tap(site, f"overflow/{switch}", on="yes" if on else "no")
        await until(lambda: self.triage(site)["accepting_overflow"] is on or switch == "giving", SOON_S, "switched")

    async def let_ring(self, site: Site) -> None:
        for phone in self.phones(site).values():
            await phone.lets_ring()

    @asynccontextmanager
    async def configured(self, site: Site, **changes: str) -> AsyncIterator[None]:
        """The site's line runs with these keys changed, `give_at_once="1"`; each stands once in its file."""
        text = site.file.read_text(encoding="utf-8")
        lines = text.splitlines()
        for key, value in changes.items():
            [place] = [number for number, line in enumerate(lines) if line.startswith(f"{key} = ")]
            lines[place] = f"{key} = {value}"
        changed = "\n".join(lines) + "\n"
        await self._run_with(site, changed)
        try:
            yield
        finally:
            await self.all_hang_up()
            await self.empty()
            await self._run_with(site, text)

    @asynccontextmanager
    async def misrouted(self, site: Site, address: str, wrong: str) -> AsyncIterator[None]:
        """The site's front looks for its partner at the wrong address."""
        right = site.config
        [partner] = [each for each in right.partner if str(each.address) == address]
        elsewhere = partner.model_copy(update={"address": wrong})
        await self._front_with(site, right.model_copy(update={"partner": (elsewhere,)}))
        try:
            yield
        finally:
            await self.all_hang_up()
            await self.empty()
            await self._front_with(site, right)

    async def _front_with(self, site: Site, config: SiteConfig) -> None:
        site.config = config
        site.units["kamailio"].stop()
        self.region.start_front(site)
        await self.region.until_idle(site, WORKERS)

    async def _run_with(self, site: Site, text: str) -> None:
        site.file.write_text(text, encoding="utf-8")
        site.units["telephony"].stop()
        await self.region.line_again(site)

    # --- what can be seen ---

    def waiting(self, site: Site) -> list[CallFact]:
        return [call for call in site.line().calls if call.talking_at is None]

    def offered(self) -> list[CallFact]:
        """Callers of hap-noord who also wait at the partner."""
        return [call for call in self.waiting(self.noord) if call.offers]

    def triage(self, site: Site) -> dict[str, Any]:
        view = StoreView(site.config.telephony_db)
        try:
            value = view.state().get("triage")
            return {} if value is None else dict(value.value)
        finally:
            view.close()

    async def knows(self, site: Site, partner: Site, *, free: int, accepting: bool = True) -> None:
        """The site has heard of the partner that so many desks are free there."""

        def heard() -> bool:
            view = StoreView(site.config.sync_db)
            try:
                said = read(SiteState, view.state().get(f"partner/{partner.name}"))
            finally:
                view.close()
            triage = None if said is None else said.triage
            return triage is not None and (triage.desks_free, triage.accepting_overflow) == (free, accepting)

        await until(heard, SOON_S, f"{site.name} knows that {free} desks are free at {partner.name}")

    async def only_talk(self, meetings: Iterable[Meeting]) -> None:
        """All of these hear each other and nobody else, both ways; keys that are still being sent may pass first."""
        for meeting in meetings:
            await meeting.caller.hears({meeting.desk_phone.tone_hz}, timeout_s=2)
            await meeting.desk_phone.hears({meeting.caller.tone_hz}, timeout_s=2)


def states(site: Site) -> dict[str, str]:
    return {desk.id: desk.state for desk in site.line().desks}


def present(site: Site) -> set[str]:
    return {desk for desk, state in states(site).items() if state != "away"}


def in_a_call(phone: Handset) -> bool:
    names = [event.name for event in phone.history]
    return sum(name in ("calling", "incoming") for name in names) != names.count("ended")


def is_answered(caller: Handset) -> bool:
    """Whether the last call of this caller was answered, be it to wait."""
    last = max(index for index, event in enumerate(caller.history) if event.name == "calling")
    return any(event.name == "connected" for event in caller.history[last:])


def dialled(caller: Handset) -> int:
    """How often so far."""
    return sum(event.name == "calling" for event in caller.history)


def begun_s(caller: Handset) -> float:
    """When the caller dialled last."""
    return next(event.at_s for event in reversed(caller.history) if event.name == "calling")


def so_far_s(caller: Handset) -> float:
    return time.monotonic() - begun_s(caller)


async def pick_up(phone: Handset, after_s: float = 0.0) -> None:
    """Lift the handset; it may have been withdrawn just before that."""
    await asyncio.sleep(after_s)
    with contextlib.suppress(HandsetError):
        await phone.pick_up()


async def hang_up(caller: Handset, after_s: float = 0.0) -> None:
    """Leave, unless the call ended just before that."""
    await asyncio.sleep(after_s)
    with contextlib.suppress(HandsetError):
        await caller.hang_up()


def served(meeting: Meeting, *, urgent: bool = False, moved: bool = False) -> list[Record]:
    """Records of an answered caller of hap-noord; one who was answered at home may have been offered (`moved`)."""
    waited_s = meeting.waited_s
    if meeting.site == NOORD:
        desk = "last-resort" if meeting.desk == "exchange" else meeting.desk
        return [Record(NOORD, "answered", waited_s, desk=desk, urgent=urgent, moved=moved)]
    return [
        Record(NOORD, "answered", waited_s, partner=ZUID, urgent=urgent, moved=True),
        Record(ZUID, "answered", waited_s, desk=meeting.desk, origin=NOORD, urgent=urgent),
    ]


def refused(*, at_most: int = 3) -> list[Record]:
    """Records of callers of hap-noord whom hap-zuid declined: once, and again when it has rested."""
    first = Record(ZUID, "refused", 0, origin=NOORD)
    return [first, *[replace(first, waited_s=None, perhaps=True)] * (at_most - 1)]


def left(
    site: str, waited_s: float, *, origin: str = "trunk", urgent: bool = False, moved: bool = False
) -> list[Record]:
    """Records of a caller who left a line after so long, if it was long enough to be recorded."""
    if waited_s < UNRECORDED_S - SLACK_S:
        return []
    near = waited_s < UNRECORDED_S + SLACK_S
    outcome = "abandoned" if origin == "trunk" else "withdrawn"
    return [Record(site, outcome, waited_s, origin=origin, urgent=urgent, moved=moved, perhaps=near)]
