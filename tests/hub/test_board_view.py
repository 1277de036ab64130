"""What the board shows of what the hub knows."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hub_said import NOON, SITES, bed, state, status

from zorgkiosk.capacity.freshness import Fresh
from zorgkiosk.contract.events import Triage
from zorgkiosk.contract.status import CapacityState, Freshness
from zorgkiosk.hub.board import words
from zorgkiosk.hub.board.view import SILENCE_S, Board, Cell, Filter, Help, board
from zorgkiosk.hub.config import HubSite
from zorgkiosk.hub.outlook import SiteReport

NOORD, ZUID, LINDE = SITES
AGES = Freshness(due_s=60, overdue_s=120, unknown_s=180)
BUSY = Triage(
    desks_present=3,
    desks_free=0,
    waiting=2,
    longest_wait_s=70,
    accepting_overflow=False,
    pressure="oranje",
    chance_2min=0.29,
    helped_by={"hap-zuid": 2, "hap-elders": 0},
    helping={"hap-verder": 1},
)


def heard(site: HubSite, *capacity: CapacityState, ago_s: float = 0, triage: Triage | None = None) -> SiteReport:
    at = NOON - timedelta(seconds=ago_s)
    return SiteReport(site, state(site.name, *capacity, triage=triage), at, online=True, online_since=at)


def vvt(name: str, title: str, subregion: str | None = None) -> HubSite:
    return HubSite(name=name, title=title, kind="vvt", subregion=subregion)


def shown(*reports: SiteReport, only: Filter | None = None, now: datetime = NOON) -> Board:
    return board("Testregio", reports, now, only)


def cell_of(*reports: SiteReport) -> Cell:
    (row,) = shown(*reports).rows
    (cell,) = row.cells
    assert cell is not None
    return cell


@pytest.mark.parametrize(
    ("age_s", "ago_s", "fresh", "number", "age"),
    [
        (0, 0, Fresh.CURRENT, "3", "zojuist"),
        (30, 29, Fresh.CURRENT, "3", "zojuist"),
        (30, 30, Fresh.DUE, "3", "1 min geleden"),
        (119, 1, Fresh.OVERDUE, "3", "2 min geleden"),
        (150, 30, Fresh.UNKNOWN, "", "3 min geleden"),
    ],
)
def test_a_value_ages_on_from_when_it_was_heard(
    age_s: float, ago_s: float, fresh: Fresh, number: str, age: str
) -> None:
    cell = cell_of(heard(LINDE, bed("grz", 3, age_s, total=8, ages=AGES), ago_s=ago_s))
    assert (cell.fresh, cell.number, cell.age) == (fresh, number, age)
    assert (cell.free, cell.total, cell.of_total) == ((3, 8, "van 8") if number else (None, None, ""))


@pytest.mark.parametrize(
    ("code", "said", "ago_s", "number", "grade", "note"),
    [
        ("seh", {"status": "open"}, 5, "open", "open", ""),
        ("seh", {"status": "dreigend", "reason": "drukte"}, 5, "dreigende stop", "tight", "drukte"),
        (
            "seh",
            {"status": "stop", "reason": "personeel", "until": "2026-11-23T14:00:00Z"},
            5,
            "stop",
            "shut",
            "te weinig personeel, tot 15:00",
        ),
        ("ggz-crisis", {"status": "vol", "until": "2026-11-24T23:30:00Z"}, 5, "vol", "shut", "tot wo 25 nov 00:30"),
        ("apotheek", {"status": "dicht", "until": "2026-11-24T07:00:00Z"}, 5, "dicht", "shut", "open om morgen 08:00"),
        ("so-dienst", {"status": "bezet"}, 5, "bezet", "tight", ""),
    ],
)
def test_a_status_is_a_word_with_its_grade_reason_and_end(
    code: str, said: dict[str, str], ago_s: float, number: str, grade: str, note: str
) -> None:
    cell = cell_of(heard(LINDE, status(code, age_s=0, **said), ago_s=ago_s))
    assert (cell.number, cell.grade, cell.note, cell.status) == (number, grade, note, said["status"])
    assert (cell.free, cell.of_total, cell.fresh) == (None, "", Fresh.CURRENT)


@pytest.mark.parametrize(
    ("said", "ago_s", "age"),
    [
        ({"status": "stop", "until": "2026-11-23T12:00:10Z"}, 10, "eindtijd voorbij"),
        ({"status": "stop", "until": "2026-11-23T12:00:10Z", "age_s": 9 * 3600}, 10, "9 uur geleden"),
        ({"status": "stop", "until": "2026-11-23T14:00:00Z"}, SILENCE_S + 1, "1 min geleden"),
        ({"status": "nieuw-woord"}, 5, "zojuist"),
    ],
    ids=["end passed", "too old", "silent", "newer version"],
)
def test_a_status_that_may_not_hold_is_unknown(said: dict[str, object], ago_s: float, age: str) -> None:
    cell = cell_of(heard(LINDE, status("seh", **{"age_s": 0, **said}), ago_s=ago_s))  # type: ignore[arg-type]
    assert (cell.fresh, cell.number, cell.status, cell.grade, cell.note) == (Fresh.UNKNOWN, "", None, None, "")
    assert (cell.until, cell.reason, cell.age) == (None, None, age)


def test_an_end_told_by_a_clock_that_was_never_set_is_right_on_the_board() -> None:
    report = heard(LINDE, status("seh", "stop", until="1970-01-01T02:00:00Z"), ago_s=5)
    assert report.state is not None
    wrong = report.state.model_copy(update={"said_at": "1970-01-01T00:00:05Z", "clock_synced": False})
    cell = cell_of(replace(report, state=wrong))
    assert cell.until == NOON + timedelta(hours=2) and cell.note == "tot 15:00"


def test_beds_tell_what_is_expected_and_for_whom() -> None:
    beds = bed("grz", 2, 0).model_copy(update={"expected_free_24h": -1, "limits": ("isolatie", "alleen-v")})
    cell = cell_of(heard(LINDE, beds))
    assert (cell.expected, cell.note) == ("over 24 uur: −1", "isolatie, alleen vrouw")
    assert (cell.expected_free_24h, cell.limits) == (-1, ("isolatie", "alleen-v"))
    old = cell_of(heard(LINDE, beds.model_copy(update={"age_s": 25 * 3600})))
    assert (old.expected, old.note, old.expected_free_24h, old.limits) == ("", "", None, ())


def test_whose_doors_are_open_stands_before_whose_are_not() -> None:
    seen = shown(
        heard(vvt("zh-a", "A"), status("seh", "stop")),
        heard(vvt("zh-b", "B"), status("seh", "dreigend")),
        heard(vvt("zh-c", "C"), status("seh", "open")),
        heard(vvt("zh-d", "D"), bed("grz", 1, 0)),
    )
    assert [(row.title, row.room, row.open) for row in seen.rows] == [
        ("D", 1, 0),
        ("C", 0, 1),
        ("A", 0, 0),
        ("B", 0, 0),
    ]
    assert seen.sectors == ("vvt-bedden", "seh")


@pytest.mark.parametrize("kind", ["vvt", "seh", "ggz", "so", "apotheek"])
def test_every_site_but_a_triage_centre_has_a_row_before_it_was_heard(kind: str) -> None:
    site = HubSite.model_validate({"name": "site", "title": "Site", "kind": kind})
    seen = shown(SiteReport(site))
    assert [row.reported for row in seen.rows] == [False] and seen.cards == ()


@pytest.mark.parametrize("ago_s", [SILENCE_S + 1, 86_400])
def test_of_a_silent_site_no_number_is_shown(ago_s: float) -> None:
    report = heard(LINDE, bed("grz", 3, 0), ago_s=ago_s)
    cell = cell_of(report)
    assert (cell.fresh, cell.free, cell.total, cell.number, cell.of_total) == (Fresh.UNKNOWN, None, None, "", "")
    sentence = shown(report).rows[0].contact.sentence
    assert sentence == ("geen verbinding sinds 12:58" if ago_s < 100 else "geen verbinding sinds zo 22 nov 13:00")


def test_of_a_site_whose_last_will_was_heard_no_number_is_shown_at_once() -> None:
    at = NOON - timedelta(seconds=2)
    report = SiteReport(LINDE, state("vvt-linde", bed("grz", 3, 0)), at, online=False, online_since=at)
    assert cell_of(report).free is None
    assert shown(report).rows[0].contact.sentence == "geen verbinding sinds 12:59"
    assert (shown(report).connected, shown(report).sites) == (0, 1)


def test_a_site_never_heard_has_a_row_without_cells_that_mean_something() -> None:
    (row,) = shown(SiteReport(LINDE), heard(NOORD, triage=BUSY)).rows
    assert (row.name, row.reported, row.contact.sentence) == ("vvt-linde", False, "nog niets gehoord")


def test_columns_are_what_any_site_reports_in_the_order_of_the_catalogue() -> None:
    unknown_here = bed("grz", 1, 0).model_copy(update={"category": "nieuw-bed"})
    seen = shown(
        heard(LINDE, bed("respijt", 1, 0), bed("elv-laag", 1, 0), unknown_here),
        heard(vvt("vvt-es", "De Es"), bed("wijk-acuut", 4, 0), bed("elv-laag", 0, 0)),
    )
    assert [column.code for column in seen.columns] == ["elv-laag", "respijt", "wijk-acuut"]
    linde = next(row for row in seen.rows if row.name == "vvt-linde")
    assert [cell and cell.category for cell in linde.cells] == ["elv-laag", "respijt", None]


def test_who_has_room_stands_first_and_who_is_not_heard_last() -> None:
    seen = shown(
        heard(vvt("vvt-a", "A"), bed("grz", 9, 0), ago_s=SILENCE_S + 1),
        heard(vvt("vvt-b", "B"), bed("grz", -2, 0), bed("respijt", 1, 0)),
        heard(vvt("vvt-d", "D"), bed("grz", 3, 0)),
        heard(vvt("vvt-c", "C"), bed("grz", 3, 0)),
    )
    assert [(row.title, row.room) for row in seen.rows] == [("C", 3), ("D", 3), ("B", 1), ("A", 0)]
    assert [cell and cell.number for cell in seen.rows[2].cells] == ["−2", "1"]


def test_a_hap_shows_its_line_and_who_helps_whom() -> None:
    (noord, zuid) = shown(heard(NOORD, triage=BUSY, ago_s=10), heard(ZUID)).cards
    assert noord.line is not None and zuid.line is None and zuid.contact.connected
    assert (noord.line.waiting, noord.line.longest_wait_s, noord.line.longest_wait) == (2, 80, "1:20")
    assert (noord.line.pressure, noord.line.chance_percent) == ("oranje", 29)
    assert noord.line.helped_by == (Help("hap-zuid", "HAP Zuid", 2),)
    assert noord.line.helping == (Help("hap-verder", "hap-verder", 1),)


def test_an_empty_line_has_no_longest_wait() -> None:
    (card,) = shown(heard(NOORD, triage=BUSY.model_copy(update={"waiting": 0}), ago_s=10)).cards
    assert card.line is not None and (card.line.longest_wait_s, card.line.longest_wait) == (0, "–")


def test_the_line_of_a_silent_hap_is_not_shown() -> None:
    (card,) = shown(heard(NOORD, triage=BUSY, ago_s=SILENCE_S + 1)).cards
    assert card.line is None and card.contact.sentence == "geen verbinding sinds 12:58"


def test_a_hap_without_capacity_has_no_row_and_a_vvt_no_card() -> None:
    seen = shown(heard(NOORD, triage=BUSY), heard(LINDE, bed("grz", 1, 0)))
    assert [row.name for row in seen.rows] == ["vvt-linde"] and [card.name for card in seen.cards] == ["hap-noord"]


def test_a_screen_can_show_one_sector_or_one_subregion() -> None:
    reports = (
        heard(LINDE, bed("grz", 1, 0), bed("wijk-acuut", 1, 0)),
        heard(vvt("vvt-es", "De Es", "Zuid"), bed("wijk-acuut", 4, 0)),
        heard(NOORD, triage=BUSY),
        heard(ZUID),
    )
    assert shown(*reports).sectors == ("vvt-bedden", "vvt-wijk") and shown(*reports).subregions == ("Noord", "Zuid")
    beds = shown(*reports, only=Filter(sector="vvt-bedden"))
    assert [column.code for column in beds.columns] == ["grz"] and [row.name for row in beds.rows] == ["vvt-linde"]
    assert beds.sectors == ("vvt-bedden", "vvt-wijk"), "the way back stays on the screen"
    south = shown(*reports, only=Filter(subregion="Zuid"))
    assert [row.name for row in south.rows] == ["vvt-es"] and [card.name for card in south.cards] == ["hap-zuid"]
    assert south.sites == 2 and south.subregions == ("Noord", "Zuid")


def test_what_the_history_lacks_is_said() -> None:
    seen = shown(SiteReport(LINDE, missing=1, set_aside=2), SiteReport(NOORD))
    assert seen.notes == (
        "De Linde: 1 melding ontbreekt in de geschiedenis",
        "De Linde: 2 berichten niet leesbaar, apart gezet",
    )


@pytest.mark.parametrize(
    ("age_s", "words_for_it"),
    [
        (59.9, "zojuist"),
        (60, "1 min geleden"),
        (3599, "59 min geleden"),
        (3600, "1 uur geleden"),
        (47 * 3600, "47 uur geleden"),
        (72 * 3600, "3 dagen geleden"),
    ],
)
def test_ages_in_words(age_s: float, words_for_it: str) -> None:
    assert words.ago(age_s) == words_for_it


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.9, "0:59"), (725, "12:05"), (4800, "1 uur 20 min")])
def test_durations_in_words(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("ahead_s", "text"), [(3600, "14:00"), (11 * 3600, "morgen 00:00"), (36 * 3600, "wo 25 nov 01:00")]
)
def test_times_to_come_in_words(ahead_s: float, text: str) -> None:
    assert words.ahead(NOON + timedelta(seconds=ahead_s), NOON) == text


def test_instants_are_dutch_local_time_in_winter_and_summer() -> None:
    assert (words.date(NOON), words.clock(NOON)) == ("ma 23 nov", "13:00")
    assert words.clock(NOON.replace(month=7)) == "14:00"
