"""Words that the live tests of the front share."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from front_bench import Bench
from sip_peer import Message, Peer, sdp

from zorgkiosk.site.telephony.front_rpc import WorkerStatus

AVP, SAVP = sdp("RTP/AVP"), sdp("RTP/SAVP")
SILENCE_S = 0.3


def uri(bench: Bench, index: int) -> str:
    return bench.parameters.worker_uris[index]


def states(bench: Bench) -> dict[str, WorkerStatus]:
    return {each.uri: each for each in asyncio.run(bench.rpc.status())}


def anything(_: Message) -> bool:
    return True


def final(message: Message) -> bool:
    return message.code >= 200


def an_invite(message: Message) -> bool:
    return message.method == "INVITE"


def talking(bench: Bench, caller: Peer, worker: Peer) -> tuple[Message, Message]:
    """An answered call from the trunk: INVITE as sent, 200 as received."""
    invite = bench.invite(caller, body=AVP)
    worker.reply(worker.request_in("INVITE"), 200, body=AVP)
    answer = caller.reply_to(invite)
    caller.inside("ACK", invite, answer, cseq=1)
    worker.request_in("ACK")
    return invite, answer


@contextlib.contextmanager
def besides(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run `work` at the same time, until the block ends; what it raises is raised here."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work, stop)
        try:
            yield
        finally:
            stop.set()
        running.result(10)
