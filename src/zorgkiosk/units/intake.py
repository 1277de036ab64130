"""The hub's `intake`: from the broker into the database."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime
from pathlib import Path

from zorgkiosk.hub.amqp import AmqpLink
from zorgkiosk.hub.config import load_hub
from zorgkiosk.hub.inbox import Inbox
from zorgkiosk.hub.intake import Intake
from zorgkiosk.hub.link import Link
from zorgkiosk.hub.metrics import IntakeMetrics
from zorgkiosk.hub.watch import Watch
from zorgkiosk.units.heart import Heart

_STUCK_S = 10.0


def run(config_path: Path) -> None:
    """Run until SIGTERM or SIGINT.

    Raises ConfigError, InboxError, LinkError, WatchError; a database error ends the process.
    """
    config = load_hub(config_path)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    heart = Heart.of_unit("intake")
    kind: type[AmqpLink] | type[Link] = AmqpLink if config.broker.kind == "amqp" else Link
    link = kind.to(config.broker, config.hub.region)
    inbox = Inbox.open(config.hub.database)
    metrics = IntakeMetrics()
    intake = Intake(config=config, inbox=inbox, post=link, now=lambda: datetime.now(UTC), metrics=metrics)

    def trouble() -> str | None:
        if not link.connected:
            return f"no connection to the broker {config.broker.host}:{config.broker.port}"
        if intake.stuck_s() > _STUCK_S:
            return f"the present commit takes {intake.stuck_s():.0f} s so far"
        return None

    try:
        watch = Watch.on(
            config.intake.port, config.intake.ports, trouble, lambda: metrics.text(connected=link.connected)
        )
        watch.start()
        link.start()
        intake.run(stop, lambda: heart.turned("intake"))
    finally:
        link.stop()
        inbox.close()
