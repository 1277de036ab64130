"""The way to the hub: one Dutch sentence for the panel when it does not work, and the fact itself in sync.db."""

from __future__ import annotations

import logging
import socket
import ssl

from zorgkiosk.site.facts import LinkFact
from zorgkiosk.site.store import Store
from zorgkiosk.site.sync.health import Health

log = logging.getLogger(__name__)

SILENT_S = 15.0
"""Rows on their way for so long without an ack: the broker is there, the region's intake is not."""

UNCONFIRMED = "De regio bevestigt onze meldingen niet. Ze worden bewaard en later verstuurd."
REFUSED = "De regio weigert onze meldingen: deze locatie mag dit daar niet. Bel de beheerder van de regio."
CLOSED = "De regio heeft de verbinding verbroken."
LOST = "De verbinding met de regio is weggevallen."
CLOSED_EARLY = "De regio verbreekt de verbinding meteen weer: controleer het certificaat van deze locatie."
NO_ANSWER = "De regio neemt wel op, maar zegt niets terug."
TAKEN_OVER = "Een ander apparaat meldt zich bij de regio met de naam van deze locatie."
_CERTIFICATE_REFUSED = "De regio weigert het certificaat van deze locatie: verlopen of niet van deze regio."
_UNKNOWN_HERE = "De regio kent deze locatie niet: het certificaat en de naam horen niet bij elkaar."

_VERIFY_SENTENCES = {  # OpenSSL's X509_V_ERR codes, x509_vfy.h
    9: "Het certificaat van de regio is nog niet geldig: loopt de klok van dit apparaat goed?",
    10: "Het certificaat van de regio is verlopen, of de klok van dit apparaat loopt verkeerd.",
    62: "Het certificaat van de regio is van een andere naam dan {host}.",
    64: "Het certificaat van de regio is van een ander adres dan {host}.",
}
_CONNACK_SENTENCES = {  # MQTT 5.0 §3.2.2.2
    0x86: _UNKNOWN_HERE,
    0x87: _UNKNOWN_HERE,
    0x88: "De regio is nu niet beschikbaar.",
    0x89: "De regio is te druk.",
    0x8A: "De regio heeft deze locatie geblokkeerd.",
}


def of_error(error: OSError, host: str, port: int) -> str:
    """Why there was no connection at all."""
    match error:
        case ssl.SSLCertVerificationError():
            unknown = "Het certificaat van de regio is van een onbekende uitgever."
            return _VERIFY_SENTENCES.get(error.verify_code, unknown).format(host=host)
        case ssl.SSLError():
            return refused_certificate(str(error)) or "Er komt geen beveiligde verbinding met de regio tot stand."
        case socket.gaierror():
            return f"De naam {host} is niet te vinden: geen internet, of de naam is verkeerd."
        case ConnectionRefusedError():
            return f"De regio neemt niet op ({host}, poort {port})."
        case ConnectionResetError() | BrokenPipeError():
            return CLOSED_EARLY
        case _:
            return f"De regio is niet bereikbaar ({host}): geen netwerk."


def of_files(error: OSError) -> str:
    """Our own certificate, key or CA file cannot be used."""
    name = f" ({error.filename})" if error.filename else ""
    return f"Het certificaat van deze locatie is niet te lezen{name}."


def of_connack(code: int) -> str:
    """The broker answered, and said no."""
    return _CONNACK_SENTENCES.get(code, f"De regio weigert de verbinding (code {code}).")


def refused_certificate(error_text: str) -> str | None:
    """The sentence when OpenSSL's text is an alert of the other side about our certificate (RFC 8446 §6.2)."""
    text = error_text.upper().replace("_", " ")
    words = ("UNKNOWN CA", "CERTIFICATE", "ACCESS DENIED", "DECRYPT ERROR")
    return _CERTIFICATE_REFUSED if "ALERT" in text and any(word in text for word in words) else None


class Link:
    """Keeps `link` in sync.db, and reports when it is lost and when it is back. `known`: what stood there last."""

    def __init__(self, store: Store, health: Health, known: LinkFact | None) -> None:
        self._store = store
        self._health = health
        self._fact = known

    def taken(self, ok: bool) -> None:
        """Whether the broker takes our messages: an ACL that refuses them is a fault of the region's set-up."""
        self._health.change("publish-refused", ok=ok)

    def now(self, problem: str | None) -> None:
        """The link as it is: `problem` is None while it works. Raises StoreError."""
        fact = LinkFact(connected=problem is None, problem=problem)
        if fact == self._fact:
            return
        before = self._fact
        with self._store.transaction() as change:
            change.put("link", fact.model_dump(mode="json"))
            if before is not None and before.connected != fact.connected:
                self._health.report(change, "link", ok=fact.connected)
        self._fact = fact
        if problem is None:
            log.info("sync: connected with the hub")
        else:
            log.info("sync: no link with the hub: %s", problem)
