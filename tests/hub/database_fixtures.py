"""A real PostgreSQL on a unix socket of its own, made once for the hub's tests."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URL of a running server's maintenance database."""
    assert _BINARIES, "postgresql is not installed: apt-get install postgresql"
    # Beside, not inside, pytest's own directory: its path may be too long for a socket and closed to other users.
    directory = Path(tempfile.mkdtemp(prefix="zk-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:  # the server refuses to be root
        shutil.chown(directory, "postgres", "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    binaries, data = _BINARIES[-1], directory / "data"
    initdb = [
        *as_user,
        str(binaries / "initdb"),
        "-D",
        str(data),
        "-U",
        "zorgkiosk",
        "-A",
        "trust",
        "--no-sync",
        "-E",
        "UTF8",
    ]
    subprocess.run([*initdb, "--locale=C"], check=True, capture_output=True, cwd=directory)
    settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={directory}", "-c", "fsync=off"]
    log = (directory / "log").open("wb")
    server = subprocess.Popen(
        [*as_user, str(binaries / "postgres"), "-D", str(data), *settings], stderr=log, cwd=directory
    )
    try:
        _wait_until_ready(binaries, directory, server)
        yield f"postgresql+psycopg://zorgkiosk@/postgres?host={directory}"
    finally:
        server.terminate()
        server.wait(20)
        log.close()
        shutil.rmtree(directory)


def _wait_until_ready(binaries: Path, directory: Path, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(20):
        ready = subprocess.run([binaries / "pg_isready", "-q", "-h", directory, "-t", "5"], check=False)
        if ready.returncode == 0:
            return
        assert server.poll() is None, (directory / "log").read_text()
        try:
            server.wait(0.25)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError((directory / "log").read_text())


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'hub.db'}"
    return str(request.getfixturevalue("postgresql_database"))


@pytest.fixture
def postgresql_database(postgresql: str) -> Iterator[str]:
    """URL of an empty database on the server."""
    url = sa.make_url(postgresql)
    name = f"hub_{uuid.uuid4().hex}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield url.set(database=name).render_as_string()
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()
