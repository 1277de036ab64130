"""More than one machine, on this one: three RabbitMQ nodes, two intakes, PostgreSQL with a synchronous standby.

Minutes long: `make soak`. Each test compares the database with what its sites wrote down themselves.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
from hub_region import Region, wait_for
from hub_said import REGION, SITES
from paho.mqtt.enums import MQTTProtocolVersion
from soak_sites import RealSite, WritingSite

from zorgkiosk.hub import schema
from zorgkiosk.hub.broker import HUB_NAME, BrokerParameters
from zorgkiosk.lab.authority import Authority
from zorgkiosk.lab.broker import RunningBroker
from zorgkiosk.lab.cluster import Cluster
from zorgkiosk.lab.ports import free_port

pytest_plugins = ["database_fixtures"]
pytestmark = [pytest.mark.integration, pytest.mark.soak, pytest.mark.timeout(600)]

REAL = "vvt-echt"
"""The site with the real unit `sync`."""
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def kept(database: str, stream: str = "telephony") -> dict[str, list[int]]:
    """Sequences of one stream of every site, in order."""
    engine = sa.create_engine(database)
    table = schema.event
    with engine.connect() as connection:
        query = sa.select(table.c.site, table.c.sequence).where(table.c.stream == stream)
        rows = connection.execute(query.order_by(table.c.site, table.c.sequence))
        found: dict[str, list[int]] = {}
        for row in rows:
            found.setdefault(row.site, []).append(row.sequence)
    engine.dispose()
    return found


class Progress:
    """Waits until each site had so many more rows acknowledged than now."""

    def __init__(self, sites: Sequence[WritingSite | RealSite]) -> None:
        self.sites = sites

    def of(self, rows: int, what: str) -> None:
        wanted = {site.name: site.acked + rows for site in self.sites}
        wait_for(lambda: all(site.acked >= wanted[site.name] for site in self.sites), what, 120)


def end(sites: Sequence[WritingSite | RealSite]) -> None:
    for site in sites:
        site.ending.set()
    wait_for(lambda: all(site.done for site in sites), "everything to be acknowledged", 120)


@dataclass
class Supervised:
    """An intake that is started again when it ends, as systemd does."""

    region: Region
    process: "subprocess.Popen[bytes] | None" = None
    stopped: threading.Event = field(default_factory=threading.Event)

    def start(self) -> "Supervised":
        self.process = self.region.start("intake")
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def _watch(self) -> None:
        while not self.stopped.is_set():
            assert self.process is not None
            self.process.wait()
            if not self.stopped.wait(0.5):
                self.process = self.region.start("intake")


def hub_toml(directory: Path, database: str, broker: str, authority: Authority) -> None:
    certificate, key = authority.issue(HUB_NAME)
    sites = "".join(f'[[site]]\nname = "{site.name}"\ntitle = "{site.title}"\nkind = "{site.kind}"\n' for site in SITES)
    sites += f'[[site]]\nname = "{REAL}"\ntitle = "Echt"\nkind = "vvt"\n'
    (directory / "hub.toml").write_text(
        f'[hub]\nregion = "{REGION}"\ndatabase = "{database}"\n[broker]\n{broker}\nca_file = "{authority.ca_file}"\n'
        f'certificate_file = "{certificate}"\nkey_file = "{key}"\n[intake]\nport = {free_port()}\n{sites}'
    )


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A socket's path must be short, and another user's server must reach it."""
    made = Path(tempfile.mkdtemp(prefix="zk-soak-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def test_any_node_killed_and_all_killed_lose_nothing(short_directory: Path, postgresql_database: str) -> None:
    authority = Authority.create(short_directory / "pki")
    names = [site.name for site in SITES]
    for name in names:
        authority.issue(name)
    cluster = Cluster.prepare(short_directory / "nodes", authority, REGION, dict.fromkeys([*names, REAL], ()))
    addresses = [each.node.address for each in cluster.nodes]
    port = cluster.nodes[0].node
    hub_toml(
        short_directory,
        postgresql_database,
        f'kind = "amqp"\nhost = "{addresses[0]}"\nhosts = {addresses[1:]}\nport = {port.amqp_port}',
        authority,
    )
    region = Region(short_directory, authority, None, 0)  # type: ignore[arg-type]
    sites = [
        WritingSite(name, authority, addresses[at:] + addresses[:at], port.mqtt_port, MQTTProtocolVersion.MQTTv311)
        for at, name in enumerate(names)
    ]
    real = RealSite(REAL, short_directory / "site", authority, addresses[1], port.mqtt_port)
    everybody: list[WritingSite | RealSite] = [*sites, real]
    progress = Progress(sites)
    intakes: list[Supervised] = []
    try:
        cluster.start()
        intakes = [Supervised(region).start(), Supervised(region).start()]
        for site in everybody:
            site.start()
        progress.of(500, "the first rows")
        Progress([real]).of(20, "the first taps of the real site")
        for number in range(len(cluster.nodes)):
            cluster.nodes[number].kill()
            progress.of(500, f"rows without node {number + 1}")
            cluster.start()
            progress.of(100, f"rows with node {number + 1} again")
            Progress([real]).of(20, "taps of the real site, whose node was killed or not")
        killed = intakes[0].process
        assert killed is not None
        killed.kill()
        progress.of(500, "rows after an intake was killed")
        for node in cluster.nodes:
            os.killpg(node.process.pid, signal.SIGKILL)  # type: ignore[union-attr]
        for node in cluster.nodes:
            node.kill()
        cluster.start()
        progress.of(500, "rows after all nodes were killed")
        end(everybody)
        assert kept(postgresql_database) == {site.name: list(range(1, site.said + 1)) for site in sites}
        assert kept(postgresql_database, "panel") == {REAL: list(range(1, real.said + 1))}
        assert len(region.started) == 3, "no intake ended of what happened to the brokers, only the killed one"
    finally:
        for site in sites:
            site.ending.set()
        real.stop()
        for intake in intakes:
            intake.stopped.set()
        for process in region.started:
            process.kill()
            process.wait()
        cluster.stop()


@dataclass
class Server:
    """A PostgreSQL server on a unix socket in its own directory."""

    directory: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def as_user(self, program: str, *arguments: str) -> list[str]:
        become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        return [*become, str(BINARIES[-1] / program), *arguments]

    def run(self, program: str, *arguments: str) -> None:
        subprocess.run(self.as_user(program, *arguments), check=True, capture_output=True, cwd=self.directory)

    def start(self, *settings: str) -> None:
        more = [part for setting in settings for part in ("-c", setting)]
        own = ["-D", str(self.data), "-c", "listen_addresses=", "-c", f"unix_socket_directories={self.directory}"]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(self.as_user("postgres", *own, *more), stderr=log, cwd=self.directory)
        wait_for(self.ready, "PostgreSQL to be ready", 30)

    def ready(self) -> bool:
        return subprocess.run([BINARIES[-1] / "pg_isready", "-q", "-h", self.directory], check=False).returncode == 0

    def kill(self) -> None:
        if self.process is not None:
            for child in subprocess.run(
                ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False
            ).stdout.split():
                os.kill(int(child), signal.SIGKILL)
            self.process.kill()
            self.process.wait()
            self.process = None

    def url(self, name: str = "postgres") -> str:
        return f"postgresql+psycopg://zorgkiosk@/{name}?host={self.directory}"

    def query(self, sql: str) -> object:
        engine = sa.create_engine(self.url(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            result = connection.exec_driver_sql(sql)
            found = result.scalar() if result.returns_rows else None
        engine.dispose()
        return found


def pair(directory: Path) -> tuple[Server, Server]:
    """A primary that waits for its standby's disk at every commit."""
    servers = []
    for name in ("one", "two"):
        (directory / name).mkdir()
        if os.geteuid() == 0:
            shutil.chown(directory / name, "postgres", "postgres")
        servers.append(Server(directory / name))
    one, two = servers
    one.run("initdb", "-D", str(one.data), "-U", "zorgkiosk", "-A", "trust", "-E", "UTF8", "--locale=C")
    one.start()
    one.query("CREATE DATABASE hub")
    source = f"host={one.directory} user=zorgkiosk application_name=standby"
    two.run("pg_basebackup", "-D", str(two.data), "-d", source, "-R", "-X", "stream", "-c", "fast")
    two.start()
    one.query("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
    one.query("SELECT pg_reload_conf()")
    wait_for(lambda: one.query("SELECT sync_state FROM pg_stat_replication") == "sync", "the standby to be in step")
    return one, two


def test_the_primary_killed_and_the_standby_promoted_lose_nothing_acknowledged(short_directory: Path) -> None:
    authority = Authority.create(short_directory / "pki")
    certificate, key = authority.issue("broker", addresses=("127.0.0.1",))
    names = [site.name for site in SITES]
    for name in names:
        authority.issue(name)
    parameters = BrokerParameters(
        REGION, short_directory / "broker", "127.0.0.1", free_port(), authority.ca_file, certificate, key,
        dict.fromkeys(names, ()),
    )  # fmt: skip
    sites = [WritingSite(name, authority, ["127.0.0.1"], parameters.port, MQTTProtocolVersion.MQTTv5) for name in names]
    progress = Progress(sites)
    one, two = pair(short_directory)
    either = f"postgresql+psycopg://zorgkiosk@/hub?host={one.directory},{two.directory}&target_session_attrs=read-write"
    broker = RunningBroker.start(parameters)
    hub_toml(short_directory, either, f'host = "127.0.0.1"\nport = {parameters.port}', authority)
    region = Region(short_directory, authority, broker, 0)
    intakes: list[Supervised] = []
    try:
        intakes = [Supervised(region).start(), Supervised(region).start()]
        for site in sites:
            site.start()
        progress.of(1_000, "the first rows")
        one.kill()
        acked = {site.name: site.acked for site in sites}
        two.run("pg_ctl", "promote", "-D", str(two.data), "-w")
        held = kept(two.url("hub"))
        assert all(set(range(1, up_to + 1)) <= set(held[name]) for name, up_to in acked.items())
        progress.of(500, "rows with the other server")
        end(sites)
        assert kept(two.url("hub")) == {site.name: list(range(1, site.said + 1)) for site in sites}
    finally:
        for site in sites:
            site.ending.set()
        for intake in intakes:
            intake.stopped.set()
        for process in region.started:
            process.kill()
            process.wait()
        broker.stop()
        for server in (one, two):
            server.kill()
