"""What a category shows on a tile, on the page that says more, and in the region; from facts alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from panel_site import NOON, OTHER_BOOT, known, reporting, value

from zorgkiosk.contract.events import format_instant
from zorgkiosk.contract.status import Ack, CapacityState, Freshness, SiteState
from zorgkiosk.site.facts import CapacityFact
from zorgkiosk.site.panel import screen
from zorgkiosk.site.panel.detail import DetailPage, detail_page
from zorgkiosk.site.panel.known import Known, PendingTap, SentFact
from zorgkiosk.site.panel.region import Cell, region_page
from zorgkiosk.site.panel.screen import Place
from zorgkiosk.site.panel.tile import Tile
from zorgkiosk.site.panel.view import capacity_page

HERE = Path("/nowhere")
H = 3600.0
EPOCH = "0123456789abcdef"
WARD = {"code": "grz", "total": 4, "ask_expected": True, "limits": ["isolatie", "alleen-v"]}
HOSPITAL = reporting(HERE, {"code": "seh"}, WARD, {"code": "hospice"}, {"code": "apotheek"})


def only(shown: Known) -> Tile:
    page = capacity_page(shown, 1)
    assert page is not None
    return page.tiles[0]


def seh(age_s: float = 60, **said: Any) -> dict[str, Any]:
    return {"capacity/seh": value(CapacityFact(category="seh", **said), age_s)}


def detail(shown: Known, page: int) -> DetailPage:
    found = detail_page(shown, page)
    assert found is not None
    return found


def ends_in(span_s: float) -> str:
    return format_instant(NOON + timedelta(seconds=span_s))


@pytest.mark.parametrize(
    ("panel", "number", "state", "note", "age"),
    [
        ({}, "?", "unknown", "", "nog nooit gemeld"),
        (seh(status="open"), "open", "current", "", "1 min geleden"),
        (seh(status="dreigend", reason="drukte"), "dreigende stop", "current", "drukte", "1 min geleden"),
        (
            seh(status="stop", reason="personeel", until=ends_in(2 * H)),
            "stop",
            "current",
            "te weinig personeel · tot 16:05",
            "1 min geleden",
        ),
        (seh(status="stop", until=ends_in(20 * H)), "stop", "current", "tot morgen 10:05", "1 min geleden"),
        (seh(status="stop", until=ends_in(60)), "stop", "current", "tot 14:06", "1 min geleden"),
        (seh(status="stop", until=ends_in(0)), "?", "unknown", "", "eindtijd voorbij: kies opnieuw"),
        (seh(2 * H, status="open"), "open", "due", "", "2 uur geleden"),
        (seh(4 * H, status="open"), "open", "overdue", "", "4 uur geleden"),
        (seh(8 * H, status="open"), "?", "unknown", "", "8 uur geleden"),
        (seh(8 * H, status="stop", until=ends_in(H)), "?", "unknown", "", "8 uur geleden"),
        (seh(status="nieuw"), "?", "unknown", "", "1 min geleden"),
        ({"pending/seh": value(PendingTap(status="stop"), 2)}, "stop", "pending", "", "op dit apparaat"),
    ],
)
def test_a_status_grows_old_and_ends(panel: dict[str, Any], number: str, state: str, note: str, age: str) -> None:
    tile = only(known(HOSPITAL, panel=panel))
    assert (tile.kind, tile.name, tile.total) == ("status", "Spoedeisende hulp (SEH)", "")
    assert (tile.number, tile.state, tile.note, tile.age) == (number, state, note, age)
    assert [(choice.code, choice.shape) for choice in tile.choices] == [("open", "●"), ("dreigend", "◐"), ("stop", "■")]
    assert [choice.label for choice in tile.choices if choice.chosen] == ([] if number == "?" else [number])
    assert (tile.shown is None) is (number == "?") and not tile.can_add and not tile.can_take


def test_still_correct_speaks_of_the_code_of_a_status() -> None:
    page = capacity_page(known(HOSPITAL, panel=seh(status="dreigend")), 1)
    assert page is not None and page.seen == (("seh", "dreigend"),) and page.asked == "2 onbekend"


def test_a_ward_shows_what_is_expected_and_for_whom() -> None:
    said = CapacityFact(category="grz", free=1, expected_free_24h=3, limits=("isolatie", "alleen-v"))
    page = capacity_page(known(HOSPITAL, panel={"capacity/grz": value(said)}), 1)
    assert page is not None
    _, ward, hospice = page.tiles
    assert (ward.kind, ward.number, ward.expected, ward.note) == ("count", "1", "24 u: 3", "isolatie · alleen vrouw")
    assert (ward.detail, hospice.detail, hospice.expected) == (2, 0, "")
    page = capacity_page(known(HOSPITAL, panel={"capacity/grz": value(said, 25 * H)}), 1)
    assert page is not None and (page.tiles[1].expected, page.tiles[1].note) == ("24 u: –", "")


ACK = value(Ack(stream="panel", epoch=EPOCH, up_to=7), 120)
ARRIVED = value(SentFact(sequence=7, arrived=True), 300)


@pytest.mark.parametrize(
    ("sent", "sync", "way"),
    [
        (None, {}, ""),
        (value(SentFact(sequence=7)), {}, "op dit apparaat"),
        (value(SentFact(sequence=8)), {"acked/panel": ACK}, "op dit apparaat"),
        (value(SentFact(sequence=7)), {"acked/panel": ACK}, "regio heeft het ✓ 14:03"),
        (ARRIVED, {"acked/panel": ACK}, "regio heeft het ✓ 14:00"),
        (value(SentFact(sequence=7, arrived=True), 20 * H), {}, "regio heeft het ✓"),
        (
            value(SentFact(sequence=7)),
            {"acked/panel": value(Ack(stream="panel", epoch="f" * 16, up_to=9))},
            "op dit apparaat",
        ),
    ],
)
def test_a_tile_shows_its_way(sent: Any, sync: dict[str, Any], way: str) -> None:
    panel = seh(status="open") | ({} if sent is None else {"sent/seh": sent})
    tile = only(known(HOSPITAL, panel=panel, sync=sync, epoch=EPOCH))
    assert (tile.way, tile.way_short) == (way, way.replace("regio heeft het", "regio"))
    again = panel | {"pending/seh": value(PendingTap(status="stop"))}
    assert only(known(HOSPITAL, panel=again, sync=sync, epoch=EPOCH)).way == "", "the tap is further back"


def test_an_unknown_value_has_no_way() -> None:
    shown = known(HOSPITAL, panel=seh(9 * H, status="open") | {"sent/seh": ARRIVED}, epoch=EPOCH)
    assert only(shown).way == ""


@pytest.mark.parametrize(
    ("codes", "pages"),
    [
        (["grz"] * 4, [4]),
        (["grz"] * 5, [4, 1]),
        (["seh"], [1]),
        (["seh", "apotheek", "ggz-crisis"], [2, 1]),
        (["grz", "seh", "hospice"], [2, 1]),
        (["grz", "hospice", "seh", "respijt"], [3, 1]),
        (["seh", "grz", "hospice", "respijt"], [3, 1]),
        (["grz", "hospice", "respijt", "seh"], [3, 1]),
        ([], []),
    ],
)
def test_a_status_takes_the_room_of_two_numbers(codes: list[str], pages: list[int]) -> None:
    names = iter(["elv-laag", "elv-hoog", "elv-palliatief", "wlz-crisis", "wlz-spoed"])
    unique = [next(names) if code == "grz" else code for code in codes]
    config = reporting(HERE, *({"code": code} for code in unique))
    counted: list[list[str]] = []
    while (page := capacity_page(known(config), len(counted) + 1)) is not None:
        counted.append([tile.code for tile in page.tiles])
    assert [len(page) for page in counted] == pages
    assert [code for page in counted for code in page] == unique, "in the order of the config, none lost"


def test_more_is_said_of_a_stop_on_a_page_of_its_own() -> None:
    page = detail(known(HOSPITAL, panel=seh(status="stop", reason="storing", until=ends_in(H))), 1)
    assert [option.label for option in page.reasons if option.chosen] == ["storing"] and len(page.reasons) == 6
    assert [(option.code, option.label, option.note) for option in page.ends] == [
        ("1-uur", "over 1 uur", "15:05"),
        ("2-uur", "over 2 uur", "16:05"),
        ("4-uur", "over 4 uur", "18:05"),
        ("18-uur", "18:00", "vandaag"),
        ("8-uur", "08:00", "morgen"),
        ("geen", "onbekend", ""),
    ]
    assert (page.end_word, page.asked, page.expected, page.limits, page.back) == ("tot", "", "", (), 1)
    open_ended = detail(known(HOSPITAL, panel=seh(status="stop")), 1)
    assert [option.code for option in open_ended.ends if option.chosen] == ["geen"]


def test_with_a_clock_that_may_be_wrong_only_hours_from_now_are_offered() -> None:
    shown = known(HOSPITAL, panel=seh(status="stop"))
    page = detail(replace(shown, now=replace(shown.now, clock_synced=False)), 1)
    assert [option.code for option in page.ends] == ["1-uur", "2-uur", "4-uur", "geen"]


def test_a_pharmacy_tells_when_it_opens() -> None:
    closed = CapacityFact(category="apotheek", status="dicht", until=ends_in(4 * H))
    page = detail(known(HOSPITAL, panel={"capacity/apotheek": value(closed)}), 4)
    assert (page.tile.note, page.end_word, page.reasons, page.back) == ("open om 18:05", "open om", (), 2)


def test_more_is_asked_of_a_ward() -> None:
    ward = CapacityFact(category="grz", free=3, limits=("alleen-v",))
    page = detail(known(HOSPITAL, panel={"capacity/grz": value(ward)}), 2)
    assert (page.expected, page.can_add, page.can_take, page.asked) == ("–", True, True, "")
    assert [(option.label, option.chosen) for option in page.limits] == [("isolatie", False), ("alleen vrouw", True)]
    full = ward.model_copy(update={"expected_free_24h": 4})
    page = detail(known(HOSPITAL, panel={"capacity/grz": value(full)}), 2)
    assert (page.expected, page.can_add, page.can_take) == ("4", False, True)


@pytest.mark.parametrize(
    ("page", "panel", "asked"),
    [
        (1, {}, "Kies eerst hoe het nu is."),
        (1, seh(status="open"), "Bij 'open' hoeft niets meer gezegd."),
        (2, {}, "Tik eerst hoeveel er nu vrij is."),
        (2, {"capacity/grz": value(CapacityFact(category="grz", free=1, expected_free_24h=2), 25 * H)}, "Tik eerst"),
    ],
)
def test_of_what_is_unknown_nothing_more_can_be_said(page: int, panel: dict[str, Any], asked: str) -> None:
    shown = detail(known(HOSPITAL, panel=panel), page)
    assert shown.asked.startswith(asked)
    assert not shown.can_add and not shown.can_take and shown.reasons == shown.ends == ()


@pytest.mark.parametrize(("page", "there"), [(0, False), (1, True), (2, True), (3, False), (4, True), (5, False)])
def test_only_a_category_of_which_more_can_be_said_has_such_a_page(page: int, there: bool) -> None:
    assert (screen.screen(known(HOSPITAL), Place("detail", page)) is not None) is there
    if there:
        assert screen.parse_place(f"detail/{page}") == Place("detail", page)


STATE = SiteState(
    region="oost",
    site="zh-oost",
    title="Ziekenhuis Oost",
    said_at=format_instant(NOON),
    boot_id=OTHER_BOOT,
    uptime_ms=1,
    clock_synced=True,
)


def heard(capacity: CapacityState, ago_s: float, year: int = 2026) -> Cell:
    """What a partner said, whose clock stands in `year`."""
    said_at = format_instant(NOON.replace(year=year))
    state = STATE.model_copy(update={"capacity": (capacity,), "said_at": said_at, "clock_synced": year == 2026})
    shown = region_page(known(HOSPITAL, sync={"partner/zh-oost": value(state, ago_s)}), 1)
    assert shown is not None
    ((cell,),) = [row.cells for row in shown.rows]
    return cell


AGES = Freshness(due_s=2 * H, overdue_s=4 * H, unknown_s=8 * H)


@pytest.mark.parametrize("year", [1970, 2026])
def test_the_region_page_shows_a_status_until_its_end(year: int) -> None:
    until = format_instant(NOON.replace(year=year, hour=14, minute=0))
    stop = CapacityState(category="seh", status="stop", reason="drukte", until=until, age_s=0, freshness=AGES)
    assert heard(stop, 30, year) == Cell("Spoedeisende hulp (SEH)", "stop", "current", "■", "drukte, tot 15:00")
    ended = stop.model_copy(update={"until": format_instant(NOON.replace(year=year))})
    assert heard(ended, 30, year) == Cell("Spoedeisende hulp (SEH)", "?", "unknown")
    newer = stop.model_copy(update={"status": "half-open"})
    assert heard(newer, 30, year).number == "?"


def test_who_is_open_stands_before_who_is_not() -> None:
    def said(site: str, status: str) -> SiteState:
        value = CapacityState(category="seh", status=status, age_s=0, freshness=AGES)
        return STATE.model_copy(update={"site": site, "title": site, "capacity": (value,)})

    sync = {f"partner/{site}": value(said(site, status)) for site, status in (("zh-a", "stop"), ("zh-b", "open"))}
    shown = region_page(known(HOSPITAL, sync=sync), 1)
    assert shown is not None and [row.title for row in shown.rows] == ["zh-b", "zh-a"]


def test_the_region_page_says_for_whom_beds_are() -> None:
    beds = CapacityState(category="grz", free=2, limits=("isolatie",), age_s=0, freshness=AGES)
    assert heard(beds, 1) == Cell("Geriatrische revalidatie", "2", "current", note="isolatie")
