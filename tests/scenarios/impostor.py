"""A partner's front that says of a caller what it likes: SIP over TLS by hand, with the real certificate."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from zorgkiosk.lab.region import Site

_SDP = (
    "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
    "m=audio 46000 RTP/SAVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNk\r\n"
)


@dataclass
class Impostor:
    """One connection to the front of another centre."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    address: str
    calls: int = 0

    async def invite(self, *headers: str) -> int:
        """A caller with these headers; the first answer after 100, 183 when the caller waits in the line."""
        self.calls += 1
        await self._send("INVITE", _SDP.format(address=self.address), *headers, "Content-Type: application/sdp")
        return await self._answer("INVITE")

    async def cancel(self) -> int:
        """The caller of the last `invite` leaves; the final answer to it."""
        await self._send("CANCEL", "")
        while (code := await self._answer("INVITE")) < 200:
            pass
        return code

    async def _send(self, method: str, body: str, *headers: str) -> None:
        lines = [
            f"{method} sip:line@there SIP/2.0",
            f"Via: SIP/2.0/TLS {self.address}:5061;branch=z9hG4bK-{self.calls}",
            "Max-Forwards: 70",
            f"From: <sip:line@{self.address}>;tag=from-{self.calls}",
            "To: <sip:line@there>",
            f"Call-ID: impostor-{self.calls}",
            f"CSeq: 1 {method}",
            f"Contact: <sip:line@{self.address}:5061;transport=tls>",
            *headers,
            f"Content-Length: {len(body)}",
        ]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        await self.writer.drain()

    async def _answer(self, method: str) -> int:
        async with asyncio.timeout(5):
            while True:
                head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
                await self.reader.readexactly(int(fields["Content-Length"]))
                code = int(head.split(" ", 2)[1]) if head.startswith("SIP/2.0 ") else 100
                if code > 100 and fields["CSeq"].endswith(method) and fields["Call-ID"] == f"impostor-{self.calls}":
                    return code


@asynccontextmanager
async def posing_as(site: Site, there: Site) -> AsyncIterator[Impostor]:
    """A connection to the front of `there` that shows the certificate of `site`."""
    assert site.config.front is not None and there.config.front is not None
    context = ssl.create_default_context(cafile=str(site.config.hub.ca_file))
    context.load_cert_chain(site.config.hub.certificate_file, site.config.hub.key_file)
    context.check_hostname = False  # the address has no name here; whom we call is not what is tested
    address = str(site.config.front.address)
    reader, writer = await asyncio.open_connection(
        str(there.config.front.address), there.config.front.tls_port, ssl=context, local_addr=(address, 0)
    )
    try:
        yield Impostor(reader, writer, address)
    finally:
        writer.close()
