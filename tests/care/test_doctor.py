"""What the doctor says, and what a support archive does not."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from care_box import write_site

from shipped import ANNOUNCEMENTS
from zorgkiosk.care.archive import archive
from zorgkiosk.care.doctor import Cause, Echo, Facts, Finding, Reached, SyncSaid, findings
from zorgkiosk.care.probes import probe
from zorgkiosk.cli import main
from zorgkiosk.lab.authority import Authority
from zorgkiosk.site.config import load_site

SYNC = SyncSaid(runs=True, problem=None, unacknowledged=0, acknowledged_ago_s=200.0)
GOOD = Facts(
    free_mb=5_000,
    clock_synced=True,
    config_faults=(),
    dns_fault="",
    broker=Reached("hub.example:8884", True, "reached"),
    sync=SYNC,
    echo=Echo(taken=True, ms=41.2, waited_s=0.0412),
    panel_fault="",
    front_fault="",
    trunks=(Reached("192.0.2.1:5060", True, "answers 200 OK"),),
    partners=(Reached("hap-zuid", True, "answers 503 No worker"),),
    serial_devices=(),
    temperature_c=48.5,
    throttled=0,
    worn_percent=10,
)


def far(told: str, cause: Cause = Cause.WAY) -> Reached:
    return Reached("hub.example:8884", False, told, cause)


def test_a_good_box_has_a_tick_for_each_check() -> None:
    told = [str(each) for each in findings(GOOD)]
    assert len(told) == 15 and all(line.startswith("✓ ") for line in told)
    assert "✓ hub: sync is connected, the hub acknowledged 3 min ago, 0 events on their way" in told
    assert "✓ echo through the hub: 41 ms to its database and back" in told


def test_what_cannot_be_read_here_is_left_out() -> None:
    unknown = replace(GOOD, serial_devices=None, temperature_c=None, throttled=None, worn_percent=None)
    unknown = replace(unknown, front_fault=None, trunks=(), partners=())
    assert {each.check for each in findings(GOOD)} - {each.check for each in findings(unknown)} == {
        *("serial", "temperature", "power", "storage wear", "SIP front", "trunk 192.0.2.1:5060", "partner hap-zuid")
    }


@pytest.mark.parametrize(
    ("change", "check", "told"),
    [
        ({"free_mb": 199}, "disk", "199 MB free → make room"),
        ({"clock_synced": False}, "clock", "not synchronised → open UDP port 123"),
        ({"config_faults": ("x: y",)}, "config and certificate", "x: y → "),
        ({"dns_fault": "hub is not found"}, "DNS", "hub is not found → check [hub] host"),
        ({"broker": far("not reached")}, "broker", "not reached → open TCP to hub.example:8884"),
        ({"broker": far("refuses", Cause.TRUST)}, "broker", "is it right, ask whoever runs the hub"),
        ({"broker": far("x.pem: no", Cause.OWN_FILES)}, "broker", "x.pem: no → put ca_file, certificate_file and"),
        ({"sync": replace(SYNC, problem="Te druk.")}, "hub", "Te druk. → systemctl status zorgkiosk-sync"),
        ({"sync": replace(SYNC, runs=False)}, "hub", "sync does not run → systemctl status zorgkiosk-sync"),
        ({"sync": replace(SYNC, acknowledged_ago_s=None)}, "hub", "has acknowledged nothing since this start"),
        ({"echo": Echo(False, None, 5.0)}, "echo through the hub", "question within 5 s → run it as root (sudo)"),
        ({"echo": Echo(True, None, 15.0)}, "echo through the hub", "nothing within 15 s → ask whoever runs the hub"),
        ({"swaps": ("/var/swap",)}, "swap", "on /var/swap: keys and passwords in memory may reach it → swapoff -a"),
        ({"forgotten": "/var/x lies in memory: see y"}, "read-only system", "/var/x lies in memory → see y"),
        ({"serial_panels": (Reached("paneel", False, "/dev/x is not there"),)}, "serial panel paneel", "→ plug it in"),
        ({"panel_fault": "does not answer"}, "panel", "→ systemctl status zorgkiosk-panel"),
        ({"front_fault": "does not answer"}, "SIP front", "→ systemctl status kamailio"),
        ({"trunks": (Reached("192.0.2.1:5060", False, "silent"),)}, "trunk 192.0.2.1:5060", "silent → check [front]"),
        (
            {"partners": (Reached("hap-zuid", False, "not reached"),)},
            "partner hap-zuid",
            "→ check the route to its address",
        ),
        (
            {"trunks": (Reached("x:5060", False, "no", Cause.OWN_ADDRESS),)},
            "trunk x:5060",
            "→ give this box that address",
        ),
        ({"temperature_c": 75.0}, "temperature", "75 °C → give it air"),
        ({"throttled": 0x50005}, "power", "under-voltage now, throttled now, under-voltage since the start, thrott"),
        ({"worn_percent": 80}, "storage wear", "80 % used → replace it"),
    ],
)
def test_each_fault_is_one_line_with_its_cure(change: dict[str, object], check: str, told: str) -> None:
    wrong = [each for each in findings(replace(GOOD, **change)) if not each.good]  # type: ignore[arg-type]
    assert [each.check for each in wrong] == [check] and told in str(wrong[0]) and str(wrong[0]).startswith("✗ ")


PLANTED = (
    *("geheim-wachtwoord", "zuster-anna", "Kamer van Anna", "0612345678", "48151623", "Linde van Piet", "PRIVATE KEY"),
    *("Balie van Els", "A50285BI", "pbx.example"),
)


def test_a_support_archive_holds_nothing_that_is_anybody_s(tmp_path: Path) -> None:
    more = f"""[front]
address = "192.0.2.10"
trunk_addresses = ["192.0.2.1"]
exchange_address = "192.0.2.1"
[announcements]
folder = "{ANNOUNCEMENTS}"
[telephony]
last_resort = "48151623"
[[desk]]
id = "desk-1"
title = "Kamer van Anna"
phone = "zuster-anna"
[[desk]]
id = "desk-2"
title = "Werkplek 2"
extension = "0612345678"
[[plate]]
name = "balie"
title = "Balie van Els"
[local_broker]
address = "127.0.0.1"
[[serial_panel]]
device = "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0"
[[partner]]
name = "hap-zuid"
title = "Zuid"
address = "203.0.113.5"
agreed_on = "2026-01-01"
redirect_to = "sip:0612345678@pbx.example"
"""
    file = write_site(tmp_path / "etc", Authority.create(tmp_path / "ca"), 8883, more=more)
    file.write_text(file.read_text().replace("De Linde", "Linde van Piet"))
    secrets = file.with_name("secrets.toml")
    secrets.write_text(
        '[phones]\nzuster-anna = "geheim-wachtwoord"\n[plates]\nbalie = "geheim-wachtwoord"\n'
        '[local_broker]\npanel = "geheim-wachtwoord"\n'
    )
    secrets.chmod(0o600)
    sentence = "[[desk]] desk-2: extension 0612345678 of Kamer van Anna, phone zuster-anna"
    found = [
        Finding("config and certificate", False, sentence, "do"),
        Finding("trunk 192.0.2.1:5060", True, "answers 404 Number 0612345678 unknown"),
        Finding("partner hap-zuid", False, "says sip:0612345678@pbx.example, Balie van Els, 48151623, zuster-anna"),
        Finding("serial", True, "usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0, usb-x_A50285BI"),
        Finding("disk", True, "5000 MB free"),
    ]
    texts = unpacked(archive(load_site(file), file, found))
    assert len(texts) == 5 and "overflow.wait_first_s = 105" in texts["zorgkiosk-support/config.txt"]
    assert "5000 MB free" in texts["zorgkiosk-support/doctor.json"]
    whole = "\n".join(texts.values())
    assert [word for word in PLANTED if word in whole] == []


def unpacked(packed: bytes) -> dict[str, str]:
    texts = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        for member in tar:
            if (opened := tar.extractfile(member)) is not None:
                texts[member.name] = opened.read().decode()
    return texts


def test_the_command_says_what_is_wrong_and_its_exit_code_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_site(tmp_path / "etc", Authority.create(tmp_path / "ca"), 1, 1)
    bundle = tmp_path / "support.tar"
    assert main(["doctor", "--config", str(file), "--json", "--bundle", str(bundle)]) == 1
    told = {each["check"]: each for each in json.loads(capsys.readouterr().out)}
    assert "expires on" in told["config and certificate"]["told"]  # the throw-away CA's live a month
    assert not told["broker"]["good"] and not told["panel"]["good"] and told["DNS"]["good"]
    assert bundle.stat().st_mode & 0o777 == 0o600


def test_a_broken_config_is_one_line_beside_the_other_checks_and_the_archive_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_site(tmp_path / "etc", Authority.create(tmp_path / "ca"), 1, 1)
    file.write_text(file.read_text().replace('title = "De Linde"', 'titel = "Linde van Piet"'))
    bundle = tmp_path / "support.tar"
    assert main(["doctor", "--config", str(file), "--bundle", str(bundle)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert any(line.startswith("✗ config and certificate: ") and "titel" in line for line in told)
    assert {line[2:].split(":")[0] for line in told} >= {"disk", "clock", "config and certificate"}
    said = unpacked(bundle.read_bytes())["zorgkiosk-support/doctor.json"]
    assert f"{file}:" in said and "titel" not in said and "Piet" not in said


@pytest.mark.parametrize("where", ["nope/support.tar", "."])
def test_an_archive_that_cannot_be_written_is_said_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    file = write_site(tmp_path / "etc", Authority.create(tmp_path / "ca"), 1, 1)
    target = tmp_path / "out" / where
    (tmp_path / "out").mkdir()
    assert main(["doctor", "--config", str(file), "--bundle", str(target)]) == 74
    told = capsys.readouterr()
    assert "no support archive was written" in told.err and "disk: " in told.out
    assert sorted(each.name for each in tmp_path.iterdir()) == ["ca", "etc", "out"]


def test_what_is_absent_is_named_with_its_own_cure(tmp_path: Path) -> None:
    """Our own files, our own address, a display that is unplugged, a trunk that is a network."""
    more = f"""[front]
address = "192.0.2.10"
trunk_addresses = ["192.0.2.1"]
[announcements]
folder = "{ANNOUNCEMENTS}"
[telephony]
[[serial_panel]]
device = "/dev/nowhere"
[[desk]]
id = "desk-1"
title = "Werkplek 1"
phone = "desk-1"
"""
    file = write_site(tmp_path / "etc", Authority.create(tmp_path / "ca"), 1, 1, more=more)
    file.with_name("secrets.toml").write_text('[phones]\ndesk-1 = "geheim-wachtwoord"\n')
    file.with_name("secrets.toml").chmod(0o600)
    config = load_site(file)
    config.hub.certificate_file.unlink()
    told = {each.check: str(each) for each in findings(probe(config, ()))}
    assert f"{config.hub.certificate_file}: No such file or directory → put ca_file" in told["broker"]
    assert "this box has no address 192.0.2.10 → give this box" in told["trunk 192.0.2.1:5060"]
    assert "/dev/nowhere is not there" in told["serial panel paneel"] and "sync does not run" in told["hub"]
    file.write_text(file.read_text().replace('"192.0.2.1"', '"192.0.2.0/24"'))
    told = {each.check: str(each) for each in findings(probe(load_site(file), ()))}
    assert "nobody in it was asked" in told["trunk 192.0.2.0/24"]


@pytest.mark.integration
@pytest.mark.parametrize("words", [["config", "show"], ["doctor", "--config"]])
def test_old_terminals_and_pipes_that_end_are_no_fault(tmp_path: Path, words: list[str]) -> None:
    file = write_site(tmp_path / "etc", Authority.create(tmp_path / "ca"), 1, 1)
    command = [sys.executable, "-m", "zorgkiosk", *words, str(file)]
    latin = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, env=latin, capture_output=True, encoding="latin-1", check=False)
    assert done.stderr == "" and ("WRONG broker" in done.stdout or 'site.name = "vvt-linde"' in done.stdout)
    ours, its = os.pipe()
    os.close(ours)
    try:
        piped = subprocess.run(command, stdout=its, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(its)
    assert (piped.returncode, piped.stderr) == (done.returncode, b"")


def test_a_reset_without_a_terminal_removes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_site(tmp_path / "etc", Authority.create(tmp_path / "ca"), 1, 1)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["factory-reset", "--config", str(file)]) == 1
    assert "nothing was removed" in capsys.readouterr().err
