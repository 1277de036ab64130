"""The front shows the certificate in force and refuses who was revoked, without a restart that would end its calls.

The list that counts lies in the front's own folder, which is made anew at each start of the machine: `bring` copies
the newest one there, at the front's start and whenever sync has a newer one. Then the front is told to read again.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from zorgkiosk import durable
from zorgkiosk.site import trust
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.telephony.front_rpc import FrontError, FrontRpc
from zorgkiosk.site.telephony.wiring import revoked_file

_LOG = logging.getLogger(__name__)

LOOK_S = 2.0
Stamp = tuple[tuple[int, int] | None, ...]


def bring(config: SiteConfig) -> Path | None:
    """The newest list in the front's folder; None when the box has none. Raises OSError or ValueError."""
    target = revoked_file(config)
    authority = x509.load_pem_x509_certificate(config.hub.ca_file.read_bytes())
    newest = trust.newest_list((*trust.list_files(config), target), authority)
    if newest is None:
        return None
    content = newest.public_bytes(serialization.Encoding.PEM)
    if not target.exists() or target.read_bytes() != content:
        target.parent.mkdir(parents=True, exist_ok=True)  # the front may start later than the line
        durable.put(target, content, durable.SHARED)
    return target


class FrontTrust:
    """Looks every few seconds; what the front could not be told is told again until it has heard."""

    def __init__(self, config: SiteConfig, rpc: FrontRpc) -> None:
        self._config = config
        self._rpc = rpc
        self._told: Stamp | None = None
        self._late = False
        self._list_is_new = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Bring and tell what is new since the front was last told."""
        seen = self._stamp()
        if seen == self._told:
            return
        try:
            self._bring()
            await self._rpc.reload_tls()
            if self._list_is_new:
                await self._rpc.end_connections()
        except (FrontError, OSError, ValueError) as error:
            if not self._late:
                _LOG.warning("front: the certificate and the list of revoked ones are not taken up yet: %s", error)
            self._late = True
            return
        self._told, self._late, self._list_is_new = seen, False, False
        _LOG.info("front: has read its certificate and the list of revoked ones again")

    def _bring(self) -> None:
        """A list that the front did not start with finds connections that were made without it."""
        target = revoked_file(self._config)
        before = target.read_bytes() if target.exists() else None
        bring(self._config)
        self._list_is_new |= target.exists() and target.read_bytes() != before

    def _stamp(self) -> Stamp:
        files = (*trust.list_files(self._config), self._config.hub.certificate_file, self._config.hub.ca_file)
        return tuple(_stamp(file) for file in files)


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        seen = file.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_ino
