import socket
import ssl

import pytest

from zorgkiosk.site.sync import link


def verification(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code = code
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (socket.gaierror(-2, "Name or service not known"), "De naam hub.example is niet te vinden"),
        (ConnectionRefusedError(111, "refused"), "neemt niet op (hub.example, poort 8883)"),
        (TimeoutError("timed out"), "niet bereikbaar"),
        (OSError(101, "Network is unreachable"), "niet bereikbaar"),
        (ConnectionResetError(104, "reset"), "verbreekt de verbinding meteen"),
        (verification(10), "is verlopen"),
        (verification(9), "nog niet geldig"),
        (verification(19), "onbekende uitgever"),
        (verification(62), "andere naam dan hub.example"),
        (ssl.SSLError(1, "[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca"), "weigert het certificaat"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "geen beveiligde verbinding"),
    ],
)
def test_why_there_is_no_connection_is_one_dutch_sentence(error: OSError, expected: str) -> None:
    sentence = link.of_error(error, "hub.example", 8883)
    assert expected in sentence and sentence.endswith((".", "?"))


@pytest.mark.parametrize(("code", "expected"), [(0x87, "kent deze locatie niet"), (0x89, "te druk"), (0x80, "128")])
def test_a_broker_that_says_no(code: int, expected: str) -> None:
    assert expected in link.of_connack(code)


def test_only_an_alert_about_our_certificate_is_taken_for_one() -> None:
    assert link.refused_certificate("[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED]") is not None
    assert link.refused_certificate("[Errno 104] Connection reset by peer") is None
    assert link.refused_certificate("[SSL: TLSV1_ALERT_INTERNAL_ERROR]") is None
