"""The units of a box, as far as a change of config or of the programs has to stop and start them."""

from __future__ import annotations

import subprocess
from typing import Protocol

SITE_UNITS = ("kamailio", "zorgkiosk-panel", "zorgkiosk-sync", "zorgkiosk-telephony")
CALL_UNITS = frozenset({"kamailio", "zorgkiosk-telephony"})
"""Those that only a site with calls has."""
HUB_UNITS = ("zorgkiosk-intake", "zorgkiosk-board")


class Units(Protocol):
    """Whoever runs the units: systemd on a box, a test's own processes elsewhere."""

    def restart(self) -> None:
        """Start every unit anew, so that it reads its config."""

    def stop(self) -> None: ...

    def start(self) -> None: ...


class WatchedUnits(Units, Protocol):
    def active(self) -> frozenset[str]:
        """Names of the units that run now."""


class Systemd:
    """systemctl; a unit that this machine does not have is left out by `try-restart`."""

    def __init__(self, units: tuple[str, ...] = SITE_UNITS) -> None:
        self._units = units

    def restart(self) -> None:
        self._do("daemon-reload")
        self._do("try-restart", *self._units)

    def stop(self) -> None:
        self._do("stop", "zorgkiosk-site.target", *self._units)

    def start(self) -> None:
        self._do("start", "zorgkiosk-site.target")

    def active(self) -> frozenset[str]:
        asked = ["systemctl", "is-active", *self._units]
        said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
        return frozenset(unit for unit, state in zip(self._units, said, strict=False) if state == "active")

    def _do(self, *words: str) -> None:
        # A unit that fails to start is found by the health check that follows, which says it better.
        subprocess.run(["systemctl", *words], check=False)
