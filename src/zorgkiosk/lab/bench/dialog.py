"""One SIP dialog of a measuring endpoint, and the instants of what happened in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from zorgkiosk.lab.bench.media import Stream
from zorgkiosk.lab.bench.message import Message, reply, routes, uri_in
from zorgkiosk.lab.daemon import LabError

Moment = Literal["invited", "rings", "answered", "up", "cancelled", "ended", "left"]
"""invited: INVITE out or in · rings: 180 or 183 came · answered: 200 out or in · up: ACK out or in ·
cancelled: CANCEL came · ended: BYE came or the INVITE was refused · left: we sent BYE or CANCEL."""


@dataclass
class Dialog:
    """`send` puts a message on the wire. `number` is the caller's, `user` whom the INVITE was for."""

    invite: Message
    contact: str
    tag: str
    send: Callable[[Message], None]
    outgoing: bool
    number: str
    user: str
    confirmed: Message | None = None
    last_reply: Message | None = None
    stream: Stream | None = None
    moments: dict[Moment, float] = field(default_factory=dict)
    cseq: int = 1
    _waiting: dict[Moment, asyncio.Event] = field(default_factory=dict)

    def stamp(self, moment: Moment, at_s: float | None = None) -> None:
        """It happened now, or at CLOCK_MONOTONIC `at_s`. The first time counts."""
        self.moments.setdefault(moment, time.monotonic() if at_s is None else at_s)
        if (event := self._waiting.get(moment)) is not None:
            event.set()

    async def reached(self, moment: Moment, timeout_s: float = 5.0) -> float:
        """Wait for it; its instant on CLOCK_MONOTONIC. Raises LabError when it does not come in time."""
        if moment not in self.moments:
            event = self._waiting.setdefault(moment, asyncio.Event())
            try:
                async with asyncio.timeout(timeout_s):
                    await event.wait()
            except TimeoutError:
                seen = ", ".join(self.moments)
                raise LabError(f"a call was not {moment} within {timeout_s:g} s; it was {seen}") from None
        return self.moments[moment]

    @property
    def over(self) -> bool:
        return "ended" in self.moments or "left" in self.moments or "cancelled" in self.moments

    # --- what we say ---

    def answer(self, code: int, body: str = "") -> None:
        """Reply to the INVITE that came in."""
        self.last_reply = reply(self.invite, code, self.contact, self.tag, body)
        if code == 200:
            self.confirmed = self.last_reply
            self.stamp("answered")
        self.send(self.last_reply)

    def hang_up(self) -> None:
        """BYE, or CANCEL to whom still rings (RFC 3261 §9.1, §15)."""
        if self.over:
            return
        self.leave()

    def leave(self) -> None:
        """The same, however often it was done."""
        self.stamp("left")
        if self.confirmed is not None:
            self.send(self._inside("BYE"))
        elif self.outgoing:
            kept = tuple((name, self.invite[name]) for name in ("Via", "Max-Forwards", "From", "To", "Call-ID"))
            self.send(Message(f"CANCEL {self.invite.uri} SIP/2.0", (*kept, ("CSeq", f"{self.invite.cseq} CANCEL"))))
        else:
            self.answer(486)

    def acknowledge(self, answer: Message) -> None:
        """ACK of a final reply: end to end for 200, by hop for the others (RFC 3261 §13.2.2.4, §17.1.1.3)."""
        if answer.code < 300:
            self.confirmed = answer
            self.send(self._inside("ACK", self.invite.cseq))
            return
        kept = tuple((name, self.invite[name]) for name in ("Via", "Max-Forwards", "From", "Call-ID"))
        last = (("To", answer["To"]), ("CSeq", f"{answer.cseq} ACK"))
        self.send(Message(f"ACK {self.invite.uri} SIP/2.0", (*kept, *last)))

    def _inside(self, method: str, cseq: int | None = None) -> Message:
        """A request inside the dialog. The far side's words are the INVITE that came in, or the answer to ours."""
        confirmed, invite = self.confirmed, self.invite
        if confirmed is None:
            raise LabError("a request inside a dialog that does not exist")
        if self.outgoing:
            ours, theirs, target, path = invite["From"], confirmed["To"], confirmed["Contact"], routes(confirmed)[::-1]
        else:
            ours, theirs, target, path = confirmed["To"], invite["From"], invite["Contact"], routes(invite)
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        host = self.contact.rpartition("@")[2]
        return Message(
            f"{method} {uri_in(target)} SIP/2.0",
            (
                ("Via", f"SIP/2.0/UDP {host};branch=z9hG4bK-{self.tag}-{method}-{cseq};rport"),
                ("Max-Forwards", "70"),
                *(("Route", route) for route in path),
                *(("From", ours), ("To", theirs), ("Call-ID", invite["Call-ID"]), ("CSeq", f"{cseq} {method}")),
                ("Contact", f"<{self.contact}>"),
            ),
        )
