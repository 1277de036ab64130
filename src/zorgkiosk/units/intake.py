"""The hub's `intake`: from the broker into the database."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime
from pathlib import Path

from zorgkiosk.hub.config import load_hub
from zorgkiosk.hub.inbox import Inbox
from zorgkiosk.hub.intake import Intake
from zorgkiosk.hub.link import Link


def run(config_path: Path) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError, InboxError, LinkError; a database error ends the process."""
    config = load_hub(config_path)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    link = Link.to(config.broker, config.hub.region)
    inbox = Inbox.open(config.hub.database)
    try:
        link.start()
        Intake(config=config, inbox=inbox, post=link, now=lambda: datetime.now(UTC)).run(stop)
    finally:
        link.stop()
        inbox.close()
