"""A box with technicians as its own programs see it: Debian's sshd, nftables and cloud-init read what was made."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from provision_region import SITES, TEMPLATES, make_region

from shipped import FIRMWARE
from zorgkiosk.care.take import Taken, take
from zorgkiosk.provision.acceptance import as_issued
from zorgkiosk.provision.region import provision

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC)
DEBIAN_PYTHON = "/usr/bin/python3"
"""It has cloud-init, and so YAML."""
FROM = '"127.0.0.0/29", "2001:db8::/64"'
WITHIN_S = 120.0


def make_key(file: Path) -> str:
    """A key pair at `file`; its public line."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", file.name, "-f", str(file)], check=True)
    return file.with_suffix(".pub").read_text(encoding="utf-8").strip()


def write_technicians(region: Path, *keys: str) -> None:
    file = region / "region.toml"
    text = file.read_text(encoding="utf-8").partition("[technicians]")[0]
    named = ", ".join(f'"{key}"' for key in keys)
    file.write_text(
        f"{text}[technicians]\nssh_keys = [{named}]\nnetworks = [{FROM}]\n" if keys else text, encoding="utf-8"
    )


@pytest.fixture
def region(tmp_path: Path) -> Path:
    return make_region(tmp_path / "region")


def as_json(yaml_file: Path) -> Mapping[str, list[Mapping[str, str]]]:
    program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
    done = subprocess.run(
        [DEBIAN_PYTHON, "-c", program, str(yaml_file)], capture_output=True, text=True, check=True, timeout=WITHIN_S
    )
    found: Mapping[str, list[Mapping[str, str]]] = json.loads(done.stdout)
    return found


def etc_of_a_box(region: Path, etc: Path, name: str = "vvt-linde") -> None:
    """/etc of a box after its first start: what cloud-init writes, the package's rules, and the bundle."""
    for file in as_json(region / "out" / name / "user-data")["write_files"]:
        to = etc / Path(file["path"]).relative_to("/etc")
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(file["content"], encoding="utf-8")
    own = etc / "zorgkiosk"
    own.mkdir(exist_ok=True)
    own.chmod(0o751)
    # Loopback stands for the network here, so it is filtered as one.
    rules = (FIRMWARE / "nftables.conf").read_text(encoding="utf-8")
    assert rules.count('iifname "lo" accept\n') == 1
    (own / "nftables.conf").write_text(rules.replace('iifname "lo" accept\n', ""), encoding="utf-8")
    logged: list[str] = []
    assert take(region / "out" / name / "zorgkiosk.tar", own, as_issued, logged.append) is Taken.NOW


BOX = """
set -eu
work=$1
mount -t tmpfs tmpfs "$work/machine"
mkdir "$work/machine/up" "$work/machine/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$work/machine/up,workdir=$work/machine/work" /etc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /home
mkdir -m 755 /run/sshd
useradd --create-home --shell /bin/bash technicus
install -d -o technicus -m 700 /home/technicus/.ssh
install -o technicus -m 600 "$work/own.pub" /home/technicus/.ssh/authorized_keys
cp -r "$work/etc-first/." /etc/
chmod 751 /etc/zorgkiosk
chmod 644 /etc/zorgkiosk/technicians_keys
ip link set lo up
for address in 2001:db8::1 2001:db8::7 2001:db8:9::7; do ip address add $address/128 dev lo nodad; done
nft -f /etc/nftables.conf
/usr/sbin/sshd -E "$work/sshd.log"

try() { # label, key, source, the rest as ssh has it
    label=$1 key=$2 source=$3
    shift 3
    said=$(ssh -F none -i "$work/$key" -b "$source" -o IdentitiesOnly=yes -o IdentityAgent=none -o ConnectTimeout=2 \\
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \\
        -o BatchMode=yes "$@" 2>&1) || true
    echo "$label: $said"
}
here=technicus@127.0.0.1
try "v4 within" first 127.0.0.7 $here id -un
try "v6 within" first 2001:db8::7 technicus@2001:db8::1 id -un
try "v4 outside" first 127.0.0.66 $here id -un
try "v6 outside" first 2001:db8:9::7 technicus@2001:db8::1 id -un
try "key of the account's own" own 127.0.0.7 $here id -un
try "root" first 127.0.0.7 root@127.0.0.1 id -un
echo technicus:a-good-password | chpasswd
try "password" own 127.0.0.7 -o BatchMode=no -o PreferredAuthentications=password,keyboard-interactive $here id -un
usermod --lock technicus
try "forwarding" first 127.0.0.7 -W 127.0.0.1:22 $here
cp "$work/etc-second/zorgkiosk/technicians_keys" /etc/zorgkiosk/technicians_keys
try "first key after the next bundle" first 127.0.0.7 $here id -un
try "second key after it" second 127.0.0.7 $here id -un
nft flush ruleset
try "outside without a packet filter" second 127.0.0.66 $here id -un
rm /etc/zorgkiosk/technicians_keys
try "no keys" second 127.0.0.7 $here id -un
"""


@pytest.mark.timeout(300)
@pytest.mark.skipif(os.geteuid() != 0, reason="a machine of its own needs root")
def test_ssh_lets_in_the_region_s_keys_from_its_networks_and_nothing_else(region: Path, tmp_path: Path) -> None:
    """sshd of Debian on port 22 behind the shipped rules, with an account, an /etc and a network that end with it."""
    keys = {name: make_key(tmp_path / name) for name in ("first", "second", "own")}
    (tmp_path / "machine").mkdir()
    for key in ("first", "second"):
        write_technicians(region, keys[key])
        provision(region, TEMPLATES, NOW)
        etc_of_a_box(region, tmp_path / f"etc-{key}")
    script = tmp_path / "box"
    script.write_text(BOX, encoding="utf-8")
    apart = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
    done = subprocess.run(
        [*apart, "sh", str(script), str(tmp_path)], capture_output=True, text=True, check=False, timeout=WITHIN_S
    )
    assert (done.stderr, done.returncode) == ("", 0)
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    none, silent = "Permission denied (publickey).", "Connection timed out"
    assert {label: word.split(": ")[-1] for label, word in said.items()} == {
        "v4 within": "technicus",
        "v6 within": "technicus",
        "v4 outside": silent,
        "v6 outside": silent,
        "key of the account's own": none,
        "root": none,
        "password": none,
        "forwarding": "stdio forwarding failed",
        "first key after the next bundle": none,
        "second key after it": "technicus",
        "outside without a packet filter": none,
        "no keys": none,
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="a network of its own needs root")
@pytest.mark.parametrize("before", ["", "technicians6"], ids=("no rules", "rules of before"))
def test_a_box_with_older_rules_is_not_left_without_any(before: str, region: Path, tmp_path: Path) -> None:
    """nft loads all that /etc/nftables.conf includes, or nothing: a set that is missing would open every port."""
    write_technicians(region, make_key(tmp_path / "key"))
    provision(region, TEMPLATES, NOW)
    etc_of_a_box(region, tmp_path / "etc")
    shipped, own = tmp_path / "etc" / "zorgkiosk" / "nftables.conf", tmp_path / "own.conf"
    text = shipped.read_text(encoding="utf-8")
    if before:  # without the set for IPv6 and its rule
        text = re.sub(r"    set technicians6 \{.*?\n    \}\n|[^\n]*@technicians6 accept\n", "", text, flags=re.DOTALL)
    assert ("technicians6" in text) != bool(before)
    shipped.write_text(text if before else "", encoding="utf-8")
    own.write_text(f'include "{shipped.parent}/nftables*.conf"\n', encoding="utf-8")
    script = f"nft -f {own} && nft -f {own} && nft list ruleset"
    done = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "elements = { 127.0.0.0/29 }" in done.stdout and "elements = { 2001:db8::/64 }" in done.stdout
    assert ("policy drop" in done.stdout) == bool(before)


@pytest.mark.parametrize("with_ssh", [True, False], ids=("technicians", "nobody"))
def test_cloud_init_s_own_schema_has_nothing_to_say(with_ssh: bool, region: Path, tmp_path: Path) -> None:
    write_technicians(region, *([make_key(tmp_path / "key")] if with_ssh else []))
    provision(region, TEMPLATES, NOW)
    for file in [region / "out" / name / "user-data" for name in SITES] + [FIRMWARE / "boot" / "user-data"]:
        done = subprocess.run(
            ["cloud-init", "schema", "--config-file", str(file)],
            capture_output=True, text=True, check=False, timeout=WITHIN_S,
        )  # fmt: skip
        assert (done.returncode, done.stdout.strip(), done.stderr) == (0, f"Valid cloud-config: {file}", "")


def test_that_schema_would_tell(tmp_path: Path) -> None:
    file = tmp_path / "user-data"
    file.write_text('#cloud-config\nusers:\n  - name: technicus\n    lock_passwd: "ja"\n', encoding="utf-8")
    done = subprocess.run(
        ["cloud-init", "schema", "--config-file", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "users.0" in done.stdout + done.stderr


NAMES = """
import json, sys, yaml
from cloudinit.distros import ug_util
class Debian:
    def get_default_user(self): return {"name": "debian"}
print(json.dumps(sorted(ug_util.normalize_users_groups(yaml.safe_load(open(sys.argv[1])), Debian())[0])))
"""


@pytest.mark.parametrize("with_ssh", [True, False], ids=("technicians", "nobody"))
def test_cloud_init_makes_that_account_and_none_of_the_image(with_ssh: bool, region: Path, tmp_path: Path) -> None:
    write_technicians(region, *([make_key(tmp_path / "key")] if with_ssh else []))
    provision(region, TEMPLATES, NOW)
    line = [DEBIAN_PYTHON, "-c", NAMES, str(region / "out" / "vvt-linde" / "user-data")]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=WITHIN_S)
    assert json.loads(done.stdout) == (["technicus"] if with_ssh else [])


@pytest.mark.parametrize("kind", ["eni", "netplan", "networkd", "network-manager"])
def test_the_network_is_asked_on_the_pi_s_own_wire_by_whatever_brings_it_up(
    kind: str, region: Path, tmp_path: Path
) -> None:
    """ifupdown, netplan, systemd-networkd and NetworkManager: which one it is, is the image's choice."""
    provision(region, TEMPLATES, NOW)
    named = {
        "eni": "\niface eth0 inet dhcp\n",
        "netplan": "\n        eth0:\n            dhcp4: true\n",
        "networkd": "\nName=eth0\n",
        "network-manager": "\ninterface-name=eth0\n",
    }
    for file in (region / "out" / "hap-noord" / "network-config", FIRMWARE / "boot" / "network-config"):
        to = tmp_path / file.parent.name
        line = ["cloud-init", "devel", "net-convert", "-p", str(file), "-k", "yaml", "-O", kind, "-D", "debian"]
        subprocess.run([*line, "-d", str(to)], capture_output=True, check=True, timeout=WITHIN_S)
        written = "".join(each.read_text(encoding="utf-8") for each in to.rglob("*") if each.is_file())
        assert named[kind] in written


BLKID = """#!/bin/sh
printf 'DEVNAME=/dev/mmcblk0p1\\nLABEL_FATBOOT=bootfs\\nLABEL=bootfs\\nUUID=91FE-7499\\nTYPE=vfat\\n\\n'
printf 'DEVNAME=/dev/mmcblk0p2\\nLABEL=rootfs\\nUUID=56f80fa2-e005-4cca-86e6-19da1069914d\\nTYPE=ext4\\n'
"""


def identified(root: Path, lines: str) -> tuple[int, str]:
    """What cloud-init's ds-identify says of a Pi's card whose image has these lines: exit code and result."""
    bin_, lib = root / "bin", root / "etc" / "cloud" / "cloud.cfg.d"
    for folder in (bin_, lib, root / "proc" / "1"):
        folder.mkdir(parents=True)
    for name, program in (("blkid", BLKID), ("systemd-detect-virt", "#!/bin/sh\necho none\nexit 1\n")):
        (bin_ / name).write_text(program, encoding="utf-8")
        (bin_ / name).chmod(0o755)
    for name in ("proc/cmdline", "proc/1/cmdline", "proc/1/environ"):
        (root / name).write_text("console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4\n", encoding="utf-8")
    if lines:
        (lib / "99-zorgkiosk.cfg").write_text(lines, encoding="utf-8")
    environment = {"PATH": f"{bin_}:/usr/sbin:/usr/bin:/sbin:/bin", "PATH_ROOT": str(root)}
    done = subprocess.run(
        ["/usr/lib/cloud-init/ds-identify"], env=environment, capture_output=True, check=False, timeout=WITHIN_S
    )
    result = root / "run" / "cloud-init" / "cloud.cfg"
    return done.returncode, result.read_text(encoding="utf-8").strip() if result.exists() else ""


def documented() -> str:
    """The lines that boot/README.md puts on the image."""
    text = (FIRMWARE / "boot" / "README.md").read_text(encoding="utf-8")
    return text.split("99-zorgkiosk.cfg <<END\n", 1)[1].split("END\n", 1)[0]


def test_the_documented_lines_turn_cloud_init_on_for_a_card_of_pi_os(tmp_path: Path) -> None:
    """Without them it finds nothing under a label that is not its own, and stays off."""
    assert identified(tmp_path / "with", documented()) == (0, "datasource_list: [ NoCloud, None ]")
    assert identified(tmp_path / "without", "")[0] == 1


SEED = """
import json, sys
from cloudinit import util
found = util.pathprefix2dict(sys.argv[1], required=["user-data", "meta-data"], optional=["network-config"])
print(json.dumps(sorted(found)))
"""
LABEL = """
import sys, yaml
from cloudinit.sources.DataSourceNoCloud import DataSourceNoCloud
label = yaml.safe_load(sys.argv[1])["datasource"]["NoCloud"]["fs_label"]
print(DataSourceNoCloud._get_devices(None, label))
"""
BLKID_FIND = """#!/bin/sh
# As blkid -t NAME=VALUE -odevice: what stands on that card.
case "$*" in *TYPE=vfat*|*LABEL=bootfs*|*LABEL_FATBOOT=bootfs*) echo /dev/mmcblk0p1;; *) exit 2;; esac
"""


def test_what_lies_on_the_boot_partition_is_all_that_cloud_init_asks_for(region: Path, tmp_path: Path) -> None:
    provision(region, TEMPLATES, NOW)
    for folder in (region / "out" / "vvt-linde", FIRMWARE / "boot"):
        line = [DEBIAN_PYTHON, "-c", SEED, str(folder)]
        done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=WITHIN_S)
        assert json.loads(done.stdout) == ["meta-data", "network-config", "user-data"]
    blkid = tmp_path / "blkid"
    blkid.write_text(BLKID_FIND, encoding="utf-8")
    blkid.chmod(0o755)
    done = subprocess.run(
        [DEBIAN_PYTHON, "-c", LABEL, documented()],
        env={"PATH": f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True, text=True, check=True, timeout=WITHIN_S,
    )  # fmt: skip
    assert done.stdout.strip() == "['/dev/mmcblk0p1']"
