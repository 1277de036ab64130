"""The panel's screens on plates of both sizes: words, keys, what is sent and what is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from panel_site import Panel, known, nursing_home, reporting, triage_centre, value

from shipped import HARDWARE
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.config_plates import Size
from zorgkiosk.site.facts import CapacityFact
from zorgkiosk.site.panel import openhasp_pages as pages
from zorgkiosk.site.panel import openhasp_protocol as protocol
from zorgkiosk.site.panel import words
from zorgkiosk.site.panel.keys import Key, press
from zorgkiosk.site.panel.known import DeskFailed, Known, LostSeen
from zorgkiosk.site.panel.openhasp_face import View, after, drawing, key_of, parts
from zorgkiosk.site.panel.openhasp_pages import LAYOUTS, Box, jsonl, objects, tile_id
from zorgkiosk.site.panel.openhasp_plate import HOME_AFTER_S, Plate
from zorgkiosk.site.panel.openhasp_words import on_plate
from zorgkiosk.site.panel.screen import Place, home, screen

SIZES: tuple[Size, ...] = ("480x320", "800x480")
MILLIMETRE_PX = {"480x320": 165 / 25.4, "800x480": 133 / 25.4}


def gap(one: Box, other: Box) -> int:
    return max(one.x - other.x - other.w, other.x - one.x - one.w, one.y - other.y - other.h, other.y - one.y - one.h)


@pytest.mark.parametrize("size", SIZES)
def test_keys_are_20_mm_with_3_mm_between_and_nothing_overlaps(size: Size) -> None:
    layout = LAYOUTS[size]
    for page in pages.PAGES.values():
        here = {number: box for (at, number), box in layout.where.items() if at == page}
        for number, box in here.items():
            assert box.x >= 0 and box.y >= 0 and box.x + box.w <= layout.width and box.y + box.h <= layout.height
            if number in pages.KEYS:
                assert min(box.w, box.h) >= 20 * MILLIMETRE_PX[size] - 0.5
            for other, there in here.items():
                if other <= number or {number, other} <= {pages.desk_id(1), pages.GIVING, pages.ACCEPTING}:
                    continue  # a small plate shows one of these three at a time
                if {number, other} & pages.OVER and not {number, other} <= set(pages.KEYS):
                    continue  # it lies over the number that it speaks of
                if pages.EXPECTED in (number, other):
                    continue  # the number stands between − and +, where there is no other choice then
                both = number in pages.KEYS and other in pages.KEYS
                assert gap(box, there) >= (3 * MILLIMETRE_PX[size] - 0.5 if both else 0), (page, number, other)


@pytest.mark.parametrize("size", SIZES)
def test_the_shipped_pages_are_these(size: Size) -> None:
    text = (HARDWARE / "openhasp" / f"pages-{size}.jsonl").read_text(encoding="utf-8")
    assert text == jsonl(size)
    seen = [(each["page"], each["id"]) for each in objects(size)]
    assert len(seen) == len(set(seen))


def test_the_readme_names_every_object() -> None:
    text = (HARDWARE / "openhasp" / "README.md").read_text(encoding="utf-8")
    named = {int(cell) for line in text.splitlines() if line.startswith("|") for cell in line.split("|")[1].split()
             if cell.isdigit()}  # fmt: skip
    ids = {number for layout in LAYOUTS.values() for _, number in layout.where}
    assert {number for number in ids if number < 10 or number > 45} - named == set()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("✓ actueel · 4 min", "\ue12c actueel · 4 min"),
        ("−2", "-2"),
        ("Café „Zon”", "Café ?Zon?"),
        ("kamer #3", "kamer ##3"),
        ("x" * 300, "x" * 197 + "..."),
    ],
)
def test_words_in_the_characters_of_a_plate(text: str, shown: str) -> None:
    assert on_plate(text) == shown


def test_every_shape_of_the_panel_is_there_on_a_plate() -> None:
    shapes = {*words.SHAPES.values(), *words.PRESSURE_SHAPES.values(), *words.GRADE_SHAPES.values(), "…", "−", "–", "·"}
    shapes |= {shape for shape, _ in words.DESKS.values()}
    assert {shape for shape in shapes if "?" in on_plate(shape)} == {"?"}


@given(st.text())
def test_any_word_can_be_shown(text: str) -> None:
    assert len(on_plate(text)) <= 200 and "\n" not in on_plate(text)


def reported(tmp_path: Path, codes: tuple[str, ...] = ("elv-laag", "elv-hoog")) -> Known:
    config = nursing_home(tmp_path, codes)
    facts = {
        f"capacity/{code}": value(CapacityFact(category=code, free=n, total=8), 240) for n, code in enumerate(codes)
    }
    return known(config, panel=facts)


def test_a_large_plate_shows_what_the_browser_shows(tmp_path: Path) -> None:
    now = reported(tmp_path)
    whole = screen(now, Place("capacity", 1))
    assert whole is not None
    shown = drawing(whole, View(whole.place), LAYOUTS["800x480"])
    assert shown.page == pages.CAPACITY
    assert shown.objects[tile_id(2, pages.NAME)]["text"] == "ELV hoog complex"
    assert shown.objects[tile_id(2, pages.NUMBER)]["text"] == "1"
    assert shown.objects[tile_id(1, pages.NUMBER)]["text"] == "0 van 8"
    assert shown.objects[tile_id(1, pages.STATE)]["text"] == "\ue12c actueel · 4 min geleden"
    assert shown.objects[tile_id(3, pages.MORE)] == {"hidden": True}
    assert key_of(shown, tile_id(2, pages.MORE)) == Key("more", 2)
    assert key_of(shown, tile_id(3, pages.MORE)) is None
    assert key_of(shown, pages.UNDO) is None
    assert key_of(shown, pages.NEXT) is None
    assert key_of(shown, pages.TITLE) is None
    assert key_of(shown, 200) is None


def test_a_small_plate_confirms_only_what_it_shows(tmp_path: Path) -> None:
    whole = screen(reported(tmp_path), Place("capacity", 1))
    assert whole is not None
    shown = drawing(whole, View(whole.place, 1), LAYOUTS["480x320"])
    assert shown.objects[tile_id(1, pages.NAME)]["text"] == "ELV hoog complex"
    assert shown.screen.body.seen == (("elv-hoog", 1),)  # type: ignore[union-attr]
    assert {number for number in shown.objects if 20 <= number < 50} == set()


def test_an_unknown_number_is_hidden(tmp_path: Path) -> None:
    whole = screen(known(nursing_home(tmp_path)), Place("capacity", 1))
    assert whole is not None
    shown = drawing(whole, View(whole.place), LAYOUTS["800x480"])
    assert shown.objects[tile_id(1, pages.NUMBER)]["text"] == "? van 8"


def test_a_status_is_shown_and_confirmed(tmp_path: Path) -> None:
    config = nursing_home(tmp_path, ("elv-laag", "seh"))
    stop = value(CapacityFact(category="seh", status="stop", reason="drukte"), 240)
    whole = screen(known(config, panel={"capacity/seh": stop}), Place("capacity", 1))
    assert whole is not None
    for size, part, tile in (("800x480", 0, 3), ("480x320", 1, 1)):
        shown = drawing(whole, View(whole.place, part), LAYOUTS[size])  # type: ignore[index]
        assert shown.objects[tile_id(tile, pages.NUMBER)]["text"] == "stop"
        assert "actueel · 4 min geleden" in str(shown.objects[tile_id(tile, pages.STATE)]["text"])
        assert "drukte" in str(shown.objects[tile_id(tile, pages.STATE)]["text"])
        if size == "480x320":
            assert key_of(shown, tile_id(tile, pages.LESS)) == Key("less", 1), "back to the choice before"
            assert key_of(shown, tile_id(tile, pages.MORE)) is None, "it is the last one"
        assert ("seh", "stop") in shown.screen.body.seen  # type: ignore[union-attr]


def test_a_large_plate_chooses_a_status(tmp_path: Path) -> None:
    panel = Panel(nursing_home(tmp_path, ("elv-laag", "seh")))
    whole = screen(panel.look.known(), Place("capacity", 1))
    assert whole is not None
    shown = drawing(whole, View(whole.place), LAYOUTS["800x480"])
    row = [tile_id(slot, part) for slot in (3, 4) for part in (pages.LESS, pages.MORE)]
    assert [key_of(shown, number) for number in row] == [Key("choose", 1), Key("choose", 2), Key("choose", 3), None]
    assert key_of(shown, tile_id(1, pages.MORE)) == Key("more", 1)
    assert key_of(shown, tile_id(2, pages.MORE)) is None
    assert [str(shown.objects[number].get("text")).split(" ", 1)[-1] for number in row[:3]] == [
        *("open", "dreigende stop", "stop"),
    ]
    press(panel.taps, panel.config, shown.screen, Key("choose", 3))
    whole = screen(panel.look.known(), Place("capacity", 1))
    assert whole is not None
    after = drawing(whole, View(whole.place), LAYOUTS["800x480"])
    assert after.objects[tile_id(3, pages.NUMBER)]["text"] == "stop"
    assert after.objects[row[2]]["bg_color"] != after.objects[row[0]]["bg_color"]
    panel.close()


def came_online(now: Known, size: Size = "800x480") -> Plate:
    plate = Plate("balie", size, home(now.config))
    assert plate.draw(now, 0.0) == [], "an offline plate costs nothing"
    plate.hear(protocol.Online("balie"), 0.0)
    assert plate.draw(now, 0.0)
    return plate


def lines(messages: list[protocol.Message]) -> list[dict[str, object]]:
    return [
        json.loads(line)
        for message in messages
        if message.topic.endswith("/jsonl")
        for line in message.payload.splitlines()
    ]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("site", [nursing_home, triage_centre])
def test_a_plate_that_comes_back_gets_everything(tmp_path: Path, size: Size, site: object) -> None:
    now = known(site(tmp_path))  # type: ignore[operator]
    plate = Plate("balie", size, home(now.config))
    plate.hear(protocol.Online("balie"), 0.0)
    messages = plate.draw(now, 0.0)
    assert [message.topic.rpartition("/")[2] for message in messages[:4]] == ["clearpage"] * 4
    assert messages[-1].topic == "hasp/balie/command/page"
    made = [line for line in lines(messages) if "obj" in line]
    assert len(made) == len(LAYOUTS[size].where)
    assert plate.draw(now, 0.1) == [], "nothing changed, nothing is sent"


def test_only_what_changed_is_sent(tmp_path: Path) -> None:
    plate = came_online(reported(tmp_path))
    changed = known(nursing_home(tmp_path), panel={
        "capacity/elv-laag": value(CapacityFact(category="elv-laag", free=5, total=8), 240),
        "capacity/elv-hoog": value(CapacityFact(category="elv-hoog", free=1, total=8), 240),
    })  # fmt: skip
    assert lines(plate.draw(changed, 5.0)) == [
        {"page": 1, "id": tile_id(1, pages.NUMBER), "text": "5 van 8"},
    ]
    assert plate.draw(changed, 6.0) == []


@pytest.mark.parametrize(
    ("heard", "at_s", "whole"),
    [
        (protocol.Online("balie"), 5.0, True),
        (protocol.Online("balie"), 0.5, False),  # a plate that cries wolf
        (protocol.Idled("balie", "long"), 5.0, True),
        (protocol.Idled("balie", "off"), 5.0, False),
        (protocol.Status("balie", 200, 480, 320), 5.0, False),
        (protocol.Status("balie", 200, 480, 320), 300.0, True),
        (protocol.Status("balie", 3, 480, 320), 5.0, True),  # it was reset
    ],
)
def test_when_everything_is_sent_again(tmp_path: Path, heard: protocol.Heard, at_s: float, whole: bool) -> None:
    now = known(nursing_home(tmp_path))
    plate = came_online(now)
    plate.hear(protocol.Status("balie", 100, 480, 320), 0.0)
    plate.hear(heard, at_s)
    assert any("obj" in line for line in lines(plate.draw(now, at_s))) == whole
    assert (plate.draw(now, at_s + 2.0) != []) == (heard == protocol.Online("balie") and not whole)


def up(number: int, page: int = 1, event: protocol.Event = "up") -> protocol.Touched:
    return protocol.Touched("balie", page, number, event)


def test_a_key_acts_on_release_and_once(tmp_path: Path) -> None:
    plate = came_online(reported(tmp_path))
    more, other = tile_id(1, pages.MORE), tile_id(2, pages.MORE)
    assert plate.hear(up(more, event="down"), 10.0) is None
    assert plate.hear(up(more), 10.1) == Key("more", 1)
    assert plate.hear(up(more), 10.2) is None, "a bounce"
    assert plate.hear(up(other), 10.2) == Key("more", 2), "another key is another finger"
    assert plate.hear(up(more), 10.51) == Key("more", 1)
    assert plate.hear(up(more, event="release"), 11.0) == Key("more", 1), "a slow finger"
    assert plate.hear(up(more, event="hold"), 12.0) is None
    assert plate.hear(up(more, page=2), 13.0) is None, "not the page that is shown"
    assert plate.hear(up(tile_id(4, pages.MORE)), 14.0) is None, "no such tile here"
    assert plate.hear(up(233), 15.0) is None


def test_a_plate_that_touches_faster_than_hands_is_slowed_down(tmp_path: Path) -> None:
    plate = came_online(reported(tmp_path))
    keys = [tile_id(1, pages.MORE), tile_id(1, pages.LESS)]
    taken = sum(plate.hear(up(keys[n % 2]), 100.0 + n / 1000) is not None for n in range(1, 5_001))
    assert 35 <= taken <= 41, "ten at once, then six a second"
    assert plate.hear(up(pages.CONFIRM), 110.0) == Key("confirm")


def test_after_30_s_without_a_touch_it_is_home_again(tmp_path: Path) -> None:
    now = reported(tmp_path)
    plate = came_online(now)
    assert plate.hear(up(pages.TO_REGIO), 10.0) == Key("regio")
    plate.go(Key("regio"), Place("regio", 1))
    assert plate.draw(now, 10.1)[-1] == protocol.show_page("balie", pages.REGIO)
    assert plate.draw(now, 10.0 + HOME_AFTER_S - 0.1) == []
    assert plate.draw(now, 10.0 + HOME_AFTER_S)[-1] == protocol.show_page("balie", pages.CAPACITY)
    assert plate.hear(up(pages.CONFIRM), 10.2 + HOME_AFTER_S) is None, "that finger meant the other screen"
    assert plate.hear(up(pages.CONFIRM), 10.4 + HOME_AFTER_S) == Key("confirm")


def places(plate: Plate, now: Known, at_s: Iterator[int]) -> Iterator[str]:
    while True:
        shown = plate.shown
        assert shown is not None
        yield f"{shown.view.place}.{shown.view.part}"
        assert plate.hear(up(pages.NEXT, shown.page), next(at_s)) == Key("next")
        assert plate.go_round(now)
        plate.draw(now, next(at_s))


def test_a_small_plate_goes_round(tmp_path: Path) -> None:
    now = reported(tmp_path, ("elv-laag", "elv-hoog", "grz", "respijt", "hospice"))
    seen = places(came_online(now, "480x320"), now, iter(range(10, 99)))
    assert [next(seen) for _ in range(7)] == [
        *("capacity/1.0", "capacity/1.1", "capacity/1.2", "capacity/1.3", "capacity/2.0", "regio/1.0", "capacity/1.0"),
    ]
    centre = known(triage_centre(tmp_path))
    seen = places(came_online(centre, "480x320"), centre, iter(range(10, 99)))
    assert [next(seen) for _ in range(7)] == [
        *("triage/1.0", "triage/1.1", "triage/1.2", "triage/1.3", "regio/1.0", "regio/1.1", "triage/1.0"),
    ]


def test_a_small_triage_plate_shows_one_action_at_a_time(tmp_path: Path) -> None:
    whole = screen(known(triage_centre(tmp_path)), Place("triage", 1))
    assert whole is not None
    one_of = (pages.desk_id(1), pages.GIVING, pages.ACCEPTING)
    for part, there in enumerate((pages.desk_id(1), pages.desk_id(1), pages.GIVING, pages.ACCEPTING)):
        shown = drawing(whole, View(whole.place, part), LAYOUTS["480x320"])
        assert [number for number in one_of if not shown.objects[number]["hidden"]] == [there]


ELV = {"code": "elv-laag", "total": 8, "ask_expected": True, "limits": ["isolatie", "alleen-m", "alleen-v"]}


def hospital(folder: Path) -> SiteConfig:
    """More can be said of both of its categories."""
    return reporting(folder, ELV, {"code": "seh"}, undo_s=0)


@pytest.mark.long
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("site", [nursing_home, triage_centre, hospital])
def test_every_key_that_a_plate_offers_is_one_that_the_panel_knows(tmp_path: Path, size: Size, site: object) -> None:
    panel = Panel(site(tmp_path))  # type: ignore[operator]
    pressed: set[str] = set()
    for place in [*(Place(kind, 1) for kind in pages.PAGES), Place("detail", 2)]:
        if site is hospital:
            panel.taps.step("elv-laag", 1)
            panel.taps.choose("seh", "stop")
        whole = screen(panel.look.known(), place)
        for part in range(parts(whole, LAYOUTS[size]) if whole else 0):
            for number in range(256):
                whole = screen(panel.look.known(), place)
                assert whole is not None
                shown = drawing(whole, View(place, part), LAYOUTS[size])
                key = key_of(shown, number)
                if key is not None and key.verb != "confirm" and (key.verb, place.kind) != ("next", "detail"):
                    press(panel.taps, panel.config, shown.screen, key)  # no RefusedError
                    pressed.add(key.verb)
    own = {
        nursing_home: {"less", "more"},
        triage_centre: {"desk", "giving", "accepting"},
        hospital: {"less", "more", "detail", "limit", "reason", "end", "capacity"},
    }[site]  # type: ignore[index]
    assert own | {"home", "next" if size == "480x320" else "regio"} <= pressed
    panel.close()


def test_a_refusal_is_the_line_for_a_while(tmp_path: Path) -> None:
    now = reported(tmp_path)
    plate = came_online(now)
    plate.tell("Er is niets te bevestigen: tik eerst wat er nu is.", 10.0)
    assert [line["text"] for line in lines(plate.draw(now, 10.0))] == [
        "Er is niets te bevestigen: tik eerst wat er nu is."
    ]
    assert "Er is niets" not in str(lines(plate.draw(now, 16.1)))


def test_a_store_that_refuses_is_told_on_the_plate(tmp_path: Path) -> None:
    panel = Panel(nursing_home(tmp_path))
    plate = came_online(panel.look.known())
    told = plate.draw(panel.look.known("de opslag is vol. Bel de technicus."), 5.0)
    assert "Kon niet bewaren: de opslag is vol. Bel de technicus (storing 41)." in str(lines(told))
    panel.close()


def told(tmp_path: Path) -> Known:
    beds = CapacityFact(category="elv-laag", free=2, total=8, expected_free_24h=3, limits=("alleen-v",))
    stop = CapacityFact(category="seh", status="stop", reason="geen-bedden")
    facts = {"capacity/elv-laag": value(beds, 240), "capacity/seh": value(stop, 240)}
    return known(hospital(tmp_path), panel=facts)


def test_a_number_leads_to_its_own_page_and_back(tmp_path: Path) -> None:
    now = told(tmp_path)
    for size, more in (("800x480", tile_id(4, pages.SAY_MORE)), ("480x320", tile_id(1, pages.SAY_MORE))):
        plate = came_online(now, size)  # type: ignore[arg-type]
        if size == "480x320":
            assert plate.go_round(now)
            plate.draw(now, 1.0)
        key = plate.hear(up(more), 10.0)
        assert key is not None and key.verb == "detail", "the status stands in the second row"
        plate.go(key, Place("detail", 2))
        assert plate.draw(now, 10.1)[-1] == protocol.show_page("balie", pages.DETAIL)
        assert plate.hear(up(pages.TO_CAPACITY, pages.DETAIL), 11.0) == Key("capacity")
        plate.go(Key("capacity"), Place("capacity", 1))
        plate.draw(now, 11.1)
        assert plate.shown is not None
        assert plate.shown.view == View(Place("capacity", 1), 1 if size == "480x320" else 0), "at the tile it came from"


def texts(now: Known, place: Place, size: Size, part: int = 0) -> dict[int, str]:
    whole = screen(now, place)
    assert whole is not None
    objects = drawing(whole, View(place, part), LAYOUTS[size]).objects
    return {number: str(each["text"]) for number, each in objects.items() if each.get("text") and not each["hidden"]}


def test_a_large_plate_asks_everything_of_a_category_at_once(tmp_path: Path) -> None:
    beds = texts(told(tmp_path), Place("detail", 1), "800x480")
    assert beds[pages.WHOSE] == "ELV laag complex: 2 van 8 · \ue12c actueel · 4 min geleden"
    assert beds[pages.UPPER_ASKS] == "Beperkingen van wat vrij is"
    assert [beds.get(pages.upper_id(n)) for n in range(1, 5)] == ["isolatie", "alleen man", "alleen vrouw", None]
    assert beds[pages.LOWER_ASKS] == "Hoeveel zijn er over 24 uur vrij?" and beds[pages.EXPECTED] == "3"
    assert (beds[pages.lower_id(1)], beds[pages.lower_id(3)], beds[pages.TO_CAPACITY]) == ("-", "+", "Terug")
    stop = texts(told(tmp_path), Place("detail", 2), "800x480")
    assert (stop[pages.UPPER_ASKS], stop[pages.LOWER_ASKS]) == ("Waarom?", "Tot")
    assert stop[pages.upper_id(3)] == "geen bedden in huis" and stop[pages.lower_id(1)] == "over 1 uur 15:05"
    whole = screen(told(tmp_path), Place("detail", 2))
    assert whole is not None
    shown = drawing(whole, View(whole.place), LAYOUTS["800x480"])
    assert key_of(shown, pages.upper_id(3)) == Key("reason", 3) and key_of(shown, pages.lower_id(6)) == Key("end", 6)
    assert shown.objects[pages.upper_id(3)]["bg_color"] != shown.objects[pages.upper_id(1)]["bg_color"]


def test_a_small_plate_asks_three_at_a_time_and_then_is_back_at_the_tile(tmp_path: Path) -> None:
    now = told(tmp_path)
    whole = screen(now, Place("detail", 2))
    assert whole is not None and parts(whole, LAYOUTS["480x320"]) == 4
    third = drawing(whole, View(whole.place, 2), LAYOUTS["480x320"])
    assert third.objects[pages.UPPER_ASKS]["text"] == "Spoedeisende hulp (SEH): Tot"
    assert [key_of(third, pages.upper_id(n)) for n in (1, 2, 3)] == [Key("end", n) for n in (1, 2, 3)]
    assert after(View(whole.place, 3), whole, LAYOUTS["480x320"]) == View(Place("capacity", 1), 1)
    expected = texts(now, Place("detail", 1), "480x320", 1)
    assert [expected.get(pages.upper_id(n)) for n in (1, 2, 3)] == ["-", None, "+"]
    assert expected[pages.EXPECTED] == "3"


def test_of_an_unknown_number_nothing_more_can_be_said(tmp_path: Path) -> None:
    whole = screen(known(hospital(tmp_path)), Place("detail", 1))
    assert whole is not None
    for size in SIZES:
        shown = drawing(whole, View(whole.place), LAYOUTS[size])
        assert shown.objects[pages.UPPER_ASKS]["text"] == "Tik eerst hoeveel er nu vrij is."
        assert key_of(shown, pages.upper_id(1)) is None


@pytest.mark.parametrize("size", SIZES)
def test_what_went_wrong_at_a_centre_stands_there_until_seen(tmp_path: Path, size: Size) -> None:
    panel = {
        "lost": value(LostSeen(count=2, rose=True, seen=0), 60),
        "failed/desk-2": value(DeskFailed(since_uptime_ms=5)),
    }
    whole = screen(known(triage_centre(tmp_path), panel=panel), Place("triage", 1))
    assert whole is not None
    shown = drawing(whole, View(whole.place), LAYOUTS[size])
    assert str(shown.objects[pages.GAUGES]["text"]).endswith("2 oproepen verloren. Werkplek 2 nam niet op 14:05")
    assert key_of(shown, pages.SEEN) == Key("seen")
    calm = screen(known(triage_centre(tmp_path)), Place("triage", 1))
    assert calm is not None
    assert key_of(drawing(calm, View(calm.place), LAYOUTS[size]), pages.SEEN) is None
