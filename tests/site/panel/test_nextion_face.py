"""What stands on a serial display, and that its drawing has room for it and for fingers."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import get_args

import pytest
from panel_site import BOOT, NOON, nursing_home, reporting, triage_centre, value
from panel_site import known as known_at

from zorgkiosk.contract.events import Triage
from zorgkiosk.contract.status import SiteState
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.facts import CapacityFact, DeskPresence, LinkFact
from zorgkiosk.site.panel.keys import Key
from zorgkiosk.site.panel.known import DeskFailed, LostSeen, PendingTap
from zorgkiosk.site.panel.nextion_face import (
    Face,
    Written,
    face,
    fresh_page,
    shorten,
    steps,
)
from zorgkiosk.site.panel.nextion_label import ALARM, ON, STATES, TONES, rgb565
from zorgkiosk.site.panel.nextion_layout import EDGE, GAP, HEIGHT, KEY, PAGES, START, WIDTH, Box, Page, key_at
from zorgkiosk.site.panel.nextion_protocol import latin
from zorgkiosk.site.panel.screen import Place, screen
from zorgkiosk.site.panel.view import Tone

ELV = {"code": "elv-laag", "total": 8, "ask_expected": True, "limits": ["isolatie", "alleen-m", "alleen-v"]}
BEDS = ("elv-laag", "elv-hoog", "wlz-crisis", "respijt", "hospice")

WORDS = """
page ref click get print prints printh vis tsw randset add cle addt sendme covx strlen btlen substr spstr rest wepo
repo wept rept cfgpio ucopy play move setlayer cls pic picq xpic xstr fill line draw cir cirs if for while doevents
connect dp dim dims baud bauds spax spay thc thdra ussp thsp thup sendxy delay sleep bkcmd rand wup usup recmod usize
audio volume
"""


def at(config: SiteConfig, place: Place, refusal: str | None = None, **parts: object) -> Face:
    shown = screen(known_at(config, **parts), place)
    assert shown is not None
    return face(shown, refusal)


def test_a_nursing_home_s_first_page(tmp_path: Path) -> None:
    panel = {
        "capacity/elv-laag": value(CapacityFact(category="elv-laag", free=2, total=8), ago_s=240),
        "pending/elv-hoog": value(PendingTap(free=-1), ago_s=1),
    }
    sync = {"link": value(LinkFact(connected=True))}
    shown = at(nursing_home(tmp_path, BEDS), Place("capacity", 1), panel=panel, sync=sync)
    texts = {name: str(label.text) for name, label in shown.labels.items() if label.visible}
    assert shown.page == "capacity"
    assert [texts[f"{letter}0"] for letter in "tnvwa"] == ["ELV laag complex", "2", "van 8", "actueel", "4 min geleden"]
    assert [texts[f"{letter}1"] for letter in "tnwa"] == ["ELV hoog complex", "−1", "bewaard", "op dit apparaat"]
    assert [texts[f"{letter}2"] for letter in "nwa"] == ["?", "onbekend", "nog nooit gemeld"]
    assert texts["ok"] == "Klopt nog\n2 onbekend" and texts["bnext"] == "Meer 1/2\n1 onbekend"
    assert texts["title"] == "VVT De Linde" and texts["clock"].endswith("14:05") and texts["conn"] == "verbonden"
    assert texts["says"] == "Bewaard. Wordt over 4 s verzonden." and texts["undo"] == "Ongedaan\nmaken"
    assert shown.labels["w0"].colour == STATES["current"] and shown.labels["w1"].colour == STATES["pending"]
    assert not shown.labels["btri"].visible


def test_what_is_not_there_is_hidden(tmp_path: Path) -> None:
    full = {"capacity/elv-laag": value(CapacityFact(category="elv-laag", free=8, total=8))}
    shown = at(nursing_home(tmp_path), Place("capacity", 1), panel=full)
    hidden = {name for name, label in shown.labels.items() if not label.visible}
    rest = {f"{letter}{number}" for letter in "tnvwampe" for number in (2, 3)}
    assert hidden == rest | {"p0", "e0", "e1", "undo", "btri", "bnext"}


def test_a_refusal_takes_the_line(tmp_path: Path) -> None:
    shown = at(nursing_home(tmp_path), Place("capacity", 1), refusal="Deze toets hoort niet bij dit scherm.")
    assert shown.labels["says"].text == "Deze toets hoort niet bij dit scherm."
    assert shown.labels["says"].colour == ALARM and shown.labels["detail"].text == ""


def test_a_triage_centre(tmp_path: Path) -> None:
    config = triage_centre(tmp_path, desks=7)
    triage = Triage(
        desks_present=1,
        desks_free=0,
        waiting=3,
        longest_wait_s=125,
        chance_2min=0.41,
        pressure="rood",
        accepting_overflow=True,
        helped_by={"hap-zuid": 2},
        helping={},
    )
    shown = at(
        config,
        Place("triage", 1),
        panel={"desk/desk-1": value(DeskPresence(present=True))},
        telephony={"triage": value(triage)},
    )
    texts = {name: str(label.text) for name, label in shown.labels.items() if label.visible}
    assert texts["waiting"] == "3" and texts["longest"] == "langste: 2 min 05 s"
    assert texts["chance"] == "kans op 2 min: 41 %" and texts["pressure"] == "druk: rood"
    assert texts["d0"].startswith("Werkplek 1\n") and "d5" not in texts and texts["bnext"] == "Meer 1/2"
    assert texts["help0"] == "Wij krijgen hulp van HAP Zuid: 2 gesprekken"
    assert texts["give"] == "Hulp krijgen\naan" and texts["breg"] == "Regio" and "bcap" not in texts
    assert shown.labels["pressure"].colour == ALARM


def test_the_region(tmp_path: Path) -> None:
    nobody = at(nursing_home(tmp_path), Place("regio", 1))
    assert nobody.labels["r0"].text == "Nog van niemand in de regio iets gehoord."
    ages = {"due_s": 100, "overdue_s": 200, "unknown_s": 300}
    capacity = {"category": "elv-laag", "free": 3, "total": 9, "age_s": 60, "freshness": ages}
    clocks = {"said_at": NOON.isoformat(), "boot_id": BOOT, "uptime_ms": 1, "clock_synced": True}
    state = SiteState.model_validate(
        {"site": "vvt-eik", "region": "oost", "title": "De Eik", "capacity": [capacity], **clocks}
    )
    shown = at(nursing_home(tmp_path), Place("regio", 1), sync={"partner/vvt-eik": value(state, ago_s=5)})
    assert shown.labels["r0"].text == "De Eik" and shown.labels["h0"].text == "zojuist"
    assert shown.labels["c0"].text == "ELV laag complex: 3"
    assert not shown.labels["bnext"].visible and shown.labels["bhome"].text == "Terug"


def test_by_night_it_is_dim(tmp_path: Path) -> None:
    config = nursing_home(tmp_path)
    by_day = at(config, Place("capacity", 1))
    assert by_day.brightness == 100 and b"dim=100\xff\xff\xff" in [step.instruction for step in steps(by_day, {})]


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    config = nursing_home(tmp_path)
    before = at(config, Place("capacity", 1))
    written: Written = fresh_page("capacity")
    for step in steps(before, written):
        written[step.name, step.attribute] = step.value
    assert steps(before, written) == []
    after = at(config, Place("capacity", 1), panel={"pending/elv-laag": value(PendingTap(free=1))})
    changed = {step.name for step in steps(after, written)}
    assert changed == {"n0", "w0", "a0", "ok", "undo", "says"}


def test_nothing_is_written_to_what_is_hidden(tmp_path: Path) -> None:
    shown = at(nursing_home(tmp_path), Place("capacity", 1))
    hidden = {name for name, label in shown.labels.items() if not label.visible}
    todo = steps(shown, fresh_page("capacity"))
    assert {step.attribute for step in todo if step.name in hidden} == {"vis"}
    assert not [step for step in todo if step.attribute == "vis" and step.name not in hidden], "drawn in sight"


@pytest.mark.parametrize(
    ("page", "place"),
    [
        ("capacity", Place("capacity", 1)),
        ("triage", Place("triage", 1)),
        ("regio", Place("regio", 1)),
        ("expect", Place("detail", 1)),
        ("why", Place("detail", 2)),
    ],
)
def test_a_page_says_everything_it_has(page: str, place: Place, tmp_path: Path) -> None:
    config = triage_centre(tmp_path) if page == "triage" else reporting(tmp_path, ELV, {"code": "seh"})
    named = {component.name for component in PAGES[page].components if component.kind != "variable"}
    shown = at(config, place)
    assert shown.page == page and set(shown.labels) == named


def test_every_page_is_shown_by_some_screen() -> None:
    assert list(PAGES) == ["capacity", "triage", "regio", "expect", "why"]
    assert [page.number for page in PAGES.values()] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_the_drawing_has_room_for_fingers(page: Page) -> None:
    components = page.components
    seen = [component for component in components if component.kind != "variable"]
    for each in seen:
        assert each.box.x >= EDGE and each.box.x + each.box.w <= WIDTH - EDGE, each.name
        assert each.box.y >= 0 and each.box.y + each.box.h <= HEIGHT, each.name
        assert each.key is None or min(each.box.w, each.box.h) >= KEY, each.name
    for one, other in itertools.combinations(seen, 2):
        if {one.kind, other.kind} == {"text", "hotspot"}:
            continue  # which lies on top of the number it speaks of
        both_keys = one.key is not None and other.key is not None
        assert gap(one.box, other.box) >= (GAP if both_keys else 0), f"{one.name} and {other.name}"
    kinds = [each.kind for each in components]
    keys, hotspots = kinds.count("key"), kinds.count("hotspot")
    assert kinds[:keys] == ["key"] * keys, "keys come first"
    assert kinds[len(kinds) - hotspots :] == ["hotspot"] * hotspots, "a hotspot lies on top of all texts"
    assert all((each.key is not None) == (each.kind in ("key", "hotspot")) for each in components)
    assert len(components) < 250 and len({each.name for each in components}) == len(components)


def test_no_component_is_called_like_a_page_or_an_instruction() -> None:
    """Words of the Nextion Instruction Set, sections 3, 4 and 6."""
    taken = set(WORDS.split())
    named = {component.name for page in PAGES.values() for component in page.components}
    assert not named & (taken | {*PAGES, START})


def gap(one: Box, other: Box) -> int:
    return max(
        other.x - (one.x + one.w), one.x - (other.x + other.w), other.y - (one.y + one.h), one.y - (other.y + other.h)
    )


def test_a_touch_is_a_key() -> None:
    assert key_at(1, 1) == ("capacity", Key("less", 1)) and key_at(1, 2) == ("capacity", Key("more", 1))
    assert key_at(1, 9) == ("capacity", Key("confirm")) and key_at(1, 0) == ("capacity", None)
    assert key_at(1, PAGES["capacity"].number_of("e1")) == ("capacity", Key("detail", 2))
    assert key_at(4, 1) == ("expect", Key("limit", 1)) and key_at(5, 7) == ("why", Key("end", 1))
    assert key_at(2, PAGES["triage"].number_of("seen")) == ("triage", Key("seen"))
    assert key_at(2, 1) == ("triage", Key("desk", 1)) and key_at(3, 1) == ("regio", Key("home"))
    assert key_at(1, 200) == ("capacity", None) and key_at(0, 1) == ("start", None) and key_at(9, 1) == ("", None)


@pytest.mark.parametrize(
    ("text", "letters", "short"),
    [("kort", 4, "kort"), ("te lang hier", 8, "te la..."), ("te lang", 6, "te..."), ("lang", 2, "..")],
)
def test_shortening(text: str, letters: int, short: str) -> None:
    assert shorten(text, letters) == short


def test_colours() -> None:
    assert (rgb565("#ffffff"), rgb565("#ff0000"), rgb565("#00ff00"), rgb565("#0000ff")) == (65535, 63488, 2016, 31)


def test_all_our_words_exist_in_the_usual_font(tmp_path: Path) -> None:
    pages = [
        at(nursing_home(tmp_path, BEDS), Place("capacity", 1)),
        at(triage_centre(tmp_path), Place("triage", 1)),
        at(triage_centre(tmp_path), Place("regio", 1)),
        at(reporting(tmp_path, ELV), Place("detail", 1)),
        at(reporting(tmp_path, {"code": "seh"}), Place("detail", 1)),
    ]
    for shown in pages:
        for name, label in shown.labels.items():
            assert label.text is None or latin(label.text).count("?") == label.text.count("?"), f"{name}: {label.text}"


def test_a_status_is_read_in_full_and_stepped_through(tmp_path: Path) -> None:
    panel = {"capacity/seh": value(CapacityFact(category="seh", status="dreigend", reason="drukte"), ago_s=240)}
    shown = at(reporting(tmp_path, {"code": "seh"}, {"code": "ggz-crisis"}), Place("capacity", 1), panel=panel)
    texts = {name: str(label.text) for name, label in shown.labels.items() if label.visible}
    assert texts["v0"] == "Meer »" and shown.labels["e0"].visible and not shown.labels["e2"].visible
    assert [texts[f"{letter}0"] for letter in "wamp"] == ["dreigende stop", "actueel\n4 min geleden", "<", ">"]
    assert [texts[f"{letter}1"] for letter in "wap"] == ["onbekend", "onbekend\nnog nooit gemeld", ">"]


def seen_texts(shown: Face) -> dict[str, str]:
    return {name: label.text for name, label in shown.labels.items() if label.visible and label.text}


def test_what_more_is_said_of_a_number(tmp_path: Path) -> None:
    config = reporting(tmp_path, ELV)
    told = CapacityFact(category="elv-laag", free=2, total=8, expected_free_24h=3, limits=("isolatie",))
    shown = at(config, Place("detail", 1), panel={"capacity/elv-laag": value(told, ago_s=240)})
    texts = seen_texts(shown)
    assert (texts["name"], texts["now"]) == ("ELV laag complex", "2 van 8 · actueel · 4 min geleden")
    assert texts["asklim"] == "Beperkingen van wat vrij is" and texts["askexp"] == "Hoeveel zijn er over 24 uur vrij?"
    assert [texts.get(f"l{n}") for n in range(4)] == ["isolatie\ngekozen", "alleen man", "alleen vrouw", None]
    assert shown.labels["l0"].colour == ON != shown.labels["l1"].colour
    assert (texts["less"], texts["n24"], texts["v24"], texts["more"], texts["bback"]) == (
        "-",
        "3",
        "van 8",
        "+",
        "Terug",
    )
    tile = seen_texts(at(config, Place("capacity", 1), panel={"capacity/elv-laag": value(told, ago_s=240)}))
    assert tile["v0"] == "van 8\n24 u: 3\nMeer »"


def test_of_an_unknown_number_nothing_more_can_be_said(tmp_path: Path) -> None:
    texts = seen_texts(at(reporting(tmp_path, ELV), Place("detail", 1)))
    assert texts["asklim"] == "Tik eerst hoeveel er nu vrij is." and texts["now"] == "onbekend · nog nooit gemeld"
    assert not {"l0", "less", "more"} & set(texts)


def test_why_and_until_when_of_a_status(tmp_path: Path) -> None:
    panel = {"capacity/seh": value(CapacityFact(category="seh", status="stop", reason="geen-bedden"), ago_s=240)}
    shown = at(reporting(tmp_path, {"code": "seh"}), Place("detail", 1), panel=panel)
    texts = seen_texts(shown)
    assert (
        texts["now"] == "stop · actueel · 4 min geleden" and texts["askwhy"] == "Waarom?" and texts["askend"] == "Tot"
    )
    assert [texts[f"y{n}"] for n in (0, 2, 5)] == ["drukte", "geen bedden in huis\ngekozen", "andere reden"]
    assert [texts[f"z{n}"] for n in (0, 3, 5)] == ["over 1 uur\n15:05", "18:00\nvandaag", "onbekend\ngekozen"]


def test_a_lost_call_and_a_desk_that_failed_stand_there_until_seen(tmp_path: Path) -> None:
    config = triage_centre(tmp_path)
    calm = at(config, Place("triage", 1), panel={"lost": value(LostSeen(count=2, rose=True, seen=2), ago_s=60)})
    assert not calm.labels["seen"].visible and calm.labels["lost"].text == "2 oproepen verloren, laatst 14:04"
    panel = {
        "lost": value(LostSeen(count=2, rose=True, seen=0), ago_s=60),
        "failed/desk-2": value(DeskFailed(since_uptime_ms=5)),
    }
    alarmed = at(config, Place("triage", 1), panel=panel)
    assert seen_texts(alarmed)["seen"] == "Gezien"
    assert alarmed.labels["lost"].text == "2 oproepen verloren. Werkplek 2 nam niet op 14:05"
    assert alarmed.labels["lost"].colour == alarmed.labels["seen"].colour == ALARM


def test_a_reminder_stands_in_the_line(tmp_path: Path) -> None:
    """Every tone of the line has its colour, also that of a question."""
    assert set(TONES) == set(get_args(Tone))
    old = {"capacity/elv-laag": value(CapacityFact(category="elv-laag", free=2, total=8), ago_s=9 * 3600)}
    sync = {"link": value(LinkFact(connected=True))}
    shown = at(nursing_home(tmp_path), Place("capacity", 1), panel=old, sync=sync)
    assert seen_texts(shown)["says"] == "Klopt het nog? 1 aantal te bevestigen."
    assert shown.labels["says"].colour == STATES["due"]
