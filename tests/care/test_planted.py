"""Distinctive secrets in a site's files, units that run and fail with them: no other file of the box ever holds one."""

from __future__ import annotations

import getpass
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from care_box import OwnProcesses, wait_for, write_site

from shipped import ANNOUNCEMENTS
from zorgkiosk.hub.broker import BrokerParameters
from zorgkiosk.lab.authority import Authority
from zorgkiosk.lab.broker import RunningBroker
from zorgkiosk.lab.daemon import Daemon
from zorgkiosk.lab.evidence import files_with
from zorgkiosk.lab.plate import PlateError, SimulatedPlate
from zorgkiosk.lab.ports import free_port
from zorgkiosk.site import local_broker
from zorgkiosk.site.config import load_site
from zorgkiosk.site.panel.pin import hashed
from zorgkiosk.site.store import StoreView

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

PIN, WRONG_PIN = "73914682", "73914683"
PIN_HASH = hashed(PIN)
DESK, PLATE, PANEL, ASSISTANT = "Desk-Kuiper-19", "Plate-Kuiper-28", "Panel-Kuiper-37", "Assist-Kuiper-46"
NUMBERS = ("0687654321", "0031687654321")
"""As callers have; here they come in where a stranger can write: addresses of pages, forms, messages of a plate,
what an exchange says."""
BROKEN = "Kuiper-too-long-for-a-plate-0123456789"

EXCHANGE_PORT = free_port()
MORE = f"""pin_actions = ["giving"]
[front]
address = "127.0.0.1"
trunk_addresses = ["127.0.0.1"]
exchange_port = {EXCHANGE_PORT}
[announcements]
folder = "{ANNOUNCEMENTS}"
[telephony]
worker_rtp_port = 20000
[[desk]]
id = "desk-1"
title = "Werkplek 1"
phone = "kuiperphone"
[[plate]]
name = "balie"
title = "Balie"
[local_broker]
address = "127.0.0.1"
"""


@dataclass
class Box:
    folder: Path
    units: OwnProcesses
    url: str
    plates_port: int
    said: int = 0

    @property
    def config(self) -> Path:
        return self.units.config

    @property
    def log(self) -> str:
        return self.config.with_name("panel.log").read_text(errors="replace")

    def command(self, *words: str) -> int:
        """A command as a technician types it; what it says becomes a file that is searched too."""
        self.said += 1
        with (self.folder / f"said-{self.said}.txt").open("wb") as said:
            command = [sys.executable, "-m", "zorgkiosk", *words]
            return subprocess.run(command, stdout=said, stderr=said, check=False, timeout=60).returncode

    def post(self, path: str, **form: str) -> int:
        body = urllib.parse.urlencode(form).encode()
        return self.ask(urllib.request.Request(self.url + path, body, {"Origin": self.url}))  # noqa: S310

    def ask(self, request: urllib.request.Request) -> int:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    authority, port, plates_port, panel_port = Authority.create(tmp_path / "ca"), free_port(), free_port(), free_port()
    certificate, key = authority.issue("broker", addresses=("127.0.0.1",))
    broker = RunningBroker.start(
        BrokerParameters(
            "oost", tmp_path / "broker", "127.0.0.1", port, authority.ca_file, certificate, key, {"vvt-linde": ()}
        )
    )
    file = write_site(tmp_path / "etc", authority, port, panel_port)
    head, capacity = file.read_text().split("[[capacity]]")
    file.write_text(f"{head}{MORE}port = {plates_port}\n[[capacity]]{capacity}")
    secrets = file.with_name("secrets.toml")
    secrets.write_text(
        f'[phones]\nkuiperphone = "{DESK}"\n[plates]\nbalie = "{PLATE}"\n'
        f'[local_broker]\npanel = "{PANEL}"\nhome_assistant = "{ASSISTANT}"\n[panel]\npin_scrypt = "{PIN_HASH}"\n'
    )
    secrets.chmod(0o600)
    mosquitto = local_broker.write(load_site(file), tmp_path / "plates", getpass.getuser())
    local = Daemon("plates", local_broker.command(mosquitto), tmp_path / "plates" / "mosquitto.log")
    local.start()
    box = Box(tmp_path, OwnProcesses(file), f"http://127.0.0.1:{panel_port}", plates_port)
    box.units.start()
    try:
        wait_for(lambda: "panel: http" in box.log, "the panel")
        yield box
    finally:
        box.units.stop()
        local.stop()
        broker.stop()


@pytest.fixture
def exchange() -> Iterator[None]:
    """It refuses whoever asks, with a number in its words."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", EXCHANGE_PORT))

        def refuse() -> None:
            while packet := udp.recvfrom(65_535):
                request, sender = packet
                if not request:
                    return
                via = next(line for line in request.decode().split("\r\n") if line.startswith("Via"))
                udp.sendto(f"SIP/2.0 404 Number {NUMBERS[0]} unknown\r\n{via}\r\n\r\n".encode(), sender)

        refusing = threading.Thread(target=refuse)
        refusing.start()
        yield
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", udp.getsockname())
        refusing.join()


def live(box: Box) -> None:
    """Taps that succeed, and everything a stranger or a mistake can say."""
    config = load_site(box.config)
    wait_for(lambda: box.ask(urllib.request.Request(box.url + "/")) == 200, "the first page")  # noqa: S310
    assert box.post("/tap/capacity/elv-laag", step="+1", place="") == 200
    assert box.post("/pin/giving/no", pin=WRONG_PIN) == 403
    assert box.post("/pin/giving/no", pin=PIN) == 200
    for number in NUMBERS:
        assert box.ask(urllib.request.Request(f"{box.url}/{number}?pin={PIN}")) >= 400  # noqa: S310
        assert box.post(f"/tap/capacity/{number}", step=number, place=number) >= 400
        assert box.post("/tap/desk/desk-1", present=number, tap=number) in (200, 400, 422)
        assert box.post(f"/pin/{number}/{PIN}", pin=number) >= 400
    plate = SimulatedPlate("balie", PLATE, "127.0.0.1", box.plates_port)
    plate.connect()
    wait_for(lambda: plate.objects, "the plate's page")
    for number in NUMBERS:
        plate.say("state/p1b13", f'{{"event":"{number}"}}')
        plate.say(f"state/{number}", number)
    wait_for(lambda: "messages refused" in box.log, "the plate's nonsense is told")
    plate.drop(abruptly=False)
    with pytest.raises(PlateError):
        SimulatedPlate("balie", WRONG_PIN, "127.0.0.1", box.plates_port).connect()
    view = StoreView(config.panel_db)
    rows = view.journal(skip=0, limit=99)
    view.close()  # a reader left behind would keep the WAL, and with it what `fail` damages
    assert {"step", "pin", "overflow"} <= {row.line.verb for row in rows}, "taps and a wrong PIN are in the journal"


def fail(box: Box) -> None:
    """An unexpected fault with its traceback, a damaged store, and commands that end at a wrong secret."""
    file, config = box.config, load_site(box.config)
    assert box.command("run", "panel", "--config", str(file)) == 1, "the port is taken"
    assert "Traceback" in (box.folder / "said-1.txt").read_text()
    box.units.stop()
    with config.panel_db.open("r+b") as store:
        store.seek(0)
        store.write(b"\xff" * 20_000)
    box.units.start()
    wait_for(lambda: box.log.count("panel: http") == 2, "the panel with a new store")
    assert "is damaged" in box.log
    secrets = file.with_name("secrets.toml")
    right = secrets.read_text()
    for wrong in (
        right.replace(PLATE, BROKEN),
        right.replace(f'"{DESK}"', f'"{DESK}'),
        right.replace("[phones]", f"[{DESK}]"),
        right.replace(PIN_HASH, PIN),
    ):
        secrets.write_text(wrong)
        box.command("check", str(file))
        box.command("config", "show", str(file))
        box.command("run", "panel", "--config", str(file))
        box.command("doctor", "--config", str(file))
    secrets.write_text(right)
    assert box.command("check", str(file)) == 0
    assert box.command("config", "show", str(file)) == 0


def test_what_was_planted_is_in_no_log_no_store_no_journal_and_no_bundle(box: Box, exchange: None) -> None:
    file = box.config
    live(box)
    fail(box)
    bundle, journal = box.folder / "support.tar", box.folder / "journal.jsonl"
    box.command("doctor", "--config", str(file), "--bundle", str(bundle))
    assert box.command("audit", "export", "--config", str(file), "--out", str(journal)) == 0
    assert bundle.stat().st_size > 5_000 and journal.stat().st_size > 100
    key = load_site(file).hub.key_file
    words = key.read_text().splitlines()
    made_to_hold = {file.with_name("secrets.toml")}
    for planted in (PIN, WRONG_PIN, PIN_HASH, DESK, PLATE, PANEL, ASSISTANT, BROKEN, *NUMBERS, words[2]):
        found, read = files_with([box.folder], planted)
        leaks = [each for each in found if each not in made_to_hold and each.suffix not in (".key", ".pem")]
        assert leaks == [], planted
    assert read > 30
    assert any("answers 404" in each.read_text() for each in box.folder.glob("said-*.txt")), "the exchange was asked"
    # The search finds what is there: the taps are in the store that was damaged after them, and so on.
    for word, holder in (("elv-laag", "panel.db.damaged"), ("elv-laag", "support.tar"), ("refused", "panel.log")):
        assert holder in held_by(box, word), word
    assert "journal.jsonl" in held_by(box, '"hash"')


def held_by(box: Box, word: str) -> set[str]:
    """Names of the files that hold it, without the instant at which one was set aside."""
    return {re.sub(r"(damaged)-.*", r"\1", each.name) for each in files_with([box.folder], word)[0]}
