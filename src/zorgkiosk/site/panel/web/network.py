"""cheroot, made fit for a network of strangers: who is slow or silent keeps nobody waiting. Its only importer.

cheroot is CherryPy's server: pure Python, few dependencies, TLS by the standard library's `ssl`. As it comes, whoever
connects takes a thread before having said anything, and keeps it with one byte every few seconds.
"""

from __future__ import annotations

import errno
import logging
import ssl
import time
from collections import Counter
from pathlib import Path
from threading import Lock
from typing import Any

from cheroot.server import HTTPConnection
from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server
from flask import Flask

ASK_WITHIN_S = 10
"""A handshake and a request, from its first byte to its last, take this long at most; so long one may be silent too."""
A_SOURCE = 14
"""Connections of one address at a time: two browsers take fewer, and others always find a thread (see THREADS)."""
THREADS = 20
_BACKLOG = 128

log = logging.getLogger(__name__)


class PunctualSocket(ssl.SSLSocket):
    """What is read is all there by `until_s` (monotonic), however slowly it comes. cheroot's timeout is of one read."""

    until_s = float("inf")

    def recv_into(self, *args: Any, **named: Any) -> Any:
        self.settimeout(max(0.001, min(ASK_WITHIN_S, self.until_s - time.monotonic())))
        try:
            return super().recv_into(*args, **named)
        finally:
            self.settimeout(ASK_WITHIN_S)

    def send(self, *args: Any, **named: Any) -> int:
        """Nothing to who did not finish the handshake: what we send would go on with it, and wait once more."""
        if self.version() is None:
            raise BrokenPipeError(errno.EPIPE, "no handshake")
        return super().send(*args, **named)


class Adapter(BuiltinSSLAdapter):
    def __init__(self, certificate: Path, key: Path) -> None:
        super().__init__(str(certificate), str(key))
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.sslsocket_class = PunctualSocket

    def wrap(self, sock: Any) -> tuple[Any, dict[str, str]]:
        """cheroot would shake hands in the thread that accepts, where one silent stranger stops everybody."""
        wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}


class Connection(HTTPConnection):
    counted = False

    def communicate(self) -> Any:
        self.socket.until_s = time.monotonic() + ASK_WITHIN_S
        return super().communicate()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        self.server.left(self)
        super().close()


class NetworkServer(Server):
    """Binds and serves in `start`, over TLS 1.2 or newer."""

    ConnectionClass = Connection

    def __init__(self, app: Flask, address: str, port: int, certificate: Path, key: Path) -> None:
        super().__init__(
            (address, port),
            app,
            numthreads=THREADS,
            server_name="zorgkiosk",
            timeout=ASK_WITHIN_S,
            request_queue_size=_BACKLOG,
        )
        self.ssl_adapter = Adapter(certificate, key)
        self._open = Counter[str]()
        self._lock = Lock()

    def process_conn(self, conn: Any) -> None:
        """One that is new gets a thread when its first byte is there."""
        if conn.last_used is not None:
            super().process_conn(conn)
        elif self._let_in(conn):
            self.put_conn(conn)
        else:
            conn.close()

    def left(self, conn: Connection) -> None:
        with self._lock:
            if conn.counted:
                conn.counted = False
                self._open[conn.remote_addr] -= 1
                self._open += Counter()  # forgets who has none

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:  # noqa: ARG002
        """Of strangers who hang up or speak no TLS; the first line is enough."""
        log.info("network: %s", msg.partition("\n")[0][:200])

    def _let_in(self, conn: Any) -> bool:
        with self._lock:
            conn.counted = self._open[conn.remote_addr] < A_SOURCE
            self._open[conn.remote_addr] += conn.counted
        return bool(conn.counted)
