"""The PIN: its hash, its gate, and what it stands before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from panel_site import HandClock, Panel, triage_centre

from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.panel.actor import Actor, PinNeededError
from zorgkiosk.site.panel.known import Look
from zorgkiosk.site.panel.pin import MOST_PAUSE_S, PAUSE_S, PinGate, hashed, is_pin, matches, pause_after
from zorgkiosk.site.panel.web.app import create_app
from zorgkiosk.site.panel.web.door import Sessions

PIN, WRONG = "274951", "583920"
STORED = hashed(PIN, bytes(16))
OURS = {"Origin": "http://localhost"}


def with_pin(folder: Path) -> SiteConfig:
    plain = triage_centre(folder).model_dump(exclude={"capacity"}, exclude_none=True)
    plain["panel"]["pin_actions"] = ("giving",)
    plain["secrets"]["panel"] = {"pin_scrypt": STORED}
    return SiteConfig.model_validate(plain)


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Panel]:
    panel = Panel(with_pin(tmp_path))
    yield panel
    panel.close()


def browser(panel: Panel) -> FlaskClient:
    gate = PinGate(STORED, panel.clock.uptime_s)
    return create_app(panel.config, panel.taps, lambda: Look.of(panel.config, panel.clock), gate=gate).test_client()


def journal(panel: Panel) -> list[tuple[str, ...]]:
    """Oldest first: device, role, verb, subject, value."""
    rows = panel.look.journal(0, 99)
    return [(r.line.device, r.line.role, r.line.verb, r.line.subject, r.line.value) for r in reversed(rows)]


@pytest.mark.parametrize(
    ("text", "good"), [("274951", True), ("12345678", True), ("12345", False), ("123456789", False), ("12a456", False),
                       ("", False), ("１２３４５６", False)],
)  # fmt: skip
def test_a_pin_is_six_to_eight_digits(text: str, good: bool) -> None:
    assert is_pin(text) is good


def test_a_hash_is_salted_and_matches_its_pin_alone() -> None:
    assert hashed(PIN) != hashed(PIN) and PIN not in STORED
    assert matches(PIN, STORED) and not matches(WRONG, STORED)


@pytest.mark.long
def test_after_five_wrong_pins_even_the_right_one_waits_a_minute() -> None:
    clock = HandClock()
    gate = PinGate(STORED, clock.uptime_s)
    assert [gate.check(WRONG) for _ in range(5)] == ["wrong"] * 4 + ["paused"]
    clock.forward(PAUSE_S - 1)
    assert gate.check(PIN) == "paused" and gate.pause_s() == pytest.approx(1)
    clock.forward(1)
    assert gate.check(PIN) == "right"


@pytest.mark.parametrize(
    ("wrong", "pause_s"), [(0, 0), (4, 0), (5, 60), (9, 60), (10, 120), (20, 480), (35, 3600), (10_000, MOST_PAUSE_S)]
)
def test_the_wait_grows_to_an_hour(wrong: int, pause_s: float) -> None:
    assert pause_after(wrong) == pause_s


def test_a_restart_gives_no_new_guesses(panel: Panel) -> None:
    here = panel.taps.by(Actor("paneel (netwerk)"))
    for done in range(1, 11):
        gate = PinGate(None, panel.clock.uptime_s, here.wrong_pins(), here.remember_wrong_pins)
        panel.clock.forward(gate.pause_s())
        assert gate.check(WRONG) == ("paused" if done % 5 == 0 else "wrong")
        panel.restart()
        here = panel.taps.by(Actor("paneel (netwerk)"))
        assert here.wrong_pins() == done
    assert PinGate(STORED, panel.clock.uptime_s, here.wrong_pins()).pause_s() == 2 * PAUSE_S
    assert panel.taps.by(Actor("paneel 1 (touch)")).wrong_pins() == 0, "each door counts by itself"


def test_the_right_pin_ends_the_count(panel: Panel) -> None:
    told: list[int] = []
    gate = PinGate(STORED, panel.clock.uptime_s, 3, told.append)
    assert [gate.check(PIN), gate.check(WRONG), gate.check(PIN), gate.check(PIN)] == [
        "right",
        "wrong",
        "right",
        "right",
    ]
    assert told == [0, 1, 0]


def test_a_session_ends_after_eight_hours_or_when_it_is_ended() -> None:
    clock = HandClock()
    sessions = Sessions(clock.uptime_s)
    one, other = sessions.begin(), sessions.begin()
    sessions.end(other)
    assert sessions.knows(one) and not sessions.knows(other) and not sessions.knows("")
    clock.forward(8 * 3600 - 1)
    assert sessions.knows(one)
    clock.forward(1)
    assert not sessions.knows(one)


def test_without_a_pin_none_is_right() -> None:
    assert PinGate(None, HandClock().uptime_s).check(PIN) == "wrong"


def test_a_protected_tap_is_refused_to_every_display_without_the_pin(panel: Panel) -> None:
    with pytest.raises(PinNeededError, match="pincode"):
        panel.taps.by(Actor("paneel 2 (serieel)")).overflow("giving", on=False)
    assert panel.state() == {} and journal(panel) == []
    panel.taps.by(Actor("paneel 2 (serieel)")).overflow("accepting", on=False)
    assert journal(panel) == [("paneel 2 (serieel)", "geen", "overflow", "accepting", "no")]


def test_the_pin_is_asked_and_is_good_for_one_action(panel: Panel) -> None:
    client = browser(panel)
    asked = client.post("/tap/overflow/giving", data={"on": "no", "place": "triage/1"}, headers=OURS)
    assert (asked.status_code, asked.location) == (303, "/pin/giving/no?place=triage/1")
    scripted = client.post(
        "/tap/overflow/giving", data={"on": "no", "place": "triage/1"}, headers=OURS | {"X-Panel": "live"}
    )
    assert scripted.headers["X-Go"] == asked.location
    assert "Hulp krijgen: uit" in client.get(asked.location).text
    done = client.post(asked.location, data={"pin": PIN}, headers=OURS)
    assert (done.status_code, done.location) == (303, "/triage/1")
    assert panel.state()["overflow"] == {"giving": False, "accepting": True}
    assert journal(panel) == [("paneel 1 (touch)", "leiding", "overflow", "giving", "no")]
    again = client.post("/tap/overflow/giving", data={"on": "yes", "place": "triage/1"}, headers=OURS)
    assert again.location == "/pin/giving/yes?place=triage/1"
    assert panel.state()["overflow"]["giving"] is False


@pytest.mark.long
def test_a_wrong_pin_changes_nothing_and_is_told_without_it(panel: Panel, caplog: pytest.LogCaptureFixture) -> None:
    client = browser(panel)
    answers = [client.post("/pin/giving/no", data={"pin": WRONG}, headers=OURS) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [403] * 6
    assert "Deze pincode klopt niet." in answers[0].text and "wacht 60 s" in answers[5].text
    assert client.post("/pin/giving/no", data={"pin": PIN}, headers=OURS).status_code == 403, "the gate is shut"
    assert "overflow" not in panel.state()
    assert journal(panel) == [("paneel 1 (touch)", "geen", "pin", "", "")] * 5
    everything = caplog.text + "".join(answer.text for answer in answers) + str(panel.state()) + str(journal(panel))
    assert WRONG not in everything and PIN not in everything
    files = b"".join(file.read_bytes() for file in panel.config.site.data_dir.iterdir())
    assert WRONG.encode() not in files and PIN.encode() not in files


def test_a_foreign_page_cannot_guess(panel: Panel) -> None:
    answer = browser(panel).post("/pin/giving/no", data={"pin": PIN}, headers={"Origin": "http://elsewhere.example"})
    assert answer.status_code == 403 and "overflow" not in panel.state()


def test_an_emergency_department_stops_with_the_pin_alone(tmp_path: Path) -> None:
    plain = triage_centre(tmp_path).model_dump(exclude_none=True)
    plain["panel"]["pin_actions"] = ("stop",)
    plain["secrets"]["panel"] = {"pin_scrypt": STORED}
    panel = Panel(SiteConfig.model_validate(plain | {"capacity": [{"code": "seh"}]}))
    with pytest.raises(PinNeededError):
        panel.taps.choose("seh", "stop")
    client = browser(panel)
    assert client.post("/tap/status/seh", data={"status": "open"}, headers=OURS).status_code == 303
    asked = client.post("/tap/status/seh", data={"status": "stop", "place": "capacity/1"}, headers=OURS).location
    assert asked == "/pin/stop/seh?place=capacity/1"
    assert "Spoedeisende hulp (SEH): stop" in client.get(asked).text
    assert client.post(asked, data={"pin": WRONG}, headers=OURS).status_code == 403
    assert panel.state()["pending/seh"]["status"] == "open"
    assert client.post(asked, data={"pin": PIN}, headers=OURS).location == "/capacity/1"
    assert panel.state()["pending/seh"]["status"] == "stop"
    assert journal(panel)[-1] == ("paneel 1 (touch)", "leiding", "choose", "seh", "stop")
    assert client.get("/pin/stop/nowhere").status_code == 404
    panel.close()
