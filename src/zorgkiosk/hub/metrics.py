"""What Prometheus is told of a hub's units. The only importer of prometheus_client.

Labels are codes of this program (why something was set aside), never a site's or anybody's words: their number is
bounded, and nothing of what sites say can be read here.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from zorgkiosk.hub.letters import Unreadable
from zorgkiosk.hub.outlook import SiteReport

CONTENT_TYPE = CONTENT_TYPE_LATEST
SILENT_AFTER = timedelta(seconds=60)

_ACK_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_PREFIX = "zorgkiosk_hub"


class IntakeMetrics:
    """Counted since the process began. May be read from another thread."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._events = self._counter("events_taken", "Events new to the database, committed")
        self._known = self._counter("events_known", "Events that the database held already (sent again)")
        self._commits = self._counter("commits", "Transactions committed")
        self._errors = self._counter("database_errors", "Errors of the database; each ends the intake")
        self._pruned = self._counter("pruned", "Rows removed because they were older than is kept")
        self._aside = Counter(
            f"{_PREFIX}_set_aside", "Messages and events set aside as unreadable", ["reason"], registry=self._registry
        )
        self._ack = Histogram(
            f"{_PREFIX}_ack_seconds",
            "From a message's arrival to its ack, commit included",
            buckets=_ACK_BUCKETS_S,
            registry=self._registry,
        )
        self._connected = Gauge(
            f"{_PREFIX}_broker_connected", "1 while the broker holds our connection", registry=self._registry
        )

    def committed(self, events: int, known: int, aside: Iterable[Unreadable]) -> None:
        self._commits.inc()
        self._events.inc(max(0, events - known))
        self._known.inc(known)
        for letter in aside:
            self._aside.labels(letter.reason).inc()

    def acknowledged(self, after_s: Iterable[float]) -> None:
        for each_s in after_s:
            self._ack.observe(each_s)

    def database_failed(self) -> None:
        self._errors.inc()

    def pruned(self, rows: int) -> None:
        self._pruned.inc(rows)

    def text(self, *, connected: bool) -> bytes:
        """Prometheus' text format."""
        self._connected.set(connected)
        return generate_latest(self._registry)

    def _counter(self, name: str, meaning: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", meaning, registry=self._registry)


def board_text(reports: Iterable[SiteReport] | None, now: datetime) -> bytes:
    """What the board knows, as Prometheus' text format. None: the database cannot be read."""
    registry = CollectorRegistry()

    def gauge(name: str, meaning: str, value: float) -> None:
        Gauge(name, meaning, namespace=_PREFIX, registry=registry).set(value)

    gauge("database_readable", "1 while the board can read the database", reports is not None)
    if reports is not None:
        known = list(reports)
        gauge("sites", "Sites in hub.toml", len(known))
        gauge(
            "sites_connected", "Sites whose connection to the broker stands", sum(bool(each.online) for each in known)
        )
        silent = sum(each.heard_at is None or now - each.heard_at > SILENT_AFTER for each in known)
        gauge("sites_silent", "Sites not heard for a minute, or never", silent)
        gauge("events_missing", "Events of the sites' history that never came", sum(each.missing for each in known))
        gauge("set_aside_kept", "Unreadable messages counted in the database", sum(each.set_aside for each in known))
    return generate_latest(registry)
