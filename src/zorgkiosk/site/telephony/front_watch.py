"""A front that is there and takes no word any more: systemd starts anew what has ended, and does not see this.

The line lays a file where `zorgkiosk-front-restart.path` looks. It has no right to end the front itself.
"""

from __future__ import annotations

import logging

from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.telephony.wiring import restart_file

_LOG = logging.getLogger(__name__)

HUNG_S = 30.0
"""Fifteen looks of the line in a row, each with half a second for the answer; a front that is busy answers some.
Whoever talks goes on talking over a restart of the front; who comes meanwhile does not get in."""


class Silence:
    """How long the front has been silent, and whether that is too long. Times are CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def ended(self) -> None:
        self._since_s = None

    def lasts(self, now_s: float) -> bool:
        """It is silent now, too. True once for every `HUNG_S` in a row."""
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s < HUNG_S:
            return False
        self._since_s = now_s
        return True


def ask_for_restart(config: SiteConfig) -> None:
    """Lay the file; systemd removes it and ends the front, which is then started as after any crash."""
    try:
        restart_file(config).touch()
    except OSError as error:
        _LOG.error("the front hangs, and its restart could not be asked for: %s", error.strerror)
        return
    _LOG.error("the front has not answered for %.0f s: its restart was asked for", HUNG_S)
