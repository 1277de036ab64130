"""The line of one centre: its own callers, its own desks, who is urgent, who leaves, which desk does not answer."""

from __future__ import annotations

import asyncio

import pytest
from stage import NOORD, SOON_S, ZUID, Record, Stage, begun_s, hang_up, left, pick_up, served, so_far_s, states

from zorgkiosk.lab import evidence
from zorgkiosk.lab.daemon import until

pytest_plugins = ["scenario_fixtures"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


def test_a_calm_evening(stage: Stage) -> None:
    """Two callers, two desks: each is helped at home at once, both are heard both ways."""

    async def scene(stage: Stage) -> list[Record]:
        first, second = await stage.meet(0), await stage.meet(1)
        assert {first.site, second.site} == {NOORD} and {first.desk, second.desk} == {"desk-1", "desk-2"}
        assert max(first.waited_s, second.waited_s) < 2
        await stage.only_talk([first, second])
        return [*served(first), *served(second)]

    stage.play(scene)


def test_a_rush(stage: Stage) -> None:
    """Four callers at once, one desk: one is helped at home and three at the partner, where three desks are free."""

    async def scene(stage: Stage) -> list[Record]:
        await stage.man(stage.noord, "desk-1")
        callers = await asyncio.gather(*(stage.dial(number) for number in range(4)))
        meetings = [await stage.people.meet(caller) for caller in callers]
        assert sorted(meeting.site for meeting in meetings) == [NOORD, ZUID, ZUID, ZUID]
        await stage.only_talk(meetings)
        assert stage.triage(stage.noord)["helped_by"] == {ZUID: 3}
        assert stage.triage(stage.zuid)["helping"] == {NOORD: 3}
        # Whoever is helped at home may have been offered first: then the reasons stand in the record.
        moved = next(call for call in stage.noord.line().calls if call.talking_at == "desk-1").offers != ()
        return [record for meeting in meetings for record in served(meeting, moved=moved and meeting.site == NOORD)]

    stage.play(scene)


def test_who_presses_one_goes_first(stage: Stage) -> None:
    async def scene(stage: Stage) -> list[Record]:
        await stage.switch(stage.noord, "giving", on=False)
        await stage.man(stage.noord, "desk-1")
        talking = await stage.meet(0)
        patient, urgent = await stage.wait_in_line(1), await stage.wait_in_line(2)
        await urgent.press("1")
        await until(lambda: any(call.urgent for call in stage.noord.line().calls), SOON_S, "it is urgent")
        await stage.phones(stage.noord)["desk-1"].lets_ring()
        await talking.caller.hang_up()
        await until(lambda: states(stage.noord)["desk-1"] == "ringing", 2, "the desk rings at once")
        await stage.phones(stage.noord)["desk-1"].pick_up()
        helped = await stage.people.meet(urgent)
        await urgent.hang_up()
        await stage.phones(stage.noord)["desk-1"].answers(0.3)
        then = await stage.people.meet(patient)
        return [*served(talking), *served(helped, urgent=True), *served(then)]

    stage.play(scene)


def test_an_urgent_caller_rings_at_home_at_the_partner_and_at_the_last_resort(stage: Stage) -> None:
    """Nobody picks up anywhere, until the last resort does; then all the others are free again."""

    async def scene(stage: Stage) -> list[Record]:
        for site in (stage.noord, stage.zuid):
            await stage.let_ring(site)
        caller = await stage.wait_in_line(0)
        await until(lambda: "ringing" in states(stage.noord).values(), 2, "a desk at home rings")
        await caller.press("1")
        await until(lambda: "ringing" in states(stage.zuid).values(), SOON_S, "a desk of the partner rings")
        assert 2 <= so_far_s(caller) < 4 and "ringing" in states(stage.noord).values(), "in parallel"
        rang = await stage.exchange.wait_for("incoming", timeout_s=SOON_S)
        assert 6 <= rang.at_s - begun_s(caller) < 8
        await stage.exchange.pick_up()
        meeting = await stage.people.meet(caller)
        assert meeting.desk == "exchange"
        await until(lambda: not stage.zuid.line().calls, 1, "the partner is free")
        await until(lambda: "ringing" not in states(stage.noord).values(), 1, "no desk rings any more")
        return [
            *served(meeting, urgent=True, moved=True),
            *left(ZUID, meeting.waited_s, origin=NOORD, urgent=True),
        ]

    stage.play(scene)


def test_a_last_resort_that_is_busy_is_not_called_all_the_time(stage: Stage) -> None:
    async def scene(stage: Stage) -> list[Record]:
        await stage.switch(stage.noord, "giving", on=False)
        await stage.man(stage.noord)
        await stage.exchange.rejects(486)
        stage.exchange.forget()
        begin = len(stage.exchange.history)
        caller = await stage.wait_in_line(0)
        await caller.press("1")
        await stage.exchange.wait_for("incoming", timeout_s=SOON_S)
        await stage.exchange.wait_for("incoming", timeout_s=SOON_S)
        rang = [event.at_s for event in stage.exchange.history[begin:] if event.name == "incoming"]
        assert len(rang) == 2 and rang[1] - rang[0] >= 4
        await caller.hang_up()
        return left(NOORD, rang[1] - begun_s(caller), urgent=True)

    stage.play(scene)


def test_leaving_during_the_announcement(stage: Stage) -> None:
    async def scene(stage: Stage) -> list[Record]:
        await stage.switch(stage.noord, "giving", on=False)
        await stage.man(stage.noord)
        early, late = await stage.wait_in_line(0), await stage.wait_in_line(1)
        await early.hears_speech()
        await early.hang_up()
        await until(lambda: len(stage.noord.line().calls) == 1, 1, "one has left")
        assert (await early.wait_for("ended")).details["code"] == 487
        await until(lambda: so_far_s(late) > 6.5, SOON_S, "the other has waited long enough to be counted")
        await late.hang_up()
        ended = await late.wait_for("ended")
        return left(NOORD, ended.at_s - begun_s(late))

    stage.play(scene)


def test_leaving_while_a_desk_rings(stage: Stage) -> None:
    async def scene(stage: Stage) -> list[Record]:
        await stage.let_ring(stage.noord)
        caller = await stage.dial(0)
        await until(lambda: "ringing" in states(stage.noord).values(), SOON_S, "a desk rings")
        await caller.hang_up()
        await until(lambda: states(stage.noord)["desk-1"] == states(stage.noord)["desk-2"] == "free", 1, "all free")
        return []

    stage.play(scene)


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.05])
def test_leaving_right_at_the_pick_up(stage: Stage, after_s: float) -> None:
    """Both act in the same instant: the desk is free again at once, nobody is lost, nothing hangs."""

    async def scene(stage: Stage) -> list[Record]:
        records = []
        await stage.let_ring(stage.noord)
        for _ in range(3):
            caller = await stage.dial(0)
            await until(lambda: "ringing" in states(stage.noord).values(), SOON_S, "a desk rings")
            desk = next(desk for desk, state in states(stage.noord).items() if state == "ringing")
            phone = stage.phones(stage.noord)[desk]
            await phone.wait_for("incoming")
            waited_s = so_far_s(caller)
            await asyncio.gather(pick_up(phone), hang_up(caller, after_s))
            await caller.wait_for("ended")
            await phone.wait_for("ended")
            await until(lambda desk=desk: states(stage.noord)[desk] == "free", 1, "the desk is free")  # type: ignore[misc]
            assert not stage.noord.line().calls and stage.noord.line().lost == 0
            records.append(Record(NOORD, "answered", waited_s, desk=desk, perhaps=True))
        return records

    stage.play(scene)


def test_a_desk_that_does_not_answer(stage: Stage) -> None:
    """The caller is back at the head of the line, the next desk rings, the silent one rests and says so."""

    async def scene(stage: Stage) -> list[Record]:
        await stage.let_ring(stage.noord)
        caller = await stage.dial(0)
        await until(lambda: "ringing" in states(stage.noord).values(), SOON_S, "a desk rings")
        first = next(desk for desk, state in states(stage.noord).items() if state == "ringing")
        other = {"desk-1": "desk-2", "desk-2": "desk-1"}[first]
        await until(lambda: states(stage.noord)[first] == "no-answer", 7, "the desk did not answer")
        assert 5 <= so_far_s(caller) < 7
        await until(lambda: states(stage.noord)[other] == "ringing", 1, "the next desk rings")
        assert states(stage.noord)[first] == "no-answer"
        await stage.phones(stage.noord)[other].pick_up()
        meeting = await stage.people.meet(caller)
        assert meeting.desk == other
        return served(meeting)

    stage.play(scene)


def test_a_phone_that_is_unplugged_is_skipped(stage: Stage) -> None:
    async def scene(stage: Stage) -> list[Record]:
        manned = [desk for desk in stage.noord.line().desks if desk.state == "free"]
        return await with_unplugged(stage, min(manned, key=lambda desk: desk.since_uptime_ms).id)

    stage.play(scene)


async def with_unplugged(stage: Stage, desk: str) -> list[Record]:
    phone = stage.phones(stage.noord)[desk]
    phone.freeze()
    try:
        caller = await stage.dial(0)
        await until(lambda: states(stage.noord)[desk] == "no-answer", 6, "the silent desk is skipped")
    finally:
        phone.thaw()
    meeting = await stage.people.meet(caller)
    assert meeting.desk != desk
    # Standing up and sitting down again ends the rest that the unanswered ring cost.
    for wanted, present in (("away", "no"), ("free", "yes")):
        await evidence.tap(stage.noord, f"desk/{desk}", present=present)
        await until(lambda wanted=wanted: states(stage.noord)[desk] == wanted, 2, f"the desk is {wanted}")  # type: ignore[misc]
    return served(meeting)


def test_a_desk_on_the_exchange(stage: Stage) -> None:
    """Its own phone is behind the PBX: it rings through it, and is a desk like any other."""

    async def scene(stage: Stage) -> list[Record]:
        await stage.man(stage.noord, "desk-3")
        await stage.exchange.answers(0.3)
        meeting = await stage.meet(0)
        assert (meeting.site, meeting.desk) == (NOORD, "exchange") and states(stage.noord)["desk-3"] == "busy"
        return [Record(NOORD, "answered", meeting.waited_s, desk="desk-3")]

    stage.play(scene)


def test_what_is_no_call_of_ours_reaches_nobody(stage: Stage) -> None:
    """A trunk that forges our headers or asks for another destination gets the line and nothing else."""

    async def scene(stage: Stage) -> list[Record]:
        caller = stage.people.callers[0]
        forged = {"X-Zorgkiosk-Origin": ZUID, "X-Zorgkiosk-Hops": "1", "X-Zorgkiosk-Waited": "900"}
        sip = stage.noord.config.front
        assert sip is not None
        await caller.call(f"sip:0612345678@{sip.address}:{sip.sip_port}", forged)
        meeting = await stage.people.meet(caller)
        [call] = stage.noord.line().calls
        assert (call.origin, call.hops, call.waited_before_s) == ("trunk", 0, 0)
        return served(meeting)

    stage.play(scene)
