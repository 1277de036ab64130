"""Two centres and their agreement: when a call is offered, what a partner may answer, and that nobody is lost."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from pathlib import Path

import pytest
from impostor import posing_as
from stage import (
    NEIGHBOUR,
    NOORD,
    SOON_S,
    ZUID,
    Record,
    Stage,
    begun_s,
    hang_up,
    left,
    pick_up,
    refused,
    served,
    so_far_s,
    states,
)

from zorgkiosk.lab.daemon import until
from zorgkiosk.lab.handset import Handset
from zorgkiosk.lab.people import Meeting
from zorgkiosk.lab.region import Site

pytest_plugins = ["scenario_fixtures"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

LONG_AGO = "feestdag 00:00-00:01"
"""Hours of an agreement that are over, whenever this runs."""


def refusals(stage: Stage) -> list[int]:
    """Codes with which the partner turned callers down, the last one last."""
    log = (stage.region.directory / "log" / f"{NOORD}-telephony.log").read_text()
    return [int(code) for code in re.findall(rf"partner {ZUID} did not take a call \((\d+)\)", log)]


DECLINE_S = 0.2
"""A partner knows within this time that a caller is not taken."""


async def one_desk_talks(stage: Stage) -> Meeting:
    """Only one desk of hap-noord is manned, and it talks with caller 0: the next one is offered."""
    await stage.man(stage.noord, "desk-1")
    return await stage.meet(0)


async def served_at_home_after(stage: Stage, talking: Meeting, caller: Handset) -> list[Record]:
    """The desk at home comes free and helps the caller whom the partner did not: nobody is lost."""
    await talking.caller.hang_up()
    meeting = await stage.people.meet(caller)
    assert meeting.site == NOORD and stage.noord.line().lost == 0
    return [*served(talking), *served(meeting)]


async def rests(stage: Stage) -> None:
    await until(lambda: ZUID in stage.noord.line().resting_partners, SOON_S, "the partner rests")


# --- it leaves ---


def test_leaving_while_offered(stage: Stage) -> None:
    """All desks talk on both sides: the caller waits in both lines, and is gone from both at once."""

    async def scene(stage: Stage) -> list[Record]:
        talking = await one_desk_talks(stage)
        await stage.man(stage.zuid, "desk-1")
        neighbour = await stage.meet(NEIGHBOUR)
        # Longer line at home than at the partner: the second who waits is better off there.
        first, second = await stage.wait_in_line(1), await stage.wait_in_line(2)
        await until(lambda: len(stage.waiting(stage.zuid)) == 1, SOON_S, "one waits at the partner too")
        waited_s = {caller.name: so_far_s(caller) for caller in (first, second)}
        for caller in (first, second):
            await caller.hang_up()
        await until(lambda: not stage.waiting(stage.zuid), 1, "the partner's line is empty")
        await until(lambda: not stage.waiting(stage.noord), 1, "the home line is empty")
        assert max(waited_s.values()) < 4
        return [
            *served(talking),
            Record(ZUID, "answered", neighbour.waited_s, desk="desk-1"),
        ]

    stage.play(scene)


def test_who_waits_long_at_the_partner_waits_here_too(stage: Stage) -> None:
    """The partner answers callers of its own trunk after a while; one of ours would seem to be helped."""

    async def scene(stage: Stage) -> list[Record]:
        async with stage.configured(stage.zuid, workers="8\nanswer_after_s = 0.5"):
            talking = await one_desk_talks(stage)
            await stage.man(stage.zuid, "desk-1")
            await stage.knows(stage.noord, stage.zuid, free=1)
            neighbour = await stage.meet(NEIGHBOUR)
            first, second = await stage.wait_in_line(1), await stage.wait_in_line(2)
            await until(lambda: len(stage.waiting(stage.zuid)) == 1, SOON_S, "one waits at the partner too")
            begin_s = so_far_s(second)
            await until(lambda: so_far_s(second) > begin_s + 2, SOON_S, "it waits for long")
            assert len(stage.waiting(stage.noord)) == 2 and len(stage.waiting(stage.zuid)) == 1
            records = [*served(talking), Record(ZUID, "answered", neighbour.waited_s, desk="desk-1")]
            for caller in (first, second):
                records += left(NOORD, so_far_s(caller), moved=caller is second)
                await caller.hang_up()
            return records

    stage.play(scene)


def test_leaving_while_the_partners_desk_rings(stage: Stage) -> None:
    async def scene(stage: Stage) -> list[Record]:
        talking = await one_desk_talks(stage)
        await stage.let_ring(stage.zuid)
        caller = await stage.dial(1)
        await until(lambda: "ringing" in states(stage.zuid).values(), SOON_S, "a desk of the partner rings")
        await caller.hang_up()
        await until(lambda: not stage.zuid.line().calls, 1, "the partner's line is empty")
        await until(lambda: set(states(stage.zuid).values()) == {"free"}, 1, "its desks are free")
        await until(lambda: len(stage.noord.line().calls) == 1, 1, "the home line is shorter")
        return served(talking)

    stage.play(scene)


def test_leaving_right_as_the_partner_picks_up(stage: Stage) -> None:
    async def scene(stage: Stage) -> list[Record]:
        talking = await one_desk_talks(stage)
        await stage.let_ring(stage.zuid)
        records = served(talking)
        for _ in range(3):
            caller = await stage.dial(1)
            phone = await ringing_phone(stage, stage.zuid)
            waited_s = so_far_s(caller)
            await asyncio.gather(pick_up(phone), hang_up(caller))
            await phone.wait_for("ended")
            await until(lambda: set(states(stage.zuid).values()) == {"free"}, 1, "its desks are free")
            await until(lambda: len(stage.noord.line().calls) == 1, 1, "the home line is shorter")
            desk = next(desk for desk, each in stage.phones(stage.zuid).items() if each is phone)
            records += [
                Record(NOORD, "answered", waited_s, partner=ZUID, moved=True, perhaps=True),
                Record(ZUID, "answered", waited_s, desk=desk, origin=NOORD, perhaps=True),
            ]
        return records

    stage.play(scene)


async def ringing_phone(stage: Stage, site: Site) -> Handset:
    """The phone of the site that rings now, once it does."""
    await until(lambda: "ringing" in states(site).values(), SOON_S, "a desk rings")
    desk = next(desk for desk, state in states(site).items() if state == "ringing")
    phone = stage.phones(site)[desk]
    await phone.wait_for("incoming")
    return phone


# --- the partner does not help ---


def test_a_partner_whose_own_callers_wait(stage: Stage) -> None:
    """It is asked because its last words are older than the caller that has just come there."""

    async def scene(stage: Stage) -> list[Record]:
        talking = await one_desk_talks(stage)
        stage.zuid.units["sync"].kill()  # what it says is not heard any more
        try:
            await stage.switch(stage.zuid, "giving", on=False)
            await stage.man(stage.zuid, "desk-1")
            await stage.phones(stage.zuid)["desk-1"].rejects(486)
            own = await stage.dial(NEIGHBOUR)
            await until(lambda: states(stage.zuid)["desk-1"] == "no-answer", SOON_S, "it cannot help its own")
            await stage.man(stage.zuid, "desk-2")
            await stage.phones(stage.zuid)["desk-2"].lets_ring()
            caller = await stage.dial(1)
            await rests(stage)
            assert refusals(stage)[-1] == 480 and len(stage.zuid.line().calls) == 1
            await caller.hears_speech()
            waited_s = so_far_s(own)
            await own.hang_up()
            helped = await served_at_home_after(stage, talking, caller)
        finally:
            stage.region.start_unit(stage.zuid, "sync")
        return [*helped, *refused(), *left(ZUID, waited_s)]

    stage.play(scene)


def test_a_partner_that_closed_its_overflow(stage: Stage) -> None:
    """While its word is heard it is not asked at all; one that could not say so refuses with 603."""

    async def scene(stage: Stage) -> list[Record]:
        talking = await one_desk_talks(stage)
        stage.zuid.units["sync"].kill()
        try:
            await stage.switch(stage.zuid, "accepting", on=False)
            caller = await stage.dial(1)
            await rests(stage)
            assert refusals(stage)[-1] == 603
        finally:
            stage.region.start_unit(stage.zuid, "sync")
        await stage.knows(stage.noord, stage.zuid, free=3, accepting=False)
        await until(lambda: not stage.noord.line().resting_partners, SOON_S, "it has rested")
        second = await stage.wait_in_line(2)
        await second.hears_speech()
        assert not stage.offered()
        await second.hang_up()
        waited_s = (await second.wait_for("ended")).at_s - begun_s(second)
        helped = await served_at_home_after(stage, talking, caller)
        return [*helped, *left(NOORD, waited_s), *refused()]

    stage.play(scene)


def test_a_partner_whose_line_is_dead(stage: Stage) -> None:
    """Its front takes the call and its worker finds no line: 503 within a second, and the caller waits at home."""

    async def scene(stage: Stage) -> list[Record]:
        talking = await one_desk_talks(stage)
        stage.zuid.units["telephony"].kill()
        try:
            caller = await stage.dial(1)
            await rests(stage)
            assert so_far_s(caller) < 3
            assert refusals(stage)[-1] == 500, "our own front's word for the partner's 503 (RFC 3261 §16.7)"
            helped = await served_at_home_after(stage, talking, caller)
        finally:
            await stage.region.line_again(stage.zuid)
        # The workers tell the next line of everybody who came meanwhile.
        return [*helped, *refused()]

    stage.play(scene)


def test_a_partner_that_swallows_packets(stage: Stage) -> None:
    """It costs seconds and not the caller."""

    async def scene(stage: Stage) -> list[Record]:
        talking = await one_desk_talks(stage)
        frozen = processes_of_front(stage.zuid)
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            caller = await stage.dial(1)
            await rests(stage)
            assert so_far_s(caller) < 5
            await caller.hears_speech()
            return await served_at_home_after(stage, talking, caller)
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)

    stage.play(scene)


def processes_of_front(site: Site) -> list[int]:
    """The site's Kamailio and all its children."""
    parent = site.units["kamailio"].pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [parent, *map(int, children)]


def test_a_partner_that_says_free_and_picks_up_nothing(stage: Stage) -> None:
    """After the agreement's patience it is left alone for a while; the caller has kept the place at home."""

    async def scene(stage: Stage) -> list[Record]:
        talking = await one_desk_talks(stage)
        await stage.let_ring(stage.zuid)
        caller = await stage.dial(1)
        await until(lambda: bool(stage.offered()), SOON_S, "the caller is offered")
        offered_s = so_far_s(caller)
        await rests(stage)
        withdrawn_s = so_far_s(caller)
        assert 5.5 <= withdrawn_s - offered_s < 8 and not stage.offered()
        await until(lambda: not stage.zuid.line().calls, 1, "the partner's line is empty")
        helped = await served_at_home_after(stage, talking, caller)
        return [*helped, *left(ZUID, withdrawn_s, origin=NOORD)]

    stage.play(scene)


def test_who_presses_one_after_the_offer_is_urgent_at_the_partner_too(stage: Stage) -> None:
    async def scene(stage: Stage) -> list[Record]:
        talking = await one_desk_talks(stage)
        await stage.let_ring(stage.zuid)
        caller = await stage.dial(1)
        await until(lambda: "ringing" in states(stage.zuid).values(), SOON_S, "a desk of the partner rings")
        assert [call.urgent for call in stage.zuid.line().calls] == [False]
        await caller.press("1")
        await until(lambda: stage.zuid.line().calls[0].urgent, 2, "the partner knows")
        [rings] = [desk for desk, state in states(stage.zuid).items() if state == "ringing"]
        await stage.phones(stage.zuid)[rings].pick_up()
        meeting = await stage.people.meet(caller)
        assert meeting.site == ZUID
        return [*served(talking), *served(meeting, urgent=True)]

    stage.play(scene)


# --- both pick up ---


def test_both_pick_up_in_the_same_instant(stage: Stage) -> None:
    """Twenty times: exactly one conversation, the other desk free again within a second, nobody lost."""

    async def scene(stage: Stage) -> list[Record]:
        async with stage.configured(stage.noord, urgent_overflow_s="0"):
            await stage.man(stage.noord, "desk-1")
            await stage.man(stage.zuid, "desk-1")
            turns = [await both_pick_up(stage, turn) for turn in range(20)]
            assert stage.noord.line().lost == stage.zuid.line().lost == 0
            return [record for records in turns for record in records]

    stage.play(scene)


async def both_pick_up(stage: Stage, turn: int) -> list[Record]:
    """An urgent caller whom nobody picks up rings at home and at the partner; then both do."""
    home, there = stage.phones(stage.noord)["desk-1"], stage.phones(stage.zuid)["desk-1"]
    for phone in (home, there):
        phone.forget()
        await phone.lets_ring()
    caller = await stage.dial(0)
    await home.wait_for("incoming", timeout_s=SOON_S)
    await caller.press("1")
    await there.wait_for("incoming", timeout_s=SOON_S)
    # The later tunings let the nearer desk wait a little, so that either side wins now and then.
    await asyncio.gather(pick_up(home, (turn % 5) * 0.004), pick_up(there))
    meeting = await stage.people.meet(caller)
    loser, site = (there, stage.zuid) if meeting.site == NOORD else (home, stage.noord)
    await until(lambda: states(site)["desk-1"] == "free", 1, f"the other desk is free ({meeting.site} won)")
    await loser.wait_for("ended", timeout_s=1)
    assert len(stage.noord.line().calls) == 1
    await caller.hang_up()
    await until(lambda: not stage.noord.line().calls and not stage.zuid.line().calls, SOON_S, "both lines are empty")
    await until(lambda: states(stage.noord)["desk-1"] == states(stage.zuid)["desk-1"] == "free", 2, "both are free")
    records = served(meeting, urgent=True, moved=True)
    if meeting.site == NOORD:
        too_late = Record(ZUID, "withdrawn", meeting.waited_s, origin=NOORD, urgent=True, perhaps=True)
        records.append(too_late)
    return records


# --- the agreement ---


def test_no_more_than_agreed_at_once(stage: Stage) -> None:
    async def scene(stage: Stage) -> list[Record]:
        async with stage.configured(stage.noord, give_at_once="1"):
            talking = await one_desk_talks(stage)
            moved = await stage.meet(1)
            assert moved.site == ZUID
            caller = await stage.wait_in_line(2)
            await caller.hears_speech()
            assert not stage.offered() and len(stage.zuid.line().calls) == 1
            await moved.caller.hang_up()
            then = await stage.people.meet(caller)
            assert then.site == ZUID, "the first has left, so there is room for one again"
            return [*served(talking), *served(moved), *served(then)]

    stage.play(scene)


def test_no_more_than_agreed_in_an_hour(stage: Stage) -> None:
    """The one who was moved has hung up long ago; the next stays all the same, also after a restart of the line."""

    async def scene(stage: Stage) -> list[Record]:
        given = len(stage.noord.line().given_uptime_ms[ZUID])  # by scenarios before this one
        async with stage.configured(stage.noord, give_at_once=f"5\ngive_per_hour = {given + 1}"):
            talking = await one_desk_talks(stage)
            moved = await stage.meet(1)
            assert moved.site == ZUID
            await moved.caller.hang_up()
            await until(lambda: not stage.zuid.line().calls, SOON_S, "the partner is done")
            stage.noord.units["telephony"].kill()
            await stage.region.line_again(stage.noord)
            await stage.knows(stage.noord, stage.zuid, free=3)
            caller = await stage.wait_in_line(2)
            await caller.hears_speech()
            assert not stage.offered() and stage.noord.line().resting_partners == ()
            helped = await served_at_home_after(stage, talking, caller)
            return [*helped, *served(moved)]

    stage.play(scene)


def test_a_trunk_that_follows_redirects_is_sent_to_the_partner(stage: Stage) -> None:
    """No audio passes the box and the call is out of sight, so the record says so and no worker stays busy."""
    redirect = {
        "exchange_address": '"127.0.11.9"\nhandover = "redirect"',
        "patience_s": '6\nredirect_to = "sip:line@127.0.12.1"',
    }

    async def scene(stage: Stage) -> list[Record]:
        async with stage.configured(stage.noord, **redirect):
            talking = await one_desk_talks(stage)
            caller = await stage.dial(1)
            redirected = await caller.wait_for("redirected")
            assert redirected.details["target"] == "<sip:line@127.0.12.1>"
            await caller.wait_for("ended")
            await until(lambda: len(stage.noord.line().calls) == 1, 1, "nothing is left of the caller")
            assert not stage.zuid.line().calls
            return [*served(talking), Record(NOORD, "redirected", 0, partner=ZUID, moved=True)]

    stage.play(scene)


def test_desks_that_are_kept_for_own_callers(stage: Stage) -> None:
    async def scene(stage: Stage) -> list[Record]:
        async with stage.configured(stage.zuid, rest_s="3\nreserve_desks = 2"):
            await stage.man(stage.noord, "desk-1")
            await stage.knows(stage.noord, stage.zuid, free=3)
            talking, moved = await stage.meet(0), await stage.meet(1)
            assert moved.site == ZUID
            caller = await stage.dial(2)
            await rests(stage)
            assert refusals(stage)[-1] == 480 and len(stage.zuid.line().calls) == 1
            own = await stage.meet(NEIGHBOUR)
            assert own.site == ZUID
            helped = await served_at_home_after(stage, talking, caller)
            return [*helped, *served(moved), *refused(), Record(ZUID, "answered", own.waited_s, desk=own.desk)]

    stage.play(scene)


def test_outside_the_agreed_hours(stage: Stage) -> None:
    async def scene(stage: Stage) -> list[Record]:
        async with stage.configured(stage.noord, patience_s=f'6\nhours = ["{LONG_AGO}"]'):
            talking = await one_desk_talks(stage)
            caller = await stage.wait_in_line(1)
            await caller.hears_speech()
            assert not stage.offered()
            helped = await served_at_home_after(stage, talking, caller)
        async with stage.configured(stage.zuid, patience_s=f'6\nhours = ["{LONG_AGO}"]'):
            await stage.man(stage.noord, "desk-1")
            await stage.knows(stage.noord, stage.zuid, free=3)
            talking = await stage.meet(0)
            caller = await stage.dial(1)
            await rests(stage)
            assert refusals(stage)[-1] == 603
            then = await served_at_home_after(stage, talking, caller)
            return [*helped, *then, *refused()]

    stage.play(scene)


def test_nobody_is_moved_twice(stage: Stage) -> None:
    """A caller of hap-noord waits at hap-zuid, whose desks all talk while one at hap-noord is free: it stays put."""

    async def scene(stage: Stage) -> list[Record]:
        await stage.man(stage.noord)
        await stage.man(stage.zuid, "desk-1")
        own = await stage.meet(NEIGHBOUR)
        caller = await stage.dial(0)
        await until(lambda: len(stage.waiting(stage.zuid)) == 1, SOON_S, "the caller waits at the partner")
        [moved] = stage.waiting(stage.zuid)
        assert (moved.origin, moved.hops) == (NOORD, 1)
        await stage.let_ring(stage.noord)
        await stage.man(stage.noord, "desk-1", "desk-2")
        await stage.knows(stage.zuid, stage.noord, free=1)
        phone = await ringing_phone(stage, stage.noord)
        await caller.hears_speech()
        assert [call.offers for call in stage.zuid.line().calls] == [(), ()]
        assert {call.origin for call in stage.noord.line().calls} == {"trunk"}
        await phone.pick_up()
        meeting = await stage.people.meet(caller)
        assert meeting.site == NOORD
        return [
            *served(meeting, moved=True),
            Record(ZUID, "answered", own.waited_s, desk="desk-1"),
            *left(ZUID, meeting.waited_s, origin=NOORD),
        ]

    stage.play(scene)


def test_a_loop_of_misconfigured_centres_ends(stage: Stage) -> None:
    """Whatever hop a partner's front claims, one of its callers is declined from the second on and never passed on."""

    async def scene(stage: Stage) -> list[Record]:
        talking = await one_desk_talks(stage)
        declined = []
        async with posing_as(stage.zuid, stage.noord) as impostor:
            for hops in (2, 9, 10, 77, 999):
                asked_s = time.monotonic()
                assert await impostor.invite(f"X-Zorgkiosk-Hops: {hops}") == 482
                assert time.monotonic() - asked_s < DECLINE_S
                declined.append(Record(NOORD, "refused", 0, origin=ZUID, hops=min(hops, 9)))
            for header in ("X-Zorgkiosk-Hops: 0", "X-Zorgkiosk-Hops: 1", "X-Nothing: 1", "X-Zorgkiosk-Hops: -5"):
                assert await impostor.invite(header) == 183
                await until(lambda: len(stage.waiting(stage.noord)) == 1, SOON_S, "it waits")
                [call] = stage.waiting(stage.noord)
                assert (call.origin, call.hops, call.offers) == (ZUID, 1, ())
                assert await impostor.cancel() == 487
                await until(lambda: not stage.waiting(stage.noord), SOON_S, "it has left")
        assert not stage.zuid.line().calls and stage.noord.units["telephony"].alive
        await stage.only_talk([talking])
        return [*served(talking), *declined]

    stage.play(scene)


def test_a_partner_at_the_wrong_address_is_nobody(stage: Stage) -> None:
    """A config that names this very site's address for the partner: its front finds another name there and does not
    talk, so the caller does not go round; who waits is helped at home."""

    async def scene(stage: Stage) -> list[Record]:
        sip = stage.zuid.config.front
        assert sip is not None
        async with stage.misrouted(stage.noord, str(sip.address), "127.0.11.1"):
            talking = await one_desk_talks(stage)
            caller = await stage.dial(1)
            await rests(stage)
            assert {call.origin for call in stage.noord.line().calls} == {"trunk"} and not stage.zuid.line().calls
            return await served_at_home_after(stage, talking, caller)

    stage.play(scene)
