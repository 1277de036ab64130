"""One worker with its town and its line for a test."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from worker_bench import Bench
from worker_scenes import ANNOUNCED_HZ, LOST_HZ, recorded

from zorgkiosk.site.telephony.messages import Attached


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sound")


@pytest.fixture(scope="session")
def announcement(sounds: Path) -> str:
    return recorded(sounds, ANNOUNCED_HZ)


@pytest.fixture
def lost(request: pytest.FixtureRequest, sounds: Path) -> Path | None:
    """What is said to who is left behind; a test sets its length in seconds."""
    length_s = getattr(request, "param", None)
    return Path(recorded(sounds, LOST_HZ, length_s)) if length_s else None


@pytest.fixture
def stand(tmp_path: Path, lost: Path | None) -> Iterator[Bench]:
    stand = Bench(tmp_path, lost=lost)
    stand.line.open()
    stand.event(Attached)
    yield stand
    stand.close()
    assert "0201234567" not in stand.output(), "a caller's number was logged"
    assert "Traceback" not in stand.output()
    assert stand.process.returncode in (0, -signal.SIGKILL), stand.output()
