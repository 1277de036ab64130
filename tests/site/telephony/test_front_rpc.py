from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from pathlib import Path

import pytest

from zorgkiosk.site.telephony.front_rpc import FrontError, FrontRpc, PartnerStatus


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (PartnerStatus(True, 3, 2, 0), "accepting=1;present=3;free=2;waiting=0"),
        (PartnerStatus(False, 0, 0, 17), "accepting=0;present=0;free=0;waiting=17"),
    ],
)
def test_a_status_reads_back_as_it_was_written(status: PartnerStatus, text: str) -> None:
    assert status.encode() == text
    assert PartnerStatus.decode(text) == status


@pytest.mark.parametrize(
    "text",
    ["", "accepting=2;present=1;free=1;waiting=1", "accepting=1;present=-1;free=1;waiting=1", "accepting=1;present=1",
     "accepting=1;present=1;free=1;waiting=1 ", "accepting=1;present=1;free=1;waiting=1;more=1"],
)  # fmt: skip
def test_anything_else_is_no_status(text: str) -> None:
    assert PartnerStatus.decode(text) is None


def test_counts_stay_within_what_a_partners_front_lets_through() -> None:
    assert PartnerStatus(True, 10_000, 9_999, 0).encode() == "accepting=1;present=9999;free=9999;waiting=0"
    with pytest.raises(ValueError, match="below zero"):
        PartnerStatus(True, 1, -1, 0).encode()


def test_a_front_that_hears_but_never_answers_is_an_error_in_bounded_time(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "rpc.sock"))
        before = time.monotonic()
        with pytest.raises(FrontError, match="too late"):
            asyncio.run(FrontRpc(tmp_path / "rpc.sock", timeout_s=0.1).ask_partner("hap-zuid"))
        assert time.monotonic() - before < 0.6


def test_an_unknown_partner_is_an_error_that_names_it(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as front:
        front.bind(str(tmp_path / "rpc.sock"))

        def refuse() -> None:
            question, back = front.recvfrom(65_535)
            assert json.loads(question)["params"] == ["hop", "hap-nergens"]
            front.sendto(json.dumps({"id": 1, "error": {"code": 500, "message": "no such key"}}).encode(), back)

        answering = threading.Thread(target=refuse, daemon=True)
        answering.start()
        with pytest.raises(FrontError, match="no partner hap-nergens"):
            asyncio.run(FrontRpc(tmp_path / "rpc.sock").ask_partner("hap-nergens"))
        answering.join(2)
