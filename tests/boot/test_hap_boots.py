"""A triage centre's box: the line, its workers and Kamailio as they are delivered, under their full hardening."""

from __future__ import annotations

import re

import pytest
from boot_site import UNACKNOWLEDGED, active, python

from zorgkiosk.lab.nspawn import Machine, wait
from zorgkiosk.site.telephony.front_watch import HUNG_S

pytest_plugins = ("boot_fixtures",)
pytestmark = [pytest.mark.integration, pytest.mark.boot, pytest.mark.timeout(1800)]

WORKERS = 8
SOON_S = 90.0
SITE = "from pathlib import Path; from zorgkiosk.lab.region import Site; from zorgkiosk.site.config import load_site; "
SITE += 'file = Path("/etc/zorgkiosk/site.toml"); site = Site(load_site(file), file); '
OPTIONS = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trunk:
    trunk.bind(("127.0.11.2", 5060))
    trunk.settimeout(5)
    lines = ["OPTIONS sip:zorg@127.0.11.1 SIP/2.0", "Via: SIP/2.0/UDP 127.0.11.2:5060;branch=z9hG4bKboot",
             "From: <sip:trunk@127.0.11.2>;tag=1", "To: <sip:zorg@127.0.11.1>", "Call-ID: boot", "CSeq: 1 OPTIONS",
             "Max-Forwards: 70", "Content-Length: 0", "", ""]
    trunk.sendto("\\r\\n".join(lines).encode(), ("127.0.11.1", 5060))
    print(trunk.recv(4096).decode().splitlines()[0])
"""
CALL = (
    SITE
    + """
import asyncio
from zorgkiosk.lab import evidence
from zorgkiosk.lab.people import People

async def call():
    people = People()
    try:
        await people.sit_down(site)
        for desk in site.config.desk:
            await evidence.tap(site, f"desk/{desk.id}", present="yes")
        await people.gather_callers(site, 1)
        await people.callers[0].call("sip:huisartsenpost@127.0.11.1")
        meeting = await people.meet(people.callers[0])
        await people.callers[0].hang_up()
        print(meeting.site, meeting.desk)
    finally:
        await people.stop()

asyncio.run(call())
"""
)
HANDLED = """
import json, sqlite3
from pathlib import Path
from zorgkiosk.hub.config import load_hub
file = load_hub(Path("/etc/zorgkiosk/hub.toml")).hub.database.removeprefix("sqlite:///")
query = "SELECT data FROM event WHERE site = 'hap-noord' AND kind = 'call.handled'"
[[data]] = sqlite3.connect(f"file:{file}?mode=ro", uri=True).execute(query).fetchall()
call = json.loads(data)
print(call["outcome"], call["desk"], call["talked_s"])
"""


def idle_workers(machine: Machine) -> int:
    """By the front's own word, asked as the line asks."""
    ask = SITE + "import asyncio; print(asyncio.run(site.idle_workers()))"
    return int(machine.do("/opt/zorgkiosk/current/bin/python", "-c", ask))


def worker_pids(machine: Machine) -> set[str]:
    return set(machine.do("/opt/zorgkiosk/current/bin/python", "-c", SITE + "print(*site.workers().values())").split())


def all_idle(machine: Machine) -> bool:
    return idle_workers(machine) == WORKERS


def test_the_line_and_the_front_are_active_and_every_worker_is_ready_for_a_caller(hap: Machine) -> None:
    for unit in ("zorgkiosk-telephony", "kamailio"):
        wait(lambda unit=unit: hap.unit(unit)["ActiveState"] == "active", SOON_S, f"{unit} is active")  # type: ignore[misc]
    wait(lambda: all_idle(hap), SOON_S, "the front has eight idle workers")
    assert hap.ask("systemctl", "--failed", "--no-legend", "--plain") == ""


def test_the_trunk_is_answered(hap: Machine) -> None:
    wait(lambda: all_idle(hap), SOON_S, "the front has eight idle workers")
    assert hap.do("/opt/zorgkiosk/current/bin/python", "-c", OPTIONS) == "SIP/2.0 200 OK"


def test_the_front_runs_without_rights_as_its_own_user(hap: Machine) -> None:
    pid = hap.main_pid("kamailio")
    assert hap.do("stat", "-c", "%U:%G", f"/proc/{pid}") == "zorgkiosk-front:zorgkiosk-calls"
    status = hap.do("cat", f"/proc/{pid}/status")
    assert "NoNewPrivs:\t1" in status and "CapBnd:\t0000000000000000" in status and "Seccomp:\t2" in status


def test_who_takes_over_another_unit_cannot_speak_to_the_front_nor_change_what_it_reads(hap: Machine) -> None:
    wait(lambda: all_idle(hap), SOON_S, "the front has eight idle workers")
    folder = "/run/zorgkiosk-front"

    def allowed(unit: str, *command: str) -> bool:
        status = hap.do("cat", f"/proc/{hap.main_pid(f'zorgkiosk-{unit}')}/status")
        [groups] = re.findall(r"(?m)^Groups:\s*(.*)$", status)
        as_it = (
            "setpriv",
            "--reuid",
            f"zorgkiosk-{unit}",
            "--regid",
            "zorgkiosk",
            "--groups",
            ",".join(groups.split()),
        )
        return hap.succeeds(*as_it, *command)

    for unit in ("panel", "sync"):
        for command in (("ls", folder), ("test", "-w", f"{folder}/rpc.sock"), ("cat", f"{folder}/kamailio.cfg")):
            assert not allowed(unit, *command)
        assert not allowed(unit, "mv", folder, f"{folder}-away")
        assert not allowed(unit, "rm", "/run/zorgkiosk/line.sock")
    assert allowed("telephony", "test", "-w", f"{folder}/rpc.sock")
    for command in (
        ("cat", f"{folder}/secrets.cfg"),
        ("touch", f"{folder}/kamailio.cfg.new"),
        ("ls", f"{folder}/phones"),
    ):
        assert not allowed("telephony", *command)


def test_workers_outlive_a_line_that_is_killed_and_come_back_to_the_next(hap: Machine) -> None:
    wait(lambda: all_idle(hap), SOON_S, "the front has eight idle workers")
    before, workers = hap.main_pid("zorgkiosk-telephony"), worker_pids(hap)
    assert len(workers) == WORKERS
    hap.signal("zorgkiosk-telephony", "KILL")
    wait(lambda: hap.main_pid("zorgkiosk-telephony") not in (0, before), SOON_S, "another line runs")
    wait(lambda: hap.unit("zorgkiosk-telephony")["ActiveState"] == "active", SOON_S, "and says that it is ready")
    wait(lambda: all_idle(hap), SOON_S, "the front has eight idle workers")
    assert worker_pids(hap) == workers


def test_a_front_that_is_killed_comes_back_with_its_workers(hap: Machine) -> None:
    before = hap.main_pid("kamailio")
    hap.signal("kamailio", "KILL")
    wait(lambda: hap.main_pid("kamailio") not in (0, before), SOON_S, "another front runs")
    wait(lambda: all_idle(hap), SOON_S, "the front has eight idle workers")
    assert hap.do("/opt/zorgkiosk/current/bin/python", "-c", OPTIONS) == "SIP/2.0 200 OK"


def test_a_front_that_hangs_is_started_anew(hap: Machine) -> None:
    """Every process of it stands still, as in a deadlock: systemd sees a unit that is active."""
    wait(lambda: all_idle(hap), SOON_S, "the front has eight idle workers")
    before, line = hap.main_pid("kamailio"), hap.main_pid("zorgkiosk-telephony")
    hap.do("systemctl", "kill", "--signal=STOP", "kamailio")
    wait(lambda: hap.main_pid("kamailio") not in (0, before), HUNG_S + SOON_S, "another front runs")
    wait(lambda: all_idle(hap), SOON_S, "the front has eight idle workers")
    assert python(hap, OPTIONS) == "SIP/2.0 200 OK"
    assert not hap.succeeds("test", "-e", "/run/zorgkiosk-front/line/restart")
    assert hap.main_pid("zorgkiosk-telephony") == line
    assert "its restart was asked for" in hap.journal("zorgkiosk-telephony")


def test_the_watchdog_ends_a_line_that_stands_still_and_leaves_its_workers(hap: Machine) -> None:
    before, workers = hap.main_pid("zorgkiosk-telephony"), worker_pids(hap)
    hap.signal("zorgkiosk-telephony", "STOP")
    wait(
        lambda: hap.main_pid("zorgkiosk-telephony") not in (0, before), 2 * SOON_S, "the watchdog started another line"
    )
    assert "Watchdog timeout" in hap.journal("zorgkiosk-telephony")
    wait(lambda: all_idle(hap), SOON_S, "the front has eight idle workers")
    assert worker_pids(hap) == workers


def test_a_caller_talks_to_a_desk_and_the_hub_hears_that_the_call_was_answered(hap: Machine) -> None:
    """With the box's own programs: phones that register with the bundle's passwords, tones that tell who hears whom."""
    wait(lambda: active(hap, "sync", "intake"), SOON_S, "sync and the hub run")
    wait(lambda: all_idle(hap), SOON_S, "the front has eight idle workers")
    assert python(hap, CALL).splitlines()[-1] in ("hap-noord desk-1", "hap-noord desk-2")
    wait(lambda: python(hap, UNACKNOWLEDGED) == "0", SOON_S, "the hub acknowledged all of it")
    outcome, desk, talked = python(hap, HANDLED).split()
    assert (outcome, desk[:5]) == ("answered", "desk-") and float(talked) > 0
