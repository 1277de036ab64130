"""The line's wire to the front: commands in order, and a look every few seconds that both agree.

The line never waits for Kamailio. What could not be told because the front was away is made good by the next
comparison, so a restart of the front, which forgets all, needs no other remedy.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Literal

from zorgkiosk.contract.events import Triage
from zorgkiosk.site.telephony.front_rpc import FrontError, FrontRpc, WorkerStatus
from zorgkiosk.site.telephony.front_watch import Silence

_LOG = logging.getLogger(__name__)

COMPARE_S = 2.0
"""Well below `front.LINE_SILENT_S`."""
PUBLISH_S = 0.2
"""How soon partners who ask over SIP hear of a change."""
REPEAT_S = 10.0

Word = Literal["release", "worker_died"]


class FrontLink:
    """Implements `ports.Front`. `idle` answers with the numbers of the workers that are attached without a caller.

    `hung` is called when the front is there and has taken no word for `front_watch.HUNG_S`.
    """

    def __init__(
        self,
        rpc: FrontRpc,
        sip_uri: Callable[[int], str],
        attached: Callable[[], set[int]],
        idle: Callable[[], set[int]],
        hung: Callable[[], None],
    ) -> None:
        self._rpc = rpc
        self._sip_uri = sip_uri
        self._attached = attached
        self._idle = idle
        self._words: asyncio.Queue[tuple[Word, int]] = asyncio.Queue()
        self._claims: dict[str, str | None] = {}
        self._away = False
        self._hung = hung
        self._silence = Silence()
        self._triage: Triage | None = None
        self._published: Triage | None = None

    def publish(self, triage: Triage) -> None:
        self._triage = triage

    def release(self, worker: int) -> None:
        self._words.put_nowait(("release", worker))

    def worker_died(self, worker: int) -> None:
        self._words.put_nowait(("worker_died", worker))

    async def take_out(self, workers: Iterable[int]) -> None:
        """Place nothing on these any more: they are about to end, and a caller should not find that out."""
        try:
            for worker in workers:
                await self._rpc.worker_died(self._sip_uri(worker))
        except FrontError as error:
            self._gone(error)

    async def run(self) -> None:
        """Tell and compare until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._talk())
            tasks.create_task(self._publish())

    async def _talk(self) -> None:
        loop = asyncio.get_running_loop()
        next_look_s = loop.time()
        while True:
            try:
                async with asyncio.timeout_at(next_look_s):
                    word, worker = await self._words.get()
            except TimeoutError:
                await self._compare()
                next_look_s = loop.time() + COMPARE_S
            else:
                await self._tell(word, worker)

    async def _publish(self) -> None:
        """What we say of ourselves, on each change and every few seconds, or the front thinks we are gone."""
        loop = asyncio.get_running_loop()
        said_s = loop.time()
        while True:
            triage = self._triage
            if triage is not None and (triage != self._published or loop.time() - said_s > REPEAT_S):
                await self._say(triage)
                self._published, said_s = triage, loop.time()
            await asyncio.sleep(PUBLISH_S)

    async def _say(self, triage: Triage) -> None:
        try:
            await self._rpc.publish_status(
                accepting=triage.accepting_overflow,
                desks_present=triage.desks_present,
                desks_free=triage.desks_free,
                waiting=triage.waiting,
            )
        except FrontError as error:
            self._gone(error)

    async def _tell(self, word: Word, worker: int) -> None:
        uri = self._sip_uri(worker)
        try:
            match word:
                case "release":
                    await self._rpc.release(uri)
                    await self._rpc.worker_ready(uri)
                case "worker_died":
                    await self._rpc.worker_died(uri)
        except FrontError as error:
            self._gone(error)

    async def _compare(self) -> None:
        try:
            await self._rpc.line_is_here()
            seen = await self._rpc.status()
            if self._away:
                _LOG.info("the front is back")
            self._away = False
            for status in seen:
                await self._mend(status)
            self._claims = {status.uri: status.sip_call_id for status in seen}
            self._silence.ended()
        except FrontError as error:
            self._gone(error)
            if not error.silent:
                self._silence.ended()
            elif self._silence.lasts(asyncio.get_running_loop().time()):
                self._hung()

    async def _mend(self, status: WorkerStatus) -> None:
        attached = {self._sip_uri(worker) for worker in self._attached()}
        idle = {self._sip_uri(worker) for worker in self._idle()}
        if status.uri in attached and not status.active:
            await self._rpc.worker_ready(status.uri)
        # A claim that stands through two looks while the worker knows no caller belongs to one who left too early;
        # a younger one may be an INVITE that is still on its way.
        forgotten = status.sip_call_id is not None and self._claims.get(status.uri) == status.sip_call_id
        if forgotten and status.uri in idle:
            _LOG.warning("front: a claim on %s that no worker knows is released", status.uri)
            await self._rpc.release(status.uri)

    def _gone(self, error: FrontError) -> None:
        if not self._away:
            _LOG.error("the front does not listen: %s", error)
        self._away = True
