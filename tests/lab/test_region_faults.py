"""Two triage centres with real parts while one thing after another breaks: what callers and triagists notice."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import tomllib
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from zorgkiosk.lab import evidence
from zorgkiosk.lab.daemon import until
from zorgkiosk.lab.evidence import files_with
from zorgkiosk.lab.handset import Handset
from zorgkiosk.lab.people import NUMBER_PREFIX, Meeting, People, dial
from zorgkiosk.lab.region import Region, Site

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

SOON_S = 12.0


@dataclass
class Stage:
    """The running region and everybody in it, on one event loop for the module."""

    runner: asyncio.Runner
    region: Region
    people: People

    @property
    def noord(self) -> Site:
        return self.region.sites["hap-noord"]

    @property
    def zuid(self) -> Site:
        return self.region.sites["hap-zuid"]

    def play(self, scene: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            await scene(self)
            for caller in self.people.callers:
                if in_a_call(caller):
                    await caller.hang_up()
            for site in (self.noord, self.zuid):
                await self.empty(site)

        self.runner.run(whole())

    async def dial(self, number: int) -> Handset:
        caller = self.people.callers[number]
        await caller.call(dial(self.region, "hap-noord"))
        return caller

    async def meet(self, number: int) -> Meeting:
        return await self.people.meet(await self.dial(number))

    async def empty(self, site: Site) -> None:
        await until(lambda: not site.line().calls, SOON_S, f"{site.name}: the line is empty")
        await self.region.until_idle(site, 8)
        await until(lambda: states(site) <= {"free"}, SOON_S, f"{site.name}: all desks free")


def states(site: Site) -> set[str]:
    return {desk.state for desk in site.line().desks}


def in_a_call(phone: Handset) -> bool:
    names = [event.name for event in phone.history]
    return sum(name in ("calling", "incoming") for name in names) != names.count("ended")


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    directory = Path("/tmp") / f"zkf-{os.getpid()}"  # noqa: S108 - a unix socket's path must be short
    region, people = Region.prepare(directory), People()
    assert region.taken_ports() == []

    async def open_doors() -> None:
        await region.start()
        for site in (region.sites["hap-noord"], region.sites["hap-zuid"]):
            await people.sit_down(site)
            for desk in site.config.desk:
                await evidence.tap(site, f"desk/{desk.id}", present="yes")
            await until(lambda site=site: states(site) == {"free"}, SOON_S, "all desks manned")  # type: ignore[misc]
        await people.gather_callers(region.sites["hap-noord"], 4)

    with asyncio.Runner() as runner:
        try:
            runner.run(open_doors())
            yield Stage(runner, region, people)
        finally:
            runner.run(people.stop())
            region.stop()


def test_kamailio_dies_and_comes_back_while_two_people_talk(stage: Stage) -> None:
    async def scene(stage: Stage) -> None:
        talking = await stage.meet(0)
        stage.noord.units["kamailio"].kill()
        assert await stage.people.still_talk([talking]) == 1
        stage.region.start_front(stage.noord)
        begin_s = time.monotonic()
        await stage.region.until_idle(stage.noord, 7)
        assert time.monotonic() - begin_s < 4
        assert await stage.people.still_talk([talking]) == 1
        for desk in stage.people.desks["hap-noord"].values():
            await desk.registers_again()
            await desk.wait_for("registered", timeout_s=SOON_S, code=200)
        assert (await stage.meet(1)).site == "hap-noord"

    stage.play(scene)


def test_without_a_line_the_exchange_gets_its_call_back_at_once(stage: Stage) -> None:
    async def scene(stage: Stage) -> None:
        stage.noord.units["telephony"].kill()
        caller = await stage.dial(0)
        refused = await caller.wait_for("ended", timeout_s=5)
        begun_s = next(event.at_s for event in reversed(caller.history) if event.name == "calling")
        assert refused.details["code"] == 503 and refused.at_s - begun_s < 2
        stage.region.start_line(stage.noord)
        await stage.region.until_idle(stage.noord, 8)
        await until(lambda: states(stage.noord) == {"free"}, SOON_S, "the line is back")
        assert (await stage.meet(1)).site == "hap-noord"

    stage.play(scene)


def test_a_caller_who_hangs_up_leaves_both_lines(stage: Stage) -> None:
    async def scene(stage: Stage) -> None:
        for number in (0, 1):
            await stage.meet(number)
        for phone in stage.people.desks["hap-zuid"].values():
            await phone.lets_ring()
        caller = await stage.dial(2)
        await until(lambda: "ringing" in states(stage.zuid), SOON_S, "a desk of the partner rings")
        await caller.hang_up()
        await until(lambda: not stage.zuid.line().calls, 1, "the partner's line is empty")
        await until(lambda: len(stage.noord.line().calls) == 2, 1, "the home line is shorter")
        for phone in stage.people.desks["hap-zuid"].values():
            await phone.answers(0.3)

    stage.play(scene)


def test_a_partner_that_swallows_packets_costs_seconds_and_not_the_caller(stage: Stage) -> None:
    async def scene(stage: Stage) -> None:
        first = await stage.meet(0)
        await stage.meet(1)
        frozen = processes_of(stage.zuid)
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            begin_s = time.monotonic()
            caller = await stage.dial(2)
            await until(lambda: "hap-zuid" in stage.noord.line().resting_partners, 6, "the partner is given up")
            assert time.monotonic() - begin_s < 4
            await caller.hears_speech()
            await first.caller.hang_up()
            assert (await stage.people.meet(caller)).site == "hap-noord"
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)

    stage.play(scene)


def processes_of(site: Site) -> list[int]:
    """The site's Kamailio and all its children."""
    parent = site.units["kamailio"].pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [parent, *map(int, children)]


def test_a_phone_that_is_unplugged_is_skipped(stage: Stage) -> None:
    async def scene(stage: Stage) -> None:
        longest_free = min(stage.noord.line().desks, key=lambda desk: desk.since_uptime_ms).id
        phone = stage.people.desks["hap-noord"][longest_free]
        phone.freeze()
        try:
            caller = await stage.dial(0)
            await until(lambda: "no-answer" in states(stage.noord), 6, "the silent desk is skipped")
        finally:
            phone.thaw()
        assert (await stage.people.meet(caller)).desk != longest_free
        # Standing up and sitting down again ends the rest that the unanswered ring cost.
        for present in ("no", "yes"):
            await evidence.tap(stage.noord, f"desk/{longest_free}", present=present)
            wanted = {"no": "away", "yes": "free"}[present]
            await until(lambda wanted=wanted: wanted in states(stage.noord), SOON_S, f"the desk is {wanted}")  # type: ignore[misc]

    stage.play(scene)


def test_what_is_no_call_of_ours_reaches_nobody(stage: Stage) -> None:
    """A trunk that forges our headers or asks for another destination gets the line and nothing else."""

    async def scene(stage: Stage) -> None:
        caller = stage.people.callers[0]
        forged = {"X-Zorgkiosk-Origin": "hap-zuid", "X-Zorgkiosk-Hops": "1", "X-Zorgkiosk-Waited": "900"}
        sip = stage.noord.config.front
        assert sip is not None
        await caller.call(f"sip:0612345678@{sip.address}:{sip.sip_port}", forged)
        await stage.people.meet(caller)
        [call] = stage.noord.line().calls
        assert (call.origin, call.hops, call.waited_before_s) == ("trunk", 0, 0)

    stage.play(scene)


def test_no_log_and_no_table_holds_a_number_a_password_or_a_key(stage: Stage) -> None:
    """Last: after all of the above, in every file but those that are made to hold the secret."""
    passwords = [
        password
        for site in (stage.noord, stage.zuid)
        for password in tomllib.loads(site.file.with_name("secrets.toml").read_text())["phones"].values()
    ]
    for secret in (NUMBER_PREFIX, *passwords, "PRIVATE KEY"):
        found, read = files_with([stage.region.directory], secret)
        leaks = [file for file in found if file.name != "secrets.toml" and file.suffix not in (".key", ".pem")]
        assert leaks == [] and read > 30
