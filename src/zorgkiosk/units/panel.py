"""The site's `panel`: what staff see and tap. It works without telephony, sync and hub."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path

from waitress import create_server  # type: ignore[import-untyped]

from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.config import load_site
from zorgkiosk.site.panel.actions import Taps
from zorgkiosk.site.panel.known import STREAM, Look
from zorgkiosk.site.panel.rounds import Rounds
from zorgkiosk.site.panel.web.app import LIVE_PLACES, create_app
from zorgkiosk.site.store import Store

ROUND_S = 0.1
TAP_THREADS = 4

log = logging.getLogger(__name__)


def run(config_path: Path) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError and StoreError; OSError when the port is taken."""
    config = load_site(config_path)
    clock = SystemClock.of_this_boot()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    store = Store.open(config.panel_db, STREAM, clock)
    taps = Taps(config, store, clock)
    look = Look.of(config, clock)
    app = create_app(config, taps, lambda: Look.of(config, clock))
    server = create_server(
        app,
        host=config.panel.address,
        port=config.panel.port,
        threads=LIVE_PLACES + TAP_THREADS,
        send_bytes=1,  # live updates are small and must leave at once
        ident="zorgkiosk",
    )
    web = threading.Thread(target=server.run, name="web", daemon=True)
    rounds = Rounds(look, taps)
    try:
        web.start()
        log.info("panel: http://%s:%d", config.panel.address, config.panel.port)
        while not stop.wait(ROUND_S):
            rounds.beat(clock.uptime_s())
            if not web.is_alive():
                raise RuntimeError("the panel's web server stopped")
    finally:
        look.close()
        store.close()
