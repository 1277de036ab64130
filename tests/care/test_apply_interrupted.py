"""`zorgkiosk apply` as a process of its own: a session that is lost, a technician who stops it, a disk that is full."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from care_box import NoUnits, wait_for, write_site

from small_disk import fill
from small_disk import small_disk as small_disk  # the fixture
from zorgkiosk.care.apply import Outcome, apply
from zorgkiosk.care.pair import Files, New
from zorgkiosk.lab.authority import Authority

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
WITHIN_S = 30.0


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Of a site whose hub is nowhere: no change proves itself here."""
    return write_site(tmp_path / "etc", Authority.create(tmp_path / "ca"), 1, 1)


@pytest.fixture
def new(config: Path, tmp_path: Path) -> Path:
    file = tmp_path / "new.toml"
    file.write_text(config.read_text().replace("total = 4", "total = 5"))
    return file


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A machine on which nothing of ours runs."""
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text("#!/bin/sh\nexit 0\n")
    systemctl.chmod(0o755)
    return {**os.environ, "PATH": f"{systemctl.parent}:{os.environ['PATH']}"}


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends; a test closes the first to hang up."""
    ends = pty.openpty()
    yield ends
    os.close(ends[1])


def command(config: Path, new: Path) -> list[str]:
    return [sys.executable, "-m", "zorgkiosk", "apply", str(new), "--config", str(config), "--within", "600"]


def switched(config: Path, new: Path) -> bool:
    return Files(config).applying.exists() and config.read_text() == new.read_text()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_who_stops_it_has_the_old_config_again_and_is_told_so(
    config: Path, new: Path, environment: dict[str, str], stop: signal.Signals
) -> None:
    old = config.read_text()
    with subprocess.Popen(command(config, new), env=environment, stdout=subprocess.PIPE, text=True) as process:
        wait_for(lambda: switched(config, new), "the switch")
        process.send_signal(signal.SIGHUP)
        process.send_signal(stop)
        said, _ = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, said) == (69, "stopped, as was asked: the last good config is in force again\n")
    assert config.read_text() == old and not Files(config).applying.exists()


def test_a_lost_session_ends_nothing(
    config: Path, new: Path, environment: dict[str, str], terminal: tuple[int, int]
) -> None:
    """The terminal hangs up while the proof is waited for: SIGHUP, and EIO for whatever is said from then on."""
    old, (ours, its) = config.read_text(), terminal
    session = (
        "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    )
    words = [sys.executable, "-c", session, *command(config, new)]
    with subprocess.Popen(words, env=environment, stdin=its, stdout=its, stderr=its, start_new_session=True) as process:
        wait_for(lambda: switched(config, new), "the switch")
        os.close(ours)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 69, "it ended by itself, on the way back"
    assert config.read_text() == old and not Files(config).applying.exists()


def test_the_way_back_needs_no_room_on_the_disk(small_disk: Path, config: Path, tmp_path: Path) -> None:
    here = small_disk / "site.toml"
    old = config.read_text().replace('data_dir = "data"', f'data_dir = "{tmp_path / "data"}"')
    here.write_text(old)
    new = tmp_path / "new.toml"
    new.write_text(old.replace("total = 4", "total = 5"))
    others = small_disk / "log"

    class Filling(NoUnits):
        def restart(self) -> None:
            super().restart()
            if not others.exists():
                fill(small_disk)

    units = Filling()
    assert apply(New(new), here, units, lambda *_: (), within_s=0) is Outcome.BACK
    assert here.read_text() == old and units.done == ["restart", "restart"]
    assert not Files(here).applying.exists()
    others.unlink()
    assert apply(New(new), here, NoUnits(), lambda *_: (), within_s=0) is Outcome.BACK, "the next is no less safe"
    assert Files(here).good.read_text() == old
