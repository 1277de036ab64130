"""SECURITY.md promises nothing that is not there: every test that it names exists, every row says what shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| who | ")]
NAMED = re.compile(r"`(test_\w+)`")

INTERFACES = (
    "Panel on loopback",
    "Panel on the building's network",
    "Serial display",
    "Plates and the site's own broker",
    "Home Assistant",
    "SIP: trunk and exchange",
    "Desk phones",
    "Partner centres",
    "The region's broker",
    "RabbitMQ",
    "The hub: board, metrics, database",
    "Boot partition and SD card",
    "Provisioning machine and the CA's key",
    "Updates",
)


def names_of_tests() -> set[str]:
    """Names of the functions that pytest collects."""
    files = (ROOT / "tests").rglob("test_*.py")
    return {name for file in files for name in re.findall(r"(?m)^def (test_\w+)\(", file.read_text(encoding="utf-8"))}


def test_every_test_that_is_named_exists() -> None:
    named = set(NAMED.findall(TEXT))
    assert named - names_of_tests() == set()
    assert len(named) > 100


@pytest.mark.parametrize("row", ROWS, ids=lambda row: re.sub(r"\W+", "-", row)[:40])
def test_every_row_says_what_shows_it_or_that_nothing_does(row: str) -> None:
    shown = row.rstrip("| ").rpartition(" | ")[2]
    assert NAMED.search(shown) or "*not shown*" in shown


def test_every_interface_has_its_part() -> None:
    parts = re.findall(r"(?m)^## (.*)$", TEXT)
    assert [each for each in INTERFACES if not any(part.startswith(each) for part in parts)] == []
