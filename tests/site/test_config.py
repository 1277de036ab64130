"""site.toml as a technician writes it, and gets it wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipped import ANNOUNCEMENTS
from zorgkiosk.config_file import ConfigError
from zorgkiosk.site.config import SiteConfig, load_site

VVT = """
[site]
name = "vvt-linde"
title = "De Linde"
region = "roaz-oost"
[hub]
host = "hub.example"
ca_file = "ca.pem"
certificate_file = "site.pem"
key_file = "site.key"
[[capacity]]
code = "elv-laag"
total = 12
"""
HAP = (
    VVT
    + """
[front]
address = "192.0.2.10"
trunk_addresses = ["192.0.2.1", "198.51.100.0/24"]
[announcements]
folder = "ANNOUNCEMENTS"
[telephony]
workers = 4
[[desk]]
id = "desk-1"
title = "Werkplek 1"
phone = "phone-1"
[[partner]]
name = "hap-zuid"
title = "HAP Zuid"
address = "203.0.113.5"
agreed_on = "2026-01-01"
"""
)
HAP = HAP.replace("ANNOUNCEMENTS", str(ANNOUNCEMENTS))
SECRETS = '[phones]\nphone-1 = "lang-genoeg-geheim"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(SECRETS)
    secrets.chmod(0o600)
    return tmp_path


def read(folder: Path, text: str) -> SiteConfig:
    (folder / "site.toml").write_text(text)
    return load_site(folder / "site.toml")


def problems(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        read(folder, text)
    return str(refused.value)


def test_a_vvt_site_needs_little(folder: Path) -> None:
    config = read(folder, VVT)
    assert config.telephony is None and config.partner == () and config.hub.port == 8883
    assert config.hub.ca_file == folder / "ca.pem"
    assert config.sync_db == Path("/var/lib/zorgkiosk/sync.db")
    assert config.capacity[0].freshness.due_s == 8 * 3600


def test_beds_may_be_asked_more(folder: Path) -> None:
    (item,) = read(folder, VVT + 'ask_expected = true\nlimits = ["isolatie", "alleen-v"]\n').capacity
    assert item.ask_expected and item.limits == ("isolatie", "alleen-v")


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (
            'code = "seh"\ntotal = 3',
            "total: 'seh' is told as a status (open, dreigend, stop), not counted: leave total",
        ),
        ('code = "apotheek"\nask_expected = true', "ask_expected: is for beds alone: leave it out of 'apotheek'"),
        ('code = "wijk-acuut"\nlimits = ["isolatie"]', "limits: is for beds alone: leave it out of 'wijk-acuut'"),
        ('code = "grz"\nlimits = ["izolatie"]', "limits 'izolatie' is not known, did you mean 'isolatie'?"),
        ('code = "grz"\nlimits = ["isolatie", "isolatie"]', "limits: one stands twice: name each once"),
        ('code = "she"', "code 'she' is not known, did you mean 'seh'?"),
    ],
)
def test_what_a_category_cannot_have_is_one_clear_sentence(folder: Path, section: str, told: str) -> None:
    sentences = problems(folder, VVT + "[[capacity]]\n" + section + "\n").splitlines()
    assert len(sentences) == 1 and told in sentences[0] and "capacity[1]" in sentences[0]


def test_a_hap_has_desks_partners_and_a_front(folder: Path) -> None:
    config = read(folder, HAP)
    assert config.front is not None and [str(net) for net in config.front.trunk_addresses] == [
        "192.0.2.1/32",
        "198.51.100.0/24",
    ]
    assert config.partner[0].give_at_once == 5 and config.telephony is not None
    assert config.announcements is not None and config.announcements.folder.name == "announcements"


def test_freshness_of_a_category_can_be_set_for_a_site(folder: Path) -> None:
    config = read(folder, VVT + "due_min = 5\noverdue_min = 10\nunknown_min = 15\n")
    assert config.capacity[0].freshness.model_dump() == {"due_s": 300, "overdue_s": 600, "unknown_s": 900}


def test_problems_of_several_sections_are_told_at_once(folder: Path) -> None:
    told = problems(
        folder,
        VVT.replace('host = "hub.example"', 'hots = "hub.example"\nport = 99999').replace("elv-laag", "elv-lag"),
    ).splitlines()
    assert len(told) == 4
    for wanted in (
        "hub.host: is missing",
        "hub.hots: is not a key of this section, did you mean 'host'?",
        "hub.port: is too large: write a whole number, 1 to 65535",
        "capacity[0]: code 'elv-lag' is not known, did you mean 'elv-laag'?",
    ):
        assert any(wanted in sentence for sentence in told), wanted


def test_serial_displays_are_found_by_themselves_or_as_written(folder: Path) -> None:
    config = read(folder, VVT + '[[serial_panel]]\n[[serial_panel]]\ndevice = "/dev/ttyUSB7"\nbaud = 57600\n')
    first, second = config.serial_panel
    assert (first.device, first.baud) == (Path("/dev/zorgkiosk-panel"), "auto")
    assert (second.device, second.baud) == (Path("/dev/ttyUSB7"), 57600)


@pytest.mark.parametrize(
    ("display", "told"),
    [
        ('device = "ttyUSB0"', "'ttyUSB0' is no full path: write /dev/zorgkiosk-panel"),
        ("baud = 12345", '12345 is no rate of a display: write "auto" or one of [2400, 4800, 9600'),
        ('baud = "fast"', "serial_panel[0].baud"),
        ('name = "Balie 1"', "serial_panel[0].name"),
        ("rate = 9600", "serial_panel[0].rate: is not a key of this section"),
        ("[[serial_panel]]", "[[serial_panel]] device '/dev/zorgkiosk-panel' stands twice"),
    ],
)
def test_mistakes_of_a_serial_display(display: str, told: str, folder: Path) -> None:
    assert told in problems(folder, VVT + f"[[serial_panel]]\n{display}\n")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "vvt-linde"', 'name = "VVT Linde"', "site.name: "),
        ('name = "vvt-linde"', 'name = "vvt-0612345678"', "site.name: "),
        ('title = "De Linde"', 'title = "Bel 0612345678"', "site.title: "),
        ("total = 12", "due_min = 9999", "freshness times must rise"),
        ("total = 12", 'total = 12\n[[capacity]]\ncode = "elv-laag"', "code 'elv-laag' stands twice"),
        ("[front]", "[fornt]", "fornt: is not a key of this section, did you mean 'front'?"),
        ('trunk_addresses = ["192.0.2.1", "198.51.100.0/24"]', "trunk_addresses = []", "front.trunk_addresses"),
        ('name = "hap-zuid"', 'name = "vvt-linde"', "[[partner]] names this site itself"),
        ('phone = "phone-1"', 'phone = "phone-2"', "phone 'phone-2' has no password: write it in secrets.toml"),
        ('agreed_on = "2026-01-01"', "", "partner[0].agreed_on: is missing"),
        (
            "[telephony]",
            '[panel]\npin_actions = ["giving"]\n[telephony]',
            "pin_actions needs a PIN",
        ),
        ("[telephony]", '[panel]\npin_actions = ["all"]\n[telephony]', "panel.pin_actions[0]"),
        ("[telephony]", '[panel]\naddress = "0.0.0.0"\n[telephony]', "0.0.0.0 is every network"),
        ("[telephony]", '[panel]\naddress = "panel"\n[telephony]', "'panel' is not an IPv4 address"),
        ("[telephony]", '[panel]\naddress = "192.0.2.7"\n[telephony]', "needs certificate_file, key_file and a PIN"),
        ("[telephony]", '[panel]\nkey_file = "k"\n[telephony]', "certificate_file and key_file belong together"),
        ("[telephony]", '[panel]\nquiet_hours = "22-7"\n[telephony]', "'22-7' is not a span of the day"),
        ("[telephony]\nworkers", "[panel]\nundo_s = 5\n[x]\nworkers", "x: is not a key"),
        ("workers = 4", 'last_resort = "112"', "'112' is an emergency number"),
        ("workers = 4", 'last_resort = "0112"', "'0112' is an emergency number"),
        ("workers = 4", 'last_resort = "201"', "last_resort is called through the exchange: write [front] exchange"),
        ('phone = "phone-1"', 'extension = "911"', "'911' is an emergency number"),
        ('phone = "phone-1"', 'extension = "201"', "its extension is called through the exchange"),
        ('phone = "phone-1"', 'phone = "phone-1"\nextension = "201"', "either a phone or an extension"),
        ('agreed_on = "2026-01-01"', 'agreed_on = "2026-01-01"\nhours = ["nooit"]', "hours 'nooit' are not understood"),
        ('agreed_on = "2026-01-01"', 'agreed_on = "9999-99-99"', "'9999-99-99' is no day: write year, month and day"),
        ('host = "hub.example"', 'host = ""', "hub.host: '' is no host: write a name or an address alone"),
        ('host = "hub.example"', 'host = "hub example"', "hub.host: 'hub example' is no host"),
        (
            'host = "hub.example"',
            'host = "mqtts://hub.example:8883"',
            "hub.host: 'mqtts://hub.example:8883' is no host",
        ),
        ('host = "hub.example"', 'host = "hub.example:8883"', "hub.host: 'hub.example:8883' is no host"),
        ("[front]", '[front]\nhandover = "redirect"', 'handover = "redirect" needs redirect_to'),
        ("firmware_config/announcements", "firmware_config", "welkom.wav, wachten.wav, bijna.wav"),
        ('address = "203.0.113.5"', 'address = "hap-zuid.example"', "partner[0].address"),
        ('host = "hub.example"', 'host = "h"\nreconnect_max_s = 0', "hub.reconnect_max_s"),
    ],
)
def test_each_mistake_is_named(folder: Path, old: str, new: str, told: str) -> None:
    assert old in HAP
    assert told in problems(folder, HAP.replace(old, new))


def test_desks_and_partners_without_a_telephony_section_are_told_what_they_need(folder: Path) -> None:
    start, end = HAP.index("[front]"), HAP.index("[[desk]]")
    assert "[[desk]] and [[partner]] need [telephony], [front] and" in problems(folder, HAP[:start] + HAP[end:])
    without = HAP.replace("[telephony]\nworkers = 4", "")
    assert "belong together: [telephony] is missing" in problems(folder, without)


def test_a_telephony_without_desks_is_told(folder: Path) -> None:
    start, end = HAP.index("[[desk]]"), HAP.index("[[partner]]")
    assert "[telephony] needs at least one [[desk]]" in problems(folder, HAP[:start] + HAP[end:])


@pytest.mark.parametrize("secret", ["kort", "lang-genoeg-geheim\\u0000"])
def test_a_secret_never_shows_in_an_error(folder: Path, secret: str) -> None:
    (folder / "secrets.toml").write_text(f'[phones]\nphone-1 = "{secret}"\n[more]\nx = "{secret}"\n')
    told = problems(folder, HAP)
    assert "kort" not in told and "geheim" not in told and str(folder / "secrets.toml") in told


def test_a_secret_never_shows_when_the_config_is_printed_as_a_fault(folder: Path) -> None:
    assert "lang-genoeg-geheim" not in repr(read(folder, HAP))


def test_secrets_that_everybody_can_read_stop_the_start(folder: Path) -> None:
    (folder / "secrets.toml").chmod(0o644)
    assert "everybody can read it: chmod 600" in problems(folder, HAP)
