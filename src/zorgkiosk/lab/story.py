"""The demo's story in five chapters. Every claim is measured from outside: by phones, pages and the hub's tables."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from zorgkiosk.contract.topics import parse
from zorgkiosk.hub.link import Arrived, Connected, Link
from zorgkiosk.lab import evidence
from zorgkiosk.lab.claims import Claims
from zorgkiosk.lab.daemon import LabError, until
from zorgkiosk.lab.evidence import HubDatabase
from zorgkiosk.lab.people import NUMBER_PREFIX, Meeting, People, dial
from zorgkiosk.lab.region import Region, Site

NOORD, ZUID, LINDE = "hap-noord", "hap-zuid", "vvt-linde"
CALLERS = 6
_SOON_S = 10.0
_CLOCKS_S = 0.5
"""An age is told by the site's clock and the hub's together, and rounded."""
_TRIAGIST_TAKES_S = 2.5


class Story:
    """Tells it once, on a region that has just been started."""

    def __init__(self, region: Region, people: People, claims: Claims) -> None:
        self._region = region
        self._people = people
        self._claims = claims
        self._hub = HubDatabase(region)
        self._noord, self._zuid, self._linde = (region.sites[name] for name in (NOORD, ZUID, LINDE))

    async def tell(self) -> None:
        """All chapters. Raises LabError or HandsetError when the region does not do what it should."""
        await self._open()
        await self._calm_and_rush()
        await self._tap()
        await self._tap_on_the_display()
        await self._without_broker()
        await self._killed()
        await self._afterwards()

    async def _open(self) -> None:
        self._claims.chapter("Before: triagists sit down")
        for site in (self._noord, self._zuid):
            await self._people.sit_down(site)
            for desk in site.config.desk:
                await evidence.tap(site, f"desk/{desk.id}", present="yes")
            await until(lambda site=site: _all_free(site), _SOON_S, f"{site.name}: all desks free")  # type: ignore[misc]
            self._claims.tell(f"{site.config.site.title}: {len(site.config.desk)} triagists, phones registered")
        await self._people.gather_callers(self._noord, CALLERS)

    # --- 1 and 2 ---

    async def _calm_and_rush(self) -> None:
        self._claims.chapter("1. Calm: two callers, two desks")
        first = [await self._call(number) for number in (0, 1)]
        self._claims.check(
            "calm callers are answered by their own centre",
            f"{_at(first, NOORD)} of 2 at {NOORD}, slowest pick-up {max(m.waited_s for m in first):.1f} s",
            _at(first, NOORD) == 2,
        )
        self._claims.chapter("2. Rush: four more callers, no desk free")
        for phone in self._people.desks[ZUID].values():
            await phone.answers(_TRIAGIST_TAKES_S)
        rushing = self._people.callers[2:CALLERS]
        await asyncio.gather(*(caller.call(dial(self._region, NOORD)) for caller in rushing))
        speech = await asyncio.gather(*(caller.hears_speech() for caller in rushing))
        self._claims.check(
            "waiting callers hear the announcement", f"{len(speech)} of {len(rushing)} hear speech", all(speech)
        )
        meeting = {asyncio.create_task(self._people.meet(caller)) for caller in rushing}
        try:
            moved, waits = await self._overflowed(meeting)
            last = await self._kept_place(first[0], len(moved), waits)
        finally:
            for task in meeting:
                task.cancel()
        await self._everyone_leaves([first[1], *moved, last])

    async def _overflowed(self, meeting: set[asyncio.Task[Meeting]]) -> tuple[list[Meeting], asyncio.Task[Meeting]]:
        """Three of the four are answered at the partner; the fourth waits in both lines."""
        moved: list[Meeting] = []
        while len(meeting - {task for task in meeting if task.done()}) > 1:
            done, _ = await asyncio.wait(meeting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                meeting.discard(task)
                moved.append(task.result())
                self._claims.tell(f"{moved[-1].caller.name} talks to {moved[-1].site} {moved[-1].desk}")
        self._claims.check(
            "callers who would miss the norm are answered by the partner, audio both ways",
            f"{_at(moved, ZUID)} of {len(moved)} at {ZUID}, after {max(m.waited_s for m in moved):.1f} s at most",
            _at(moved, ZUID) == len(moved) == CALLERS - 3,
        )
        why = next(call for call in self._noord.line().calls if call.talking_at == ZUID)
        here, there = why.offers[0].chance_home or 0.0, why.offers[0].chance_partner or 0.0
        self._claims.tell(f"why: chance to meet the norm at {NOORD} {here:.0%}, at {ZUID} {there:.0%}")
        return moved, next(iter(meeting))

    async def _kept_place(self, leaving: Meeting, moved: int, waits: asyncio.Task[Meeting]) -> Meeting:
        """A desk at home comes free: the caller who waits in both lines is answered there."""
        both = [call for call in self._noord.line().calls if call.talking_at is None and call.offers]
        there = [call for call in self._zuid.line().calls if call.talking_at is None]
        self._claims.check(
            "an overflowed caller keeps the place at home",
            f"{len(both)} waits in the line of {NOORD}, {len(there)} in that of {ZUID}: the same caller",
            len(both) == len(there) == 1,
        )
        seen = asyncio.create_task(_instant(lambda: len(self._zuid.line().calls) == moved, "withdrawn at the partner"))
        await leaving.caller.hang_up()
        last = await waits
        connected_s = max(event.at_s for event in last.caller.history if event.name == "connected")
        withdrawn_s = await seen - connected_s
        self._claims.check(
            "the first free desk on either side takes the caller, the other side is withdrawn",
            f"answered at {last.site}, {ZUID} seen without the caller {withdrawn_s * 1000:.0f} ms after the pick-up",
            last.site == NOORD and withdrawn_s < 1,
        )
        return last

    async def _everyone_leaves(self, meetings: list[Meeting]) -> None:
        for meeting in meetings:
            await meeting.caller.hang_up()
        await self._until_empty()
        idle = [await site.idle_workers() for site in (self._noord, self._zuid)]
        busy = [phone.name for phone in self._people.everyone() if _in_a_call(phone.history)]
        self._claims.check(
            "when everyone is done the lines are empty and no leg is left",
            f"idle workers {idle[0]} of 8 and {idle[1]} of 8, phones still in a call: {len(busy)}",
            idle == [8, 8] and not busy,
        )

    # --- 3 ---

    async def _tap(self) -> None:
        self._claims.chapter("3. A nurse taps two beds free")
        before = await evidence.board_cell(self._region, LINDE, "elv-laag")
        begin_s = time.monotonic()
        await self._plus("elv-laag")
        await self._plus("elv-laag")
        cell = await self._board_shows("elv-laag", 2)
        took_s = time.monotonic() - begin_s
        undo_s = self._linde.config.panel.undo_s
        self._claims.check(
            "the board shows the tap with its age",
            f"was {before.free if before else None}, now {cell.free} free, {cell.fresh}, {cell.age_s:.0f} s old; "
            f"on the board {took_s:.1f} s after the first tap ({undo_s:g} s of them to undo)",
            cell.fresh == "actueel" and cell.age_s is not None and cell.age_s <= took_s + _CLOCKS_S,
        )

    async def _tap_on_the_display(self) -> None:
        """The serial display of the same nursing home: it shows what was tapped elsewhere, and a finger taps there."""
        display = self._linde.display
        if display is None:
            raise LabError(f"{LINDE} has no serial display")
        await until(lambda: display.text("n0") == "2", _SOON_S, "the serial display shows two beds")
        begin_s = time.monotonic()
        display.tap("p0")
        stored_s = await _instant(lambda: display.text("says").startswith("Bewaard"), "the display says it is kept")
        cell = await self._board_shows("elv-laag", 3)
        told_s = await _instant(lambda: display.text("says").startswith("De regio heeft het"), "the region has it")
        self._claims.check(
            "a tap on the serial display reaches the board, and the display says that the region has it",
            f"display {display.text('n0')}, kept after {(stored_s - begin_s) * 1000:.0f} ms; board {cell.free} free; "
            f"“{display.text('says')}” {told_s - begin_s:.1f} s after the tap",
            display.text("n0") == str(cell.free) == "3" and display.faults == [] and display.overruns == 0,
        )

    async def _plus(self, code: str) -> None:
        await evidence.tap(self._linde, f"capacity/{code}", step="+1")

    async def _board_shows(self, code: str, free: int) -> evidence.Cell:
        async with asyncio.timeout(_SOON_S):
            while (cell := await evidence.board_cell(self._region, LINDE, code)) is None or cell.free != free:
                await asyncio.sleep(0.05)
            return cell

    # --- 4 ---

    async def _without_broker(self) -> None:
        self._claims.chapter("4. The region's broker is stopped")
        self._region.stop_broker()
        sites = list(self._region.sites.values())
        await until(lambda: not any(site.connected() for site in sites), _SOON_S, "every site knows it is offline")
        for code in ("elv-hoog", "wlz-crisis", "respijt"):
            await self._plus(code)
        text = await self._panel_says("3 wijzigingen wachten")
        self._claims.check(
            "the panel says how many changes wait", f"“{text}”", "3 wijzigingen wachten" in text and "sinds" in text
        )
        meetings = [await self._call(number) for number in range(3)]
        self._claims.check(
            "calls overflow without broker and hub",
            f"{_at(meetings, NOORD)} at {NOORD}, {_at(meetings, ZUID)} at {ZUID}, audio both ways",
            _at(meetings, ZUID) == 1,
        )
        for meeting in meetings:
            await meeting.caller.hang_up()
        await self._until_empty()
        await self._broker_returns()

    async def _panel_says(self, wanted: str) -> str:
        """The sentence of the panel that begins with `wanted`."""
        async with asyncio.timeout(_SOON_S):
            while wanted not in (text := await evidence.panel_text(self._linde)):
                await asyncio.sleep(0.05)
        return text[text.index(wanted) :].split(".")[0].strip()[:70]

    async def _broker_returns(self) -> None:
        waiting = {site.name: site.unacknowledged() for site in self._region.sites.values()}
        # The syncs stand still for the moment it takes to listen in, so that the first message is not missed.
        async with self._listening() as link:
            begin_s = time.monotonic()
        order = await asyncio.to_thread(_leaves_heard, link, LINDE, _SOON_S)
        await until(lambda: not any(s.unacknowledged() for s in self._region.sites.values()), _SOON_S, "all is acked")
        took_s = time.monotonic() - begin_s
        link.stop()
        self._claims.check(
            "the newest state arrives first, then the history",
            f"{LINDE} said {' → '.join(order)}",
            order[:1] == ["state"] and "events" in order,
        )
        streams = self._hub.streams()
        rows = sum(len(stream.sequences) for stream in streams)
        self._claims.check(
            "the history is complete, each event once",
            f"{sum(waiting.values())} rows had waited; {rows} rows of {len(streams)} outboxes, "
            f"gaps in {sum(not stream.complete for stream in streams)}; all acked {took_s:.1f} s after the return",
            all(stream.complete for stream in streams) and sum(waiting.values()) > 3,
        )
        cells = [await self._board_shows(code, 1) for code in ("elv-hoog", "wlz-crisis", "respijt")]
        self._claims.tell(f"the board shows {len(cells)} more values of {LINDE}")

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[Link]:
        """Start the broker with someone listening before any site can speak."""
        syncs = [site.units["sync"].pid for site in self._region.sites.values()]
        for pid in syncs:
            os.kill(pid, signal.SIGSTOP)
        try:
            self._region.start_broker()
            link = Link.to(self._region.hub.broker, self._region.hub.hub.region, shares=False)
            link.start()
            await asyncio.to_thread(_until_connected, link, _SOON_S)
            yield link
        finally:
            for pid in syncs:
                os.kill(pid, signal.SIGCONT)

    # --- 5 ---

    async def _killed(self) -> None:
        self._claims.chapter("5. A worker is killed in a conversation, then the line itself")
        meetings = [await self._call(number) for number in range(3)]
        victim, others = meetings[0], meetings[1:]
        call = next(call for call in self._noord.line().calls if call.talking_at == victim.desk)
        victim.caller.forget()
        killed_s = time.monotonic()
        os.kill(self._noord.workers()[call.worker], signal.SIGKILL)
        ended = await victim.caller.wait_for("ended", timeout_s=_SOON_S)
        told_s = ended.at_s - killed_s
        still = await self._people.still_talk(others)
        self._claims.check(
            "a killed worker costs its own call only, and that caller is told",
            f"1 ended, {told_s * 1000:.0f} ms after the kill; {still} of {len(others)} others talk on",
            still == len(others) and told_s < 2,
        )
        self._noord.units["telephony"].kill()
        still = await self._people.still_talk(others)
        await self._region.line_again(self._noord)
        after, known = await self._people.still_talk(others), len(self._noord.line().calls)
        self._claims.check(
            "the line process dies and no call with it",
            f"{still} of {len(others)} talk while it is gone, {after} after its return; it knows {known} calls",
            still == after == known == len(others),
        )
        newcomer = await self._call(3)
        self._claims.check(
            "the restarted line takes new callers",
            f"answered at {newcomer.site} after {newcomer.waited_s:.1f} s",
            newcomer.site == NOORD,
        )
        for meeting in (*others, newcomer):
            await meeting.caller.hang_up()
        await self._until_empty()
        lost = self._noord.line().lost + self._zuid.line().lost
        self._claims.check("exactly one call is lost", f"the lines count {lost}", lost == 1)

    # --- the end ---

    async def _afterwards(self) -> None:
        self._claims.chapter("Afterwards: what the region knows")
        sites = self._region.sites.values()
        await until(lambda: not any(site.unacknowledged() for site in sites), _SOON_S, "all is acked")
        own = [call for call in self._hub.calls() if call["origin"] == "trunk"]
        outcomes = [call["outcome"] for call in own]
        moved = sum(1 for call in own if call.get("partner"))
        dialled = sum(event.name == "calling" for caller in self._people.callers for event in caller.history)
        self._claims.check(
            "the hub has a record of every call",
            f"{dialled} dialled; {outcomes.count('answered')} answered, {moved} of them by the partner, "
            f"{outcomes.count('lost')} lost",
            len(own) == dialled and outcomes.count("lost") == 1,
        )
        found, read = evidence.files_with([self._region.directory], NUMBER_PREFIX)
        self._claims.check(
            "no caller's number in any log, table or file",
            f"{len(found)} of {read} files hold one{''.join(f' {file.name}' for file in found[:3])}",
            not found and read > 0,
        )

    async def _call(self, number: int) -> Meeting:
        caller = self._people.callers[number]
        await caller.call(dial(self._region, NOORD))
        meeting = await self._people.meet(caller)
        self._claims.tell(f"{caller.name} talks to {meeting.site} {meeting.desk} after {meeting.waited_s:.1f} s")
        return meeting

    async def _until_empty(self) -> None:
        for site in (self._noord, self._zuid):
            await until(lambda site=site: not site.line().calls, _SOON_S, f"{site.name}: the line is empty")  # type: ignore[misc]
            await self._region.until_idle(site, 8)
            await until(lambda site=site: _all_free(site), _SOON_S, f"{site.name}: all desks free")  # type: ignore[misc]


def _all_free(site: Site) -> bool:
    desks = site.line().desks
    return bool(desks) and all(desk.state == "free" for desk in desks)


async def _instant(seen: Callable[[], bool], wanted: str) -> float:
    """CLOCK_MONOTONIC when the condition was first seen; it is looked at every 20 ms."""
    await until(seen, _SOON_S, wanted)
    return time.monotonic()


def _at(meetings: Iterable[Meeting], site: str) -> int:
    return sum(1 for meeting in meetings if meeting.site == site)


def _in_a_call(history: Iterable[object]) -> bool:
    names = [getattr(event, "name", "") for event in history]
    begun = sum(name in ("calling", "incoming") for name in names)
    return begun != names.count("ended")


def _until_connected(link: Link, timeout_s: float) -> None:
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        if any(isinstance(arrival, Connected) for arrival in link.receive(limit=10, timeout_s=0.1)):
            return
    raise LabError("the broker did not come back")


def _leaves_heard(link: Link, site: str, timeout_s: float) -> list[str]:
    """What the site published, in order, until its first events: `state`, `events`."""
    heard: list[str] = []
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s and "events" not in heard:
        for arrival in link.receive(limit=10, timeout_s=0.1):
            if isinstance(arrival, Arrived) and (topic := parse(arrival.topic)).site == site:
                heard += [topic.leaf] if topic.leaf in ("state", "events") else []
    return heard
