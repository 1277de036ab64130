"""A busy triage centre's panel as a real unit, and the sizes of screen it hangs on the wall with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from test_panel_status_unit import SITE as HOSPITAL
from test_panel_unit import CENTRE, SITE, Unit, wait_until

from zorgkiosk.contract.events import Triage
from zorgkiosk.contract.names import Message
from zorgkiosk.lab.ports import free_port
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.facts import CallFact, DeskFact, LineFact, LinkFact, OfferFact
from zorgkiosk.site.panel.pin import hashed
from zorgkiosk.site.store import Store

PIN = "274951"
STORED_PIN = hashed(PIN, bytes(16))
DESKS = 7
PARTNERS = """
[[partner]]
name = "hap-zuid"
title = "HAP Zuid"
address = "127.0.0.3"
agreed_on = "2026-01-12"
"""


@dataclass(frozen=True)
class Size:
    """Of a screen, in pixels; `dpi` is what the config says of it."""

    width: int
    height: int
    dpi: float

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


SEVEN_INCH, TEN_INCH = 133.0, 149.0
SIZES = [Size(800, 480, SEVEN_INCH), Size(1280, 800, TEN_INCH), Size(480, 800, SEVEN_INCH), Size(800, 1280, TEN_INCH)]
HOSPITAL_PATHS = ["/capacity/1", "/capacity/2", "/detail/1", "/detail/2"]
PATHS = ["/capacity/1", "/capacity/2", "/triage/1", "/triage/2", "/regio/1", "/logboek/1", "/pin/giving/no", "/nowhere"]


class BusyCentre(Unit):
    """A centre of seven desks that also reports five categories; its telephony speaks through the real store."""

    def configure(self, *, dpi: float = SEVEN_INCH, more: str = "") -> None:
        desks = "".join(f'[[desk]]\nid = "desk-{n}"\ntitle = "Werkplek {n}"\nphone = "desk-{n}"\n' for n in self.desks)
        panel = f"dpi = {dpi}\n{more}\n"
        text = SITE.format(port=self.port).replace("vvt-linde", "hap-midden").replace("VVT De Linde", "HAP Midden")
        (self.folder / "site.toml").write_text(text + panel + CENTRE + desks + PARTNERS)
        secrets = self.folder / "secrets.toml"
        phones = "".join(f'desk-{n} = "long-enough"\n' for n in self.desks)
        secrets.write_text(f'[panel]\npin_scrypt = "{STORED_PIN}"\n[phones]\n{phones}')
        secrets.chmod(0o600)

    @property
    def desks(self) -> range:
        return range(1, DESKS + 1)

    def telephony_says(self, *, lost: int = 0, failing: bool = False) -> None:
        """A rush: three wait, one of them at the partner too, a desk does not answer."""
        clock = SystemClock.of_this_boot()
        up_ms = int(clock.uptime_s() * 1000)
        desks = tuple(
            DeskFact(id=f"desk-{n}", state="no-answer" if failing and n == 2 else "free", since_uptime_ms=1000)
            for n in self.desks
        )
        offer = OfferFact(partner="hap-zuid", chance_home=0.41, chance_partner=0.93)
        call = CallFact(
            worker=1, sip_call_id="a@b", origin="hap-midden", hops=0, urgent=False, arrived_uptime_ms=up_ms,
            offers=(offer,),
        )  # fmt: skip
        triage = Triage(
            desks_present=3, desks_free=1, waiting=3, longest_wait_s=95, accepting_overflow=True, pressure="oranje",
            chance_2min=0.41, helping={"hap-zuid": 1}, helped_by={"hap-zuid": 2},
        )  # fmt: skip
        self.write("telephony", line=LineFact(desks=desks, calls=(call,), lost=lost), triage=triage)

    def region_answers(self) -> None:
        self.write("sync", link=LinkFact(connected=True))

    def write(self, unit: str, **facts: Message) -> None:
        store = Store.open(self.folder / "data" / f"{unit}.db", unit, SystemClock.of_this_boot())
        with store.transaction() as change:
            for key, fact in facts.items():
                change.put(key, fact.model_dump(mode="json"))
        store.close()


@contextmanager
def running(*units: Unit) -> Iterator[None]:
    """They come up side by side, and end so."""
    for unit in units:
        unit.launch()
    try:
        for unit in units:
            wait_until(unit.answers)
        yield
    finally:
        there = [unit.process for unit in units if unit.process is not None and unit.process.poll() is None]
        for process in there:
            process.terminate()
        assert [process.wait(timeout=10) for process in there] == [0] * len(there)


def a_busy_centre(folder: Path, *, dpi: float = SEVEN_INCH, more: str = "") -> BusyCentre:
    """Not started yet."""
    centre = BusyCentre(folder, free_port())
    centre.configure(dpi=dpi, more=more)
    centre.telephony_says()
    return centre


@contextmanager
def busy_centre(folder: Path, *, dpi: float = SEVEN_INCH, more: str = "") -> Iterator[BusyCentre]:
    """Started, with numbers told and an alarm that nobody has seen."""
    centre = a_busy_centre(folder, dpi=dpi, more=more)
    with running(centre):
        yield centre


def a_hospital(folder: Path, *, dpi: float, more: str = "") -> Unit:
    """Statuses beside numbers; not started yet."""
    unit = Unit(folder, free_port())
    panel = f"undo_s = 0\ndpi = {dpi}\n{more}"
    (folder / "site.toml").write_text(HOSPITAL.format(port=unit.port).replace("undo_s = 2", panel))
    return unit


def stop_hospital(unit: Unit) -> None:
    """All that can be said: its emergency department has stopped."""
    assert unit.tap("/tap/status/seh", "status=stop&place=capacity/1") == 303
    assert unit.tap("/tap/reason/seh/geen-bedden", "on=yes&place=detail/1") == 303
    assert unit.tap("/tap/capacity/elv-palliatief", "step=%2B1&place=capacity/1") == 303
