"""Callers behind a trunk, or a desk phone: one UDP socket, any number of calls.

No retransmissions: on loopback nothing is lost, and what stays unanswered is what is measured.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from zorgkiosk.lab.bench.dialog import Dialog
from zorgkiosk.lab.bench.media import Media
from zorgkiosk.lab.bench.message import Message, audio_at, digest, parse, reply, sdp, user_of
from zorgkiosk.lab.daemon import LabError

NUMBER_PREFIX = "020555"
"""What callers' numbers begin with (555 is given to nobody)."""
_REGISTER_S = 120
_SOON_S = 5.0


@dataclass
class Endpoint(asyncio.DatagramProtocol):
    """`front` is where everything is sent. `on_invite` decides what a call that comes in hears; it rings first."""

    front: tuple[str, int]
    address: tuple[str, int]
    media: Media
    on_invite: Callable[[Dialog], None] = lambda _: None
    dialogs: dict[str, Dialog] = field(default_factory=dict)
    _transport: asyncio.DatagramTransport | None = None
    _replies: dict[str, asyncio.Future[Message]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1001))

    async def open(self) -> None:
        """Take the port. Raises OSError when it is not free."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self.address)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        self.media.socket.close()

    # --- calling, answering, registering ---

    def dial(self) -> Dialog:
        """A new caller's INVITE to the front, from a number of its own."""
        number, tag = f"{NUMBER_PREFIX}{next(self._numbers)}", secrets.token_hex(6)
        contact = self._contact(number)
        invite = self._request("INVITE", number, f"sip:line@{self._host(self.front)}", tag, sdp(*self.media.address))
        dialog = Dialog(invite, contact, tag, self._send, outgoing=True, number=number, user="line")
        self.dialogs[invite["Call-ID"]] = dialog
        dialog.stamp("invited")
        self._send(invite)
        return dialog

    def pick_up(self, dialog: Dialog) -> None:
        """200, and audio from now on."""
        self._listen(dialog, dialog.invite)
        dialog.answer(200, sdp(*self.media.address))

    async def register(self, user: str, password: str) -> None:
        """Register a phone with digest. Raises LabError when the front does not accept it."""
        first = await self._registered(user, "")
        answer = digest(first["WWW-Authenticate"], "REGISTER", f"sip:{self.front[0]}", user, password)
        if (second := await self._registered(user, answer)).code != 200:
            raise LabError(f"{user} cannot register: {second.start}")

    async def _registered(self, user: str, authorization: str) -> Message:
        request = self._request("REGISTER", user, f"sip:{self.front[0]}", secrets.token_hex(6))
        proof = (("Authorization", authorization),) if authorization else ()
        headers = (*request.headers, ("Expires", str(_REGISTER_S)), *proof)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._replies[request["Call-ID"]] = future
        self._send(Message(request.start, headers))
        try:
            async with asyncio.timeout(_SOON_S):
                return await future
        except TimeoutError:
            raise LabError(f"{user} cannot register: no answer") from None

    # --- the wire ---

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002
        arrived_s = time.monotonic()
        if not data.strip():
            return  # a keep-alive
        message = parse(data, arrived_s)
        dialog = self.dialogs.get(message["Call-ID"])
        if message.code and (future := self._replies.pop(message["Call-ID"], None)) is not None:
            future.set_result(message)
        elif message.code and dialog is not None:
            self._replied(dialog, message)
        elif not message.code and message.method == "INVITE" and dialog is None:
            self._invited(message)
        elif not message.code:
            self._requested(dialog, message)

    def error_received(self, exc: Exception) -> None:
        """The front is away for a moment: that nothing comes back will show."""

    def _invited(self, invite: Message) -> None:
        user, number, tag = user_of(invite.uri), user_of(invite["From"]), secrets.token_hex(6)
        dialog = Dialog(invite, self._contact(user), tag, self._send, outgoing=False, number=number, user=user)
        self.dialogs[invite["Call-ID"]] = dialog
        dialog.stamp("invited", invite.arrived_s)
        dialog.answer(180)
        self.on_invite(dialog)

    def _requested(self, dialog: Dialog | None, request: Message) -> None:
        match request.method:
            case "ACK":
                if dialog is not None and dialog.confirmed is not None:
                    dialog.stamp("up", request.arrived_s)
            case "CANCEL" if dialog is not None:
                self._send(reply(request, 200, dialog.contact, dialog.tag))
                if dialog.confirmed is None:
                    dialog.stamp("cancelled", request.arrived_s)
                    dialog.answer(487)
            case "BYE" if dialog is not None:
                self._send(reply(request, 200, dialog.contact, dialog.tag))
                dialog.stamp("ended", request.arrived_s)
                self._hush(dialog)
            case "INVITE" if dialog is not None and request.cseq == dialog.invite.cseq and not dialog.outgoing:
                if dialog.last_reply is not None:
                    self._send(dialog.last_reply)  # the far end asks again
            case "INVITE" | "UPDATE" if dialog is not None:
                # The session timer's refresh (RFC 4028): nothing changes.
                body = sdp(*self.media.address) if request.method == "INVITE" or request.body else ""
                self._send(reply(request, 200, dialog.contact, dialog.tag, body))
            case "OPTIONS":
                self._send(reply(request, 200, self._contact("bench"), "options"))
            case _:
                self._send(reply(request, 481, self._contact("bench"), "none"))

    def _replied(self, dialog: Dialog, answer: Message) -> None:
        match answer.method, answer.code:
            case "INVITE", 100:
                return
            case "INVITE", code if code < 200:
                dialog.stamp("rings", answer.arrived_s)
            case "INVITE", code if code < 300:
                dialog.acknowledge(answer)
                dialog.stamp("answered", answer.arrived_s)
                if dialog.over:
                    dialog.leave()  # the answer crossed our CANCEL
                self._listen(dialog, answer)
            case "INVITE", _:
                dialog.acknowledge(answer)
                dialog.stamp("ended", answer.arrived_s)
            case "BYE", _:
                self._hush(dialog)

    def _listen(self, dialog: Dialog, said: Message) -> None:
        if dialog.stream is None and (far := audio_at(said.body)) is not None and not dialog.over:
            dialog.stream = self.media.begin(far)

    def _hush(self, dialog: Dialog) -> None:
        if dialog.stream is not None:
            self.media.end(dialog.stream.far)

    def _send(self, message: Message) -> None:
        if self._transport is not None:
            self._transport.sendto(message.encode(), self.front)

    def _contact(self, user: str) -> str:
        return f"sip:{user}@{self._host(self.address)}"

    def _host(self, place: tuple[str, int]) -> str:
        return f"{place[0]}:{place[1]}"

    def _request(self, method: str, user: str, uri: str, tag: str, body: str = "") -> Message:
        own = f"sip:{user}@{self._host(self.address) if method == 'INVITE' else self.front[0]}"
        to = uri if method == "INVITE" else own
        content = (("Content-Type", "application/sdp"),) if body else ()
        return Message(
            f"{method} {uri} SIP/2.0",
            (
                ("Via", f"SIP/2.0/UDP {self._host(self.address)};branch=z9hG4bK-{tag};rport"),
                *(("Max-Forwards", "70"), ("From", f"<{own}>;tag={tag}"), ("To", f"<{to}>")),
                *(("Call-ID", f"{tag}-{time.monotonic_ns()}"), ("CSeq", f"1 {method}")),
                *(("Contact", f"<{self._contact(user)}>"), *content),
            ),
            body,
        )
