"""The hub's `board`: what the region knows, on a screen."""

from __future__ import annotations

import logging
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from waitress.server import create_server  # type: ignore[import-untyped]

from zorgkiosk.hub.board.web import Source, create_app
from zorgkiosk.hub.config import load_hub
from zorgkiosk.hub.outlook import Outlook
from zorgkiosk.units.heart import Heart, LoopPulse

log = logging.getLogger(__name__)


def run(config_path: Path) -> None:
    """Serve until SIGTERM or SIGINT. Raises ConfigError; OSError when the port is taken."""
    config = load_hub(config_path)
    outlook = Outlook.on(config.hub.database, config.site)
    app = create_app(Source(config=config, outlook=outlook, now=lambda: datetime.now(UTC)))
    heart = Heart.of_unit("web")
    server = create_server(
        app,
        map={LoopPulse.KEY: LoopPulse(lambda: heart.turned("web"))},
        host=str(config.board.address),
        port=config.board.port,
        threads=4,
        ident=None,
        clear_untrusted_proxy_headers=True,
        max_request_body_size=4096,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    log.info("board is on http://%s:%s/", config.board.address, config.board.port)
    try:
        server.run()  # returns after SystemExit, with its threads ended
    finally:
        server.close()
        outlook.close()


def _stop(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(0)
