"""A Debian system of its own, booted with systemd as its first process, in a namespace of this machine's kernel.

What it needs: root, debootstrap, systemd-nspawn. The bare system is made once and kept in the user's cache, outside any
repository; each boot gets a copy. It has no network but a loopback of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zorgkiosk.lab.daemon import LabError

Arch = Literal["amd64", "arm64"]
SUITE = "bookworm"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "udev", "ca-certificates", "tzdata", "netbase", "procps", "iproute2"),
    *("python3", "python3-venv", "nftables", "mosquitto", "kamailio", "kamailio-tls-modules"),
)
"""What a box has of Debian before ours is installed."""
BOOT_S, STOP_S = 300.0, 60.0
"""A second and less on a quiet machine; a test machine may be anything but."""
_LOOK_S = 0.1
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
_CLOCK = "--system-call-filter=adjtimex clock_adjtime"
"""A container may not even ask whether the clock is right, as a real box may; without CAP_SYS_TIME it cannot set it."""
_RUN_S = 120.0


def needed(arch: Arch) -> list[str]:
    """What is missing on this machine to boot one, in words; empty when all is there."""
    tools = ["debootstrap", "systemd-nspawn", "nsenter", *(["qemu-aarch64-static"] if arch == "arm64" else [])]
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if os.geteuid() != 0:
        missing.append("root")
    elif not _may_make_namespaces():
        missing.append("the right to make namespaces")
    if arch == "arm64" and not Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists():
        missing.append("binfmt_misc for qemu-aarch64")
    return missing


def _may_make_namespaces() -> bool:
    """A container's root may not, as a rule."""
    line = ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--fork", "true"]
    return subprocess.run(line, capture_output=True, check=False).returncode == 0


def bare_root(arch: Arch) -> Path:
    """The bare system in the cache, made when it is not there: a minute, five for arm64. Raises LabError."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "zorgkiosk"
    root, unfinished = cache / f"root-{arch}", cache / f"root-{arch}.part"
    if root.is_dir():
        return root
    remove_tree(unfinished)
    cache.mkdir(parents=True, exist_ok=True)
    command = ["debootstrap", f"--arch={arch}", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE]
    made = subprocess.run([*command, str(unfinished)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise LabError(f"debootstrap: {(made.stdout + made.stderr).strip().splitlines()[-1]}")
    return unfinished.rename(root)


def copy_of(root: Path, to: Path) -> Path:
    """A copy that may be changed; what was at `to` is removed."""
    remove_tree(to)
    subprocess.run(["cp", "-a", "--reflink=auto", str(root), str(to)], check=True)
    return to


def remove_tree(root: Path) -> None:
    """Remove a system, and never anything that is mounted in it."""
    if root.exists():
        subprocess.run(["rm", "-rf", "--one-file-system", str(root)], check=True)


def install(root: Path, package: Path) -> str:
    """Install a Debian package with apt into a system that is not booted; returns what was said. Raises LabError."""
    shutil.copy(package, root / "tmp")
    command = ["apt-get", "install", "-y", "--no-install-recommends", f"/tmp/{package.name}"]  # noqa: S108 - the root's
    return in_root(root, *command)


def add_debian(root: Path, *packages: str) -> None:
    """Install packages of Debian, which this machine's apt fetches: the system has no network. Raises LabError."""
    archives = root / "tmp" / "debian"
    (archives / "partial").mkdir(parents=True)
    of_root = [f"Dir::State::status={root}/var/lib/dpkg/status", f"Dir::Cache::archives={archives}"]
    options = [word for each in (*of_root, "APT::Sandbox::User=root") for word in ("-o", each)]
    command = ["apt-get", "install", "-y", "--download-only", "--no-install-recommends", *options, *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(packages)}: {done.stderr.strip()[-1000:]}")
    in_root(root, "sh", "-c", "dpkg --install --force-confold /tmp/debian/*.deb && rm -r /tmp/debian")


def in_root(root: Path, *command: str) -> str:
    """Run a command in a system that is not booted, without a network. Raises LabError when it fails."""
    with _proc(root):
        environment = {"DEBIAN_FRONTEND": "noninteractive", **_ENVIRONMENT}
        line = ["unshare", "--net", "chroot", str(root), *command]
        done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout + done.stderr


@contextmanager
def _proc(root: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "proc", "proc", str(root / "proc")], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(root / "proc")], check=True)


@dataclass(frozen=True)
class Machine:
    """A booted system. `leader` is its first process as this machine counts."""

    root: Path
    process: subprocess.Popen[bytes]
    leader: int

    @classmethod
    @contextmanager
    def booted(cls, root: Path, log: Path, options: Sequence[str] = ()) -> Iterator[Machine]:
        """Boot it, wait until its systemd has started what it starts, and switch it off at the end. Raises LabError.

        `options`: more of systemd-nspawn(1), such as `--bind=`.
        """
        with cls.switched_on(root, log, options) as machine:
            wait(lambda: machine.ask("systemctl", "is-system-running") in ("running", "degraded"), BOOT_S, "it booted")
            yield machine

    @classmethod
    @contextmanager
    def switched_on(cls, root: Path, log: Path, options: Sequence[str] = ()) -> Iterator[Machine]:
        """The same without the wait: it is still booting. Raises LabError."""
        command = ["systemd-nspawn", "-q", "-D", str(root), "-b", "--register=no", "--keep-unit", "--console=pipe"]
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*command, "--private-network", _CLOCK, *options], stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        try:
            machine = cls(root, process, _first_child(process))
            yield machine
            if process.poll() is None:
                machine.ask("systemctl", "poweroff")
                process.wait(STOP_S)
        finally:
            for child in _children(process):  # systemd-nspawn killed alone would leave its system running
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            process.kill()
            process.wait()

    def cut(self) -> None:
        """The power fails: no process of it sees another instruction. What is on its disk stays as it is."""
        os.kill(self.leader, signal.SIGKILL)
        self.process.wait(STOP_S)

    def ask(self, *command: str) -> str:
        """What a command inside says on stdout, whatever its exit code."""
        return self._run(command).stdout.strip()

    def do(self, *command: str, beside: str | None = None) -> str:
        """The same; raises LabError when the command fails. `beside`: a unit that lives, which sees what it sees."""
        done = self._run(command, self.leader if beside is None else self._here(self.main_pid(beside)))
        if done.returncode != 0:
            raise LabError(f"{' '.join(command)[:200]}: {(done.stdout + done.stderr).strip()[-2000:]}")
        return done.stdout.strip()

    def succeeds(self, *command: str) -> bool:
        return self._run(command).returncode == 0

    def unit(self, name: str) -> Mapping[str, str]:
        """The properties of a unit, as `systemctl show` names them."""
        return dict(line.partition("=")[::2] for line in self.do("systemctl", "show", name).splitlines())

    def main_pid(self, unit: str) -> int:
        """The main process of a unit as the system itself counts; 0 when it has none."""
        return int(self.unit(unit)["MainPID"])

    def signal(self, unit: str, name: str) -> None:
        """Send a signal to the main process of a unit: `KILL`, `STOP`."""
        self.do("systemctl", "kill", f"--signal={name}", "--kill-who=main", unit)

    def journal(self, unit: str) -> str:
        return self.ask("journalctl", "--no-pager", "-o", "cat", "-u", unit)

    def _here(self, pid: int) -> int:
        """The number on this machine of a process of the system. Raises LabError when there is none."""
        system = Path(f"/proc/{self.leader}/ns/pid").readlink()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has just ended
                numbers = re.search(r"^NSpid:.*\t(\d+)$", (folder / "status").read_text(), re.MULTILINE)
                if numbers and int(numbers[1]) == pid and (folder / "ns" / "pid").readlink() == system:
                    return int(folder.name)
        raise LabError(f"process {pid} of the system is not there")

    def _run(self, command: tuple[str, ...], target: int | None = None) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", "-t", str(target or self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--"]
        return subprocess.run(
            [*enter, *command], env=_ENVIRONMENT, capture_output=True, text=True, check=False, timeout=_RUN_S
        )


def wait(condition: Callable[[], bool], within_s: float, what: str, look_s: float = _LOOK_S) -> None:
    """Return when it holds. Raises LabError when it does not in time."""
    until_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > until_s:
            raise LabError(f"not within {within_s:.0f} s: {what}")
        time.sleep(look_s)


def _first_child(process: subprocess.Popen[bytes]) -> int:
    wait(lambda: bool(_children(process)) or process.poll() is not None, BOOT_S, "systemd-nspawn started a system")
    if not (children := _children(process)):
        raise LabError(f"systemd-nspawn ended with {process.returncode}")
    return children[-1]


def _children(process: subprocess.Popen[bytes]) -> list[int]:
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in found.read_text().split()] if process.poll() is None else []
