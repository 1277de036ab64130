"""The board in English: no Dutch word on any of its pages, and the API keeps its codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from flask.testing import FlaskClient
from hub_said import NOON, bed, config, state, status

from zorgkiosk.capacity.freshness import Fresh
from zorgkiosk.contract.events import Pressure, Triage
from zorgkiosk.hub.board import words
from zorgkiosk.hub.board.language import say, speaking
from zorgkiosk.hub.board.web import Source, create_app
from zorgkiosk.hub.inbox import Inbox
from zorgkiosk.hub.outlook import Outlook

DUTCH = re.compile(
    r"\b(vrij|van|geen|niet|nog|onbekend|bevestigen|verlopen|actueel|geleden|zojuist|uur|dagen|wachten|wacht|langst|kans"
    r"|groen|geel|oranje|rood|werkplek|werkplekken|hulp|krijgt|helpt|neemt|kan|oproepen|regio|zorg|verbonden|verbinding"
    r"|sinds|gehoord|organisatie|capaciteit|scherm|gegevens|getallen|verborgen|bedden|spoedeisende|dreigende|tot|morgen"
    r"|over|ma|di|wo|do|vr|za|zo|complex|logeeropvang|melding|ontbreekt|huisartsenposten|procent|norm van)\b",
    re.IGNORECASE,
)
OURS = re.compile(r"De (Linde|Eik)|HAP (Noord|Zuid)|Gelre-Zuid|Ziekenhuis \w+")
"""What sites and the region call themselves stays as it is."""
LINE = Triage(
    desks_present=3, desks_free=1, waiting=2, longest_wait_s=70, accepting_overflow=True, pressure="geel",
    chance_2min=0.8, helping={"hap-zuid": 2},
)  # fmt: skip


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    plain = config(f"sqlite:///{tmp_path / 'hub.db'}")
    settings = plain.model_copy(update={"board": plain.board.model_copy(update={"language": "en"})})
    inbox = Inbox.open(settings.hub.database)
    with inbox.commit(NOON - timedelta(seconds=5)) as commit:
        commit.take_state(
            state("vvt-linde", bed("grz", -2, 300, total=8), bed("respijt", 77, 25 * 3600), status("seh", "stop"))
        )
        commit.take_state(state("hap-noord", triage=LINE))
    inbox.close()
    outlook = Outlook.on(settings.hub.database, settings.site)
    yield create_app(Source(settings, outlook, lambda: NOON)).test_client()
    outlook.close()


def said(html: str) -> str:
    """Texts, and what stands in attributes for a screen reader or a script."""
    inside = re.findall(r"(?:aria-label|title|data-(?:silent|since|hidden))=\"([^\"]*)\"", html)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html) + " ".join(inside))


def test_no_dutch_word_is_on_the_board(client: FlaskClient) -> None:
    page = client.get("/").text
    assert '<html lang="en">' in page
    text = said(page)
    assert DUTCH.findall(OURS.sub("", text)) == [], text
    assert "−2 of 8 current 5 min ago" in text and "unknown 25 h ago" in text
    assert "yellow wait 2 longest wait 1:15 free of 3 desks 1" in text
    assert "Geriatric rehabilitation" in text and "This screen gets no data" in text


def test_a_refusal_is_english_too(client: FlaskClient) -> None:
    assert client.get("/?sector=mars").text == "This sector is not known.\n"
    assert client.get("/api/v1/sites?deelregio=Mars").json == {"error": "This subregion is not known."}


def test_the_api_keeps_its_codes(client: FlaskClient) -> None:
    answer = client.get("/api/v1/sites").json
    assert answer is not None
    fresh = {cell["fresh"] for row in answer["rows"] for cell in row["cells"] if cell}
    assert fresh == {"actueel", "onbekend"}
    assert answer["cards"][0]["line"]["pressure"] == "geel"


@pytest.mark.parametrize("word", [*Fresh, *get_args(Pressure)])
def test_words_that_are_values_are_translated_too(word: str) -> None:
    assert str(word) in words.VALUES
    with speaking("en"):
        assert say(str(word)) != str(word)
