"""The demo as a newcomer runs it: the whole region with real parts, and what it says when it cannot start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from zorgkiosk.lab.claims import Claims

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]


def demo(directory: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "zorgkiosk", "demo", "--directory", str(directory), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_of(directory: Path) -> list[int]:
    """Everything that still runs with a path of this region on its command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(directory).encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    # pytest's own folders are too deep for a unix socket's 107 bytes.
    short = Path("/tmp") / f"zk-{os.getpid()}-{tmp_path.name[-12:]}"  # noqa: S108
    yield short
    assert processes_of(short) == []
    for each in short.parent.glob(f"{short.name}*"):
        shutil.rmtree(each) if each.is_dir() else each.unlink()


@pytest.mark.timeout(240)
def test_every_claim_of_the_story_holds_and_a_kept_region_can_be_looked_at_until_ctrl_c(directory: Path) -> None:
    process = demo(directory, "--keep")
    assert process.stdout is not None
    output = ""
    while "Ctrl-C stops it." not in output:
        line = process.stdout.readline()
        assert line, f"the demo ended by itself:\n{output}"
        output += line
    for port in (8081, 8082, 8083, 8090):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
            assert f"http://127.0.0.1:{port}/" in output and page.status == 200
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output + rest
    assert "18 of 18 claims hold." in output and "✗" not in output


@pytest.mark.timeout(120)
def test_a_second_demo_says_what_is_in_the_way_and_ctrl_c_ends_the_first(directory: Path) -> None:
    first = demo(directory)
    assert first.stdout is not None
    while "all units are ready" not in (line := first.stdout.readline()):
        assert line, "the demo ended before it was ready"
    same, _ = demo(directory).communicate(timeout=30)
    assert same.startswith("zorgkiosk demo: another demo runs in this directory"), same
    other = demo(directory.with_name(directory.name + "-2"))
    said, _ = other.communicate(timeout=30)
    assert other.returncode == 69 and "127.0.11.1:5060 (SIP of hap-noord)" in said and "Traceback" not in said
    begin_s = time.monotonic()
    first.send_signal(signal.SIGINT)
    rest, _ = first.communicate(timeout=30)
    assert first.returncode == 1 and "stopped before its end" in rest and time.monotonic() - begin_s < 20


def test_a_story_with_a_false_claim_does_not_hold() -> None:
    claims = Claims()
    assert not claims.all_hold, "a story without claims has shown nothing"
    claims.check("one", "seen", True)
    assert claims.all_hold
    claims.check("two", "not seen", False)
    assert not claims.all_hold and claims.table().splitlines()[1].startswith("✗  two")
