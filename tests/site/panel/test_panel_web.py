"""The panel's pages through Flask's test client, on real stores."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from panel_site import Panel, nursing_home, reporting, triage_centre
from werkzeug.test import TestResponse

from zorgkiosk.contract.events import CapacityConfirmed, CapacityReported
from zorgkiosk.site.facts import LinkFact
from zorgkiosk.site.panel.known import Look
from zorgkiosk.site.panel.web.app import LIVE_PLACES, create_app

OURS = {"Origin": "http://localhost"}
SCRIPT = OURS | {"X-Panel": "live"}


def browser(panel: Panel) -> FlaskClient:
    return create_app(panel.config, panel.taps, lambda: Look.of(panel.config, panel.clock)).test_client()


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Panel]:
    panel = Panel(nursing_home(tmp_path))
    yield panel
    panel.close()


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Panel]:
    panel = Panel(triage_centre(tmp_path))
    yield panel
    panel.close()


def tap(client: FlaskClient, path: str, headers: dict[str, str] = OURS, **form: Any) -> TestResponse:
    return client.post(path, data=form, headers=headers)


def test_the_first_page_is_what_the_site_is_for(panel: Panel, centre: Panel) -> None:
    assert browser(panel).get("/").location == "/capacity/1"
    assert browser(centre).get("/").location == "/triage/1"
    assert browser(centre).get("/regio").location == "/regio/1"
    page = browser(panel).get("/capacity/1").text
    assert '<html lang="nl">' in page
    assert all(text in page for text in ("VVT De Linde", "ELV hoog complex", "Klopt nog", "nog nooit gemeld", "van 8"))
    hap = browser(centre).get("/triage/1").text
    assert all(
        text in hap
        for text in ("Werkplek 2", "afwezig", "Hulp krijgen", "Onbekend: de telefonie is stil (storing 51).")
    )


@pytest.mark.parametrize("path", ["/capacity/1", "/regio/1", "/nowhere"])
def test_pages_hold_no_inline_code_and_nothing_from_elsewhere(panel: Panel, path: str) -> None:
    answer = browser(panel).get(path)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert answer.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=\"/static/)", answer.text)
    assert all(link.startswith("/") for link in re.findall(r"(?:href|src|action)=\"([^\"]*)\"", answer.text))


def test_a_tap_without_script_leads_back_to_its_page(panel: Panel) -> None:
    client = browser(panel)
    answer = tap(client, "/tap/capacity/elv-laag", step="+1", place="capacity/1")
    assert (answer.status_code, answer.location) == (303, "/capacity/1")
    assert panel.state()["pending/elv-laag"]["free"] == 1
    page = client.get("/capacity/1").text
    assert "Bewaard. Wordt over 5 s verzonden." in page and "<b>1</b>" in page


def test_a_tap_with_script_is_answered_with_the_screen(panel: Panel) -> None:
    client = browser(panel)
    for serial in ("p-1", "p-1", "p-2"):
        answer = tap(client, "/tap/capacity/elv-laag", SCRIPT, step="+1", place="capacity/1", tap=serial)
    assert answer.status_code == 200 and answer.headers["X-At"] == str(panel.clock.said().uptime_ms)
    assert answer.text.startswith('<div id="screen"') and "<b>2</b>" in answer.text
    undone = tap(client, "/tap/undo", SCRIPT, place="capacity/1")
    assert "nog nooit gemeld" in undone.text and panel.state() == {}


def test_still_correct_speaks_of_what_the_page_showed(panel: Panel) -> None:
    client = browser(panel)
    tap(client, "/tap/capacity/elv-laag", step="+1")
    panel.wait(5)
    seen = re.findall(r'name="seen" value="([^"]*)"', client.get("/capacity/1").text)
    assert seen == ["elv-laag=1"]
    assert tap(client, "/tap/confirm", seen=seen, place="capacity/1").status_code == 303
    assert panel.events() == [
        CapacityReported(category="elv-laag", free=1, total=8),
        CapacityConfirmed(categories=("elv-laag",)),
    ]


def test_the_region_has_it_only_after_its_ack(panel: Panel) -> None:
    client = browser(panel)
    panel.write("sync", link=LinkFact(connected=True))
    tap(client, "/tap/capacity/elv-laag", step="+1")
    panel.wait(5)
    assert "Verzonden. De regio bevestigt zo." in client.get("/capacity/1").text
    panel.ack(1)
    assert "De regio heeft het ✓ 14:05" in client.get("/capacity/1").text


def test_desks_and_switches_are_tapped(centre: Panel) -> None:
    client = browser(centre)
    answer = tap(client, "/tap/desk/desk-2", SCRIPT, present="yes", place="triage/1")
    assert "aangemeld, telefoon onbekend" in answer.text
    tap(client, "/tap/overflow/accepting", on="no", place="triage/1")
    assert centre.state() == {"desk/desk-2": {"present": True}, "overflow": {"giving": True, "accepting": False}}


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Panel]:
    ward = {"code": "grz", "total": 4, "ask_expected": True, "limits": ["isolatie", "alleen-v"]}
    panel = Panel(reporting(tmp_path, {"code": "seh"}, ward, {"code": "apotheek"}))
    yield panel
    panel.close()


def fields(html: str, action: str) -> dict[str, str]:
    """The hidden fields of the form with this action."""
    form = re.search(rf'<form[^>]*action="{re.escape(action)}"[^>]*>(.*?)</form>', html, re.DOTALL)
    assert form is not None, f"no form for {action}"
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[1]))


def test_a_stop_with_reason_and_end_by_plain_forms(hospital: Panel) -> None:
    client = browser(hospital)
    for place, action, key in (
        ("/capacity/1", "/tap/status/seh", {"status": "stop"}),
        ("/detail/1", "/tap/reason/seh/personeel", {"on": "yes"}),
        ("/detail/1", "/tap/end/seh", {"end": "2-uur"}),
    ):
        form = fields(client.get(place).text, action)
        answer = client.post(action, data=form | key, headers=OURS)
        assert (answer.status_code, answer.location) == (303, place)
    page = client.get("/capacity/1").text
    assert "te weinig personeel · tot 16:05" in page
    assert re.findall(r'value="(\w+)" aria-pressed="true"', page) == ["stop"]
    assert 'href="/detail/1"' in page and 'href="/capacity/1"' in client.get("/detail/1").text
    hospital.wait(5)
    seen = re.findall(r'name="seen" value="([^"]*)"', client.get("/capacity/1").text)
    assert seen == ["seh=stop"] and tap(client, "/tap/confirm", seen=seen).status_code == 303
    assert [event.KIND for event in hospital.events()] == ["capacity.reported", "capacity.confirmed"]


def test_what_is_expected_and_for_whom_by_plain_forms(hospital: Panel) -> None:
    client = browser(hospital)
    assert client.get("/detail/2").text.count(" disabled") == 5, "unknown: minus, plus, two limits, undo"
    tap(client, "/tap/capacity/grz", step="+1")
    for action, key in (("/tap/expected/grz", {"step": "+1"}), ("/tap/limit/grz/alleen-v", {"on": "yes"})):
        form = fields(client.get("/detail/2").text, action)
        assert client.post(action, data=form | key, headers=OURS).location == "/detail/2"
    page = client.get("/capacity/1").text
    assert "24 u: 2" in page and "<small>alleen vrouw</small>" in page
    assert 'aria-label="Over 24 uur: één meer"' in client.get("/detail/2").text


def test_a_tile_says_that_the_region_has_it_after_the_ack(hospital: Panel) -> None:
    client = browser(hospital)
    tap(client, "/tap/status/seh", status="open")
    assert "op dit apparaat" in client.get("/capacity/1").text
    hospital.wait(5)
    assert '<p class="way">op dit apparaat</p>' in client.get("/capacity/1").text
    hospital.ack(1)
    assert '<p class="way">regio heeft het ✓ 14:05</p>' in client.get("/capacity/1").text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:81"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://elsewhere.example"},
        {"Sec-Fetch-Site": "same-origin", "Host": "rebound.example"},
    ],
)
def test_a_foreign_page_cannot_tap(panel: Panel, headers: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    answer = tap(browser(panel), "/tap/capacity/elv-laag", headers, step="+1")
    assert answer.status_code == 403 and "Dit verzoek komt niet van dit paneel." in answer.text
    assert panel.state() == {} and len(caplog.records) == 1


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_foreign_page_holds_no_place_of_those_who_listen(panel: Panel, site: str) -> None:
    assert browser(panel).get("/live/capacity/1", headers={"Sec-Fetch-Site": site}).status_code == 403


def test_a_page_of_ours_can_tap_by_either_header_and_by_both_names(panel: Panel) -> None:
    client = browser(panel)
    for headers in (
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://127.0.0.1:8080", "Host": "127.0.0.1:8080", "Sec-Fetch-Site": "same-origin"},
    ):
        assert tap(client, "/tap/capacity/elv-laag", headers, step="+1").status_code == 303


def test_a_page_under_a_foreign_name_reads_nothing(panel: Panel) -> None:
    answer = browser(panel).get("/capacity/1", headers={"Host": "rebound.example"})
    assert answer.status_code == 403 and "VVT De Linde" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "form", "status"),
    [
        ("GET", "/capacity/2", {}, 404),
        ("GET", "/capacity/0", {}, 404),
        ("GET", "/capacity/99999999999999999999", {}, 404),
        ("GET", "/capacity/-1", {}, 404),
        ("GET", "/triage/1", {}, 404),
        ("GET", "/live/triage/1", {}, 404),
        ("GET", "/../etc/passwd", {}, 404),
        ("GET", "/tap/undo", {}, 405),
        ("POST", "/capacity/1", {}, 405),
        ("POST", "/tap/capacity/hospice", {"step": "+1"}, 400),
        ("POST", "/tap/capacity/elv-laag", {}, 400),
        ("POST", "/tap/capacity/elv-laag", {"step": "+2"}, 400),
        ("POST", "/tap/capacity/elv-laag%00'--", {"step": "+1"}, 400),
        ("GET", "/detail/1", {}, 404),
        ("POST", "/tap/status/elv-laag", {"status": "stop"}, 400),
        ("POST", "/tap/status/seh", {"status": "stop"}, 400),
        ("POST", "/tap/expected/elv-laag", {"step": "+1"}, 400),
        ("POST", "/tap/expected/elv-laag", {}, 400),
        ("POST", "/tap/limit/elv-laag/isolatie", {"on": "yes"}, 400),
        ("POST", "/tap/limit/elv-laag/isolatie", {}, 400),
        ("POST", "/tap/reason/elv-laag/drukte", {"on": "yes"}, 400),
        ("POST", "/tap/end/elv-laag", {"end": "1-uur"}, 400),
        ("POST", "/tap/confirm", {}, 400),
        ("POST", "/tap/confirm", {"seen": "elv-laag=stop"}, 400),
        ("POST", "/tap/confirm", {"seen": "elv-laag"}, 400),
        ("POST", "/tap/confirm", {"seen": "elv-laag=" + "9" * 4000}, 400),
        ("POST", "/tap/confirm", {"seen": "elv-laag=99999999999999999999999"}, 400),
        ("POST", "/tap/desk/desk-1", {"present": "yes"}, 400),
        ("POST", "/tap/desk/desk-1", {"present": "maybe"}, 400),
        ("POST", "/tap/overflow/giving", {"on": "no"}, 400),
        ("POST", "/tap/overflow/all", {"on": "no"}, 404),
        ("POST", "/tap/capacity/elv-laag", {"step": "x" * 5000}, 413),
    ],
)
def test_nonsense_is_one_sentence_one_log_line_and_no_change(
    panel: Panel, caplog: pytest.LogCaptureFixture, method: str, path: str, form: dict[str, str], status: int
) -> None:
    client = browser(panel)
    answer = client.open(path, method=method, data=form, headers=OURS)
    assert answer.status_code == status
    sentences = re.findall(r"<h1>(.*)</h1>", answer.text)
    assert len(sentences) == 1 and 5 < len(sentences[0]) < 80
    assert panel.state() == {} and panel.events() == []
    assert len(caplog.records) == 1 and "\n" not in caplog.records[0].getMessage()
    scripted = client.open(path, method=method, data=form, headers=SCRIPT)
    assert scripted.text == sentences[0] and scripted.mimetype == "text/plain"


def test_a_tap_that_names_no_page_is_answered_with_the_first(panel: Panel) -> None:
    for place in ("", "//elsewhere.example", "capacity/999"):
        assert tap(browser(panel), "/tap/undo", place=place).location == "/capacity/1"


@pytest.mark.parametrize("headers", [OURS, SCRIPT], ids=["form", "script"])
def test_a_full_disk_is_said_and_the_panel_goes_on(panel: Panel, headers: dict[str, str]) -> None:
    client = browser(panel)
    panel.fill_disk()
    answer = tap(client, "/tap/capacity/elv-laag", headers, step="+1", place="capacity/1")
    assert answer.status_code == 507
    assert "Kon niet bewaren: de opslag is vol." in answer.text and ("X-At" in answer.headers) is (headers is SCRIPT)
    assert "Kon niet bewaren" in client.get("/capacity/1").text
    panel.free_disk()
    assert tap(client, "/tap/capacity/elv-laag", headers, step="+1").status_code in (200, 303)
    assert "Kon niet bewaren" not in client.get("/capacity/1").text


def pictures(answer: TestResponse) -> Iterator[dict[str, Any]]:
    for frame in answer.iter_encoded():
        if frame.startswith(b"data: "):
            yield json.loads(frame.removeprefix(b"data: "))


def test_the_live_stream_shows_a_tap_of_another_hand(panel: Panel) -> None:
    client = browser(panel)
    stream = client.get("/live/capacity/1", buffered=False)
    assert stream.mimetype == "text/event-stream"
    shown = pictures(stream)
    assert "nog nooit gemeld" in next(shown)["html"]
    panel.taps.step("elv-laag", 1)
    picture = next(shown)
    assert "<b>1</b>" in picture["html"] and picture["at"] == panel.clock.said().uptime_ms
    stream.close()


def test_live_streams_leave_threads_for_taps(panel: Panel) -> None:
    client = browser(panel)
    streams = [client.get("/live/capacity/1", buffered=False) for _ in range(LIVE_PLACES)]
    assert {stream.status_code for stream in streams} == {200}
    assert client.get("/live/capacity/1", buffered=False).status_code == 503
    streams[0].close()
    assert client.get("/live/capacity/1", buffered=False).status_code == 200
