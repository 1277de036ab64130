"""One process after another dies while people talk and wait: who loses what. Everything is ended by SIGKILL."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import tomllib
from dataclasses import dataclass

import pytest
from stage import NEIGHBOUR, NOORD, SOON_S, WORKERS, ZUID, Record, Stage, is_answered, served, so_far_s, states

from zorgkiosk.care.archive import archive
from zorgkiosk.care.doctor import findings
from zorgkiosk.care.probes import probe
from zorgkiosk.care.sip_options import over_udp
from zorgkiosk.cli import main
from zorgkiosk.lab.daemon import until
from zorgkiosk.lab.evidence import files_with
from zorgkiosk.lab.handset import Handset
from zorgkiosk.lab.people import NUMBER_PREFIX, Meeting
from zorgkiosk.site.config import load_site
from zorgkiosk.site.telephony.partner_news import ASK_AFTER_S
from zorgkiosk.site.telephony.worker.call import LINE_RETURNS_S, NO_LINE_REFUSE_S
from zorgkiosk.site.telephony.worker.watch import WAITING_SILENCE_S

pytest_plugins = ["scenario_fixtures"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


DESKS = ("desk-1", "desk-2", "desk-3")


@dataclass
class Busy:
    """Calls up in every state: one at home, one at the partner, one of the partner's own, one who waits in both."""

    home: Meeting
    moved: Meeting
    own: Meeting
    waits: Handset

    @property
    def talking(self) -> list[Meeting]:
        return [self.home, self.moved, self.own]


async def busy(stage: Stage) -> Busy:
    await stage.man(stage.noord, "desk-1")
    await stage.man(stage.zuid, "desk-1", "desk-2")
    home, own, moved = await stage.meet(0), await stage.meet(NEIGHBOUR), await stage.meet(1)
    assert (home.site, own.site, moved.site) == (NOORD, ZUID, ZUID)
    waits = await stage.wait_in_line(2)
    await waits.hears_speech()
    return Busy(home, moved, own, waits)


async def end_of(stage: Stage, calls: Busy) -> list[Record]:
    """The desk at home comes free for the one who waits; the records of all."""
    await calls.home.caller.hang_up()
    meeting = await stage.people.meet(calls.waits)
    assert meeting.site == NOORD
    moved = any(call.offers for call in stage.noord.line().calls if call.talking_at == "desk-1")
    return [
        *served(calls.home),
        *served(calls.moved),
        Record(ZUID, "answered", calls.own.waited_s, desk=calls.own.desk),
        *served(meeting, moved=moved),
        *[Record(ZUID, "withdrawn", None, origin=NOORD, perhaps=True)] * 2,
    ]


def test_what_is_not_telephony_dies(stage: Stage) -> None:
    """Panel, sync, intake, board, broker: nobody on the telephone notices, and nothing that was said is lost."""

    async def scene(stage: Stage) -> list[Record]:
        calls = await busy(stage)
        for site in (stage.noord, stage.zuid):
            for unit in ("panel", "sync"):
                site.units[unit].kill()
        for daemon in stage.region.hub_units.values():
            daemon.kill()
        assert stage.region.broker is not None
        stage.region.broker.kill()
        await stage.only_talk(calls.talking)
        records = await end_of(stage, calls)
        await calls.moved.caller.hang_up()
        await until(lambda: len(stage.zuid.line().calls) == 1, 2, "calls end as ever")
        await back_again(stage)
        return records

    stage.play(scene)


async def back_again(stage: Stage) -> None:
    stage.region.start_broker()
    for unit in ("intake", "board"):
        stage.region.start_hub_unit(unit)
    for site in (stage.noord, stage.zuid):
        for unit in ("panel", "sync"):
            stage.region.start_unit(site, unit)
    for site in (stage.noord, stage.zuid):
        await site.units["panel"].until(site.panel_listens, SOON_S, "the panel listens")
        await site.units["sync"].until(site.connected, SOON_S, "the broker is reached")


def test_a_line_dies(stage: Stage) -> None:
    """Who talks talks on, who waits keeps waiting, and the next line takes all of them over."""

    async def scene(stage: Stage) -> list[Record]:
        calls = await busy(stage)
        for site in (stage.noord, stage.zuid):
            site.units["telephony"].kill()
        await stage.only_talk(calls.talking)
        for site in (stage.noord, stage.zuid):
            await stage.region.line_again(site)
        await until(lambda: states(stage.noord)["desk-1"] == "busy", SOON_S, "the line is back")
        await stage.only_talk(calls.talking)
        records = await end_of(stage, calls)
        assert stage.noord.line().lost == stage.zuid.line().lost == 0
        return records

    stage.play(scene)


def test_who_calls_while_the_line_is_away_waits_for_the_next_one(stage: Stage) -> None:
    """The supervisor starts a line that died within seconds: until then no caller is sent elsewhere."""

    async def scene(stage: Stage) -> list[Record]:
        await stage.man(stage.noord, "desk-1")
        stage.noord.units["telephony"].kill()
        caller = await stage.dial(0)
        await stage.region.line_again(stage.noord)
        meeting = await stage.people.meet(caller)
        assert meeting.site == NOORD
        return served(meeting)

    stage.play(scene)


def test_who_waits_keeps_place_and_time_through_a_restart(stage: Stage) -> None:
    """Three wait, the last of them urgent: after SIGKILL and again after SIGTERM they are served in the same order."""

    async def scene(stage: Stage) -> list[Record]:
        await stage.switch(stage.noord, "giving", on=False)
        await stage.man(stage.noord)
        callers = [await stage.wait_in_line(number) for number in range(3)]
        await callers[2].press("1")
        await until(lambda: any(call.urgent for call in stage.noord.line().calls), SOON_S, "it is urgent")
        before = {call.sip_call_id: call.arrived_uptime_ms for call in stage.noord.line().calls}
        for how in ("kill", "stop"):
            getattr(stage.noord.units["telephony"], how)()
            await stage.region.line_again(stage.noord)
            await until(lambda: len(stage.waiting(stage.noord)) == 3, SOON_S, "all are back")
        assert {call.sip_call_id: call.arrived_uptime_ms for call in stage.noord.line().calls} == before
        await stage.man(stage.noord, "desk-1")
        records = []
        for caller, urgent in ((callers[2], True), (callers[0], False), (callers[1], False)):
            meeting = await stage.people.meet(caller)
            records += served(meeting, urgent=urgent)
            await caller.hang_up()
        assert stage.noord.line().lost == 0
        return records

    stage.play(scene)


def test_a_worker_dies(stage: Stage) -> None:
    """It costs the one caller it held; both people are told at once, the desk is free, and everybody else goes on."""

    async def scene(stage: Stage) -> list[Record]:
        calls = await busy(stage)
        lost = stage.noord.line().lost
        victim = next(call.worker for call in stage.noord.line().calls if call.talking_at == "desk-1")
        waited_s = calls.home.waited_s
        os.kill(stage.noord.workers()[victim], signal.SIGKILL)
        await calls.home.caller.wait_for("ended", timeout_s=2)
        await calls.home.desk_phone.wait_for("ended", timeout_s=2)
        meeting = await stage.people.meet(calls.waits)
        assert meeting.site == NOORD and stage.noord.line().lost == lost + 1
        await stage.only_talk([calls.moved, calls.own, meeting])
        moved = any(call.offers for call in stage.noord.line().calls if call.talking_at == "desk-1")
        return [
            Record(NOORD, "lost", waited_s, desk="desk-1"),
            *served(calls.moved),
            Record(ZUID, "answered", calls.own.waited_s, desk=calls.own.desk),
            *served(meeting, moved=moved),
            *[Record(ZUID, "withdrawn", None, origin=NOORD, perhaps=True)] * 2,
        ]

    stage.play(scene)


def test_the_partners_worker_dies(stage: Stage) -> None:
    """The moved caller is told at once, and no desk or partner is blamed for it."""

    async def scene(stage: Stage) -> list[Record]:
        await stage.man(stage.noord)
        moved = await stage.meet(0)
        victim = next(call.worker for call in stage.zuid.line().calls if call.talking_at)
        os.kill(stage.zuid.workers()[victim], signal.SIGKILL)
        await moved.caller.wait_for("ended", timeout_s=2)
        await moved.desk_phone.wait_for("ended", timeout_s=2)
        await until(lambda: set(states(stage.zuid).values()) == {"free"}, 2, "the desk is free")
        return [
            Record(NOORD, "answered", moved.waited_s, partner=ZUID, moved=True),
            Record(ZUID, "lost", moved.waited_s, desk=moved.desk, origin=NOORD),
        ]

    stage.play(scene)


def test_a_front_dies_and_comes_back(stage: Stage) -> None:
    """Nobody who talks or was answered notices; it is back in seconds with all that it knew of workers and phones.

    A caller who was not answered yet has only an INVITE that died with the front: `answer_after_s` bounds that time.
    So has an offer to the partner: it cannot be withdrawn any more, and a desk there may pick up for nobody.
    """

    async def scene(stage: Stage) -> list[Record]:
        async with stage.configured(stage.noord, ring_s="5\nanswer_after_s = 0.5"):
            await stage.knows(stage.noord, stage.zuid, free=3)
            calls = await busy(stage)
            await until(lambda: is_answered(calls.waits), SOON_S, "who waits was answered")
            stage.noord.units["kamailio"].kill()
            await stage.only_talk(calls.talking)
            stage.region.start_front(stage.noord)
            begin_s = time.monotonic()
            await stage.region.until_idle(stage.noord, WORKERS - 3)
            assert time.monotonic() - begin_s < 4
            await stage.only_talk(calls.talking)
            ghosts = [Record(ZUID, "answered", None, desk=desk, origin=NOORD, perhaps=True) for desk in DESKS]
            return [*await end_of(stage, calls), *ghosts]

    stage.play(scene)


def test_a_place_at_the_partner_that_nobody_takes_back_is_given_up_there(stage: Stage) -> None:
    """Front and worker die together, so no CANCEL goes out. Who waits quietly at the partner is heard until then."""

    async def scene(stage: Stage) -> list[Record]:
        async with stage.configured(stage.noord, patience_s="120"):
            await stage.knows(stage.noord, stage.zuid, free=3)
            calls = await busy(stage)
            await until(lambda: len(stage.waiting(stage.zuid)) == 1, SOON_S, "the caller waits at the partner, too")
            begin_s = time.monotonic()
            while (waited_s := time.monotonic() - begin_s) < WAITING_SILENCE_S + 3:
                assert len(stage.waiting(stage.zuid)) == 1, f"after {waited_s:.0f} s"
                await asyncio.sleep(0.5)
            [victim] = stage.waiting(stage.noord)
            stage.noord.units["kamailio"].kill()
            os.kill(stage.noord.workers()[victim.worker], signal.SIGKILL)
            stage.region.start_front(stage.noord)
            await calls.waits.hang_up()
            await until(lambda: not stage.waiting(stage.zuid), WAITING_SILENCE_S + 5, "the place is given up")
            await stage.only_talk(calls.talking)
            return [
                *served(calls.home),
                *served(calls.moved),
                Record(ZUID, "answered", calls.own.waited_s, desk=calls.own.desk),
                Record(NOORD, "lost", None),
                Record(ZUID, "withdrawn", None, origin=NOORD),
                Record(ZUID, "withdrawn", None, origin=NOORD, perhaps=True),
            ]

    stage.play(scene)


def test_without_a_line_the_exchange_gets_its_calls_back(stage: Stage) -> None:
    """The first caller waits for the line that should return; once it is late, nobody waits for it any more, and an
    exchange that asks first hears so."""

    def answer(number: int) -> str:
        front = stage.noord.config.front
        assert front is not None
        exchange = str(front.trunk_addresses[0]).partition("/")[0]
        return over_udp(str(front.address), front.sip_port, exchange, f"{number:016x}")[1]

    async def scene(stage: Stage) -> list[Record]:
        assert answer(1) == "answers 200"
        stage.noord.units["telephony"].kill()
        waited_s = []
        try:
            for number in (0, 1):
                caller = await stage.dial(number)
                refused = await caller.wait_for("ended", timeout_s=LINE_RETURNS_S + 5)
                assert refused.details["code"] == 503
                waited_s.append(so_far_s(caller))
            await until(lambda: answer(2) == "answers 503", 3, "the exchange hears that there is no line")
        finally:
            await stage.region.line_again(stage.noord)
        assert answer(3) == "answers 200"
        assert waited_s[0] < LINE_RETURNS_S + 1.5 and waited_s[1] < NO_LINE_REFUSE_S + 1.5
        await until(lambda: "free" in states(stage.noord).values(), SOON_S, "the line is back")
        return [*(Record(NOORD, "refused", each) for each in waited_s), *served(await stage.meet(2))]

    stage.play(scene)


def test_a_planned_stop_sends_no_caller_to_a_worker_that_is_ending(stage: Stage) -> None:
    async def scene(stage: Stage) -> list[Record]:
        stage.noord.units["telephony"].stop()
        try:
            caller = await stage.dial(0)
            refused = await caller.wait_for("ended", timeout_s=5)
            assert refused.details["code"] == 503 and so_far_s(caller) < 0.5
        finally:
            await stage.region.line_again(stage.noord)
        await until(lambda: "free" in states(stage.noord).values(), SOON_S, "the line is back")
        return []

    stage.play(scene)


def test_old_words_of_a_partner_are_not_believed_and_its_front_is_asked(stage: Stage) -> None:
    """No broker for longer than the words last: hap-zuid closes its overflow, and hap-noord learns it over SIP."""

    async def scene(stage: Stage) -> list[Record]:
        stage.region.stop_broker()
        try:
            await stage.man(stage.noord, "desk-1")
            talking = await stage.meet(0)
            await stage.switch(stage.zuid, "accepting", on=False)
            log = stage.noord.units["telephony"].log
            await until(lambda: is_asking(log.read_text()), ASK_AFTER_S + SOON_S, "the partner is asked over SIP")
            second = await stage.wait_in_line(1)
            await second.hears_speech()
            assert not stage.offered() and not stage.zuid.line().calls
            await stage.switch(stage.zuid, "accepting", on=True)
            meeting = await stage.people.meet(second)
            assert meeting.site == ZUID
            before_it_was_heard = Record(ZUID, "refused", 0, origin=NOORD, perhaps=True)
            return [*served(talking), *served(meeting), before_it_was_heard]
        finally:
            stage.region.start_broker()

    stage.play(scene)


def is_asking(log: str) -> bool:
    return log.count("its front is asked") > log.count("is heard over the broker again")


def test_no_log_and_no_table_holds_a_number_a_password_or_a_key(stage: Stage) -> None:
    """Last: after all of the above, in every file but those that are made to hold the secret, and what goes out."""
    for site in (stage.noord, stage.zuid):
        out = site.file.with_name("journal.jsonl")
        config = load_site(site.file)
        packed = archive(config, site.file, findings(probe(config, ())))
        site.file.with_name("support.tar").write_bytes(packed)
        assert main(["audit", "export", "--config", str(site.file), "--out", str(out)]) == 0 and out.stat().st_size
    passwords = [
        password
        for site in (stage.noord, stage.zuid)
        for password in tomllib.loads(site.file.with_name("secrets.toml").read_text())["phones"].values()
    ]
    for secret in (NUMBER_PREFIX, *passwords, "PRIVATE KEY"):
        found, read = files_with([stage.region.directory], secret)
        leaks = [file for file in found if file.name != "secrets.toml" and file.suffix not in (".key", ".pem")]
        assert leaks == [] and read > 30
