"""A front that is there and says nothing is told from one that is away, and its restart is asked for."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from zorgkiosk.site.telephony.front_rpc import FrontError, FrontRpc
from zorgkiosk.site.telephony.front_watch import HUNG_S, Silence


def test_only_a_long_silence_in_a_row_is_too_long() -> None:
    silence = Silence()
    assert not silence.lasts(100.0) and not silence.lasts(100.0 + HUNG_S - 0.1)
    silence.ended()
    assert not silence.lasts(200.0) and not silence.lasts(200.0 + HUNG_S - 0.1)
    assert silence.lasts(200.0 + HUNG_S)


def test_a_front_that_stays_hung_is_asked_for_again_as_late_as_the_first_time() -> None:
    silence = Silence()
    assert [now_s for now_s in range(0, 100, 2) if silence.lasts(now_s)] == [30, 60, 90]


def test_a_front_that_is_not_there_is_not_silent(tmp_path: Path) -> None:
    async def ask() -> None:
        await FrontRpc(tmp_path / "rpc.sock", timeout_s=0.1).line_is_here()

    with pytest.raises(FrontError) as away:
        asyncio.run(ask())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "rpc.sock"))
        with pytest.raises(FrontError) as hung:
            asyncio.run(ask())
    with pytest.raises(FrontError) as crashed:  # its socket stays behind
        asyncio.run(ask())
    assert (away.value.silent, hung.value.silent, crashed.value.silent) == (False, True, False)
