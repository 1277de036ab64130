"""The one thread of the worker: the network, then the line, then the clock, for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from zorgkiosk.site.telephony.messages import Event, HangUp, Retire
from zorgkiosk.site.telephony.worker.call import OneCall
from zorgkiosk.site.telephony.worker.link import LineAttached, LineLost, Link
from zorgkiosk.site.telephony.worker.signals import Act, Fact, Silent, SipAct, Stop, Tell
from zorgkiosk.site.telephony.worker.watch import Heard, SilenceWatch

BUSY_POLL_MS = 40
IDLE_POLL_MS = 200
"""An INVITE wakes the poll at once; nothing else is in a hurry while there is no caller."""
TICK_S = 0.1
WATCH_S = 1.0
FAREWELL_S = 2.0
"""A retiring worker waits this long for a line to hear of its last call."""


class Telephone(Protocol):
    """SIP and audio, as `sip.Phone` does them."""

    def poll(self, timeout_ms: int, now_s: float) -> list[Fact]: ...

    def act(self, act: SipAct) -> None: ...

    def heard(self) -> dict[str, Heard]: ...


class Loop:
    """Carries facts and orders to the state of the call, and its acts to where they belong.

    `write_log` is called when a turn has done what is urgent.
    """

    def __init__(
        self, phone: Telephone, call: OneCall, link: Link, watch: SilenceWatch, write_log: Callable[[], None]
    ) -> None:
        self._write_log = write_log
        self._phone = phone
        self._call = call
        self._link = link
        self._watch = watch
        self._stopping = False
        self._shutting_down = False
        self._next_tick_s = 0.0
        self._next_watch_s = 0.0

    def run(self) -> None:
        """Until the line retires the worker and the last call is over."""
        while not self._stopping:
            self.turn(IDLE_POLL_MS if self._call.idle else BUSY_POLL_MS)
        until_s = time.monotonic() + FAREWELL_S
        while not self._link.settled and time.monotonic() < until_s:
            self.turn(BUSY_POLL_MS)

    def shut_down(self) -> None:
        """The machine stops: end the call properly and retire. Safe in a signal handler."""
        self._shutting_down = True

    def turn(self, timeout_ms: int) -> None:
        """Once round."""
        for fact in self._phone.poll(timeout_ms, time.monotonic()):
            self._perform(self._call.fact(fact, time.monotonic()))
        now_s = time.monotonic()
        for heard in self._link.poll(now_s):
            match heard:
                case LineAttached():
                    self._link.introduce(_told(self._call.line_attached(now_s)))
                case LineLost():
                    self._call.line_lost(now_s)
                case command:
                    self._perform(self._call.command(command, now_s))
        if self._shutting_down:
            self._shutting_down = False
            self._perform([*self._call.command(HangUp(), now_s), *self._call.command(Retire(), now_s)])
        self._clock(now_s)
        self._write_log()

    def _clock(self, now_s: float) -> None:
        if now_s >= self._next_tick_s:
            self._next_tick_s = now_s + TICK_S
            self._perform(self._call.tick(now_s))
        if now_s >= self._next_watch_s:
            self._next_watch_s = now_s + WATCH_S
            for party in self._watch.silent(self._phone.heard(), now_s):
                self._perform(self._call.fact(Silent(party), now_s))

    def _perform(self, acts: list[Act]) -> None:
        for act in acts:
            match act:
                case Tell(event):
                    self._link.send(event)
                case Stop():
                    self._stopping = True
                case _:
                    self._phone.act(act)


def _told(acts: list[Act]) -> list[Event]:
    return [act.event for act in acts if isinstance(act, Tell)]
