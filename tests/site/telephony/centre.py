"""hap-noord on a stage: one line with two desks, a real store, and what it told workers and front."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fakes import RecordingFront, RecordingWorkers
from shipped import ANNOUNCEMENTS
from zorgkiosk.contract.events import CallHandled
from zorgkiosk.overflow.terms import PartnerStatus
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.facts import LineFact, OverflowSwitch, read
from zorgkiosk.site.store import Store
from zorgkiosk.site.telephony.announcer import Announcer
from zorgkiosk.site.telephony.journal import Journal
from zorgkiosk.site.telephony.line import Line
from zorgkiosk.site.telephony.messages import (
    Call,
    CallFinished,
    CallOffered,
    Command,
    Hold,
    LegAnswered,
    Outcome,
    RingLeg,
)
from zorgkiosk.site.telephony.situation import Heard

TO_ZUID = RingLeg(
    "partner/hap-zuid",
    "sip:line@hap-zuid",
    True,
    {
        "X-Zorgkiosk-Waited": "0.0",
        "X-Zorgkiosk-Hops": "1",
        "X-Zorgkiosk-Urgent": "0",
        "Diversion": "<sip:line@hap-noord>;reason=user-busy;counter=1",
        "History-Info": "<sip:line@hap-noord>;index=1, <sip:line@hap-zuid>;index=1.1;mp=1",
        "User-to-User": f"{b'hap-noord 0s'.hex()};encoding=hex",
    },
)


def ring(desk: int) -> RingLeg:
    return RingLeg(f"desk/desk-{desk}", f"sip:phone{desk}@desk", False, {})


def config(tmp_path: Path, **more: dict[str, Any]) -> SiteConfig:
    """hap-noord with two desks and hap-zuid as partner; `more` adds to sections."""
    sections: dict[str, Any] = {
        "site": {"name": "hap-noord", "title": "Noord", "region": "oost", "data_dir": tmp_path},
        "hub": {"host": "127.0.0.1", "ca_file": "ca", "certificate_file": "c", "key_file": "k"},
        "front": {"address": "127.0.11.1", "trunk_addresses": ["127.0.11.2"]},
        "announcements": {"folder": ANNOUNCEMENTS},
        "telephony": {},
        "overflow": {"wait_first_s": 0},
        "desk": [
            {"id": "desk-1", "title": "Werkplek 1", "phone": "phone1"},
            {"id": "desk-2", "title": "Werkplek 2", "phone": "phone2"},
        ],
        "partner": [{"name": "hap-zuid", "title": "Zuid", "address": "127.0.12.1", "agreed_on": "2026-01-01"}],
        "secrets": {"phones": {"phone1": "long-enough-1", "phone2": "long-enough-2"}},
    }
    sections["partner"][0].update(more.pop("partner", {}))
    for name, keys in more.items():
        sections[name] = {**sections.get(name, {}), **keys}
    return SiteConfig.model_validate(sections)


def line_of(site: SiteConfig, store: Store, workers: RecordingWorkers, front: RecordingFront) -> Line:
    assert site.telephony is not None and site.announcements is not None
    return Line(
        site,
        site.telephony,
        journal=Journal.resumed(store),
        announcer=Announcer.of(site.announcements),
        is_open=lambda _partner: True,
        workers=workers,
        front=front,
    )


@dataclass
class Centre:
    """hap-noord: one line with two desks, and what it sent."""

    line: Line
    store: Store
    workers: RecordingWorkers
    front: RecordingFront
    now_s: float = 100.0

    def call(self, worker: int, *, origin: str = "trunk", hops: int = 0, urgent: bool = False) -> None:
        call = Call(f"call-{worker}", origin, hops, urgent, self.now_s, 0.0)
        self.line.handle(worker, CallOffered(call), self.now_s)

    def answered(self, worker: int, leg: str) -> None:
        self.line.handle(worker, LegAnswered(leg), self.now_s)

    def finished(self, worker: int, outcome: Outcome, by: str | None = None, waited_s: float = 8.0) -> None:
        done = CallFinished(f"call-{worker}", "trunk", 0, False, waited_s, 60.0, by, outcome)
        self.line.handle(worker, done, self.now_s)

    def sent(self) -> list[tuple[int, Command]]:
        """Everything but what is spoken."""
        return [(worker, command) for worker, command in self.workers.take() if not isinstance(command, Hold)]

    def spoken(self) -> list[tuple[int, list[str], bool]]:
        """What is spoken: worker, file names without `.wav`, whether at once."""
        holds = [(worker, each) for worker, each in self.workers.take() if isinstance(each, Hold)]
        return [(worker, [Path(file).stem for file in hold.files], hold.now) for worker, hold in holds]

    def later(self, seconds: float) -> None:
        self.now_s += seconds
        self.line.tick(self.now_s)

    def desks(self) -> dict[str, str]:
        return {desk.id: desk.state for desk in self.fact().desks}

    def fact(self) -> LineFact:
        fact = read(LineFact, self.store.view().state()["line"])
        assert fact is not None
        return fact

    def records(self) -> list[CallHandled]:
        return [r.data for r in self.store.view().outbox(after=0, limit=99) if isinstance(r.data, CallHandled)]

    def restarted(self) -> Centre:
        """A new line on the same store, with no worker attached yet."""
        workers, front = RecordingWorkers(), RecordingFront()
        line = line_of(config(self.store.path.parent), self.store, workers, front)
        line.resume(self.fact(), self.now_s)
        line.staffed(["desk-1", "desk-2"], OverflowSwitch(), self.now_s)
        return replace(self, line=line, workers=workers, front=front)


def open_centre(site: SiteConfig) -> Centre:
    store = Store.open(site.telephony_db, "telephony", SystemClock.of_this_boot())
    workers, front = RecordingWorkers(), RecordingFront()
    line = line_of(site, store, workers, front)
    line.staffed(["desk-1", "desk-2"], OverflowSwitch(), 100.0)
    return Centre(line, store, workers, front)


def heard(*, free: int, accepting: bool = True, at_s: float = 100.0) -> Heard:
    return Heard(PartnerStatus(accepting, desks_present=3, desks_free=free, waiting=0), at_s)
