"""The intake's small window for whoever watches it: `/healthz` and `/metrics`, on loopback only."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from zorgkiosk.hub.asked_as import LOCAL, is_foreign
from zorgkiosk.hub.metrics import CONTENT_TYPE

log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"


class WatchError(Exception):
    """No port is free; one sentence says which were tried."""


class Watch:
    """Serves in threads of its own. `trouble` is one sentence, None while all is well; `metrics` gives the text."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, name="watch", daemon=True)

    @classmethod
    def on(cls, first_port: int, ports: int, trouble: Callable[[], str | None], metrics: Callable[[], bytes]) -> Watch:
        """Listens on the first free port of so many, so that intakes beside each other find one each."""

        class Handler(_Handler):
            told = staticmethod(trouble)
            counted = staticmethod(metrics)

        for port in range(first_port, first_port + ports):
            try:
                return cls(_Server((ADDRESS, port), Handler))
            except OSError:
                continue
        raise WatchError(f"[intake] port: none of {first_port} to {first_port + ports - 1} is free on {ADDRESS}")

    @property
    def port(self) -> int:
        return self._server.server_port

    def start(self) -> None:
        self._thread.start()
        log.info("watched on http://%s:%d/metrics and /healthz", ADDRESS, self.port)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Sharing an address would let two intakes answer on one port by turns.
    allow_reuse_address = True
    allow_reuse_port = False


class _Handler(BaseHTTPRequestHandler):
    told: Callable[[], str | None]
    counted: Callable[[], bytes]
    timeout = 5
    server_version = "zorgkiosk"
    sys_version = ""

    def do_GET(self) -> None:
        if is_foreign(self.headers.get("Host", LOCAL)):
            self._answer(403, {"error": "ask by address or as localhost"})
            return
        match self.path:
            case "/healthz":
                sentence = self.told()
                self._answer(*((200, {"status": "ok"}) if sentence is None else (503, {"error": sentence})))
            case "/metrics":
                self._send(200, CONTENT_TYPE, self.counted())
            case _:
                self._answer(404, {"error": "there are /healthz and /metrics"})

    def _answer(self, code: int, content: dict[str, str]) -> None:
        self._send(code, "application/json", json.dumps(content).encode())

    def _send(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Whoever watches asks every few seconds: no news."""
