"""The board's pages, over a real database."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hub_said import NOON, bed, config, state, status

from zorgkiosk.contract.events import Triage
from zorgkiosk.hub.board.web import Source, create_app
from zorgkiosk.hub.inbox import Inbox
from zorgkiosk.hub.outlook import Outlook

LINE = Triage(
    desks_present=3,
    desks_free=1,
    waiting=2,
    longest_wait_s=70,
    accepting_overflow=True,
    pressure="geel",
    chance_2min=0.8,
    helping={"hap-zuid": 2},
)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    opened = Inbox.open(f"sqlite:///{tmp_path / 'hub.db'}")
    yield opened
    opened.close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    settings = config(f"sqlite:///{tmp_path / 'hub.db'}")
    outlook = Outlook.on(settings.hub.database, settings.site)
    yield create_app(Source(settings, outlook, lambda: NOON)).test_client()
    outlook.close()


def hear(inbox: Inbox) -> None:
    with inbox.commit(NOON - timedelta(seconds=5)) as commit:
        commit.take_state(state("vvt-linde", bed("grz", -2, 300, total=8), bed("respijt", 77, 25 * 3600, total=78)))
        commit.take_state(state("hap-noord", triage=LINE))


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_page_says_number_age_and_state(client: FlaskClient, inbox: Inbox) -> None:
    hear(inbox)
    page = client.get("/").text
    seen = text_of(page)
    assert "De Linde Noord −2 van 8 actueel 5 min geleden onbekend 25 uur geleden" in seen
    assert "77" not in seen and "78" not in seen
    assert "HAP Noord geel wachten 2 langst wachtend 1:15 vrij van 3 werkplekken 1 kans op 2&nbsp;min 80 %" in seen
    assert "helpt HAP Zuid: 2" in seen and "HAP Zuid onbekend nog niets gehoord" in seen
    assert "2 van 3 verbonden" in seen and "ma 23 nov 13:00" in seen


def test_the_part_that_is_refreshed_is_the_same_as_in_the_page(client: FlaskClient, inbox: Inbox) -> None:
    hear(inbox)
    page = client.get("/?sector=vvt-bedden&deelregio=Noord").text
    address = re.search(r'data-content="([^"]+)"', page)
    assert address is not None
    content = client.get(address[1].replace("&amp;", "&")).text
    assert content.strip() in page and "HAP Zuid:" in content and ">HAP Zuid<" not in content


def test_nothing_on_the_page_needs_inline_code_or_another_host(client: FlaskClient, inbox: Inbox) -> None:
    hear(inbox)
    answer = client.get("/")
    assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert not re.search(r"<style|style=|<script(?! src)|\son\w+=|https?:", answer.text)
    for address in re.findall(r'(?:src|href)="(/static[^"]*|/[^"#?]+\.\w+)"', answer.text):
        assert client.get(address).status_code == 200, address


def test_the_api_gives_the_same_with_null_for_unknown(client: FlaskClient, inbox: Inbox) -> None:
    hear(inbox)
    board = client.get("/api/v1/sites").get_json()
    (row,) = board["rows"]
    known, unknown = row["cells"]
    assert (known["free"], known["total"], known["age_s"], known["fresh"]) == (-2, 8, 305, "actueel")
    assert (unknown["free"], unknown["total"], unknown["fresh"]) == (None, None, "onbekend")
    assert board["now"] == "2026-11-23T12:00:00.000000Z"
    assert row["contact"]["heard_at"] == "2026-11-23T11:59:55.000000Z"
    assert board["cards"][0]["line"]["longest_wait_s"] == 75


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/?sector=ambulance", 400),
        ("GET", "/inhoud?deelregio=Oost", 400),
        ("GET", "/api/v1/sites?deelregio=%00%ff", 400),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/static/../web.py", 404),
        ("POST", "/", 405),
        ("DELETE", "/api/v1/sites", 405),
    ],
)
def test_a_bad_request_gets_one_clean_sentence(
    client: FlaskClient, inbox: Inbox, method: str, address: str, status: int
) -> None:
    answer = client.open(address, method=method)
    assert answer.status_code == status and "Traceback" not in answer.text and "<html" not in answer.text
    if address.startswith("/api/"):
        assert list(answer.get_json()) == ["error"]


@pytest.mark.parametrize("path", ["/", "/inhoud", "/api/v1/sites", "/healthz", "/metrics", "/static/board.js"])
def test_a_page_under_a_foreign_name_reads_nothing_of_the_board(tmp_path: Path, inbox: Inbox, path: str) -> None:
    settings = config(f"sqlite:///{tmp_path / 'hub.db'}")
    named = settings.model_copy(update={"board": settings.board.model_copy(update={"names": ("bord.regio.example",)})})
    outlook = Outlook.on(named.hub.database, named.site)
    asked = create_app(Source(named, outlook, lambda: NOON)).test_client()
    for host in ("evil.example", "evil.example:8090", "127.0.0.1.evil.example", "bord.regio.example.evil.example"):
        answer = asked.get(path, headers={"Host": host})
        assert answer.status_code == 403 and "[board] names" in answer.text and "Linde" not in answer.text
    for host in ("localhost", "127.0.0.1:8090", "192.0.2.7", "[::1]:8090", "BORD.regio.example:443"):
        assert asked.get(path, headers={"Host": host}).status_code == 200, host
    outlook.close()


def test_without_a_database_it_says_so_and_recovers_by_itself(client: FlaskClient, tmp_path: Path) -> None:
    assert client.get("/healthz").status_code == 503
    assert client.get("/api/v1/sites").status_code == 503 and client.get("/inhoud").status_code == 503
    page = client.get("/")
    assert page.status_code == 503 and 'class="stale"' in page.text and "krijgt geen gegevens" in page.text
    Inbox.open(f"sqlite:///{tmp_path / 'hub.db'}").close()
    assert client.get("/healthz").get_json() == {"status": "ok"}
    assert "De Linde" in client.get("/").text


def test_a_stop_is_said_in_words_with_a_shape_and_null_for_what_it_is_not(client: FlaskClient, inbox: Inbox) -> None:
    stop = status("seh", "stop", 300, reason="drukte", until="2026-11-23T14:00:00Z")
    ended = status("ggz-crisis", "vol", 300, until="2026-11-23T11:00:00Z")
    with inbox.commit(NOON - timedelta(seconds=5)) as commit:
        commit.take_state(state("vvt-linde", stop, ended))
    page = client.get("/").text
    assert "stop drukte, tot 15:00 actueel 5 min geleden onbekend eindtijd voorbij" in text_of(page)
    assert 'href="#shape-grade-shut"' in page and 'id="shape-grade-shut"' in page
    (row,) = client.get("/api/v1/sites").get_json()["rows"]
    known, unknown = row["cells"]
    assert (known["status"], known["grade"], known["reason"], known["free"]) == ("stop", "shut", "drukte", None)
    assert known["until"] == "2026-11-23T14:00:00.000000Z"
    assert (unknown["status"], unknown["until"], unknown["fresh"]) == (None, None, "onbekend")
    assert [row["name"] for row in client.get("/api/v1/sites?sector=seh").get_json()["rows"]] == ["vvt-linde"]
