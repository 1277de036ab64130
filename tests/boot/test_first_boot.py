"""From the card to the first start: what provision put on the boot partition is taken, whatever the power does."""

from __future__ import annotations

from pathlib import Path

import pytest
from boot_site import ARCH, SOON_S, drop_in, reaches_the_hub, result

from zorgkiosk.lab.appliance import BOOT, ETC
from zorgkiosk.lab.nspawn import Machine, wait
from zorgkiosk.provision.render import BUNDLE

pytest_plugins = ("boot_fixtures",)
pytestmark = [pytest.mark.integration, pytest.mark.boot, pytest.mark.timeout(1800)]

TAKE, RESUME = "zorgkiosk-take-bundle", "zorgkiosk-apply-resume"
PROVE_S = 20 if ARCH == "amd64" else 120


def test_the_bundle_is_in_place_with_its_rights_and_no_longer_on_the_boot_partition(vvt: Machine) -> None:
    assert result(vvt, TAKE) == ("success", "0") and "the bundle is in place" in vvt.journal(TAKE)
    assert not (vvt.root / BOOT / BUNDLE).exists()
    stat = ("stat", "-c", "%a %U:%G")
    public = [f"/{ETC}/{name}" for name in ("site.toml", "site.pem", "region-ca.pem", "revoked.pem")]
    assert set(vvt.do(*stat, *public).splitlines()) == {"640 root:zorgkiosk"}
    if ARCH == "amd64":
        assert vvt.do(*stat, f"/{ETC}/site-key.pem").split()[0] == "600"
    assert vvt.do(*stat, f"/{ETC}") == "751 root:zorgkiosk"


def test_what_takes_the_bundle_is_root_by_name_alone(vvt: Machine) -> None:
    for unit in (TAKE, RESUME):
        shown = vvt.unit(unit)
        assert (shown["User"], shown["ProtectSystem"], shown["NoNewPrivileges"]) == ("root", "strict", "yes")
        assert shown.get("CapabilityBoundingSet", "") == ""  # what is empty is not shown


def test_a_damaged_bundle_is_named_and_the_box_goes_on_with_what_it_has(vvt: Machine) -> None:
    before, pid = (vvt.root / ETC / "site.toml").read_bytes(), vvt.main_pid("zorgkiosk-panel")
    (vvt.root / BOOT / BUNDLE).write_bytes(b"half a bundle")
    vvt.ask("systemctl", "start", TAKE)
    try:
        assert result(vvt, TAKE) == ("exit-code", "78")
        assert f"/{BOOT / BUNDLE}:1:1: is damaged, or only part of it was copied: copy it once more" in vvt.journal(
            TAKE
        )
    finally:
        (vvt.root / BOOT / BUNDLE).unlink()
        vvt.do("systemctl", "reset-failed", TAKE)
    assert (vvt.root / ETC / "site.toml").read_bytes() == before
    assert vvt.main_pid("zorgkiosk-panel") == pid


def test_power_cuts_at_the_first_boot_and_in_changes_of_config_end_in_a_config_that_works(
    fresh: Path, tmp_path: Path
) -> None:
    log, config, etc = tmp_path / "console.log", fresh / ETC / "site.toml", fresh / ETC
    drop_in(
        fresh, RESUME, f"ExecStart=\nExecStart=/opt/zorgkiosk/current/bin/zorgkiosk apply --resume --within {PROVE_S}"
    )

    def change(machine: Machine, old: str, new: str) -> str:
        """Begin a change, and cut the power when it is in force and not yet proved."""
        text = config.read_text(encoding="utf-8")
        assert old in text
        (fresh / "root" / "new.toml").write_text(text.replace(old, new), encoding="utf-8")
        machine.do("systemd-run", "/opt/zorgkiosk/current/bin/zorgkiosk", "apply", "/root/new.toml")
        wait(lambda: config.read_text(encoding="utf-8") != text, SOON_S, "the new config is in force", look_s=0.01)
        machine.cut()
        assert (etc / "site.toml.applying").exists()
        return text.replace(old, new)

    with Machine.switched_on(fresh, log) as machine:
        wait(lambda: (etc / ".bundle").exists(), SOON_S, "the bundle is being taken", look_s=0)
        machine.cut()
    # Whether that was before or after the last step: until then no unit starts, and the bundle stays where it is.
    assert config.exists() or (fresh / BOOT / BUNDLE).exists()

    with Machine.booted(fresh, log) as machine:
        assert result(machine, TAKE) == ("success", "0") and not (fresh / BOOT / BUNDLE).exists()
        reaches_the_hub(machine)
        good = change(machine, 'code = "elv-laag"\ntotal = 8', 'code = "elv-laag"\ntotal = 6')

    with Machine.booted(fresh, log) as machine:
        assert result(machine, RESUME) == ("success", "0")
        assert "confirmed" in machine.journal(RESUME) and not (etc / "site.toml.applying").exists()
        assert config.read_text(encoding="utf-8") == (etc / "site.toml.good").read_text(encoding="utf-8") == good
        reaches_the_hub(machine)
        change(machine, "port = 8883", "port = 8884")

    with Machine.booted(fresh, log) as machine:
        assert result(machine, RESUME) == ("exit-code", "69")
        assert "the last good one is in force again" in machine.journal(RESUME)
        assert config.read_text(encoding="utf-8") == good and not (etc / "site.toml.applying").exists()
        reaches_the_hub(machine)
