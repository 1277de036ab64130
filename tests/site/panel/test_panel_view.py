"""What a panel shows, from facts alone."""

from dataclasses import replace
from pathlib import Path

import pytest
from panel_site import NOON, OTHER_BOOT, known, nursing_home, said, triage_centre, value

from zorgkiosk.contract.events import Triage, format_instant
from zorgkiosk.contract.status import Ack, CapacityState, Freshness, SiteState
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.facts import (
    CallFact,
    CapacityFact,
    DeskFact,
    DeskPresence,
    LineFact,
    LinkFact,
    OfferFact,
    OverflowSwitch,
)
from zorgkiosk.site.panel import screen
from zorgkiosk.site.panel.known import Known, LostSeen, PendingTap
from zorgkiosk.site.panel.region import region_page
from zorgkiosk.site.panel.screen import Place
from zorgkiosk.site.panel.triage import TriagePage, triage_page
from zorgkiosk.site.panel.view import CapacityPage, capacity_page, header, line

HERE = Path("/nowhere")
HOME = nursing_home(HERE)
CENTRE = triage_centre(HERE)
H = 3600.0
BEDS = Freshness(due_s=8 * H, overdue_s=12 * H, unknown_s=24 * H)
EPOCH = "0123456789abcdef"
UP = 900_000_000
TRIAGE = Triage(
    desks_present=2,
    desks_free=1,
    waiting=3,
    longest_wait_s=95,
    accepting_overflow=True,
    pressure="oranje",
    chance_2min=0.41,
    helping={"hap-noord": 1},
    helped_by={"hap-zuid": 2},
)


def page(known: Known, number: int = 1) -> CapacityPage:
    found = capacity_page(known, number)
    assert found is not None
    return found


def triage(known: Known, number: int = 1) -> TriagePage:
    found = triage_page(known, number)
    assert found is not None
    return found


def fact(code: str, free: int) -> CapacityFact:
    return CapacityFact(category=code, free=free, total=8)


@pytest.mark.parametrize(
    ("age_s", "number", "state", "shape", "word", "age"),
    [
        (0, "2", "current", "✓", "actueel", "zojuist"),
        (240, "2", "current", "✓", "actueel", "4 min geleden"),
        (8 * H, "2", "due", "◔", "bevestigen", "8 uur geleden"),
        (12 * H, "2", "overdue", "▲", "verlopen", "12 uur geleden"),
        (24 * H, "?", "unknown", "?", "onbekend", "1 dag geleden"),
        (None, "?", "unknown", "?", "onbekend", "nog nooit gemeld"),
    ],
)
def test_a_tile_grows_old(age_s: float | None, number: str, state: str, shape: str, word: str, age: str) -> None:
    panel = {} if age_s is None else {"capacity/elv-laag": value(fact("elv-laag", 2), age_s)}
    tile = page(known(HOME, panel=panel)).tiles[0]
    assert (tile.name, tile.total) == ("ELV laag complex", "van 8")
    assert (tile.number, tile.state, tile.shape, tile.word, tile.age) == (number, state, shape, word, age)


def test_a_hidden_number_stands_nowhere_on_the_page() -> None:
    shown = page(known(HOME, panel={"capacity/elv-laag": value(fact("elv-laag", 7), 25 * H)}))
    assert "7" not in repr(shown.tiles[0]) and shown.seen == ()


def test_a_tapped_number_is_shown_at_once_also_on_an_unknown_value() -> None:
    panel = {"pending/elv-laag": value(PendingTap(free=-1), 2), "capacity/elv-laag": value(fact("elv-laag", 7), 25 * H)}
    shown = page(known(HOME, panel=panel))
    assert (shown.tiles[0].number, shown.tiles[0].state) == ("−1", "pending")
    assert shown.seen == (("elv-laag", -1),)


@pytest.mark.parametrize(("free", "can_take", "can_add"), [(8, True, False), (0, True, True), (-99, False, True)])
def test_keys_end_where_numbers_end(free: int, can_take: bool, can_add: bool) -> None:
    tile = page(known(HOME, panel={"capacity/elv-laag": value(fact("elv-laag", free))})).tiles[0]
    assert (tile.can_take, tile.can_add) == (can_take, can_add)


def test_four_tiles_a_page_and_what_is_asked_here_and_elsewhere() -> None:
    home = nursing_home(HERE, ("elv-laag", "elv-hoog", "grz", "respijt", "hospice"))
    panel = {
        "capacity/elv-laag": value(fact("elv-laag", 1), 9 * H),
        "capacity/elv-hoog": value(fact("elv-hoog", 1), 13 * H),
        "capacity/hospice": value(fact("hospice", 1)),
    }
    first, second = page(known(home, panel=panel)), page(known(home, panel=panel), 2)
    assert [len(first.tiles), len(second.tiles)] == [4, 1]
    assert (first.next_page, second.next_page, first.pages) == (2, 1, 2)
    assert (first.asked, first.asked_elsewhere) == ("2 te bevestigen", "")
    assert (second.asked, second.asked_elsewhere) == ("", "2 te bevestigen")
    assert first.seen == (("elv-laag", 1), ("elv-hoog", 1)), "what stands on another page is not confirmed from here"
    assert capacity_page(known(home), 3) is None and capacity_page(known(home), 0) is None
    assert page(known(home)).asked == "4 onbekend"


ONLINE = value(LinkFact(connected=True), 600)
OFFLINE = value(LinkFact(connected=False, problem="De regio neemt niet op."), 600)
ACKED = value(Ack(stream="panel", epoch=EPOCH, up_to=9), 120)
OLD_ACK = value(Ack(stream="panel", epoch="f" * 16, up_to=9), 120)
TAPPED = value(PendingTap(free=1), 1.2)
RESTED = value(PendingTap(free=1), 5.0)


@pytest.mark.parametrize(
    ("parts", "text", "tone"),
    [
        ({}, "Nog geen verbinding met de regio. Wat u tikt wordt hier bewaard.", "calm"),
        ({"sync": {"link": ONLINE}}, "Verbonden met de regio. Hier is nog niets gemeld.", "calm"),
        ({"sync": {"link": OFFLINE}}, "Geen verbinding sinds 13:55. Wat u tikt wordt hier bewaard.", "calm"),
        ({"waiting": 1}, "1 wijziging wacht, nog geen verbinding met de regio.", "calm"),
        ({"waiting": 3, "sync": {"link": OFFLINE}}, "3 wijzigingen wachten, geen verbinding sinds 13:55.", "calm"),
        ({"waiting": 1, "oldest": said(2), "sync": {"link": ONLINE}}, "Verzonden. De regio bevestigt zo.", "busy"),
        (
            {"waiting": 2, "oldest": said(60), "sync": {"link": ONLINE, "acked/panel": ACKED}},
            "2 wijzigingen wachten sinds 14:04: de regio bevestigt nog niet.",
            "calm",
        ),
        ({"sync": {"link": ONLINE, "acked/panel": ACKED}}, "De regio heeft het ✓ 14:03", "done"),
        (
            {"sync": {"link": OFFLINE, "acked/panel": ACKED}},
            "De regio heeft alles (✓ 14:03). Nu geen verbinding sinds 13:55.",
            "calm",
        ),
        (
            {"sync": {"link": ONLINE, "acked/panel": OLD_ACK}},
            "Verbonden met de regio. Hier is nog niets gemeld.",
            "calm",
        ),
        ({"panel": {"pending/elv-laag": TAPPED}, "waiting": 4}, "Bewaard. Wordt over 4 s verzonden.", "busy"),
        ({"panel": {"pending/elv-laag": RESTED}}, "Bewaard. Wordt nu verzonden.", "busy"),
        (
            {"panel": {"pending/elv-laag": RESTED, "pending/elv-hoog": TAPPED}},
            "2 wijzigingen bewaard. Worden over 4 s verzonden.",
            "busy",
        ),
        ({"problem": "de opslag is vol."}, "Kon niet bewaren: de opslag is vol (storing 41).", "alarm"),
    ],
)
def test_the_line_always_tells_what_happens(parts: dict[str, object], text: str, tone: str) -> None:
    told = line(known(HOME, epoch=EPOCH, **parts))
    assert (told.text, told.tone) == (text, tone)
    assert told.undo is ("panel" in parts)
    offline = isinstance(sync := parts.get("sync"), dict) and sync.get("link") is OFFLINE
    assert told.detail == ("De regio neemt niet op (storing 13)." if offline else "")


def test_the_header_says_date_time_and_connection_in_words() -> None:
    told = header(known(HOME, sync={"link": ONLINE}))
    assert (told.title, told.date, told.clock, told.connection) == ("VVT De Linde", "za 21 nov", "14:05", "verbonden")
    assert header(known(HOME)).connection == "geen verbinding"
    doubtful = replace(known(HOME), now=replace(said(), clock_synced=False))
    assert header(doubtful).date == "klok niet gelijk"


def test_a_centre_sees_its_line_and_who_helps_whom() -> None:
    calls = (
        CallFact(worker=1, sip_call_id="a", origin="hap-midden", hops=0, urgent=False, arrived_uptime_ms=UP - 9000),
        CallFact(
            worker=2,
            sip_call_id="b",
            origin="hap-midden",
            hops=0,
            urgent=False,
            arrived_uptime_ms=UP - 99_000,
            offers=(OfferFact(partner="hap-zuid", chance_home=0.41, chance_partner=0.93),),
        ),
    )
    heard = {"triage": value(TRIAGE, 2), "line": value(LineFact(calls=calls), 2)}
    shown = triage(known(CENTRE, telephony=heard))
    gauges = shown.gauges
    assert (gauges.waiting, gauges.longest, gauges.chance) == ("3", "1 min 37 s", "41 %")
    assert (gauges.pressure, gauges.pressure_shape) == ("oranje", "▲")
    assert shown.overflow.helps == ("Wij krijgen hulp van HAP Zuid: 2 gesprekken", "Wij helpen HAP Noord: 1 gesprek")
    assert shown.overflow.reason == "Kans op 2 min: hier 41 %, HAP Zuid 93 %"
    assert shown.overflow.giving and shown.overflow.accepting


@pytest.mark.parametrize("place", ["rings_at", "talking_at"])
def test_a_desk_is_told_whose_caller_it_has_and_how_long_they_waited(place: str) -> None:
    guest = CallFact.model_validate(
        {
            "worker": 1,
            "sip_call_id": "a",
            "origin": "hap-zuid",
            "hops": 1,
            "urgent": False,
            "arrived_uptime_ms": UP - 80_000,
            "waited_before_s": 100,
            place: "desk-1",
        }
    )
    desks = (DeskFact(id="desk-1", state="busy", since_uptime_ms=UP - 60_000),)
    heard = {"triage": value(TRIAGE), "line": value(LineFact(calls=(guest,), desks=desks))}
    panel = {"desk/desk-1": value(DeskPresence(present=True))}
    assert triage(known(CENTRE, telephony=heard, panel=panel)).desks[0].since == "voor HAP Zuid, wachtte 2 min"


@pytest.mark.parametrize("telephony", [{}, {"triage": value(TRIAGE, 26)}], ids=["never heard", "silent"])
def test_silent_telephony_shows_no_number(telephony: dict[str, object]) -> None:
    panel = {"desk/desk-1": value(DeskPresence(present=True))}
    shown = triage(known(CENTRE, telephony=telephony, panel=panel))
    gauges = shown.gauges
    assert (gauges.waiting, gauges.longest, gauges.chance, gauges.pressure) == ("?", "?", "?", "onbekend")
    assert shown.overflow.helps == ("Onbekend: de telefonie is stil (storing 51).",)
    assert [desk.word for desk in shown.desks] == ["aangemeld, telefoon onbekend", "afwezig"]


def test_telephony_of_before_a_reboot_says_nothing() -> None:
    rebooted = replace(known(CENTRE, telephony={"triage": value(TRIAGE)}), now=replace(said(), boot_id=OTHER_BOOT))
    assert not triage(rebooted).gauges.known


@pytest.mark.parametrize(
    ("present", "state", "word", "since"),
    [
        (True, "free", "vrij", "3 min"),
        (True, "busy", "in gesprek", "3 min"),
        (True, "ringing", "gaat over", "3 min"),
        (True, "no-answer", "neemt niet op", "3 min"),
        (True, "away", "meldt zich aan", ""),
        (False, "free", "afwezig", ""),
        (False, "busy", "in gesprek, dan afwezig", "3 min"),
        (False, "away", "afwezig", "3 min"),
    ],
)
def test_a_desk_shows_the_hands_wish_first_then_the_phone(present: bool, state: str, word: str, since: str) -> None:
    desks = (DeskFact.model_validate({"id": "desk-1", "state": state, "since_uptime_ms": UP - 200_000}),)
    heard = {"triage": value(TRIAGE), "line": value(LineFact(desks=desks))}
    panel = {"desk/desk-1": value(DeskPresence(present=present))}
    desk = triage(known(CENTRE, telephony=heard, panel=panel)).desks[0]
    assert (desk.present, desk.word, desk.since) == (present, word, since)


def test_more_than_six_desks_give_one_place_to_the_key_to_the_rest() -> None:
    assert len(triage(known(triage_centre(HERE, 6))).desks) == 6
    first, second = triage(known(triage_centre(HERE, 7))), triage(known(triage_centre(HERE, 7)), 2)
    assert [len(first.desks), len(second.desks), first.pages, second.next_page] == [5, 2, 2, 1]
    assert triage_page(known(triage_centre(HERE, 7)), 3) is None


@pytest.mark.parametrize(
    ("lost", "ago_s", "text", "now"),
    [
        (LostSeen(count=0, rose=False), 0, "", False),
        (LostSeen(count=3, rose=False), 0, "3 oproepen verloren", False),
        (LostSeen(count=1, rose=True), 60, "1 oproep verloren, laatst 14:04", True),
        (LostSeen(count=1, rose=True), 601, "1 oproep verloren, laatst 13:54", False),
    ],
)
def test_a_lost_call_is_red_for_a_while_and_never_forgotten(lost: LostSeen, ago_s: float, text: str, now: bool) -> None:
    gauges = triage(known(CENTRE, panel={"lost": value(lost, ago_s)})).gauges
    assert (gauges.lost, gauges.lost_now) == (text, now)


def test_switches_show_what_was_tapped() -> None:
    shown = triage(known(CENTRE, panel={"overflow": value(OverflowSwitch(giving=False))}))
    assert (shown.overflow.giving, shown.overflow.accepting) == (False, True)


def state_of(site: str, **parts: object) -> SiteState:
    return SiteState.model_validate(
        {
            "region": "oost",
            "site": site,
            "title": site.upper(),
            "said_at": format_instant(NOON),
            "boot_id": OTHER_BOOT,
            "uptime_ms": 1,
            "clock_synced": True,
            **parts,
        }
    )


def test_the_region_shows_who_has_room_first_and_silence_last() -> None:
    beds = tuple(
        CapacityState(category=code, free=free, age_s=age_s, freshness=BEDS)
        for code, free, age_s in (("elv-laag", 4, 0), ("elv-hoog", 1, 8 * H - 30), ("respijt", 6, 24 * H - 30))
    )
    sync = {
        "partner/hap-zuid": value(state_of("hap-zuid", triage=TRIAGE), 20),
        "partner/vvt-eik": value(state_of("vvt-eik", capacity=beds), 30),
        "partner/vvt-beuk": value(state_of("vvt-beuk", capacity=beds), 61),
    }
    shown = region_page(known(CENTRE, sync=sync), 1)
    assert shown is not None
    assert [row.title for row in shown.rows] == ["VVT-EIK", "HAP Zuid", "HAP Noord", "VVT-BEUK"]
    eik, zuid, noord, beuk = shown.rows
    assert [(cell.number, cell.state) for cell in eik.cells] == [("4", "current"), ("1", "due"), ("?", "unknown")]
    assert [cell.number for cell in zuid.cells] == ["1 van 2", "3", "ja"] and zuid.agreed == "afspraak 12 jan 2026"
    assert (noord.heard, noord.pressure, noord.cells) == ("nog niets gehoord", "onbekend", ())
    assert (beuk.heard, beuk.known, beuk.cells) == ("stil, 1 min geleden", False, ())


@pytest.mark.parametrize(
    ("config", "place", "there"),
    [
        (HOME, Place("capacity", 1), True),
        (HOME, Place("capacity", 2), False),
        (HOME, Place("triage", 1), False),
        (HOME, Place("regio", 1), True),
        (CENTRE, Place("triage", 1), True),
        (CENTRE, Place("capacity", 1), False),
        (CENTRE, Place("elsewhere", 1), False),
    ],
)
def test_a_site_has_only_its_own_places(config: SiteConfig, place: Place, there: bool) -> None:
    shown = screen.screen(known(config), place)
    assert (shown is not None) is there
    if shown is not None:
        assert screen.screen(known(config), shown.home) is not None


@pytest.mark.parametrize("text", ["", "capacity", "capacity/0", "capacity/1/2", "https://x/capacity/1", "capacity/100"])
def test_no_place(text: str) -> None:
    assert screen.parse_place(text) is None


def test_a_place_reads_back() -> None:
    assert screen.parse_place("regio/12") == Place("regio", 12) and str(Place("regio", 12)) == "regio/12"
