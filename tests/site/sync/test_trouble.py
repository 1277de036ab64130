"""Each cause has a sentence of its own, in Dutch for the panel and in English for the log."""

from __future__ import annotations

import socket
import ssl

import pytest

from zorgkiosk.site.sync import trouble
from zorgkiosk.site.sync.trouble import Trouble


def verification(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code = code
    return error


def unreadable() -> OSError:
    return FileNotFoundError(2, "No such file or directory", "/etc/zorgkiosk/site.pem")


def alert(words: str) -> Trouble | None:
    return trouble.of_error(ssl.SSLError(1, f"[SSL: {words}] an alert"), "hub.example", 8883)


def of(error: OSError) -> Trouble:
    return trouble.of_error(error, "hub.example", 8883)


CASES = [
    # No connection at all
    (of(socket.gaierror(-2, "Name or service not known")), "De naam hub.example is niet te vinden", "cannot resolve"),
    (of(ConnectionRefusedError(111, "refused")), "neemt niet op (hub.example, poort 8883)", "refuses connections"),
    (of(TimeoutError("timed out")), "niet bereikbaar", "unreachable"),
    (of(OSError(101, "Network is unreachable")), "niet bereikbaar", "unreachable"),
    (of(TimeoutError("_ssl.c:989: The handshake operation timed out")), "zegt niets terug", "says nothing"),
    (of(ConnectionResetError(104, "reset")), "verbreekt de verbinding meteen", "closes the connection at once"),
    (of(ssl.SSLEOFError(8, "EOF occurred")), "verbreekt de verbinding meteen", "closes the connection at once"),
    # The broker's certificate
    (of(verification(9)), "nog niet geldig: loopt de klok", "not valid yet"),
    (of(verification(10)), "verlopen, of de klok", "expired, or our clock"),
    (of(verification(19)), "onbekende uitgever", "not of our CA"),
    (of(verification(20)), "onbekende uitgever", "not of our CA"),
    (of(verification(23)), "is ingetrokken", "is revoked"),
    (of(verification(62)), "andere naam dan hub.example", "not for the name"),
    (of(verification(64)), "ander adres dan hub.example", "not for the address"),
    # Ours
    (trouble.of_files(unreadable()), "niet te lezen (/etc/zorgkiosk/site.pem)", "cannot be read"),
    (trouble.of_files(ValueError("no PEM")), "niet te lezen.", "cannot be read"),
    (alert("SSLV3_ALERT_CERTIFICATE_EXPIRED"), "het is verlopen", "expired"),
    (alert("SSLV3_ALERT_CERTIFICATE_REVOKED"), "ingetrokken", "revoked"),
    (alert("TLSV1_ALERT_UNKNOWN_CA"), "niet van deze regio", "a CA that it does not know"),
    (alert("SSLV3_ALERT_BAD_CERTIFICATE"), "weigert het certificaat", "refuses our certificate"),
    (alert("SSLV3_ALERT_CERTIFICATE_UNKNOWN"), "weigert het certificaat", "refuses our certificate"),
    (alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "weigert het certificaat", "refuses our certificate"),
    (alert("TLSV1_ALERT_INTERNAL_ERROR"), "geen beveiligde verbinding", "no TLS connection"),
    (alert("WRONG_VERSION_NUMBER"), "geen beveiligde verbinding", "no TLS connection"),
    # The broker says no to the connection
    (trouble.of_connack(0x84), "deze versie van MQTT", "version of MQTT"),
    (trouble.of_connack(0x85), "kent deze locatie niet", "does not know us"),
    (trouble.of_connack(0x86), "kent deze locatie niet", "does not know us"),
    (trouble.of_connack(0x87), "kent deze locatie niet", "does not know us"),
    (trouble.of_connack(0x88), "nu niet beschikbaar", "not available"),
    (trouble.of_connack(0x89), "te druk", "busy"),
    (trouble.of_connack(0x8A), "geblokkeerd", "banned"),
    (trouble.of_connack(0x80), "code 128", "0x80"),
    # It ends it
    (trouble.of_disconnect(0x8B), "stopt of start opnieuw", "shutting down"),
    (trouble.of_disconnect(0x8D), "te lang niet", "heard nothing of us"),
    (trouble.of_disconnect(0x8E), "Een ander apparaat", "another device"),
    (trouble.of_disconnect(0x98), "heeft de verbinding verbroken", "closed the connection"),
    # It refuses a message
    (trouble.of_puback(0x87), "weigert onze meldingen", "refuses our messages"),
    (trouble.of_puback(0x90), "weigert onze meldingen", "refuses our messages"),
    (trouble.of_puback(0x97), "geen plaats", "quota"),
    (trouble.of_puback(0x80), "neemt onze meldingen niet aan", "refuses what we publish"),
]


@pytest.mark.parametrize(("found", "screen", "log"), CASES)
def test_what_is_wrong_in_words(found: Trouble | None, screen: str, log: str) -> None:
    assert found is not None
    assert screen in found.screen and found.screen.endswith((".", "?"))
    assert log in found.log


@pytest.mark.parametrize("code", [0x00, trouble.NO_SUBSCRIBERS])
def test_what_a_broker_takes_is_no_trouble(code: int) -> None:
    assert trouble.of_puback(code) is None


@pytest.mark.parametrize("text", ["[Errno 104] Connection reset by peer", "[SSL: TLSV1_ALERT_INTERNAL_ERROR]", ""])
def test_only_an_alert_about_our_certificate_is_taken_for_one(text: str) -> None:
    assert trouble.of_alert(text) is None


def test_no_two_troubles_of_the_table_can_be_confused() -> None:
    named = [value for value in vars(trouble).values() if isinstance(value, Trouble)]
    assert len({each.screen for each in named}) == len({each.log for each in named}) == len(set(named)) > 15
