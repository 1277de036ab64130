"""The unit `telephony`: the line, its workers and its wire to the front."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import logging
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from zorgkiosk.config_file import ConfigError, Problem
from zorgkiosk.contract.events import Triage
from zorgkiosk.contract.status import Ack, SiteState
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.config import load_site
from zorgkiosk.site.facts import DeskPresence, LineFact, OverflowSwitch, age_s, read
from zorgkiosk.site.store import Neighbour, Room, Store, StoreDamagedError, StoreError
from zorgkiosk.site.telephony.announcer import Announcer
from zorgkiosk.site.telephony.calendar import Calendar
from zorgkiosk.site.telephony.front import RPC_SOCKET
from zorgkiosk.site.telephony.front_link import FrontLink
from zorgkiosk.site.telephony.front_rpc import FrontRpc
from zorgkiosk.site.telephony.front_trust import FrontTrust
from zorgkiosk.site.telephony.front_watch import ask_for_restart
from zorgkiosk.site.telephony.journal import Journal
from zorgkiosk.site.telephony.line import Line
from zorgkiosk.site.telephony.messages import Event
from zorgkiosk.site.telephony.partner_news import PartnerNews
from zorgkiosk.site.telephony.pool import Pool
from zorgkiosk.site.telephony.situation import Heard, status_of
from zorgkiosk.site.telephony.wiring import TriageSite, front_directory, worker_settings
from zorgkiosk.units.heart import Heart

_LOG = logging.getLogger(__name__)
EX_UNAVAILABLE = 69  # sysexits.h
_LOOK_S = 0.05
_TICK_S = 0.25
_TEND_S = 1.0


def run(config_path: Path) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError and StoreError; exits with 69 where pjsua2 is missing."""
    config = load_site(config_path)
    site = TriageSite.of(config)
    if site is None:
        sentence = "this site has no [telephony] and [front]: nothing to run"
        raise ConfigError([Problem.of_file(config_path, sentence, "telephony")])
    if importlib.util.find_spec("pjsua2") is None:
        _LOG.error(
            "pjsua2 is not installed here, so this machine cannot take calls and the PBX keeps its own route: "
            "build or copy its wheel for this machine, or run only panel and sync"
        )
        raise SystemExit(EX_UNAVAILABLE)
    asyncio.run(_Unit(site).serve())


class _Unit:
    """The composition: one line, its pool, the wire to the front, and what the other units say."""

    def __init__(self, site: TriageSite) -> None:
        config = self._config = site.config
        self._clock = SystemClock.of_this_boot()
        self._heart = Heart.of_unit("tick", "look")
        self._store = Store.open(config.telephony_db, "telephony", self._clock, Room(config.site.store_max_mb))
        self._panel = Neighbour(config.panel_db)
        self._sync = Neighbour(config.sync_db)
        self._settings = worker_settings(site)
        self._pool = Pool(self._settings, site.telephony.workers, self._on_event, self._on_gone)
        self._rpc = FrontRpc(front_directory(config) / RPC_SOCKET)
        self._trust = FrontTrust(config, self._rpc)
        self._link = FrontLink(
            self._rpc, self._settings.sip_uri, self._pool.attached, self._idle, lambda: ask_for_restart(config)
        )
        names = [partner.name for partner in config.partner]
        self._partners = PartnerNews(names, self._rpc, self._on_partners)
        self._line = Line(
            config,
            site.telephony,
            journal=Journal.resumed(self._store),
            announcer=Announcer.of(site.announcements),
            is_open=Calendar(self._clock).is_open,
            workers=self._pool,
            front=self._link,
        )

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self._config.site.run_dir.mkdir(parents=True, exist_ok=True, mode=0o770)
        self._line.resume(read(LineFact, self._store.view().state().get("line")), time.monotonic())
        gc.freeze()  # what was made until now stays: looking through it again and again would keep callers waiting
        works = (
            *(self._pool.run(), self._link.run(), self._partners.run(), self._trust.run()),
            *(self._look(), self._tick(), self._tend(stop)),
        )
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(work) for work in works]
            await stop.wait()
            # Workers with callers stay and come back to the next line; idle ones need not.
            self._pool.retire_all()
            for task in running:
                task.cancel()
            await self._link.take_out(self._idle())
        try:
            self._store.tend()
        finally:
            self._store.close()

    def _on_event(self, worker: int, event: Event) -> None:
        self._line.handle(worker, event, time.monotonic())

    def _on_gone(self, worker: int) -> None:
        self._line.gone(worker, time.monotonic())

    def _on_partners(self, heard: Mapping[str, Heard]) -> None:
        self._line.partners_said(heard, time.monotonic())

    def _idle(self) -> set[int]:
        return self._pool.attached() - self._line.busy_workers

    async def _tend(self, stop: asyncio.Event) -> None:
        """A damaged store ends the unit in good order; the next start sets the file aside."""
        while True:
            try:
                self._store.tend()
            except StoreDamagedError:
                stop.set()
            except StoreError as error:
                _LOG.error("%s", error)
            await asyncio.sleep(_TEND_S)

    async def _tick(self) -> None:
        while True:
            self._line.tick(time.monotonic())
            self._heart.turned("tick")
            await asyncio.sleep(_TICK_S)

    async def _look(self) -> None:
        """Notice what panel and sync have committed."""
        while True:
            if self._panel.changed():
                self._read_panel()
            if self._sync.changed():
                self._read_sync()
            self._heart.turned("look")
            await asyncio.sleep(_LOOK_S)

    def _read_panel(self) -> None:
        state = self._panel.state()
        present = [
            desk.id
            for desk in self._config.desk
            if (fact := read(DeskPresence, state.get(f"desk/{desk.id}"))) is not None and fact.present
        ]
        switch = read(OverflowSwitch, state.get("overflow")) or OverflowSwitch()
        self._line.staffed(present, switch, time.monotonic())

    def _read_sync(self) -> None:
        state, now_s = self._sync.state(), time.monotonic()
        heard = {}
        for partner in self._config.partner:
            value = state.get(f"partner/{partner.name}")
            said = read(SiteState, value)
            if value is not None and said is not None and isinstance(said.triage, Triage):
                heard[partner.name] = Heard(status_of(said.triage), now_s - age_s(value, self._clock))
        self._partners.broker_brought(heard)
        if (ack := read(Ack, state.get("acked/telephony"))) is not None:
            try:
                self._store.prune(ack.epoch, ack.up_to)
            except StoreError as error:  # the rows stay, and the next ack tries again
                _LOG.error("%s", error)
