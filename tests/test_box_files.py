"""The files of the box agree with each other and with the code; systemd and nftables read them without a word."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shipped import FIRMWARE
from zorgkiosk.hub import config as hub
from zorgkiosk.lab.bench.box import scores, unit_files
from zorgkiosk.site.config_panel import Panel
from zorgkiosk.site.config_plates import LocalBroker
from zorgkiosk.site.config_ports import RTP_PORTS_EACH
from zorgkiosk.site.config_telephony import Front, Telephony
from zorgkiosk.site.telephony import front
from zorgkiosk.units.heart import BEAT_S

SYSTEMD = FIRMWARE.parent / "systemd"
UNITS = sorted(SYSTEMD.glob("*.service"))
IN_FORCE = {
    SYSTEMD / f"zorgkiosk-{name}.service" for name in ("apply-resume", "renewal", "take-bundle", "update-resume")
}
"""They put something in force, and write what it was in root's journal."""
ROOTS = IN_FORCE | {
    SYSTEMD / f"zorgkiosk-{name}.service" for name in ("authority", "broker-reload", "front-restart", "technicians")
}
"""Root by name, without a single one of its capabilities: what they write is root's, and systemd obeys root alone."""
FRONT = SYSTEMD / "kamailio.service.d" / "zorgkiosk.conf"
OURS = ("board", "intake", "panel", "sync", "telephony")
MOST_WORKERS = 64


def values(file: Path, key: str) -> list[str]:
    return re.findall(rf"(?m)^{key}=(.*)$", file.read_text(encoding="utf-8"))


def test_there_is_a_unit_for_each_command_that_runs_one() -> None:
    started = {
        word for file in UNITS for line in values(file, "ExecStart") for word in re.findall(r" run (\w+) ", line)
    }
    assert started == set(OURS)


@pytest.mark.parametrize("file", [*UNITS, FRONT], ids=lambda file: str(file.stem))
def test_the_confinement_is_the_same_in_every_unit(file: Path) -> None:
    def common(of: Path) -> str:
        text = of.read_text(encoding="utf-8")
        return text[text.index("# What follows is the same") : text.index("# What is this unit's own.")]

    assert common(file) == common(UNITS[0])
    assert "ProtectSystem=strict\n" in common(file)


@pytest.mark.parametrize("file", [*UNITS, FRONT], ids=lambda file: str(file.stem))
def test_no_unit_starts_before_what_lasts_is_mounted(file: Path) -> None:
    assert "/etc/zorgkiosk /var/lib/zorgkiosk /var/lib/zorgkiosk-care" in values(file, "RequiresMountsFor")


KIOSK = FIRMWARE / "kiosk" / "zorgkiosk-kiosk.service"


@pytest.mark.parametrize("file", [*UNITS, FRONT, KIOSK], ids=lambda file: str(file.stem))
def test_no_unit_leaves_a_core_dump(file: Path) -> None:
    assert values(file, "LimitCORE") == ["0"]


@pytest.mark.parametrize("name", OURS)
def test_a_unit_is_watched_never_given_up_on_and_somebody_of_its_own(name: str) -> None:
    file = SYSTEMD / f"zorgkiosk-{name}.service"
    assert values(file, "Type") == ["notify"]
    [watchdog] = values(file, "WatchdogSec")
    assert int(watchdog.removesuffix("s")) >= 10 * BEAT_S
    assert (values(file, "Restart"), values(file, "StartLimitIntervalSec")) == (["always"], ["0"])
    assert (values(file, "User"), values(file, "Group")) == ([f"zorgkiosk-{name}"], ["zorgkiosk"])


def test_every_user_of_a_unit_is_made_and_none_other() -> None:
    made = set(re.findall(r"(?m)^u\s+(\S+)", (FIRMWARE / "sysusers.d" / "zorgkiosk.conf").read_text(encoding="utf-8")))
    files = [*UNITS, FRONT, FIRMWARE / "kiosk" / "zorgkiosk-kiosk.service"]
    assert made == {user for file in files for user in values(file, "User")} - {"mosquitto", "root"}


def test_no_unit_may_write_where_root_keeps_its_journal() -> None:
    care = "/var/lib/zorgkiosk-care"
    rules = (FIRMWARE / "tmpfiles.d" / "zorgkiosk.conf").read_text(encoding="utf-8")
    assert re.findall(rf"(?m)^d\s+{care}\s+(\S+) (\S+)", rules) == [("0700", "root")]
    written = {file for file in UNITS if any(f"-{care}" in each.split() for each in values(file, "ReadWritePaths"))}
    assert written == IN_FORCE


def test_what_runs_as_root_runs_once_and_has_no_right_of_root() -> None:
    assert {file for file in UNITS if values(file, "User") == ["root"]} == ROOTS
    assert [file for file in [*UNITS, FRONT, KIOSK] if len(values(file, "User")) != 1] == [], (
        "nobody is root by default"
    )
    for file in ROOTS:
        assert (values(file, "Type"), values(file, "CapabilityBoundingSet")) == (["oneshot"], [""])


def test_workers_outlive_their_line_and_nobody_elses_children_do() -> None:
    assert [file.stem for file in UNITS if values(file, "KillMode") == ["process"]] == ["zorgkiosk-telephony"]


def test_the_front_is_started_as_the_code_starts_it() -> None:
    parameters = front.FrontParameters(
        "hap", Path("/run/zorgkiosk-front"), "10.0.0.1", 5060, 5061, 5080, (), ("sip:127.0.0.1:5100",), (), (),
        Path("/a"), Path("/b"), Path("/c"),
    )  # fmt: skip
    assert values(FRONT, "ExecStart") == ["", " ".join(("/usr/sbin/kamailio", *front.command(parameters)[1:]))]


@pytest.mark.parametrize(
    ("file", "section"), [(SYSTEMD / "zorgkiosk-telephony.service", "telephony"), (FRONT, "front")]
)
def test_a_site_without_calls_is_no_failure_and_a_config_that_cannot_be_read_is_one(
    file: Path, section: str, tmp_path: Path
) -> None:
    """systemd skips the unit for 1 to 254 and fails it for 255 (systemd.service(5), ExecCondition=)."""
    [condition] = values(file, "ExecCondition")
    config = tmp_path / "site.toml"

    def code() -> int:
        words = shlex.split(condition.replace("$$", "$").replace("/etc/zorgkiosk/site.toml", str(config)))
        return subprocess.run(words, check=False, capture_output=True).returncode

    assert code() == 255
    config.write_text(f"[panel]\nport = 1\n# [{section}]\n")
    assert code() == 1
    config.write_text(f"[panel]\nport = 1\n  [ {section} ]\n")
    assert code() == 0


def test_a_screen_that_was_left_dark_is_light_again(tmp_path: Path) -> None:
    """The script itself; the folder stands for /sys/class/backlight, and `busctl` writes there what logind would."""
    light = tmp_path / "lights" / "rpi"
    light.mkdir(parents=True)
    (light / "max_brightness").write_text("255\n")
    (light / "brightness").write_text("120\n")
    script, busctl = tmp_path / "screen", tmp_path / "busctl"
    script.write_text((FIRMWARE / "kiosk" / "screen").read_text().replace("/sys/class/backlight", str(light.parent)))
    busctl.write_text(f'#!/bin/sh\nfor last in "$@"; do :; done\necho "$last" >{light}/brightness\n')
    busctl.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path)}

    def screen(state: str) -> str:
        subprocess.run(["sh", str(script), state], env=environment, check=True)
        return (light / "brightness").read_text().strip()

    assert screen("on") == "255"
    (light / "brightness").write_text("120\n")
    assert [screen(state) for state in ("off", "off", "on", "off", "on")] == ["0", "0", "120", "0", "120"]


def test_open_ports_are_those_of_the_configuration() -> None:
    rules = (FIRMWARE / "nftables.conf").read_text(encoding="utf-8")
    named = dict(re.findall(r"define (\w+) = ([0-9-]+)", rules))
    audio = Telephony.model_fields["worker_rtp_port"].default
    assert named == {
        "sip_udp": str(Front.model_fields["sip_port"].default),
        "partner_tcp": str(Front.model_fields["tls_port"].default),
        "audio_udp": f"{audio}-{audio + MOST_WORKERS * RTP_PORTS_EACH - 1}",
        "plates_tcp": str(LocalBroker.model_fields["port"].default),
        "region_tcp": str(hub.Broker.model_fields["port"].default),
    }
    [chain] = re.findall(r"chain input \{(.*?)\n    \}", rules, re.DOTALL)
    opened = set(re.findall(r"(?:tcp|udp) dport (\S+)", chain))
    assert opened == {*(f"${name}" for name in named), "68", "22"}
    assert "policy drop" in chain
    technicians = ["tcp dport 22 ip saddr @technicians accept", "tcp dport 22 ip6 saddr @technicians6 accept"]
    assert [line.strip() for line in chain.splitlines() if "dport 22" in line] == technicians
    assert "add element" not in re.sub("#.*", "", rules), "nobody, until a bundle names them"
    assert f"ct count over {front.TLS_PER_SOURCE} " in chain
    loopback = {str(Panel.model_fields["port"].default), str(hub.Board.model_fields["port"].default)}
    assert not loopback & opened


def test_the_most_workers_are_those_the_audio_ports_are_for() -> None:
    field = Telephony.model_fields["workers"]
    assert [each.le for each in field.metadata if hasattr(each, "le")] == [MOST_WORKERS]


def test_the_touchscreen_knows_one_page_and_its_port_is_the_panels() -> None:
    policies = json.loads((FIRMWARE / "kiosk" / "policies.json").read_text(encoding="utf-8"))
    page = f"http://127.0.0.1:{Panel.model_fields['port'].default}/"
    assert (policies["URLBlocklist"], policies["URLAllowlist"]) == (["*"], ["http://127.0.0.1"])
    for name in ("kiosk", "zorgkiosk-kiosk.default"):
        assert page in (FIRMWARE / "kiosk" / name).read_text(encoding="utf-8")
    assert " -s" not in values(FIRMWARE / "kiosk" / "zorgkiosk-kiosk.service", "ExecStart")[0]


def test_every_timer_and_path_has_its_service_and_is_in_the_package() -> None:
    moved = {file for kind in ("timer", "path") for file in SYSTEMD.glob(f"*.{kind}")}
    assert {file.stem for file in moved} == {
        *("zorgkiosk-renewal", "zorgkiosk-retention", "zorgkiosk-authority", "zorgkiosk-broker-reload"),
        *("zorgkiosk-front-restart", "zorgkiosk-technicians"),
    }
    build = (FIRMWARE / "package" / "build").read_text(encoding="utf-8")
    for file in moved:
        assert values(file.with_suffix(".service"), "Type") == ["oneshot"]
        assert values(file, "WantedBy") and f"zorgkiosk-*{file.suffix} " in build
    enabled = {file.stem for file in SYSTEMD.glob("*.service") if values(file, "WantedBy")}
    assert enabled & {file.stem for file in moved} == set(), "only its timer starts it"


@pytest.mark.integration
def test_systemd_reads_every_unit_without_a_word(tmp_path: Path) -> None:
    """It only warns of a key that it does not know, and goes on; so its stderr is what counts."""
    program = tmp_path / "zorgkiosk"
    program.symlink_to("/bin/true")
    for file in unit_files():
        to = tmp_path / file.relative_to(SYSTEMD)
        to.parent.mkdir(exist_ok=True)
        text = re.sub("/opt/zorgkiosk/(current|good)/bin/zorgkiosk", str(program), file.read_text(encoding="utf-8"))
        to.write_text(text, "utf-8")
    for file in (Path("/lib/systemd/system/kamailio.service"), KIOSK):
        shutil.copy(file, tmp_path)
    units = sorted(str(file) for kind in ("service", "target", "timer", "path") for file in tmp_path.glob(f"*.{kind}"))
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "zorgkiosk" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.integration
def test_the_check_would_tell_of_a_key_that_systemd_does_not_know(tmp_path: Path) -> None:
    unit = tmp_path / "zorgkiosk-wrong.service"
    unit.write_text("[Service]\nExecStart=/bin/true\nProtectSytem=strict\n", encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert "ProtectSytem" in done.stderr


@pytest.mark.integration
def test_every_unit_is_exposed_at_most_two_of_ten() -> None:
    found = scores()
    assert set(found) == {file.name for file in [*UNITS, KIOSK]} | {"kamailio.service"}
    assert {name: score for name, score in found.items() if score > 2.0} == {}


@pytest.mark.integration
@pytest.mark.skipif(os.geteuid() != 0, reason="a network of its own needs root")
def test_silent_connections_of_one_source_do_not_shut_out_another(tmp_path: Path) -> None:
    """300 connections of one address and one of another, through the shipped rules in a network of its own."""
    rules = tmp_path / "nftables.conf"
    text = (FIRMWARE / "nftables.conf").read_text(encoding="utf-8")
    rules.write_text(
        text.replace('iifname "lo" accept\n', ""), encoding="utf-8"
    )  # else loopback is not filtered at all
    script = f"ip link set lo up && nft -f {rules} && exec {sys.executable} -c '{KNOCK}'"
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == {"flood": front.TLS_PER_SOURCE, "partner": 1, "closed": 0}


KNOCK = """
import json, socket
def listener(port):
    server = socket.create_server(("127.0.0.1", port), backlog=1024)
    return server
def knock(source, port, times):
    held = []
    for _ in range(times):
        each = socket.socket()
        each.settimeout(0.5)
        each.bind((source, 0))
        try:
            each.connect(("127.0.0.1", port))
        except OSError:
            each.close()
        else:
            held.append(each)
    return held
open_port, closed_port = listener(5061), listener(8080)
flood = knock("127.0.0.66", 5061, 300)
partner = knock("127.0.0.7", 5061, 1)
print(json.dumps({"flood": len(flood), "partner": len(partner), "closed": len(knock("127.0.0.7", 8080, 1))}))
"""


def made_package() -> Path:
    environment = {**os.environ, "ZORGKIOSK_PYTHON": sys.executable}
    build = [str(FIRMWARE / "package" / "build"), "amd64"]
    made = subprocess.run(build, env=environment, capture_output=True, text=True, check=True)
    return FIRMWARE.parent / made.stdout.split()[-1]


@pytest.fixture(scope="module")
def package() -> Path:
    return made_package()


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_the_same_sources_give_the_same_package(package: Path) -> None:
    first = hashlib.sha256(package.read_bytes()).hexdigest()
    assert hashlib.sha256(made_package().read_bytes()).hexdigest() == first


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_the_package_names_every_wheel_of_it_and_what_it_runs_on(package: Path, tmp_path: Path) -> None:
    """Completeness: all that requirements.lock gives this machine, without what only tests and builds use."""
    subprocess.run(["dpkg-deb", "-x", str(package), str(tmp_path)], check=True)
    said = json.loads((tmp_path / "usr/share/doc/zorgkiosk/sbom.cdx.json").read_text(encoding="utf-8"))
    python = {
        f"{each['name']}=={each['version']}": {digest["content"] for digest in each["hashes"]}
        for each in said["components"]
        if each["purl"].startswith("pkg:pypi/")
    }
    shipped = (tmp_path / "usr/lib/zorgkiosk/wheels.txt").read_text(encoding="utf-8").split()
    assert {*python, f"zorgkiosk=={said['metadata']['component']['version']}"} == set(shipped) and len(python) > 20
    lock = (FIRMWARE.parent / "requirements.lock").read_text(encoding="utf-8")
    hashes = {hashlib.sha256(file.read_bytes()).hexdigest() for file in tmp_path.rglob("*.whl")}
    assert all(digest in lock and digest in hashes for found in python.values() for digest in found)
    depends = subprocess.run(["dpkg-deb", "-f", str(package), "Depends"], capture_output=True, text=True, check=True)
    debian = {each["name"] for each in said["components"] if each["purl"].startswith("pkg:deb/debian/")}
    assert {entry.split()[0] for entry in depends.stdout.split(", ")} <= debian
