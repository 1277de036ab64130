"""The region's list of revoked certificates, said to every site: when it changes, when one connects, every so often.

The list is the same file that the broker refuses strangers by. Sites believe it for its signature alone, and nothing
is retained: what a site missed while it was away it is told again.
"""

from __future__ import annotations

import logging
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from zorgkiosk.contract.trust import RevocationList, packed

log = logging.getLogger(__name__)

REPEAT_S = 20.0
"""A list reaches whoever is connected within this time also when a message was lost."""
LOOK_S = 1.0


class Revoked:
    """`file` is None where the hub tells nobody. Times are monotonic seconds."""

    def __init__(self, file: Path | None, ca_file: Path) -> None:
        self._file = file
        self._ca_file = ca_file
        self._stamp: tuple[int, int] | None = None
        self._looked_s = float("-inf")
        self._said_s = float("-inf")
        self._current: RevocationList | None = None
        self._trouble = ""

    @property
    def current(self) -> RevocationList | None:
        """What a site that connects is told."""
        return self._current

    def due(self, now_s: float) -> RevocationList | None:
        """What every site is told now, if it is time."""
        changed = self._look(now_s)
        if self._current is None or not (changed or now_s - self._said_s >= REPEAT_S):
            return None
        self._said_s = now_s
        return self._current

    def _look(self, now_s: float) -> bool:
        if self._file is None or now_s - self._looked_s < LOOK_S:
            return False
        self._looked_s = now_s
        try:
            seen = self._file.stat()
            stamp = (seen.st_mtime_ns, seen.st_ino)
            if stamp == self._stamp:
                return False
            self._stamp = stamp
            self._current = read(self._file, self._ca_file)
        except (OSError, ValueError) as error:
            if self._trouble != (trouble := str(error)):
                log.warning("the list of revoked certificates cannot be told to the sites: %s", error)
            self._trouble = trouble
            return False
        self._trouble = ""
        return True


def read(file: Path, ca_file: Path) -> RevocationList:
    """The list as a message. Raises OSError, or ValueError with one sentence."""
    crl = x509.load_pem_x509_crl(file.read_bytes())
    key = x509.load_pem_x509_certificate(ca_file.read_bytes()).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not crl.is_signature_valid(key):
        raise ValueError(f"{file}: is not signed by {ca_file}: copy out/hub/broker of zorgkiosk provision again")
    return RevocationList(crl=packed(crl.public_bytes(serialization.Encoding.DER)))
