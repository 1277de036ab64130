"""What provision made for a box is put in place as a whole, whatever is copied badly and whenever the power goes."""

from __future__ import annotations

import hashlib
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from care_box import write_site

from zorgkiosk import durable
from zorgkiosk.care.pair import Files
from zorgkiosk.care.take import Taken, take
from zorgkiosk.config_file import ConfigError, Problem
from zorgkiosk.lab.authority import Authority
from zorgkiosk.provision.bundle import Entry, pack
from zorgkiosk.site.checks import check_site


class PowerCutError(Exception):
    pass


def check(file: Path) -> tuple[Problem, ...]:
    return tuple(each for each in check_site(file, datetime.now(UTC)) if each.severity == "error")


def unlogged(_digest: str) -> None:
    """Where what is logged is of no interest."""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    folder.mkdir()
    return folder


@pytest.fixture
def entries(tmp_path: Path) -> dict[str, Entry]:
    """What a nursing home's bundle holds."""
    authority = Authority.create(tmp_path / "ca")
    config = write_site(tmp_path / "sites", authority, 1).read_text(encoding="utf-8")
    certificate, key = authority.issue("vvt-linde")
    named = {str(authority.ca_file): "region-ca.pem", str(certificate): "site.pem", str(key): "site-key.pem"}
    for written, name in named.items():
        config = config.replace(written, name)
    return {
        "etc/zorgkiosk/site.toml": Entry(config.encode()),
        "etc/zorgkiosk/region-ca.pem": Entry(authority.ca_file.read_bytes()),
        "etc/zorgkiosk/site.pem": Entry(certificate.read_bytes()),
        "etc/zorgkiosk/site-key.pem": Entry(key.read_bytes(), secret=True),
        "etc/zorgkiosk/own.key": Entry(b"another", secret=True),
        "etc/zorgkiosk/announcements/welkom.wav": Entry(b"RIFF"),
    }


@pytest.fixture
def bundle(tmp_path: Path, entries: dict[str, Entry]) -> Path:
    file = tmp_path / "zorgkiosk.tar"
    file.write_bytes(pack(entries))
    return file


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_all_of_it_is_in_place_with_its_rights_and_gone_from_the_boot_partition(
    bundle: Path, etc: Path, entries: dict[str, Entry]
) -> None:
    assert take(bundle, etc, check, unlogged) is Taken.NOW
    placed = content(etc)
    del placed["bundle.taken"]
    assert placed == {path.removeprefix("etc/zorgkiosk/"): entry.content for path, entry in entries.items()}
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in etc.rglob("*") if file.is_file()}
    # Handed out by systemd: root's alone. A key of another name is read by the units themselves.
    assert modes["site-key.pem"] == 0o600 and modes["own.key"] == 0o640 and modes["site.toml"] == 0o640
    assert not bundle.exists() and take(bundle, etc, check, unlogged) is Taken.NONE


def test_what_was_taken_is_logged_before_it_counts_as_taken(bundle: Path, etc: Path) -> None:
    logged: list[tuple[str, bool]] = []
    digest = hashlib.sha256(bundle.read_bytes()).hexdigest()
    take(bundle, etc, check, lambda told: logged.append((told, (etc / "bundle.taken").exists())))
    assert logged == [(digest, False)] and (etc / "site.toml").exists()
    assert (etc / "bundle.taken").read_text(encoding="utf-8").strip() == digest


def test_paths_of_the_box_are_good_before_the_files_are_there(
    tmp_path: Path, etc: Path, entries: dict[str, Entry]
) -> None:
    config = entries["etc/zorgkiosk/site.toml"].content.replace(b'"site.pem"', b'"/etc/zorgkiosk/site.pem"')
    (tmp_path / "b.tar").write_bytes(pack({**entries, "etc/zorgkiosk/site.toml": Entry(config)}))
    assert take(tmp_path / "b.tar", etc, check, unlogged) is Taken.NOW
    assert (etc / "site.toml").read_bytes() == config


def test_a_bundle_that_could_not_be_removed_is_not_taken_twice(bundle: Path, etc: Path) -> None:
    again = bundle.read_bytes()
    take(bundle, etc, check, unlogged)
    (etc / "site.toml").write_text("changed since by zorgkiosk apply", encoding="utf-8")
    bundle.write_bytes(again)
    assert take(bundle, etc, check, unlogged) is Taken.BEFORE
    assert (etc / "site.toml").read_text(encoding="utf-8").startswith("changed") and not bundle.exists()


def test_a_bundle_comes_instead_of_a_change_that_was_cut(bundle: Path, etc: Path) -> None:
    change = Files(etc / "site.toml")
    for file in (change.config, change.good, change.staged, change.applying):
        file.write_text("old", encoding="utf-8")
    assert take(bundle, etc, check, unlogged) is Taken.NOW
    assert not change.staged.exists() and not change.applying.exists()


@pytest.mark.parametrize("step", range(1, 8))
@pytest.mark.parametrize("before", [True, False])
def test_a_power_cut_at_each_rename_leaves_a_box_that_begins_again(
    bundle: Path, etc: Path, monkeypatch: pytest.MonkeyPatch, step: int, before: bool
) -> None:
    real, count, order = durable.rename, 0, []

    def cut(source: Path, target: Path) -> None:
        nonlocal count
        count += 1
        if count == step and before:
            raise PowerCutError
        real(source, target)
        order.append(target.name)
        if count == step:
            raise PowerCutError

    monkeypatch.setattr(durable, "rename", cut)
    with pytest.raises(PowerCutError):
        take(bundle, etc, check, unlogged)
    monkeypatch.setattr(durable, "rename", real)
    assert bundle.exists()
    # What starts the units is there only when all that it names is.
    assert (etc / "site.toml").exists() == ("site.toml" in order) and (step < 6 or len(order) >= 5)
    assert take(bundle, etc, check, unlogged) in (Taken.NOW, Taken.BEFORE)
    assert check(etc / "site.toml") == () and not bundle.exists()
    assert not list(etc.rglob("*.new")) and not (etc / ".bundle").exists()


@pytest.mark.parametrize("kept", [0, 300, 700, 2000, 5000, 7000])
def test_half_a_copy_is_noticed_and_nothing_is_changed(bundle: Path, etc: Path, kept: int) -> None:
    bundle.write_bytes(bundle.read_bytes()[:kept])
    with pytest.raises(ConfigError, match=r"copy it once more|SHA256SUMS"):
        take(bundle, etc, check, unlogged)
    assert content(etc) == {} and bundle.exists()


def test_a_flipped_byte_is_noticed_and_named(bundle: Path, etc: Path) -> None:
    bundle.write_bytes(bundle.read_bytes().replace(b'code = "elv-laag"', b'code = "elv-hoog"'))
    with pytest.raises(ConfigError, match=r"damaged.*\(etc/zorgkiosk/site.toml\): copy it once more"):
        take(bundle, etc, check, unlogged)
    assert content(etc) == {}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("etc/passwd", "'etc/passwd' is outside /etc/zorgkiosk"),
        ("etc/zorgkiosk/../passwd", "does not belong into a bundle"),
        ("/etc/zorgkiosk/passwd", "does not belong into a bundle"),
    ],
)
def test_a_box_takes_nothing_outside_its_folder(
    tmp_path: Path, etc: Path, entries: dict[str, Entry], path: str, told: str
) -> None:
    (tmp_path / "b.tar").write_bytes(pack({**entries, path: Entry(b"root::0:0")}))
    with pytest.raises(ConfigError, match=told):
        take(tmp_path / "b.tar", etc, check, unlogged)
    assert content(etc) == {}


def test_what_check_refuses_is_told_with_its_line_and_the_config_in_force_stays(
    tmp_path: Path, etc: Path, entries: dict[str, Entry]
) -> None:
    (etc / "site.toml").write_text("in force", encoding="utf-8")
    config = entries["etc/zorgkiosk/site.toml"].content.replace(b"total = 4", b"totaal = 4")
    bundle = tmp_path / "b.tar"
    bundle.write_bytes(pack({**entries, "etc/zorgkiosk/site.toml": Entry(config)}))
    with pytest.raises(ConfigError) as refused:
        take(bundle, etc, check, unlogged)
    assert str(refused.value).startswith(f"{bundle}/site.toml:18:1: capacity[0].totaal: is not a key")
    assert content(etc) == {"site.toml": b"in force"} and bundle.exists()
