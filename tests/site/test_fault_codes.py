"""Every fault that the code can tell has a number, the same one on the panel, in the log and in the handbook."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from pathlib import Path

import pytest

from shipped import FIRMWARE
from zorgkiosk.contract.events import KINDS
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.faults import (
    CLOCK_UNSET,
    CONDITIONS,
    DISPLAY_AWAY,
    GENERAL,
    PLATES_BROKER_AWAY,
    SENTENCES,
    number,
    numbered,
)
from zorgkiosk.site.panel.words import store_problem
from zorgkiosk.site.store import Store
from zorgkiosk.site.store_faults import DAMAGED, FULL
from zorgkiosk.site.sync import trouble
from zorgkiosk.site.sync.health import Health

HANDBOOK = (FIRMWARE.parent / "hardware" / "faults.md").read_text(encoding="utf-8")
SYNC = FIRMWARE.parent / "src" / "zorgkiosk" / "site" / "sync"


def verification(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    return error


ERRORS = [
    *(verification(code) for code in (9, 10, 20, 23, 62, 64)),
    ssl.SSLError(1, "wrong version number"),
    ssl.SSLError(1, "tlsv1 alert unknown ca: ALERT UNKNOWN CA"),
    socket.gaierror(),
    ConnectionRefusedError(),
    ConnectionResetError(),
    TimeoutError(),
    OSError(errno.ENETUNREACH, "unreachable"),
]


def sentences() -> list[str]:
    told = [each for each in vars(trouble).values() if isinstance(each, trouble.Trouble)]
    told += [trouble.of_connack(code) for code in (0x80, 0x84, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x97, 0x99)]
    told += [trouble.of_files(OSError(2, "gone", "/etc/zorgkiosk/site.pem")), trouble.of_files(OSError())]
    told += [trouble.of_error(error, "mqtt.example", 8883) for error in ERRORS]
    return sorted({each.screen for each in told})


@pytest.mark.parametrize("sentence", sentences())
def test_every_sentence_about_the_link_has_a_number_of_its_own(sentence: str) -> None:
    assert number(sentence) != GENERAL
    assert numbered(sentence).endswith(f"(storing {number(sentence)}).")


@pytest.mark.parametrize("cause", ["database or disk is full", "disk I/O error", "database disk image is malformed"])
def test_a_card_that_fails_has_a_number(cause: str) -> None:
    assert number(store_problem(cause)) in (41, 42)


@pytest.mark.parametrize("condition", ["publish-refused"])
def test_a_condition_that_begins_and_ends_is_in_the_log_with_its_number(
    condition: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    health = Health(Store.open(tmp_path / "sync.db", "sync", SystemClock.of_this_boot()))
    health.change(condition, ok=False)
    health.change(condition, ok=True)
    assert caplog.messages == ["sync: publish-refused (storing 22).", "sync: publish-refused is over"]


@pytest.mark.parametrize("condition", ["unreadable-message", "certificate-refused", "list-refused"])
def test_what_happens_is_in_the_log_with_its_number(
    condition: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    health = Health(Store.open(tmp_path / "sync.db", "sync", SystemClock.of_this_boot()))
    health.happened(condition, "it is so", 0.0)
    assert caplog.messages == [f"sync: {condition} (1 so far): it is so (storing {CONDITIONS[condition]})."]


def test_what_says_itself_what_is_wrong_is_ten() -> None:
    assert numbered("Er is iets nieuws.") == "Er is iets nieuws (storing 10)."


def test_the_handbook_explains_each_number_once_and_no_other() -> None:
    explained = [int(code) for code in re.findall(r"(?m)^\| (\d+) \|", HANDBOOK)]
    elsewhere = (CLOCK_UNSET, DISPLAY_AWAY, PLATES_BROKER_AWAY)
    assert explained == sorted({GENERAL, *SENTENCES.values(), *CONDITIONS.values(), *elsewhere})


def test_every_condition_that_sync_reports_has_a_number_and_is_in_the_handbook() -> None:
    pattern = r'(?:\.change\(|happened\(|report\(change, )\s*"([a-z-]+)"'
    reported = {found for file in SYNC.glob("*.py") for found in re.findall(pattern, file.read_text(encoding="utf-8"))}
    assert "device.health" in KINDS and reported | {FULL, DAMAGED} == set(CONDITIONS)
    assert [name for name in CONDITIONS if f"`{name}`" not in HANDBOOK] == []
