"""Who comes onto a box with SSH: what `[technicians]` takes, what the bundle brings, and what is gone with the next."""

from __future__ import annotations

import re
import stat
import subprocess
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from provision_region import SITES, TEMPLATES, make_region

from shipped import FIRMWARE
from zorgkiosk.care.take import Taken, take
from zorgkiosk.config_file import ConfigError
from zorgkiosk.provision.acceptance import as_issued
from zorgkiosk.provision.bundle import unpack
from zorgkiosk.provision.config import load_region
from zorgkiosk.provision.region import provision

NOW = datetime.now(UTC)
SK = (
    "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIFI8qOe8jqVCXmD2sOXAjoMf54yIWRBMXNZ6Rmdcq0"
    "qmAAAABHNzaDo="
)
KEYS, RULES = "etc/zorgkiosk/technicians_keys", "etc/zorgkiosk/nftables.technicians.conf"
Private = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def line(key: Private) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


ED25519 = ed25519.Ed25519PrivateKey.generate()
LINE = line(ED25519)


def with_technicians(region: Path, keys: str, networks: str = '"10.20.0.0/24"') -> Path:
    """The region with this section alone; `keys` and `networks` as TOML."""
    file = region / "region.toml"
    text = file.read_text(encoding="utf-8").partition("[technicians]")[0]
    file.write_text(f"{text}[technicians]\nssh_keys = [{keys}]\nnetworks = [{networks}]\n", encoding="utf-8")
    return region


@pytest.fixture
def region(tmp_path: Path) -> Path:
    return make_region(tmp_path / "region")


def refused(region: Path) -> str:
    with pytest.raises(ConfigError) as told:
        load_region(region)
    [problem] = told.value.problems
    return problem.removeprefix(f"{region / 'region.toml'}:")


@pytest.mark.parametrize(
    "key",
    [
        LINE,
        f"{LINE} piket 2",
        line(ec.generate_private_key(ec.SECP256R1())),
        line(ec.generate_private_key(ec.SECP521R1())),
        line(rsa.generate_private_key(65537, 3072)),
        SK,
    ],
    ids=lambda key: key.split()[0] + "-comment" * key.endswith("2"),
)
def test_a_public_key_is_taken_as_ssh_keygen_makes_it(key: str, region: Path, tmp_path: Path) -> None:
    found = load_region(with_technicians(region, f'"{key}"')).technicians
    assert found is not None and found.ssh_keys == (key,)
    (tmp_path / "key").write_text(f"{key}\n", encoding="utf-8")
    subprocess.run(["ssh-keygen", "-l", "-f", str(tmp_path / "key")], check=True, capture_output=True)


PEM = ED25519.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
BODY = "".join(PEM.splitlines()[1:-1])
OWN = "is a private key, and none belongs here: take it out, and write the line of the file that ends in .pub; "


@pytest.mark.parametrize(
    "written",
    [f'"""{PEM}"""', f'"{BODY}"', f'"ssh-ed25519 {BODY}"', f'"{PEM.splitlines()[0]}"'],
    ids=("file", "without-its-first-line", "behind-a-type", "first-line"),
)
def test_a_private_key_is_told_of_and_never_repeated(written: str, region: Path) -> None:
    said = refused(with_technicians(region, written))
    assert said == f"10:13: technicians.ssh_keys[0]: {OWN}where others have seen it, make a new pair"
    assert not any(part in said for part in (BODY[:30], BODY[40:70]))


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("hallo", "does not begin with one of ssh-ed25519, ecdsa-sha2-nistp256, "),
        (f"no-pty {LINE}", "does not begin with one of ssh-ed25519, ecdsa-sha2-nistp256, "),
        ("ssh-dss AAAAB3NzaC1kc3MAAACBAJ", "does not begin with one of ssh-ed25519, "),
        (LINE[:-6], "is no whole key, a sign of it is missing or another: copy the one line of the file that ends in "),
        (LINE.replace(" AAAA", " !AAA"), "is no whole key, "),
        (LINE.replace("ssh-ed25519", "ssh-rsa"), "is no whole key, "),
        ("ssh-ed25519", "is no whole key, "),
        (line(rsa.generate_private_key(65537, 2048)), "is an RSA key of 2048 bits, 3072 are the least: "),
    ],
    ids=("word", "options", "dss", "cut", "sign", "other-type", "type-alone", "rsa-2048"),
)
def test_what_is_no_good_key_is_one_sentence_that_does_not_repeat_it(key: str, said: str, region: Path) -> None:
    told = refused(with_technicians(region, f'"{key}"'))
    assert told.startswith(f"10:13: technicians.ssh_keys[0]: {said}") and key.split()[-1][-20:] not in told[60:].split()


def test_a_key_that_stands_twice_is_told_of(region: Path) -> None:
    assert "ssh_keys: the key at place 2 stands there twice" in refused(
        with_technicians(region, f'"{LINE} a", "{LINE} b"')
    )


@pytest.mark.parametrize(
    ("networks", "said"),
    [
        ('"0.0.0.0/0"', "0.0.0.0/0 is the whole internet: write from where you work, such as "),
        ('"::/0"', "::/0 is the whole internet: "),
        ('"0.0.0.0/1", "128.0.0.0/1"', "0.0.0.0/0 is the whole internet: "),
        (
            '"10.20.0.5/24"',
            '\'10.20.0.5/24\' is an address within a network: write "10.20.0.0/24", or "10.20.0.5" alone',
        ),
        ('"kantoor"', "'kantoor' is no network: write such as "),
        ("10", "holds a value of another kind: write a list, not empty: [an IP address or network, as in "),
    ],
)
def test_a_network_that_is_everybody_s_or_none_is_refused(networks: str, said: str, region: Path) -> None:
    told = refused(with_technicians(region, f'"{LINE}"', networks))
    assert told.startswith("11:") and f": {said}" in told and " technicians.networks" in told


def test_keys_need_networks_and_a_mistyped_one_is_guessed(region: Path) -> None:
    with_technicians(region, f'"{LINE}"')
    file = region / "region.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("networks = ", "network = "), encoding="utf-8")
    with pytest.raises(ConfigError) as told:
        load_region(region)
    assert "technicians.networks: is missing: add it" in str(told.value)
    assert "did you mean 'networks'?" in str(told.value)


def packed(region: Path, name: str = "vvt-linde") -> dict[str, str]:
    entries = unpack((region / "out" / name / "zorgkiosk.tar").read_bytes())
    return {path: entry.content.decode() for path, entry in entries.items() if path in (KEYS, RULES)}


def test_every_bundle_has_the_keys_and_from_where_they_are_good(region: Path) -> None:
    networks = '"10.20.0.0/24", "10.20.0.7", "2001:db8::/48"'
    provision(with_technicians(region, f'"{LINE} piket", "{SK}"', networks), TEMPLATES, NOW)
    places = 'from="10.20.0.0/24,2001:db8::/48"'
    for name in SITES:
        assert packed(region, name)[KEYS] == f"{places} {LINE} piket\n{places} {SK}\n"
        assert [each for each in packed(region, name)[RULES].splitlines() if "element" in each] == [
            "add element inet zorgkiosk technicians { 10.20.0.0/24 }",
            "add element inet zorgkiosk technicians6 { 2001:db8::/48 }",
        ]


def test_without_technicians_there_is_no_account_and_no_ssh(region: Path) -> None:
    provision(region, TEMPLATES, NOW)
    assert packed(region) == {}
    text = (region / "out" / "vvt-linde" / "user-data").read_text(encoding="utf-8")
    assert all(line in text for line in ('\nusers: ""', "\nssh_pwauth: false\n", "\ndisable_root: true\n"))
    assert not re.findall("technicus|openssh|sudo|/etc/ssh|ssh.service", text)


def test_the_account_has_no_password_and_its_keys_come_with_the_bundle_alone(region: Path) -> None:
    provision(with_technicians(region, f'"{LINE}"'), TEMPLATES, NOW)
    text = (region / "out" / "hap-noord" / "user-data").read_text(encoding="utf-8")
    user = text[text.index("  - name: technicus\n") : text.index("\npackages:")]
    assert "\n    lock_passwd: true\n" in user and not re.findall("(?m)^ +(?!lock_)[a-z_]*(?:passwd|keys)", user)
    assert LINE.split()[1] not in text and ", openssh-server, sudo]" in text
    assert (
        text.index("zorgkiosk-take-bundle.service")
        < text.index("enable, --now, nftables")
        < text.index("enable, ssh.service")
    )


def test_what_the_next_bundle_does_not_name_is_gone_from_the_box(region: Path, tmp_path: Path) -> None:
    etc, bundle = tmp_path / "etc", region / "out" / "vvt-linde" / "zorgkiosk.tar"
    keys, rules = etc / Path(KEYS).name, etc / Path(RULES).name
    etc.mkdir()
    logged: list[str] = []

    def took() -> None:
        provision(region, TEMPLATES, NOW)
        assert take(bundle, etc, as_issued, logged.append) is Taken.NOW

    with_technicians(region, f'"{LINE} piket", "{SK} reserve"')
    took()
    assert "piket" in keys.read_text(encoding="utf-8") and rules.exists()
    # sshd reads it as the account that logs in, and takes no file that others may write.
    assert stat.S_IMODE(keys.stat().st_mode) == 0o644
    with_technicians(region, f'"{SK} reserve"', '"192.0.2.0/28"')
    took()
    assert "piket" not in keys.read_text(encoding="utf-8") and "reserve" in keys.read_text(encoding="utf-8")
    assert "10.20" not in rules.read_text(encoding="utf-8")
    file = region / "region.toml"
    file.write_text(file.read_text(encoding="utf-8").partition("[technicians]")[0], encoding="utf-8")
    took()
    assert not keys.exists() and not rules.exists()


def test_the_shipped_example_names_nobody() -> None:
    """A key in it would be a key into every box whose region began with that file."""
    assert load_region(FIRMWARE / "region").technicians is None
    text = (FIRMWARE / "region" / "region.toml").read_text(encoding="utf-8")
    [example] = [each for each in text.splitlines() if each.startswith("# networks = ")]
    assert ip_network(example.split('"')[1])
