"""A system whose changes are in memory, as `firmware_config/boot/README.md` says: what must last does, nothing else.

systemd-nspawn lays its overlay over the root as overlayroot does on a card. The commands and the lines of fstab are
those of the document; the labelled partition is a folder that is bound to /data.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from boot_site import ARCH, SITE, SOON_S, active, drop_in, free, python, reaches_the_hub, result

from shipped import FIRMWARE
from zorgkiosk.lab.appliance import BOOT, ETC
from zorgkiosk.lab.nspawn import Machine, wait
from zorgkiosk.provision.render import BUNDLE

pytest_plugins = ("boot_fixtures",)
pytestmark = [pytest.mark.integration, pytest.mark.boot, pytest.mark.timeout(1800)]

RESUME = "zorgkiosk-apply-resume"
PROVE_S = 20 if ARCH == "amd64" else 120
ZORGKIOSK = "/opt/zorgkiosk/current/bin/zorgkiosk"
LASTS = ("/etc/zorgkiosk", "/var/lib/zorgkiosk", "/var/lib/zorgkiosk-care")
PANEL_LISTENS = 'import socket; print(socket.socket().connect_ex(("127.0.0.1", 8083)) == 0)'


def documented() -> tuple[list[list[str]], str]:
    """The commands that move what must last, and the lines of fstab that bring it there; without the label's own."""
    text = (FIRMWARE / "boot" / "README.md").read_text(encoding="utf-8")
    commands, table = text[text.index("## Read-only system") :].split("```\n")[1:4:2]
    lines = [line for line in table.splitlines(keepends=True) if not line.startswith("LABEL=")]
    assert len(lines) == len(LASTS)
    return [shlex.split(line) for line in commands.splitlines() if not line.startswith("mount ")], "".join(lines)


def fs_type(machine: Machine, path: str) -> str:
    return machine.do("stat", "--file-system", "--format=%T", path)


def test_taps_and_config_outlast_the_power_and_nothing_else_does(fresh: Path, tmp_path: Path) -> None:
    log, data = tmp_path / "console.log", tmp_path / "data"
    config = data / "etc" / "site.toml"
    data.mkdir()
    drop_in(fresh, RESUME, f"ExecStart=\nExecStart={ZORGKIOSK} apply --resume --within {PROVE_S}")
    commands, table = documented()
    partitions = (f"--bind={data}:/data", f"--bind={fresh / BOOT}:/{BOOT}")

    with Machine.booted(fresh, log, partitions) as machine:
        reaches_the_hub(machine)
        for command in commands:
            machine.do(*command)
    (fresh / "etc" / "fstab").write_text(table, encoding="utf-8")

    with Machine.booted(fresh, log, ("--volatile=overlay", *partitions)) as machine:
        assert fs_type(machine, "/") == "overlayfs" not in {fs_type(machine, path) for path in LASTS}
        wait(lambda: active(machine, *SITE), SOON_S, "the site's units are active")
        wait(lambda: free(machine) == 1, SOON_S, "what was tapped before is known")
        reaches_the_hub(machine)
        assert "etc-zorgkiosk.mount" in machine.unit("nftables")["After"].split()
        machine.do("touch", "/usr/forgotten")
        assert "read-only system" not in machine.ask(ZORGKIOSK, "doctor")
        text = config.read_text(encoding="utf-8")
        (data / "new.toml").write_text(text.replace("total = 8", "total = 6", 1), encoding="utf-8")
        machine.do("systemd-run", ZORGKIOSK, "apply", "/data/new.toml")
        wait(lambda: config.read_text(encoding="utf-8") != text, SOON_S, "the new config is in force", look_s=0.01)
        machine.cut()

    with Machine.booted(fresh, log, ("--volatile=overlay", *partitions)) as machine:
        assert result(machine, RESUME) == ("success", "0") and "confirmed" in machine.journal(RESUME)
        assert config.read_text(encoding="utf-8") == (data / "new.toml").read_text(encoding="utf-8") != text
        assert not machine.succeeds("test", "-e", "/usr/forgotten")
        wait(lambda: free(machine) == 2, SOON_S, "what was tapped before is known")
        reaches_the_hub(machine)


def test_without_the_partition_nothing_is_accepted_that_the_power_would_take(fresh: Path, tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    boot = f"--bind={fresh / BOOT}:/{BOOT}"
    with Machine.booted(fresh, log, [boot]) as machine:
        reaches_the_hub(machine)
    missing = "none /data ext4 nofail 0 0\n"  # a container's systemd does not look for labels
    (fresh / "etc" / "fstab").write_text(missing + documented()[1], encoding="utf-8")
    (fresh / BOOT / BUNDLE).write_bytes(b"another bundle")

    with Machine.booted(fresh, log, ("--volatile=overlay", boot)) as machine:
        for unit in (*SITE, "take-bundle"):
            assert machine.unit(f"zorgkiosk-{unit}")["ActiveState"] == "inactive", unit
        assert python(machine, PANEL_LISTENS) == "False"
        site = f"/{ETC}/site.toml"
        for words in (("apply", site), ("take-bundle",), ("update", "back")):
            assert not machine.succeeds(ZORGKIOSK, *words)
            said = machine.ask("sh", "-c", f"{ZORGKIOSK} {shlex.join(words)} 2>&1")
            assert "lies in memory and is forgotten when the power goes" in said, said
        assert (fresh / BOOT / BUNDLE).read_bytes() == b"another bundle"
        assert "✗ read-only system: /var/lib/zorgkiosk lies in memory" in machine.ask(ZORGKIOSK, "doctor")
