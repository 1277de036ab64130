"""As much MQTT 5 over TLS as a measured site needs: thousands of connections in one asyncio loop.

paho waits with select(2), which ends at 1 024 connections. Source: MQTT 5.0 (OASIS) §3.1, §3.3, §3.8.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

_CONNECT, _PUBLISH_QOS1, _PUBACK, _SUBSCRIBE = 0x10, 0x32, 0x40, 0x82
_CLEAN_START = 0x02
_KEEPALIVE_S = 60


class Wire:
    """One connection, subscribed to all that the hub says to this site."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 1

    @classmethod
    async def open(cls, address: tuple[str, int], name: str, files: tuple[Path, Path, Path]) -> Wire:
        """`files`: CA, certificate, key. Raises OSError while the broker does not answer, or refuses."""
        context = ssl.create_default_context(cafile=str(files[0]))
        context.load_cert_chain(str(files[1]), str(files[2]))
        reader, writer = await asyncio.open_connection(*address, ssl=context, ssl_handshake_timeout=60)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = cls(reader, writer)
        head = _text("MQTT") + bytes((5, _CLEAN_START)) + _KEEPALIVE_S.to_bytes(2, "big") + b"\0"
        wire._send(_CONNECT, head + _text(name))
        _, answer = await wire._packet()
        if answer[1]:
            raise ConnectionRefusedError(f"{name}: reason code {answer[1]:#x}")
        return wire

    async def subscribe(self, pattern: str) -> None:
        self._send(_SUBSCRIBE, b"\0\1\0" + _text(pattern) + b"\1")
        await self._packet()

    def publish(self, topic: str, payload: bytes) -> None:
        """At QoS 1; the broker's word for it is not waited for."""
        self._number = self._number % 0xFFFF + 1
        self._send(_PUBLISH_QOS1, _text(topic) + self._number.to_bytes(2, "big") + b"\0" + payload)

    async def heard(self) -> tuple[str, bytes]:
        """The next message's topic and payload. Raises OSError when the connection ended."""
        while True:
            kind, body = await self._packet()
            if kind >> 4 != _PUBLISH_QOS1 >> 4:
                continue
            after = 2 + int.from_bytes(body[:2], "big")
            topic = body[2:after].decode()
            if kind & 0x06:
                self._send(_PUBACK, body[after : after + 2])
                after += 2
            properties, width = _length(body[after : after + 4])
            return topic, body[after + width + properties :]

    def close(self) -> None:
        self._writer.transport.abort()

    def _send(self, kind: int, body: bytes) -> None:
        self._writer.write(bytes((kind,)) + _encoded(len(body)) + body)

    async def _packet(self) -> tuple[int, bytes]:
        try:
            kind = (await self._reader.readexactly(1))[0]
            length, shift = 0, 0
            while True:
                byte = (await self._reader.readexactly(1))[0]
                length |= (byte & 0x7F) << shift
                shift += 7
                if not byte & 0x80:
                    break
            return kind, await self._reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("the broker closed the connection") from error


def _text(value: str) -> bytes:
    encoded = value.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def _encoded(length: int) -> bytes:
    """A variable byte integer (§1.5.5)."""
    digits = bytearray()
    while True:
        length, low = divmod(length, 128)
        digits.append(low | (0x80 if length else 0))
        if not length:
            return bytes(digits)


def _length(data: bytes) -> tuple[int, int]:
    """A variable byte integer and how many bytes it takes."""
    value = 0
    for place, byte in enumerate(data):
        value |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80:
            return value, place + 1
    raise ConnectionResetError("the broker sent a length without end")
