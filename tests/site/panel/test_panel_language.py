"""The panel in English: a catalogue that is whole, and screens of every kind of site without a Dutch word."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import get_args
from zipfile import ZipFile

import pytest
from flask import render_template
from hatchling.builders.wheel import WheelBuilder
from panel_site import BOOT, Panel, known, nursing_home, reporting, triage_centre, value
from test_panel_web import OURS, browser, tap

from shipped import FIRMWARE
from zorgkiosk.capacity.freshness import Fresh
from zorgkiosk.contract.events import Pressure, Triage
from zorgkiosk.contract.status import SiteState
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.facts import CallFact, CapacityFact, DeskFact, DeskPresence, LineFact, LinkFact, OfferFact
from zorgkiosk.site.panel import home_assistant, words
from zorgkiosk.site.panel.cause import say_cause
from zorgkiosk.site.panel.known import DeskFailed, Look, LostSeen
from zorgkiosk.site.panel.language import DOMAIN, LOCALE, say, speaking
from zorgkiosk.site.panel.nextion_face import face
from zorgkiosk.site.panel.openhasp_face import View, drawing, parts
from zorgkiosk.site.panel.openhasp_pages import LAYOUTS
from zorgkiosk.site.panel.screen import Place, Screen, parse_place, screen
from zorgkiosk.site.panel.web.app import create_app
from zorgkiosk.site.sync import trouble

ROOT = FIRMWARE.parent
PO = LOCALE / "en" / "LC_MESSAGES" / f"{DOMAIN}.po"
DUTCH = re.compile(
    r"\b(aan|uit|vrij|van|geen|niet|nog|niemand|onbekend|bevestigen|verlopen|actueel|geleden|zojuist|uur|dagen|wachtrij"
    r"|wachtend|langste|kans|druk|oranje|werkplekken|hulp|krijgen|geven|regio|terug|meer|klopt|ongedaan|maken|gezien"
    r"|oproep|oproepen|verloren|verbonden|verbinding|sinds|bewaard|verzonden|heeft|hier|het|wij|helpen|gesprek|gesprekken"
    r"|afspraak|logboek|reden|tijd|waarom|beperkingen|toetsen|capaciteit|overloop|complex|spoedeisende|afdeling|alleen"
    r"|vrouw|dreigende|tot|morgen|vandaag|meldt|neemt|voor|wachtte|ma|di|wo|do|vr|za|zo|mei|okt|mrt|pincode|paneel"
    r"|plaatsen|bellers|verder|elders)\b",
    re.IGNORECASE,
)
TITLES = re.compile(r"VVT De Linde|HAP (Midden|Zuid|Noord)|Werkplek \d")
"""What the site calls itself stays as it is."""


@pytest.mark.long
def test_the_wheel_holds_the_compiled_catalogue(tmp_path: Path) -> None:
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with ZipFile(wheel) as packed:
        inside = f"zorgkiosk/site/panel/locale/en/LC_MESSAGES/{DOMAIN}.mo"
        assert packed.read(inside) == PO.with_suffix(".mo").read_bytes()


@pytest.mark.parametrize("word", [*Fresh, *get_args(Pressure)])
def test_words_that_are_values_are_translated_too(word: str) -> None:
    with speaking("en"):
        assert say(word) != word


def test_a_language_is_spoken_only_within() -> None:
    assert words.age(200) == "3 min geleden"
    with speaking("en"):
        assert words.age(200) == "3 min ago"
        assert (words.span(3600), words.span(7200), words.span(90_000)) == ("1 hour", "2 hours", "1 day")
        with speaking("nl"):
            assert words.date("2026-03-12") == "12 mrt 2026"
        assert words.date("2026-03-12") == "12 Mar 2026"
    assert words.age(0) == "zojuist"


def english(config: SiteConfig) -> SiteConfig:
    return config.model_copy(update={"panel": config.panel.model_copy(update={"language": "en"})})


def home(folder: Path) -> SiteConfig:
    return english(nursing_home(folder))


def centre(folder: Path) -> SiteConfig:
    return english(triage_centre(folder))


def emergency(folder: Path) -> SiteConfig:
    limits = ["gesloten-afdeling", "alleen-v"]
    beds = {"code": "elv-laag", "total": 8, "ask_expected": True, "limits": limits}
    return english(reporting(folder, {"code": "seh"}, beds))


SITES = {
    home: ["capacity/1", "regio/1"],
    centre: ["triage/1", "regio/1"],
    emergency: ["capacity/1", "detail/1", "detail/2", "regio/1"],
}
CASES = [(site, place) for site, places in SITES.items() for place in places]


def facts() -> dict[str, dict[str, object]]:
    """Something of everything: old numbers, a stop, a rush, lost callers, desks in trouble, partners."""
    call = CallFact(
        worker=1, sip_call_id="a@b", origin="hap-zuid", hops=0, urgent=False, arrived_uptime_ms=899_000_000,
        talking_at="desk-1", offers=(OfferFact(partner="hap-zuid", chance_home=0.4, chance_partner=0.9),),
    )  # fmt: skip
    desks = tuple(
        DeskFact(id=f"desk-{n}", state=state, since_uptime_ms=899_000_000)
        for n, state in ((1, "busy"), (2, "no-answer"))
    )
    triage = Triage(
        desks_present=2, desks_free=0, waiting=3, longest_wait_s=95, accepting_overflow=True, pressure="oranje",
        chance_2min=0.41, helping={"hap-zuid": 1}, helped_by={"hap-zuid": 2},
    )  # fmt: skip
    partner = SiteState.model_validate(
        {
            "region": "oost", "site": "hap-zuid", "title": "HAP Zuid", "said_at": "2026-11-21T13:04:58.000Z",
            "boot_id": BOOT, "uptime_ms": 1, "clock_synced": True, "triage": triage.model_dump(),
        }
    )  # fmt: skip
    stop = CapacityFact(category="seh", status="stop", reason="geen-bedden", until="2026-11-22T07:00:00.000Z")
    return {
        "panel": {
            "capacity/elv-laag": value(CapacityFact(category="elv-laag", free=2, limits=("alleen-v",)), ago_s=9 * 3600),
            "capacity/seh": value(stop, ago_s=120),
            "desk/desk-1": value(DeskPresence(present=True)),
            "desk/desk-2": value(DeskPresence(present=True)),
            "lost": value(LostSeen(count=2, rose=True, seen=0), ago_s=60),
            "failed/desk-2": value(DeskFailed(since_uptime_ms=899_000_000), ago_s=60),
        },
        "telephony": {"line": value(LineFact(desks=desks, calls=(call,), lost=2)), "triage": value(triage)},
        "sync": {"link": value(LinkFact(connected=True), ago_s=300), "partner/hap-zuid": value(partner, ago_s=2)},
    }


def dutch_in(text: str) -> list[str]:
    return DUTCH.findall(TITLES.sub("", text))


def rendered(config: SiteConfig, shown: Screen) -> str:
    panel = Panel(config)
    app = create_app(config, panel.taps, lambda: Look.of(config, panel.clock))
    with app.test_request_context():
        html = render_template("screen.html", screen=shown)
    panel.close()
    return html


def causes() -> list[str]:
    """Everything that sync can say of a link that does not work."""
    told = [each for each in vars(trouble).values() if isinstance(each, trouble.Trouble)]
    host, port = "hub.example", 8883
    refused = [ConnectionRefusedError(), ConnectionResetError(), OSError(), socket.gaierror(), ssl.SSLError("x")]
    told += [trouble.of_error(error, host, port) for error in refused]
    for code in (0, 9, 10, 23, 62, 64):
        failed = ssl.SSLCertVerificationError()
        failed.verify_code = code
        told.append(trouble.of_error(failed, host, port))
    told += [trouble.of_files(OSError(2, "no", "site.pem")), trouble.of_files(OSError())]
    told += [trouble.of_connack(code) for code in (0x84, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x97, 0x99)]
    return sorted({each.screen for each in told})


@pytest.mark.parametrize("told", causes())
def test_why_there_is_no_connection_is_told_in_english_with_the_same_names(tmp_path: Path, told: str) -> None:
    fact = {"link": value(LinkFact(connected=False, problem=told))}
    assert say_cause(told) == told
    shown = screen(known(home(tmp_path), sync=fact), Place("capacity", 1))
    assert shown is not None
    detail = shown.line.detail
    assert detail != told
    assert not re.search(r"\b(de|het|niet|van|geen|locatie|naam|verbinding)\b", detail, re.IGNORECASE), detail
    for name in ("hub.example", "8883", "site.pem", "code 153"):
        assert (name in told) == (name in detail)


@pytest.fixture
def in_english(tmp_path: Path) -> Iterator[Panel]:
    panel = Panel(home(tmp_path))
    yield panel
    panel.close()


@pytest.mark.parametrize(("site", "path"), CASES, ids=lambda each: getattr(each, "__name__", each))
def test_a_screen_in_english_has_no_dutch_word_on_any_display(tmp_path: Path, site: object, path: str) -> None:
    assert callable(site)
    place = parse_place(path)
    assert place is not None
    for told in ({}, facts()):
        config = site(tmp_path)
        shown = screen(known(config, **told), place)
        assert shown is not None
        html = rendered(config, shown)
        said = re.sub(r"<[^>]*?aria-label=\"([^\"]*)\"[^>]*>|<[^>]+>", r" \1 ", html)
        assert dutch_in(said) == [], said
        labels = face(shown, refusal="Deze toets hoort niet bij dit scherm.").labels
        assert dutch_in("\n".join(label.text or "" for label in labels.values())) == []
        for layout in LAYOUTS.values():
            for part in range(parts(shown, layout)):
                objects = drawing(shown, View(place, part), layout).objects
                assert dutch_in("\n".join(str(each.get("text", "")) for each in objects.values())) == []


def test_the_web_s_own_pages_are_english(in_english: Panel) -> None:
    client = browser(in_english)
    page = client.get("/capacity/1").text
    assert '<html lang="en">' in page
    assert all(text in page for text in ("Still right", "never reported", "of 8", "Not saved: the panel does not"))
    assert tap(client, "/tap/capacity/elv-laag", step="+1", place="capacity/1").status_code == 303
    assert "elv-laag" not in client.get("/logboek/1").text
    assert "panel 1 (touch)" in client.get("/logboek/1").text
    assert "Get help: on" in client.get("/pin/giving/yes").text
    assert "This page does not exist." in client.get("/nowhere").text
    refused = client.post("/tap/capacity/respijt", data={"step": "+1"}, headers=OURS)
    assert "This kind of capacity is not known here." in refused.text


def test_home_assistant_hears_english_names(tmp_path: Path) -> None:
    names = {sensor.name for sensor in home_assistant.sensors(centre(tmp_path))}
    assert names == {"Callers waiting", "Longest wait", "Chance of 2 minutes", "Desks free", "Desks staffed"}
    assert (
        dutch_in(" ".join(sensor.name + " " + sensor.unit for sensor in home_assistant.sensors(home(tmp_path)))) == []
    )
