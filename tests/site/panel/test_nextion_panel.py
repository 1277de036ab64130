"""The real panel code and a display on a pseudo-terminal: taps, resets, unplugging, noise. A hand moves the clock."""

from __future__ import annotations

import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from panel_site import Panel, nursing_home, reporting, triage_centre
from test_panel_unit import START

from zorgkiosk.lab.nextion import END, SimulatedDisplay
from zorgkiosk.lab.panel_unit import SITE as PANEL_SITE
from zorgkiosk.lab.ports import free_port
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.config_serial import SerialPanel
from zorgkiosk.site.facts import DeskFact, LineFact, LinkFact
from zorgkiosk.site.panel.known import Look
from zorgkiosk.site.panel.nextion_face import face
from zorgkiosk.site.panel.nextion_layout import PAGES
from zorgkiosk.site.panel.nextion_panel import DOUBLE_TAP_S, HOME_AFTER_S, REFRESH_S, REFUSAL_S, DisplayThread, Pace
from zorgkiosk.site.panel.screen import Place, screen
from zorgkiosk.site.store import StoreView

pytestmark = pytest.mark.integration

PLUS, OK, UNDO, REGIO, NEXT = "p0", "ok", "undo", "breg", "bnext"
QUICK = Pace(tick_s=0.02, retry_first_s=0.05, retry_most_s=0.4)
BEDS = ("elv-laag", "elv-hoog", "wlz-crisis", "respijt", "hospice")


def wait_until(condition: Callable[[], bool], deadline_s: float = 15.0) -> None:
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, "the condition did not come true in time"
        time.sleep(0.01)


@dataclass
class Bench:
    """A panel and its display. The panel's thread must live as long as the bench."""

    panel: Panel
    display: SimulatedDisplay
    baud: int | str = 115200
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def start(self) -> None:
        section = SerialPanel.model_validate({"device": self.display.link, "baud": self.baud})
        config, clock = self.panel.config, self.panel.clock
        keeper = DisplayThread(config, section, self.panel.taps, lambda: Look.of(config, clock), clock, QUICK)
        self.thread = threading.Thread(target=keeper.run, args=(self.stop,), daemon=True)
        self.thread.start()

    def end(self) -> None:
        assert self.thread is not None and self.thread.is_alive(), "the display's thread ended"
        self.stop.set()
        self.thread.join(5)
        assert not self.thread.is_alive()

    def tap(self, name: str) -> None:
        """As a finger does: not before it stands there, and not twice in an instant."""
        self.panel.clock.forward(DOUBLE_TAP_S)
        wait_until(lambda: self.display.visible(name))
        self.display.tap(name)

    def shows(self, place: str, *, but: frozenset[str] = frozenset()) -> bool:
        """Whether the display has all that stands at this place now, word for word, apart from some components."""
        kind, _, number = place.partition("/")
        shown = screen(self.panel.look.known(self.panel.taps.problem), Place(kind, int(number)))
        assert shown is not None
        drawn = face(shown)
        wanted = {name: label for name, label in drawn.labels.items() if name not in but}
        return self.display.page == drawn.page and all(
            self.display.visible(name) == label.visible
            and (
                not label.visible
                or label.text is None
                or (self.display.text(name), self.display.colour(name)) == (plain(label.text), label.colour)
            )
            for name, label in wanted.items()
        )

    def until(self, place: str) -> None:
        wait_until(lambda: self.shows(place))

    def until_tapped(self, code: str, free: int) -> None:
        """A tap among noise may be swallowed: then the number did not change, and the nurse taps + once more."""
        try:
            wait_until(lambda: self.free(code) == free, 1.0)
        except AssertionError:
            self.until("capacity/1")
            self.tap(PLUS)
            wait_until(lambda: self.free(code) == free)

    def has_heard_all(self) -> bool:
        """Touch a key that this page does not have; its refusal shows that everything before it was heard."""
        self.display.say(HIDDEN_KEY)
        end_s = time.monotonic() + 1
        while time.monotonic() < end_s:
            if self.display.text("says") == REFUSED:
                return True
            time.sleep(0.01)
        return False

    def free(self, code: str) -> int | None:
        """What was tapped and is not reported yet."""
        pending = self.panel.state().get(f"pending/{code}")
        return None if pending is None else int(pending["free"])


def touch(page: str, name: str, *, pressed: bool = False) -> bytes:
    return bytes((0x65, PAGES[page].number, PAGES[page].number_of(name), pressed)) + END


HIDDEN_KEY, REFUSED = touch("capacity", "btri"), "Deze toets hoort niet bij dit scherm."


def plain(text: str) -> str:
    """Our signs in the usual font, said here once more: the drawing has no ✓ and no real minus."""
    return text.replace("✓ ", "").replace("−", "-").replace("–", "-").replace("…", "...")


@pytest.fixture
def display(tmp_path: Path) -> Iterator[SimulatedDisplay]:
    display = SimulatedDisplay(tmp_path / "zorgkiosk-panel", watch_s=0)
    yield display
    display.unplug()
    assert display.faults == [] and display.overruns == 0


@pytest.fixture
def benches() -> Iterator[list[Bench]]:
    running: list[Bench] = []
    yield running
    for bench in running:
        bench.end()
        bench.panel.close()


@pytest.fixture
def bench(tmp_path: Path, display: SimulatedDisplay, benches: list[Bench]) -> Bench:
    """A nursing home whose display shows its first page."""
    return opened(nursing_home(tmp_path, BEDS), display, benches, "capacity/1")


def opened(config: SiteConfig, display: SimulatedDisplay, benches: list[Bench], place: str) -> Bench:
    bench = Bench(Panel(config), display)
    benches.append(bench)
    display.plug()
    bench.start()
    bench.until(place)
    return bench


def test_a_tap_changes_the_store_and_the_display(bench: Bench) -> None:
    bench.tap(PLUS)
    wait_until(lambda: bench.free("elv-laag") == 1)
    bench.until("capacity/1")
    assert bench.display.text("n0") == "1" and bench.display.text("says").startswith("Bewaard. Wordt over")
    bench.tap("m1")
    bench.tap("p1")
    wait_until(lambda: bench.free("elv-hoog") == 1)
    bench.until("capacity/1")
    bench.tap(UNDO)
    wait_until(lambda: bench.free("elv-laag") is None)
    bench.until("capacity/1")
    assert bench.display.text("n0") == "?" and not bench.display.visible(UNDO)
    bench.tap(PLUS)
    wait_until(lambda: bench.display.text("n0") == "1")
    bench.until("capacity/1")
    bench.tap(OK)
    wait_until(lambda: len(bench.panel.events()) == 1)
    bench.until("capacity/1")
    assert bench.display.text("w0") == "actueel"


def test_two_quick_taps_are_one(bench: Bench) -> None:
    bench.tap(PLUS)
    bench.display.tap(PLUS)
    bench.display.tap(PLUS)
    bench.display.tap("p1")
    wait_until(lambda: bench.free("elv-hoog") == 1)
    assert bench.free("elv-laag") == 1
    bench.tap(PLUS)
    wait_until(lambda: bench.free("elv-laag") == 2)


def test_a_bounce_that_is_heard_after_a_slow_commit(bench: Bench) -> None:
    """The card is busy for longer than a bounce lasts, and the second release lies in the port meanwhile."""
    busy = sqlite3.connect(bench.panel.config.panel_db, isolation_level=None)
    busy.execute("BEGIN IMMEDIATE")
    bench.tap(PLUS)
    time.sleep(0.3)  # the first release is waiting for the store by now; if not, the test only proves less
    bench.display.tap(PLUS)
    bench.panel.clock.forward(2 * DOUBLE_TAP_S)
    busy.execute("ROLLBACK")
    busy.close()
    wait_until(bench.has_heard_all)
    assert bench.free("elv-laag") == 1


def test_pages_and_home_after_a_while(bench: Bench) -> None:
    bench.tap(NEXT)
    bench.until("capacity/2")
    assert bench.display.text("t0") == "Hospice" and not bench.display.visible("p1")
    bench.tap(PLUS)
    wait_until(lambda: bench.free("hospice") == 1)
    assert bench.free("elv-laag") is None
    bench.tap(REGIO)
    bench.until("regio/1")
    bench.tap("bhome")
    bench.until("capacity/1")
    bench.tap(REGIO)
    bench.until("regio/1")
    bench.panel.clock.forward(HOME_AFTER_S)
    bench.until("capacity/1")


def test_a_triage_centre(tmp_path: Path, display: SimulatedDisplay, benches: list[Bench]) -> None:
    bench = opened(triage_centre(tmp_path), display, benches, "triage/1")
    bench.tap("d1")
    wait_until(lambda: bench.panel.state().get("desk/desk-2") == {"present": True})
    bench.until("triage/1")
    bench.tap("take")
    wait_until(lambda: bench.panel.state().get("overflow") == {"giving": True, "accepting": False})
    bench.until("triage/1")
    assert display.text("take") == "Hulp geven\nuit"


def test_a_lost_call_and_a_failing_desk_are_acknowledged(
    tmp_path: Path, display: SimulatedDisplay, benches: list[Bench]
) -> None:
    bench = opened(triage_centre(tmp_path), display, benches, "triage/1")
    for lost in (0, 2):
        failing = DeskFact(id="desk-2", state="no-answer", since_uptime_ms=1000)
        bench.panel.write("telephony", line=LineFact(desks=(failing,) * (lost > 0), lost=lost))
        bench.panel.wait(1.0)
    wait_until(lambda: display.text("lost").startswith("2 oproepen verloren. Werkplek 2 nam niet op "))
    bench.tap("seen")
    wait_until(lambda: not display.visible("seen"))
    bench.until("triage/1")
    state = bench.panel.state()
    assert state["lost"]["seen"] == 2 and state["failed/desk-2"]["seen"]
    assert display.text("lost").startswith("2 oproepen verloren, laatst ")


def test_more_is_said_of_a_number_and_of_a_status(
    tmp_path: Path, display: SimulatedDisplay, benches: list[Bench]
) -> None:
    beds = {"code": "elv-laag", "total": 8, "ask_expected": True, "limits": ["isolatie", "alleen-m", "alleen-v"]}
    bench = opened(reporting(tmp_path, beds, {"code": "seh"}), display, benches, "capacity/1")
    bench.tap("e0")
    bench.until("detail/1")
    assert display.text("asklim") == "Tik eerst hoeveel er nu vrij is." and not display.visible("more")
    bench.tap("bback")
    bench.until("capacity/1")
    bench.tap(PLUS)
    wait_until(lambda: display.text("n0") == "1")
    bench.tap("e0")
    said: list[tuple[str, str, str]] = [
        *(("more", "n24", "2"), ("more", "n24", "3"), ("l0", "l0", "isolatie\ngekozen"), ("l0", "l0", "isolatie")),
        *(("l1", "l1", "alleen man\ngekozen"), ("l2", "l1", "alleen man")),  # women only ends men only
    ]
    for key, name, text in said:
        bench.until("detail/1")
        bench.tap(key)
        wait_until(lambda name=name, text=text: display.text(name) == text)  # type: ignore[misc]
    bench.until("detail/1")
    assert display.text("l2") == "alleen vrouw\ngekozen"
    pending = bench.panel.state()["pending/elv-laag"]
    assert (pending["free"], pending["expected_free_24h"], pending["limits"]) == (1, 3, ["alleen-v"])
    bench.tap("bback")
    for status in ("open", "dreigende stop", "stop"):
        bench.until("capacity/1")
        bench.tap("p1")
        wait_until(lambda status=status: display.text("w1") == status)  # type: ignore[misc]
    bench.tap("e1")
    bench.until("detail/2")
    bench.tap("y2")
    wait_until(lambda: display.text("y2") == "geen bedden in huis\ngekozen")
    bench.tap("z0")
    wait_until(lambda: bench.panel.state()["pending/seh"].get("until") is not None)
    bench.until("detail/2")
    assert bench.panel.state()["pending/seh"]["reason"] == "geen-bedden"
    assert display.text("y2") == "geen bedden in huis\ngekozen"
    bench.panel.clock.forward(HOME_AFTER_S)
    bench.until("capacity/1")


def test_news_is_shown_without_a_touch(bench: Bench) -> None:
    bench.panel.taps.step("elv-hoog", 1)
    wait_until(lambda: bench.display.text("n1") == "1")
    bench.panel.write("sync", link=LinkFact(connected=True))
    wait_until(lambda: bench.display.text("conn") == "verbonden")
    bench.until("capacity/1")


def test_a_key_that_is_not_there_and_a_store_that_is_full(bench: Bench) -> None:
    wait_until(bench.has_heard_all)
    bench.panel.clock.forward(REFUSAL_S)
    bench.until("capacity/1")
    bench.panel.fill_disk()
    bench.tap(PLUS)
    wait_until(
        lambda: bench.display.text("says") == "Kon niet bewaren: de opslag is vol. Bel de technicus (storing 41)."
    )
    bench.panel.free_disk()
    bench.tap(PLUS)
    wait_until(lambda: bench.free("elv-laag") == 1)
    bench.until("capacity/1")


def test_a_reset_brings_the_whole_page_back(bench: Bench) -> None:
    bench.tap(NEXT)
    bench.until("capacity/2")
    bench.display.reset()
    wait_until(lambda: bench.display.starts == 2 and bench.shows("capacity/2"))
    bench.tap(PLUS)
    wait_until(lambda: bench.free("hospice") == 1)


@pytest.mark.parametrize("after", [1, 7, 20, 45])
def test_a_reset_while_the_page_is_written(
    after: int, tmp_path: Path, display: SimulatedDisplay, benches: list[Bench]
) -> None:
    bench = opened(nursing_home(tmp_path, BEDS), display, benches, "capacity/1")
    begin = display.instructions
    display.reset()
    wait_until(lambda: display.instructions >= begin + after)
    display.reset()
    wait_until(lambda: display.starts == 3 and bench.shows("capacity/1"))


def test_unplugged_and_plugged_in_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench.tap(PLUS)
    wait_until(lambda: bench.free("elv-laag") == 1)
    bench.display.unplug()
    wait_until(lambda: "is not there (storing 61)." in caplog.text)
    bench.panel.taps.step("elv-hoog", 1)
    time.sleep(0.5)  # some attempts fail meanwhile, and are not told one by one
    bench.display.plug()
    bench.until("capacity/1")
    assert (bench.display.text("n0"), bench.display.text("n1")) == ("1", "1")
    bench.tap(PLUS)
    wait_until(lambda: bench.free("elv-laag") == 2)
    told = [record.getMessage() for record in caplog.records if record.name.endswith("nextion_panel")]
    assert len([line for line in told if "is not there" in line]) == 1 and len(told) <= 4, told


def test_a_display_that_comes_later(tmp_path: Path, display: SimulatedDisplay, benches: list[Bench]) -> None:
    bench = Bench(Panel(nursing_home(tmp_path, BEDS)), display)
    benches.append(bench)
    bench.start()
    display.plug()
    bench.until("capacity/1")


@pytest.mark.parametrize(
    "noise",
    [
        b"\x65\x01",  # half a touch
        b"\x65\x01\x02",
        b"\x05\x00" + END,  # the rest of one
        b"\x71\xff\xff",
        b"\xff\xff",
        b"\xff" * 40,
        b"p" + b"never ending " * 60,
        b"\x1a" + END,  # an error of the drawing's own code
        bytes(range(255)) * 4,
    ],
    ids=lambda noise: repr(noise)[:24],
)
def test_noise_between_taps(noise: bytes, bench: Bench) -> None:
    for taps in (1, 2, 3):
        bench.display.say(noise)
        bench.tap(PLUS)
        bench.until_tapped("elv-laag", taps)
    bench.until("capacity/1")


def test_after_noise_the_whole_page_is_written_again(bench: Bench) -> None:
    with bench.display._lock:
        bench.display._components["n0"].text = "7"  # what a byte that fell over did
    bench.panel.clock.forward(1.0)
    bench.display.say(b"\x13\x37" + END)
    bench.until("capacity/1")


def test_a_byte_that_fell_over_is_put_right_within_a_minute(bench: Bench) -> None:
    with bench.display._lock:
        bench.display._components["n0"].text = "7"
    bench.panel.clock.forward(REFRESH_S)
    bench.until("capacity/1")


def test_by_night_the_display_is_dim(bench: Bench) -> None:
    assert bench.display.brightness == 100
    bench.panel.clock.forward(8 * 3600)
    wait_until(lambda: bench.display.brightness == 35)
    bench.display.reset()
    wait_until(lambda: bench.display.brightness == 35 and bench.shows("capacity/1"))


def test_a_flood_at_full_rate(bench: Bench) -> None:
    """Two seconds of nonsense at 115200 baud: the display is right at the end, and taps count."""
    chance = random.Random(7)
    pieces = [
        b"\x65",
        b"\x65\x01\x02",
        b"\x71\xff",
        END,
        b"\xff",
        b"\x00",
        b"\x1a" + END,
        b"p",
        b"co",
        b"\x24",
        b"\x88",
    ]
    end_s = time.monotonic() + 2
    while time.monotonic() < end_s:
        bench.display.say(b"".join(chance.choices(pieces, k=20)) + chance.randbytes(20))
    bench.panel.clock.forward(1.0)
    bench.until("capacity/1")
    before = bench.free("elv-laag") or 0
    bench.tap(PLUS)
    bench.until_tapped("elv-laag", before + 1)
    bench.until("capacity/1")


def test_a_key_that_is_stuck(bench: Bench) -> None:
    """It tells presses and releases at full rate for two seconds: that is one tap, and the screen keeps up."""
    stuck = touch("capacity", "p1", pressed=True) + touch("capacity", "p1")
    for _ in range(160):
        bench.display.say(stuck * 10)
    wait_until(bench.has_heard_all)
    bench.tap(PLUS)
    bench.until_tapped("elv-laag", 1)
    bench.until("capacity/1")
    assert bench.free("elv-hoog") == 1


def test_a_drawing_that_lacks_some_components(
    tmp_path: Path, display: SimulatedDisplay, benches: list[Bench], caplog: pytest.LogCaptureFixture
) -> None:
    display.missing = frozenset({"detail", "v0", "watch", "a1"})
    bench = Bench(Panel(nursing_home(tmp_path, BEDS)), display)
    benches.append(bench)
    display.plug()
    bench.start()
    wait_until(lambda: "the drawing has no watch.val: invalid variable" in caplog.text)
    wait_until(lambda: bench.shows("capacity/1", but=display.missing))
    bench.tap(PLUS)
    wait_until(lambda: bench.free("elv-laag") == 1)
    bench.panel.clock.forward(2.0)
    wait_until(lambda: bench.shows("capacity/1", but=display.missing))
    assert caplog.text.count("the drawing has no v0.txt") == 1


def test_a_display_that_answers_errors(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.display.refuses = 0x1A
    bench.panel.taps.step("elv-laag", 1)
    wait_until(lambda: "cannot be used: its drawing has no page capacity (invalid variable)" in caplog.text)
    time.sleep(0.5)  # some rounds later it has not been told again
    assert caplog.text.count("cannot be used") == 1
    bench.display.refuses = None
    bench.until("capacity/1")
    assert bench.display.text("n0") == "1"


@pytest.mark.parametrize("rate", [9600, 57600])
def test_the_rate_is_found(rate: int, tmp_path: Path, display: SimulatedDisplay, benches: list[Bench]) -> None:
    display.baud = rate
    bench = Bench(Panel(nursing_home(tmp_path, BEDS)), display, baud="auto")
    benches.append(bench)
    display.plug()
    bench.start()
    bench.until("capacity/1")
    bench.tap(PLUS)
    wait_until(lambda: bench.free("elv-laag") == 1)


def test_a_wrong_rate_is_told_with_what_was_tried(
    tmp_path: Path, display: SimulatedDisplay, benches: list[Bench], caplog: pytest.LogCaptureFixture
) -> None:
    display.baud = 9600
    bench = Bench(Panel(nursing_home(tmp_path, BEDS)), display)
    benches.append(bench)
    display.plug()
    bench.start()
    wait_until(lambda: f"no display answers at {display.link}, at 115200 baud" in caplog.text)


def test_a_display_that_left_the_page_by_itself(bench: Bench) -> None:
    with bench.display._lock:
        bench.display._load("start")
    bench.panel.clock.forward(2.0)
    bench.until("capacity/1")


def test_when_the_panel_stops_no_number_stays(bench: Bench) -> None:
    bench.stop.set()
    wait_until(lambda: bench.display.page == "start")
    bench.stop.clear()
    assert bench.thread is not None
    bench.thread.join(5)
    bench.start()
    bench.until("capacity/1")


SITE = 'capacity = [{{code = "elv-laag", total = 8}}]' + PANEL_SITE + '[[serial_panel]]\ndevice = "{device}"\n'


def test_the_unit_is_killed_right_after_a_tap(tmp_path: Path, display: SimulatedDisplay) -> None:
    """A tap that stands on the display survives; while nobody speaks to it, the display shows no number."""
    display.watch_s = 3
    display.plug()
    file = tmp_path / "site.toml"
    file.write_text(SITE.format(port=free_port(), device=display.link))
    unit = subprocess.Popen([sys.executable, "-c", START, str(file)])
    try:
        wait_until(lambda: display.beats > 0)  # comes after the whole page
        display.tap(PLUS)
        wait_until(lambda: display.text("n0") == "1")
        os.kill(unit.pid, signal.SIGKILL)
        unit.wait(5)
        wait_until(lambda: display.page == "start")
        unit = subprocess.Popen([sys.executable, "-c", START, str(file)])
        wait_until(lambda: display.text("n0") == "1")
        os.kill(unit.pid, signal.SIGTERM)
        assert unit.wait(10) == 0
        assert display.page == "start"
    finally:
        unit.kill()
        unit.wait(5)
    view = StoreView(tmp_path / "data" / "panel.db")
    state = view.state()
    view.close()
    assert {state[key].value["free"] for key in ("pending/elv-laag", "capacity/elv-laag") if key in state} == {1}


def test_an_unexpected_fault_of_a_display_ends_the_unit(tmp_path: Path, display: SimulatedDisplay) -> None:
    """systemd starts the panel again; a dead thread would leave old numbers in sight for good."""
    display.plug()
    file = tmp_path / "site.toml"
    file.write_text(SITE.format(port=free_port(), device=display.link))
    broken = "from zorgkiosk.site.panel import nextion_panel; nextion_panel.steps = None;" + START
    unit = subprocess.run(
        [sys.executable, "-c", broken, str(file)], capture_output=True, text=True, timeout=20, check=False
    )
    assert unit.returncode != 0 and "the serial panel paneel stopped" in unit.stderr
