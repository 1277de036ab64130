"""A card's first start with Debian's own cloud-init and sshd, and other technicians later without a visit."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from boot_site import ARCH, SITE, SOON_S, active

from shipped import FIRMWARE
from zorgkiosk.lab import appliance
from zorgkiosk.lab.nspawn import BOOT_S, Machine, add_debian, copy_of, in_root, remove_tree, wait
from zorgkiosk.provision.region import provision
from zorgkiosk.provision.render import BUNDLE, Templates

pytest_plugins = ("boot_fixtures",)
pytestmark = [
    pytest.mark.integration,
    pytest.mark.boot,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(ARCH != "amd64", reason="Debian's packages are fetched for this machine's own kind"),
]

NAME = "vvt-linde"
HOME = Path("home/technicus")


@dataclass(frozen=True)
class Box:
    machine: Machine
    region: Path

    def login(self, key: str, *command: str) -> str:
        """What a technician with that key reads who comes over loopback."""
        options = ("IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")
        said = [word for each in (*options, "LogLevel=ERROR") for word in ("-o", each)]
        words = ["ssh", "-i", f"/root/{key}", *said, "technicus@127.0.0.1", *command]
        return self.machine.ask("sh", "-c", '"$@" 2>&1', "sh", *words)

    def listens(self) -> bool:
        return ":22 " in self.machine.do("ss", "-Hltn")

    def send(self, more: str, key: str) -> None:
        """Another bundle, put in place by who is let in with `key`."""
        self.provision(more, HOME)
        assert "the bundle is in place" in self.login(key, "sudo", "zorgkiosk", "take-bundle", BUNDLE)

    def provision(self, more: str, to: Path) -> None:
        file = self.region / "region.toml"
        text = file.read_text(encoding="utf-8").partition("[technicians]")[0]
        file.write_text(text + more, encoding="utf-8")
        provision(self.region, Templates(FIRMWARE), datetime.now(UTC))
        shutil.copyfile(self.region / "out" / NAME / BUNDLE, self.machine.root / to / BUNDLE)


def section(root: Path, *keys: str) -> str:
    lines = [f'"{(root / "root" / f"{key}.pub").read_text(encoding="utf-8").strip()}"' for key in keys]
    return f'[technicians]\nssh_keys = [{", ".join(lines)}]\nnetworks = ["127.0.0.0/29", "192.0.2.16/28"]\n'


@pytest.fixture(scope="module")
def first_start(box: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """The image as boot/README.md has it. There is no partition here, so the files lie where cloud-init looks too."""
    folder = tmp_path_factory.mktemp("technicians")
    root = copy_of(box, folder / "root")
    try:
        add_debian(root, "openssh-server", "openssh-client", "sudo", "cloud-init")
        in_root(root, "systemctl", "disable", "--quiet", "ssh.service")  # as on Pi OS
        for key in ("first", "second"):
            line = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", str(root / "root" / key)]
            subprocess.run(line, check=True)
        appliance.configure(root, NAME, folder / "region", more=section(root, "first"))
        text = (FIRMWARE / "boot" / "README.md").read_text(encoding="utf-8")
        lines = text.split("99-zorgkiosk.cfg <<END\n", 1)[1].split("END\n", 1)[0]
        (root / "etc/cloud/cloud.cfg.d/99-zorgkiosk.cfg").write_text(lines, encoding="utf-8")
        seed = root / "var/lib/cloud/seed/nocloud"
        seed.mkdir(parents=True)
        for name in ("user-data", "meta-data", "network-config"):
            shutil.copyfile(root / appliance.BOOT / name, seed / name)
        with Machine.booted(root, folder / "console.log") as machine:
            # It says that it failed, for Debian's packages cannot be fetched here, and does all the rest.
            ended = ("exited", "failed")
            wait(lambda: machine.unit("cloud-final.service")["SubState"] in ended, BOOT_S, "cloud-init is done")
            yield Box(machine, folder / "region")
    finally:
        remove_tree(root)


def test_cloud_init_makes_the_box_that_provision_describes(first_start: Box) -> None:
    """All but Debian's packages and the network, for which there is none here: they came with the image."""
    machine = first_start.machine
    wait(lambda: active(machine, *SITE), SOON_S, "the site's units run")
    assert machine.do("hostname") == f"zorgkiosk-{NAME}"
    assert machine.do("passwd", "--status", "technicus").split()[:2] == ["technicus", "L"]
    assert not (machine.root / appliance.BOOT / BUNDLE).exists()
    assert first_start.listens() and active_unit(machine, "nftables.service")
    assert "127.0.0.0/29" in networks(machine) and "192.0.2.16/28" in networks(machine)


def networks(machine: Machine) -> str:
    return machine.do("nft", "list", "set", "inet", "zorgkiosk", "technicians")


def active_unit(machine: Machine, unit: str) -> bool:
    return machine.unit(unit)["ActiveState"] == "active"


def test_other_technicians_come_without_a_visit_and_none_are_left_when_none_are_named(first_start: Box) -> None:
    box, machine = first_start, first_start.machine
    assert box.login("first", "sudo", "id", "-un") == "root", machine.journal("ssh.service")
    assert "Permission denied (publickey)" in box.login("second", "id", "-un")

    box.send(section(machine.root, "second").replace(', "192.0.2.16/28"', ""), "first")
    assert "Permission denied (publickey)" in box.login("first", "id", "-un")
    assert box.login("second", "id", "-un") == "technicus"

    wait(lambda: "192.0.2.16/28" not in networks(machine), SOON_S, "the packet filter has the new networks")
    assert "127.0.0.0/29" in networks(machine)
    assert box.login("second", "id", "-un") == "technicus"

    box.send("", "second")
    wait(lambda: not box.listens(), SOON_S, "nobody listens on port 22")
    assert "elements" not in networks(machine)

    # A bundle on the boot partition: the packet filter is loaded long before it is taken.
    box.provision(section(machine.root, "second"), appliance.BOOT)
    machine.cut()
    with Machine.booted(machine.root, box.region.parent / "again.log") as again:
        wait(lambda: "192.0.2.16/28" in networks(again), SOON_S, "the packet filter has the networks of the bundle")
        wait(lambda: active_unit(again, "ssh.service"), SOON_S, "sshd is there again")
        assert Box(again, box.region).login("second", "id", "-un") == "technicus"
