"""What can be wrong on the way to the hub: one Dutch sentence for the panel and one English sentence for the log, each.

Pure: errors, reason codes and instants in, a `Trouble` out. Sources: OpenSSL x509_vfy.h (verification codes), RFC 8446
§6.2 (alerts), MQTT 5.0 §3.2.2.2 (CONNACK), §3.4.2.1 (PUBACK) and §3.14.2.1 (DISCONNECT).
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509


@dataclass(frozen=True)
class Trouble:
    """Why the link does not work: `screen` in Dutch, `log` in English."""

    screen: str
    log: str


UNCONFIRMED = Trouble(
    "De regio bevestigt onze meldingen niet. Ze worden bewaard en later verstuurd.",
    "the broker takes our messages, but no hub acknowledges them",
)
HUB_AWAY = Trouble(
    "Bij de regio leest nu niemand onze meldingen. Ze worden bewaard en later verstuurd.",
    "the broker is there, but no hub reads our messages",
)
REFUSED = Trouble(
    "De regio weigert onze meldingen: deze locatie mag dit daar niet. Bel de beheerder van de regio.",
    "the broker refuses our messages: its ACL or our name is wrong",
)
FULL = Trouble("De regio neemt nu geen meldingen aan: daar is geen plaats.", "the broker's quota for us is used up")
UNTAKEN = Trouble(
    "De regio neemt onze meldingen niet aan. Bel de beheerder van de regio.", "the broker refuses what we publish"
)
CLOSED = Trouble("De regio heeft de verbinding verbroken.", "the broker closed the connection")
RESTARTING = Trouble("De regio stopt of start opnieuw.", "the broker is shutting down")
SILENT_TO_BROKER = Trouble("De regio hoorde deze locatie te lang niet.", "the broker heard nothing of us for too long")
LOST = Trouble("De verbinding met de regio is weggevallen.", "the connection broke")
SILENT = Trouble(
    "De verbinding met de regio is stil: er komt geen antwoord meer.", "the connection is half-open: no answer any more"
)
CLOSED_EARLY = Trouble(
    "De regio verbreekt de verbinding meteen weer: controleer het certificaat van deze locatie.",
    "the broker closes the connection at once: is our certificate right?",
)
NO_ANSWER = Trouble("De regio neemt wel op, maar zegt niets terug.", "the broker accepts a connection but says nothing")
NO_MQTT = Trouble(
    "De regio stuurt iets wat dit apparaat niet kan lezen. Bel de beheerder van de regio.",
    "the broker sends what is no MQTT",
)
TAKEN_OVER = Trouble(
    "Een ander apparaat meldt zich bij de regio met de naam van deze locatie.",
    "another device connects with this site's name",
)
AGAIN_AND_AGAIN = Trouble(
    "De verbinding met de regio valt telkens weg: gebruikt een ander apparaat de naam van deze locatie?",
    "the connection breaks again and again: does another device use this site's name?",
)
REVOKED = Trouble(
    "De regio heeft het certificaat van deze locatie ingetrokken. Bel de beheerder van de regio.",
    "the broker refuses our certificate: revoked",
)
EXPIRED = Trouble(
    "De regio weigert het certificaat van deze locatie: het is verlopen.", "the broker refuses our certificate: expired"
)
UNKNOWN_ISSUER = Trouble(
    "De regio weigert het certificaat van deze locatie: het is niet van deze regio.",
    "the broker refuses our certificate: issued by a CA that it does not know",
)
CERTIFICATE_REFUSED = Trouble(
    "De regio weigert het certificaat van deze locatie: verlopen of niet van deze regio.",
    "the broker refuses our certificate",
)
THEIRS_EXPIRED = Trouble(
    "Het certificaat van de regio is verlopen, of de klok van dit apparaat loopt verkeerd.",
    "the broker's certificate has expired, or our clock is wrong",
)
THEIRS_TOO_NEW = Trouble(
    "Het certificaat van de regio is nog niet geldig: loopt de klok van dit apparaat goed?",
    "the broker's certificate is not valid yet: is our clock right?",
)
_UNKNOWN_HERE = Trouble(
    "De regio kent deze locatie niet: het certificaat en de naam horen niet bij elkaar.",
    "the broker does not know us: certificate and name do not belong together",
)

_OF_CONNACK = {
    0x84: Trouble("De regio spreekt deze versie van MQTT niet.", "the broker does not speak this version of MQTT"),
    0x85: _UNKNOWN_HERE,
    0x86: _UNKNOWN_HERE,
    0x87: _UNKNOWN_HERE,
    0x88: Trouble("De regio is nu niet beschikbaar.", "the broker is not available now"),
    0x89: Trouble("De regio is te druk.", "the broker is busy"),
    0x8A: Trouble("De regio heeft deze locatie geblokkeerd.", "the broker has banned us"),
    0x97: FULL,
    0x9F: Trouble("De regio is te druk.", "the broker limits how often we may connect"),
}
_OF_DISCONNECT = {
    0x87: REFUSED,
    0x89: _OF_CONNACK[0x89],
    0x8B: RESTARTING,
    0x8D: SILENT_TO_BROKER,
    0x8E: TAKEN_OVER,
    0x97: FULL,
}
_OF_PUBACK = {0x87: REFUSED, 0x90: REFUSED, 0x97: FULL}
_OF_ALERT = {  # in OpenSSL's words; the first that is found counts
    "CERTIFICATE EXPIRED": EXPIRED,
    "CERTIFICATE REVOKED": REVOKED,
    "UNKNOWN CA": UNKNOWN_ISSUER,
    "CERTIFICATE": CERTIFICATE_REFUSED,
    "ACCESS DENIED": CERTIFICATE_REFUSED,
    "DECRYPT ERROR": CERTIFICATE_REFUSED,
}
NO_SUBSCRIBERS = 0x10
"""The reason code of a PUBACK that nobody reads the topic: MQTT 5 only, and a broker need not say it."""


def of_error(error: OSError, host: str, port: int) -> Trouble:
    """Why there was no connection at all."""
    match error:
        case ssl.SSLCertVerificationError():
            return _of_verification(error.verify_code, host)
        case ssl.SSLEOFError() | ConnectionResetError() | BrokenPipeError():
            return CLOSED_EARLY
        case ssl.SSLError():
            insecure = Trouble(
                "Er komt geen beveiligde verbinding met de regio tot stand.", f"no TLS connection with {host}:{port}"
            )
            return of_alert(str(error)) or insecure
        case socket.gaierror():
            return Trouble(
                f"De naam {host} is niet te vinden: geen internet, of de naam is verkeerd.", f"cannot resolve {host}"
            )
        case ConnectionRefusedError():
            return Trouble(f"De regio neemt niet op ({host}, poort {port}).", f"{host}:{port} refuses connections")
        case TimeoutError() if "handshake" in str(error):
            return NO_ANSWER
        case _:
            return Trouble(f"De regio is niet bereikbaar ({host}): geen netwerk.", f"{host}:{port} is unreachable")


def of_files(error: OSError | ValueError) -> Trouble:
    """Our own certificate, key or CA file cannot be used."""
    file = getattr(error, "filename", None)
    name = f" ({file})" if file else ""
    return Trouble(
        f"Het certificaat van deze locatie is niet te lezen{name}.", f"our certificate files cannot be read{name}"
    )


def of_connack(code: int) -> Trouble:
    """The broker answered, and said no. MQTT 3.1.1's five codes arrive here as those of MQTT 5."""
    other = Trouble(
        f"De regio weigert de verbinding (code {code}).", f"the broker refuses the connection, code {code:#04x}"
    )
    return _OF_CONNACK.get(code, other)


def of_disconnect(code: int) -> Trouble:
    """The broker said goodbye."""
    return _OF_DISCONNECT.get(code, CLOSED)


def of_puback(code: int) -> Trouble | None:
    """What a broker's answer to a message means; None when it took it."""
    return None if code < 0x80 else _OF_PUBACK.get(code, UNTAKEN)


def of_alert(error_text: str) -> Trouble | None:
    """The trouble when OpenSSL's text is an alert of the other side about our certificate."""
    text = error_text.upper().replace("_", " ")
    if "ALERT" not in text:
        return None
    return next((trouble for words, trouble in _OF_ALERT.items() if words in text), None)


def of_lifetime(certificates: Sequence[x509.Certificate], floor: datetime) -> Trouble | None:
    """Whether a certificate is certainly over while our clock is not set: it is at least `floor` (aware UTC) now.

    One that begins after `floor` proves nothing: the right time may be any later one.
    """
    ends = [certificate.not_valid_after_utc for certificate in certificates]
    return THEIRS_EXPIRED if any(end < floor for end in ends) else None


def _of_verification(code: int, host: str) -> Trouble:
    match code:
        case 9:
            return THEIRS_TOO_NEW
        case 10:
            return THEIRS_EXPIRED
        case 23:
            return Trouble("Het certificaat van de regio is ingetrokken.", "the broker's certificate is revoked")
        case 62:
            return Trouble(
                f"Het certificaat van de regio is van een andere naam dan {host}.",
                f"the broker's certificate is not for the name {host}",
            )
        case 64:
            return Trouble(
                f"Het certificaat van de regio is van een ander adres dan {host}.",
                f"the broker's certificate is not for the address {host}",
            )
        case _:
            return Trouble(
                "Het certificaat van de regio is van een onbekende uitgever.",
                f"the broker's certificate is not of our CA (OpenSSL code {code})",
            )
