"""What is heard: both ways, after a hold from either side, between two centres too; keys; an INVITE without SDP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from stage import NOORD, SOON_S, ZUID, Record, Stage, served, states

from zorgkiosk.lab.daemon import until
from zorgkiosk.lab.people import Meeting

pytest_plugins = ["scenario_fixtures"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

LATE_OFFER = Path(__file__).parent / "sipp" / "late_offer.xml"


async def talk_at(stage: Stage, site: str) -> tuple[Meeting, list[Record]]:
    """A conversation of a caller of hap-noord at this centre."""
    if site == NOORD:
        meeting = await stage.meet(0)
        return meeting, served(meeting)
    await stage.man(stage.noord)
    meeting = await stage.meet(0)
    assert meeting.site == ZUID
    return meeting, served(meeting)


@pytest.mark.parametrize("site", [NOORD, ZUID])
def test_after_a_hold_from_either_side_both_hear_each_other(stage: Stage, site: str) -> None:
    async def scene(stage: Stage) -> list[Record]:
        meeting, records = await talk_at(stage, site)
        for holding, other in ((meeting.desk_phone, meeting.caller), (meeting.caller, meeting.desk_phone)):
            await holding.hold()
            await other.hears_silence()
            await holding.unhold()
            await holding.hears({other.tone_hz})
            await other.hears({holding.tone_hz})
        return records

    stage.play(scene)


@pytest.mark.parametrize("site", [NOORD, ZUID])
def test_keys_reach_the_other_side(stage: Stage, site: str) -> None:
    """Also the 1, which means nothing more once somebody has picked up."""

    async def scene(stage: Stage) -> list[Record]:
        meeting, records = await talk_at(stage, site)
        for sender, receiver in ((meeting.caller, meeting.desk_phone), (meeting.desk_phone, meeting.caller)):
            await sender.press("159#")
            for digit in "159#":
                await receiver.wait_for("dtmf", digit=digit)
        assert [call.urgent for call in stage.noord.line().calls] == [False]
        await stage.only_talk([meeting])
        return records

    stage.play(scene)


@pytest.mark.parametrize("waits", [False, True])
def test_a_trunk_that_sends_no_sdp(stage: Stage, waits: bool) -> None:
    """The offer is ours then. Whether a desk is free at once or the caller waits first, the desk gets the call."""

    async def scene(stage: Stage) -> list[Record]:
        await stage.switch(stage.noord, "giving", on=False)
        await stage.man(stage.noord, *(() if waits else ("desk-1",)))
        sip = stage.noord.config.front
        assert sip is not None
        trunk = str(stage.people.callers[0].uri.split("@")[1].split(":")[0])
        sipp = await asyncio.create_subprocess_exec(
            *("sipp", "-sf", str(LATE_OFFER), "-i", trunk, "-p", "5090", "-mi", trunk, "-mp", "46000"),
            *("-m", "1", "-timeout", "30", "-timeout_error", "-nostdin", f"{sip.address}:{sip.sip_port}"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            if waits:
                await until(lambda: len(stage.waiting(stage.noord)) == 1, SOON_S, "the caller waits")
                await stage.man(stage.noord, "desk-1")
            phone = stage.phones(stage.noord)["desk-1"]
            rang = await phone.wait_for("incoming", timeout_s=SOON_S)
            connected = await phone.wait_for("connected", timeout_s=SOON_S)
            await until(lambda: states(stage.noord)["desk-1"] == "busy", 2, "the desk talks")
            [call] = stage.noord.line().calls
            await phone.hang_up()
            _, errors = await asyncio.wait_for(sipp.communicate(), SOON_S)
            assert sipp.returncode == 0, errors.decode()[-500:]
        finally:
            if sipp.returncode is None:
                sipp.kill()
        waited_s = connected.at_s - call.arrived_uptime_ms / 1000
        assert rang.at_s < connected.at_s
        return [Record(NOORD, "answered", waited_s, desk="desk-1")]

    stage.play(scene)
