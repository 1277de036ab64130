"""What the Debian package does to a system that is not running, and that a purge leaves nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from zorgkiosk.lab.nspawn import copy_of, in_root, remove_tree

pytest_plugins = ("boot_fixtures",)
pytestmark = [pytest.mark.integration, pytest.mark.boot, pytest.mark.timeout(1800)]

UNITS = ("board", "broker", "intake", "panel", "plates", "sync", "telephony")


def test_units_are_enabled_the_screen_is_not_and_the_command_answers(box: Path) -> None:
    ours = [*(f"zorgkiosk-{unit}.service" for unit in UNITS), "zorgkiosk-site.target", "zorgkiosk-hub.target"]
    assert in_root(box, "systemctl", "is-enabled", *ours).split() == ["enabled"] * len(ours)
    assert not list((box / "etc" / "systemd" / "system").rglob("zorgkiosk-kiosk.service"))
    assert "run one unit" in in_root(box, "/opt/zorgkiosk/current/bin/zorgkiosk", "--help")


def test_a_purge_leaves_nothing_of_it_but_a_region_s_authority(box: Path, tmp_path: Path) -> None:
    root = copy_of(box, tmp_path / "root")
    authority = root / "etc" / "zorgkiosk" / "region" / "pki" / "ca.key"
    try:
        in_root(root, "systemctl", "enable", "--quiet", "zorgkiosk-kiosk.service")
        authority.parent.mkdir(parents=True)
        authority.touch()
        (root / "var" / "lib" / "zorgkiosk" / "panel.db").touch()
        (root / "etc" / "zorgkiosk" / "site.toml").touch()
        assert "/etc/zorgkiosk/region is kept" in in_root(root, "apt-get", "purge", "-y", "zorgkiosk")
        assert authority.exists() and [each.name for each in authority.parents[2].iterdir()] == ["region"]
        remove_tree(authority.parents[2])
        found = in_root(root, "find", "/", "-xdev", "-path", "/proc", "-prune", "-o", "-name", "*zorgkiosk*", "-print")
        assert [path for path in found.split() if not path.startswith(("/tmp/", "/var/log/"))] == []  # noqa: S108
        assert "zorgkiosk" not in (root / "etc" / "passwd").read_text(encoding="utf-8")
        assert "zorgkiosk" not in (root / "etc" / "group").read_text(encoding="utf-8")
    finally:
        remove_tree(root)


def test_a_wheel_of_pjsua2_that_does_not_fit_is_named_and_the_rest_is_installed(box: Path, tmp_path: Path) -> None:
    root = copy_of(box, tmp_path / "root")
    try:
        wheel = "pjsua2-2.14-cp311-cp311-linux_aarch64.whl"
        (root / "opt" / "zorgkiosk" / "wheels" / wheel).touch()
        assert f"{wheel}: is version 2.14: build 2.15.1" in in_root(root, "dpkg-reconfigure", "zorgkiosk")
        assert "zorgkiosk" in in_root(root, "dpkg-query", "-W", "-f", "${Package} ${Status}", "zorgkiosk")
    finally:
        remove_tree(root)
