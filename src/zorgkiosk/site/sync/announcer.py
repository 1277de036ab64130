"""When the present is said: at once on a connection, soon after a change, when asked, and every so often."""

from __future__ import annotations

from collections.abc import Callable

from zorgkiosk.contract.status import encode_status
from zorgkiosk.site.clock import Clock
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.store import StoreView
from zorgkiosk.site.sync.present import site_state, substance

STATE_GAP_S = 0.2
"""Changes closer together than this travel in one `state`."""


class Announcer:
    """Says the present: when something changed, when asked, and every so often."""

    def __init__(self, config: SiteConfig, panel: StoreView, telephony: StoreView, clock: Clock) -> None:
        self._config = config
        self._panel = panel
        self._telephony = telephony
        self._clock = clock
        self._said_at_s: float | None = None
        self._said: object = None
        self._wanted = True

    def want(self) -> None:
        self._wanted = True

    def want_if_changed(self) -> None:
        """The stores were written: worth a `state` when what it is made of differs from what was said last."""
        self._wanted = self._wanted or substance(self._panel.state(), self._telephony.state()) != self._said

    def next(self, waiting: Callable[[], int]) -> bytes | None:
        """The `state` to publish now, if any."""
        now_s = self._clock.uptime_s()
        since_s = STATE_GAP_S if self._said_at_s is None else now_s - self._said_at_s
        if since_s < STATE_GAP_S or not (self._wanted or since_s >= self._config.hub.state_every_s):
            return None
        panel, telephony = self._panel.state(), self._telephony.state()
        self._said_at_s, self._said, self._wanted = now_s, substance(panel, telephony), False
        return encode_status(site_state(self._config, panel, telephony, waiting(), self._clock))

    def restart(self) -> None:
        """A new connection: say it at once."""
        self._said_at_s, self._wanted = None, True
