"""What partners hear of each other's line, and what travels along in a call, through the real front."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import front_bench
import pytest
from front_bench import DESK, FOREIGN, GOOD, IMPOSTOR, NOBODY, PASSWORD, SILENT, Bench
from front_stage import AVP, SAVP

from zorgkiosk.site.telephony.front_rpc import FrontError, PartnerAnswer, PartnerStatus

pytest_plugins = ["front_fixtures"]
pytestmark = pytest.mark.integration

STATUS = "X-Zorgkiosk-Status"


async def at_the_same_time(bench: Bench, *names: str) -> tuple[list[PartnerAnswer | None], float]:
    """The partners' answers, and the longest that the line's own event loop stood still meanwhile, in seconds."""
    loop, longest_s = asyncio.get_running_loop(), 0.0
    asked = [asyncio.create_task(bench.rpc.ask_partner(name)) for name in names]
    while not all(task.done() for task in asked):
        before_s = loop.time()
        await bench.rpc.status()  # and its other commands are served
        await asyncio.sleep(0)
        longest_s = max(longest_s, loop.time() - before_s)
    return [task.result() for task in asked], longest_s


def test_a_partner_hears_how_the_line_is_and_nobody_else_does(bench: Bench) -> None:
    partner, trunk = bench.partner(GOOD), bench.caller()
    asyncio.run(bench.rpc.publish_status(True, 3, 2, 0))
    full = bench.options(partner)
    assert (full.code, full[STATUS]) == (503, "accepting=1;present=3;free=2;waiting=0")
    bench.worker(0)
    asyncio.run(bench.rpc.publish_status(False, 12, 0, 10_000))
    free = bench.options(partner)
    assert (free.code, free[STATUS]) == (200, "accepting=0;present=12;free=0;waiting=9999")
    assert bench.options(trunk).get(STATUS) is None


def test_a_status_that_is_not_repeated_is_left_out(bench: Bench) -> None:
    partner = bench.partner(GOOD)
    asyncio.run(bench.rpc.publish_status(True, 3, 2, 0))
    assert bench.options(partner).get(STATUS) is not None
    bench.ask("htable.setex", "status", "now", 1)  # the 30 s are nearly over
    deadline = time.monotonic() + 4
    while bench.options(partner).get(STATUS) is not None:
        assert time.monotonic() < deadline
    asyncio.run(bench.rpc.publish_status(True, 1, 1, 1))
    assert bench.options(partner)[STATUS] == "accepting=1;present=1;free=1;waiting=1"
    expires = datetime.fromisoformat(bench.ask("htable.get", "status", "now")["item"]["expire"])
    assert 28 <= expires.timestamp() - time.time() <= 31


def test_two_fronts_tell_each_other(bench: Bench) -> None:
    with front_bench.facing(bench) as there:
        assert asyncio.run(bench.rpc.ask_partner(GOOD)) == PartnerAnswer(503, None)
        there.worker(0)
        asyncio.run(there.rpc.publish_status(True, 4, 1, 2))
        before = time.monotonic()
        answer = asyncio.run(bench.rpc.ask_partner(GOOD))
        assert time.monotonic() - before < 0.2
        assert answer == PartnerAnswer(200, PartnerStatus(True, 4, 1, 2))
        there.quiet()


def test_silence_and_strangers_count_as_no_answer_after_a_second_and_hold_up_nothing(bench: Bench) -> None:
    with bench.listening(SILENT), bench.deaf(FOREIGN), front_bench.facing(bench) as there:
        before = time.monotonic()
        answers, longest_s = asyncio.run(at_the_same_time(bench, SILENT, NOBODY, FOREIGN, GOOD))
        assert time.monotonic() - before < 1.3
        assert answers == [None, None, None, PartnerAnswer(503, None)]
        assert longest_s < 0.1
        there.quiet()
    with pytest.raises(FrontError, match="no partner hap-nergens"):
        asyncio.run(bench.rpc.ask_partner("hap-nergens"))


def test_an_answer_counts_only_from_the_certificate_with_the_partners_name(bench: Bench) -> None:
    """Another partner sits at the address, or answers over a connection of its own."""
    bench.worker(0)
    with bench.listening(IMPOSTOR) as listener, ThreadPoolExecutor(1) as line:
        asked = line.submit(lambda: asyncio.run(bench.rpc.ask_partner(IMPOSTOR)))
        other = bench.partner(GOOD)
        impostor = bench.accept(listener, GOOD)
        question = impostor.request_in("OPTIONS")
        lie = ((STATUS, "accepting=1;present=9;free=9;waiting=0"),)
        with contextlib.suppress(OSError):
            impostor.reply(question, 200, headers=lie)
        other.reply(question, 200, headers=lie)
        assert asked.result(3) is None


@pytest.mark.parametrize("said", ["", "accepting=2;present=1;free=1;waiting=1", "accepting=1", "x" * 300])
def test_a_status_in_no_known_form_is_ignored_but_the_code_counts(bench: Bench, said: str) -> None:
    with bench.listening(GOOD) as listener, ThreadPoolExecutor(1) as line:
        asked = line.submit(lambda: asyncio.run(bench.rpc.ask_partner(GOOD)))
        partner = bench.accept(listener, GOOD)
        partner.reply(partner.request_in("OPTIONS"), 200, headers=((STATUS, said),) if said else ())
        assert asked.result(3) == PartnerAnswer(200, None)


# --- headers that travel along ---

DIVERSION = ("Diversion", "<sip:0201234567@pbx.example>;reason=no-answer;counter=1")
HISTORY = ("History-Info", "<sip:200@pbx.example>;index=1, <sip:201@pbx.example;cause=302>;index=1.1;mp=1")
USER_TO_USER = ("User-to-User", "56a390f3d2b7310023a2;encoding=hex;purpose=isdn-uui")
ASSERTED = ("P-Asserted-Identity", '"Huisarts" <sip:0201234567@pbx.example>')


def test_what_the_pbx_says_of_the_call_reaches_the_worker_unchanged(bench: Bench) -> None:
    worker, trunk = bench.worker(0), bench.caller()
    said = (DIVERSION, HISTORY, USER_TO_USER, ASSERTED, ("Remote-Party-ID", "<sip:1@pbx.example>;party=calling"))
    bench.invite(trunk, *said, body=AVP)
    arrived = worker.request_in("INVITE")
    assert [(name, arrived[name]) for name, _ in said] == list(said)


def test_what_a_worker_says_of_the_call_reaches_desk_and_partner(bench: Bench) -> None:
    worker, desk = bench.worker(0), bench.caller(DESK)
    said = (DIVERSION, HISTORY, USER_TO_USER)
    assert bench.register(desk, "desk1", PASSWORD).code == 200
    worker.request("INVITE", "sip:desk1@desk", body=AVP, headers=said)
    arrived = desk.request_in("INVITE")
    assert [(name, arrived[name]) for name, _ in said] == list(said)
    with front_bench.facing(bench) as there:
        theirs = there.worker(0)
        worker.request("INVITE", f"sip:line@{GOOD}", body=SAVP, headers=said)
        arrived = theirs.request_in("INVITE")
        assert [(name, arrived[name]) for name, _ in said[1:]] == list(said[1:])
        assert arrived.get("Diversion") is None  # the other exchange's business
        there.quiet()


@pytest.mark.parametrize(
    "said",
    [
        ("User-to-User", "56a3 <script>"),
        ("User-to-User", "5" * 300),
        ("User-to-User", "56;encoding=hex\nX-Zorgkiosk-Origin: trunk"),
        ("User-to-User", "56;encoding=hex\r\n X-Zorgkiosk-Origin: trunk"),
        ("User-to-User", "56;encoding=hex\rX-Zorgkiosk-Origin: trunk"),
        ("History-Info", "<sip:1@x>;index=1, <sip:2@x"),
        ("History-Info", '"a" <sip:1@x>;index=1'),
        ("History-Info", "<sip:1@x>;index=1\r\n\tX-Zorgkiosk-Origin: trunk"),
    ],
)
def test_odd_words_of_a_partner_are_dropped_and_smuggle_nothing(bench: Bench, said: tuple[str, str]) -> None:
    worker, partner = bench.worker(0), bench.partner(GOOD)
    bench.invite(partner, said, body=SAVP)
    arrived = worker.request_in("INVITE")
    assert arrived.all("X-Zorgkiosk-Origin") == [GOOD]
    assert "script" not in "".join(value for _, value in arrived.headers)
    kept = arrived.get(said[0])
    assert kept is None or kept.splitlines()[0] == "56;encoding=hex"  # what stood before the break


def test_two_of_what_may_be_there_once_are_one_too_many(bench: Bench) -> None:
    worker, partner = bench.worker(0), bench.partner(GOOD)
    bench.invite(partner, USER_TO_USER, USER_TO_USER, body=SAVP)
    assert worker.request_in("INVITE").get("User-to-User") is None
