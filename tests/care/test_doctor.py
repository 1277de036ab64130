"""What the doctor says, and what a support archive does not."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from care_box import write_site

from shipped import ANNOUNCEMENTS
from zorgkiosk.care.archive import archive
from zorgkiosk.care.doctor import Facts, Finding, Reached, findings
from zorgkiosk.cli import main
from zorgkiosk.lab.authority import Authority
from zorgkiosk.site.config import load_site

GOOD = Facts(
    free_mb=5_000,
    clock_synced=True,
    config_faults=(),
    dns_fault="",
    broker_fault="",
    link_problem=None,
    unacknowledged=0,
    panel_fault="",
    front_fault="",
    trunks=(Reached("192.0.2.1:5060", True, "answers 200 OK"),),
    partners=(Reached("hap-zuid", True, "answers 503 No worker"),),
    serial_devices=(),
    temperature_c=48.5,
    throttled=0,
    worn_percent=10,
)


def test_a_good_box_has_a_tick_for_each_check() -> None:
    told = [str(each) for each in findings(GOOD)]
    assert len(told) == 14 and all(line.startswith("✓ ") for line in told)


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
        ({"broker_fault": "not reached"}, "broker", "not reached → open TCP port 8883"),
        ({"link_problem": "De regio is te druk."}, "hub", "De regio is te druk. → systemctl status zorgkiosk-sync"),
        ({"panel_fault": "does not answer"}, "panel", "→ systemctl status zorgkiosk-panel"),
        ({"front_fault": "does not answer"}, "SIP front", "→ systemctl status kamailio"),
        ({"trunks": (Reached("192.0.2.1:5060", False, "silent"),)}, "trunk 192.0.2.1:5060", "silent → check [front]"),
        ({"partners": (Reached("hap-zuid", False, "not reached"),)}, "partner hap-zuid", "→ ask the partner"),
        ({"temperature_c": 75.0}, "temperature", "75 °C → give it air"),
        ({"throttled": 0x50005}, "power", "under-voltage now, throttled now, under-voltage since the start, thrott"),
        ({"worn_percent": 80}, "storage wear", "80 % used → replace it"),
    ],
)
def test_each_fault_is_one_line_with_its_cure(change: dict[str, object], check: str, told: str) -> None:
    wrong = [each for each in findings(replace(GOOD, **change)) if not each.good]  # type: ignore[arg-type]
    assert [each.check for each in wrong] == [check] and told in str(wrong[0]) and str(wrong[0]).startswith("✗ ")


PLANTED = ("geheim-wachtwoord", "zuster-anna", "Kamer van Anna", "0612345678", "299", "Linde van Piet", "PRIVATE KEY")


def test_a_support_archive_holds_nothing_that_is_anybody_s(tmp_path: Path) -> None:
    more = f"""[front]
address = "192.0.2.10"
trunk_addresses = ["192.0.2.1"]
exchange_address = "192.0.2.1"
[announcements]
folder = "{ANNOUNCEMENTS}"
[telephony]
last_resort = "299"
[[desk]]
id = "desk-1"
title = "Kamer van Anna"
phone = "zuster-anna"
[[desk]]
id = "desk-2"
title = "Werkplek 2"
extension = "0612345678"
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
    secrets.write_text('[phones]\nzuster-anna = "geheim-wachtwoord"\n')
    secrets.chmod(0o600)
    sentence = "[[desk]] desk-2: extension 0612345678 of Kamer van Anna, phone zuster-anna"
    packed = archive(load_site(file), file, [Finding("config and certificate", False, sentence, "do")])
    texts = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        for member in tar:
            if (opened := tar.extractfile(member)) is not None:
                texts[member.name] = opened.read().decode()
    assert len(texts) == 5 and "overflow.wait_first_s = 105" in texts["zorgkiosk-support/config.txt"]
    whole = "\n".join(texts.values())
    assert [word for word in PLANTED if word in whole] == []


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
