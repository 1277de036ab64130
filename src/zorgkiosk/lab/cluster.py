"""A real RabbitMQ cluster of three nodes on this machine's loopback, for the soak tests."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from zorgkiosk.hub.rabbitmq import ELECTION, PLUGINS, Node, definitions, render
from zorgkiosk.lab.authority import Authority
from zorgkiosk.lab.daemon import LabError
from zorgkiosk.lab.ports import free_port

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_CONTROL = SERVER.with_name("rabbitmqctl")
_START_WITHIN_S = 240.0
_HELP_AFTER_S = 20.0

_NODES = 3


@dataclass
class RunningNode:
    """One node: its process group holds the Erlang machine and its helpers."""

    node: Node
    directory: Path
    dist_port: int
    process: subprocess.Popen[bytes] | None = None

    def kill(self) -> None:
        """As a power cut would."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
            # The leader of the group is gone before the Erlang machine has given its ports back.
            while _answers(self.node.address, self.node.amqp_port) or _answers("127.0.0.1", self.dist_port):
                time.sleep(0.02)

    def serves(self) -> bool:
        return all(_answers(self.node.address, port) for port in (self.node.amqp_port, self.node.mqtt_port))


@dataclass
class Cluster:
    """Nodes on 127.0.0.1 to 127.0.0.3, on the same ports each. `epmd` is Erlang's port mapper, our own one."""

    directory: Path
    nodes: list[RunningNode]
    epmd_port: int
    cookie: str = field(default_factory=lambda: secrets.token_hex(16))
    epmd: subprocess.Popen[bytes] | None = None

    @classmethod
    def prepare(cls, directory: Path, authority: Authority, region: str, sites: dict[str, tuple[str, ...]]) -> Cluster:
        """Write everything; nothing runs yet. Raises LabError when RabbitMQ is not installed."""
        if not SERVER.exists():
            raise LabError("rabbitmq-server is not installed: apt-get install rabbitmq-server")
        directory.mkdir(parents=True)
        allowed = directory / "definitions.json"
        allowed.write_text(definitions(region, sites))
        ports = free_port(), free_port()
        nodes = tuple(Node(f"rabbit{n}@localhost", f"127.0.0.{n}", *ports) for n in range(1, _NODES + 1))
        running = []
        for node in nodes:
            own = directory / node.name.partition("@")[0]
            own.mkdir()
            certificate, key = authority.issue(own.name, addresses=(node.address,))
            (own / "rabbitmq.conf").write_text(render(node, nodes, allowed, authority.ca_file, certificate, key))
            (own / "enabled_plugins").write_text(PLUGINS)
            running.append(RunningNode(node, own, free_port()))
        return cls(directory, running, free_port())

    def start(self) -> None:
        """Start what does not run, all at once, and wait until each serves."""
        if self.epmd is None:
            command = ["epmd", "-port", str(self.epmd_port), "-address", "127.0.0.1"]
            self.epmd = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        for each in self.nodes:
            if each.process is None:
                self._spawn(each)
        for each in self.nodes:
            self._wait(each)

    def stop(self) -> None:
        for each in self.nodes:
            each.kill()
        if self.epmd is not None:
            self.epmd.kill()
            self.epmd.wait()
            self.epmd = None

    def _spawn(self, running: RunningNode) -> None:
        own = running.directory
        cookie = own / ".erlang.cookie"
        cookie.unlink(missing_ok=True)
        cookie.write_text(self.cookie)
        cookie.chmod(0o400)
        with (own / "console").open("ab") as console:
            running.process = subprocess.Popen(
                [str(SERVER)], env=self._environment(running), stdout=console, stderr=console,
                stdin=subprocess.DEVNULL, start_new_session=True, cwd=own,
            )  # fmt: skip

    def _environment(self, running: RunningNode) -> dict[str, str]:
        own, loopback = running.directory, "-kernel inet_dist_use_interface {127,0,0,1}"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(own),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": running.node.name,
            "RABBITMQ_DIST_PORT": str(running.dist_port),
            "RABBITMQ_MNESIA_BASE": str(own / "data"),
            "RABBITMQ_LOG_BASE": str(own / "log"),
            "RABBITMQ_CONFIG_FILE": str(own / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(own / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(own / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{loopback} +S 1:1",
            "RABBITMQ_CTL_ERL_ARGS": f"{loopback} +S 1:1",
        }

    def _wait(self, running: RunningNode) -> None:
        until_s = time.monotonic() + _START_WITHIN_S
        help_at_s = time.monotonic() + _HELP_AFTER_S
        while not running.serves():
            ended = running.process is None or running.process.poll() is not None
            if ended or time.monotonic() > until_s:
                said = (running.directory / "console").read_text(errors="replace")[-2000:]
                raise LabError(f"{running.node.name} does not start: {said}")
            if time.monotonic() > help_at_s:
                self._help(running)
                help_at_s = time.monotonic() + _HELP_AFTER_S
            time.sleep(0.1)

    def _help(self, running: RunningNode) -> None:
        """What `zorgkiosk-mqtt-election` does on a real broker: see firmware_config/hub/cluster."""
        command = [str(_CONTROL), "eval", ELECTION]
        with (running.directory / "console").open("ab") as console:
            subprocess.run(
                command, env=self._environment(running), stdout=console, stderr=console, stdin=subprocess.DEVNULL,
                timeout=60, check=False,
            )  # fmt: skip


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def main() -> int:
    """`python -m zorgkiosk.lab.cluster`: such a cluster until Ctrl-C, to look at."""
    directory = Path("/tmp") / f"zk-cluster-{os.getpid()}"  # noqa: S108 - a lab's
    authority = Authority.create(directory / "pki")
    cluster = Cluster.prepare(directory / "nodes", authority, "testregio", {"hap-noord": ()})
    try:
        cluster.start()
        print(f"{directory}: {', '.join(each.node.name for each in cluster.nodes)} run", file=sys.stderr)
        signal.pause()
    except KeyboardInterrupt:
        return 0
    finally:
        cluster.stop()
        shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
