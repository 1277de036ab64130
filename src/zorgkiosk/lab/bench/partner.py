"""A partner's front as its neighbour sees it: mutual TLS, and a line where every caller only waits."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path

from zorgkiosk.lab.bench.message import Message, parse, reply, user_of

_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)


@dataclass
class WaitingPartner:
    """`invited_s`: when each caller's INVITE came, by number, on CLOCK_MONOTONIC. Nobody is ever picked up."""

    address: tuple[str, int]
    folder: Path
    invited_s: dict[str, float] = field(default_factory=dict)
    _server: asyncio.Server | None = None
    _invites: dict[str, Message] = field(default_factory=dict)
    _reading: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> None:
        """Listen with the certificate of the site whose `folder` it is. Raises OSError when the port is taken."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_verify_locations(self.folder / "region-ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.folder / "site.pem", self.folder / "site-key.pem")
        self._server = await asyncio.start_server(self._come_in, *self.address, ssl=context)

    async def close(self) -> None:
        for reading in self._reading:
            reading.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _come_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reading.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lstrip(b"\r\n")
                arrived_s = time.monotonic()
                if not head:
                    continue  # a keep-alive
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1])) if length else b""
                for answer in self._answers(parse(head + body, arrived_s)):
                    writer.write(answer.encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def _answers(self, request: Message) -> list[Message]:
        if request.code or request.method == "ACK":
            return []
        contact, call_id = f"sip:line@{self.address[0]}:{self.address[1]};transport=tls", request["Call-ID"]
        match request.method:
            case "INVITE":
                self.invited_s.setdefault(user_of(request["From"]), request.arrived_s)
                self._invites[call_id] = request
                return [reply(request, code, contact, "partner") for code in (100, 180)]
            case "CANCEL" if (invite := self._invites.pop(call_id, None)) is not None:
                return [reply(request, 200, contact, "partner"), reply(invite, 487, contact, "partner")]
            case "OPTIONS":
                return [reply(request, 200, contact, "partner")]
            case _:
                return [reply(request, 481, contact, "partner")]
