"""A process that dies writes no memory to the disk, started by hand too: read in real processes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from zorgkiosk.site.core_dumps import forbid_core_dumps

COMMAND = (sys.executable, "-c", "import sys; from zorgkiosk.cli import main; {what}")
CRASH = (
    "import zorgkiosk.units.panel as unit, os; unit.run = lambda _: os.abort(); main(['run', 'panel', '--config', 'x'])"
)
SAYS = (
    "import zorgkiosk.units.panel as unit; from pathlib import Path;"
    "unit.run = lambda _: print(Path('/proc/self/limits').read_text()); main(['run', 'panel', '--config', 'x'])"
)


def run(what: str, folder: Path, soft: int) -> subprocess.CompletedProcess[str]:
    """The command as a shell starts it that allows cores of this size."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)

    def allow() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))

    command = [*COMMAND[:2], COMMAND[2].format(what=what)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, preexec_fn=allow)


@pytest.mark.long
def test_a_command_lowers_both_limits_before_it_does_anything(tmp_path: Path) -> None:
    told = run(SAYS, tmp_path, 1 << 20).stdout
    [line] = [each for each in told.splitlines() if each.startswith("Max core file size")]
    assert line.split()[4:6] in (["1", "1"], ["0", "0"]), told


@pytest.mark.long
def test_a_crash_leaves_no_core(tmp_path: Path) -> None:
    """What waitpid says of the core is the kernel's own word, whether it goes to a file or to a program."""
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child
        os.chdir(tmp_path)
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 2)
        os.execv(sys.executable, [*COMMAND[:2], COMMAND[2].format(what=CRASH)])  # noqa: S606
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) and not os.WCOREDUMP(status)
    assert list(tmp_path.iterdir()) == []


def test_it_can_be_said_again() -> None:
    forbid_core_dumps()
    forbid_core_dumps()
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    assert soft == hard <= 1
