"""How a worker starts, and how it says that it cannot."""

from __future__ import annotations

import fcntl
import socket
import subprocess
import sys
from pathlib import Path

import pytest

MISSING = """
import sys
sys.modules["pjsua2"] = None
from zorgkiosk.site.telephony.worker.__main__ import main
sys.exit(main())
"""


def start(folder: Path, *python: str, sip_port: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, *python,
            "--number", "3", "--sip-port", str(sip_port), "--front", "127.0.0.1:9", "--media-address", "127.0.0.1",
            "--rtp-port", "41000", "--line", str(folder / "line.sock"), "--lock", str(folder / "lock"),
        ],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip


def test_without_pjsua2_it_says_so_in_one_sentence(tmp_path: Path) -> None:
    ended = start(tmp_path, "-c", MISSING)
    assert ended.returncode == 69
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert "pjsua2 is not installed" in ended.stderr


def test_a_worker_number_is_taken_once(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = start(tmp_path, "-m", "zorgkiosk.site.telephony.worker")
    assert ended.returncode == 75
    assert ended.stderr.count("\n") == 1
    assert "worker 3 already" in ended.stderr


def test_only_the_sip_part_imports_pjsua2() -> None:
    """The lab's simulated phones aside, which are no part of an appliance."""
    source = Path(__file__).parents[4] / "src" / "zorgkiosk"
    importers = {path.parent for path in source.rglob("*.py") if "import pjsua2" in path.read_text()}
    assert importers - {source / "lab"} == {source / "site" / "telephony" / "worker" / "sip"}


@pytest.mark.integration
def test_a_port_that_is_taken_is_said_in_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("pjsua2", reason="the call worker needs pjsua2")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        ended = start(tmp_path, "-m", "zorgkiosk.site.telephony.worker", sip_port=port)
    assert ended.returncode == 69
    assert ended.stdout == ""
    assert ended.stderr == f"worker 3: SIP on 127.0.0.1:{port} cannot start: Address already in use\n"
