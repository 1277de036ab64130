"""Whether what is written here outlasts the power: a read-only system may keep its changes in memory.

overlayroot (Debian's, and the switch of raspi-config) lays an overlay over the root with the changed files in a tmpfs.
Whatever is put in force there is gone at the next start, and with it a bundle that was taken from the boot partition.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
CURE = "firmware_config/boot/README.md, Read-only system, says how it is put on a partition that lasts"
_ESCAPED = re.compile(r"\\([0-7]{3})")
_UPPER = re.compile(r"(?:^|,)upperdir=([^,]+)")


@dataclass(frozen=True)
class _Mount:
    point: Path
    kind: str
    options: str


def lies_in_memory(path: Path, mounts: str) -> bool:
    """Whether `path`, which may not be there yet, is on an overlay whose changed files are in a tmpfs.

    `mounts`: the text of /proc/self/mounts (proc_pid_mounts(5)). A tmpfs that somebody mounted there is their wish.
    """
    table = [_mount(line) for line in mounts.splitlines() if line.count(" ") >= 3]
    over = _under(path, table)
    if over is None or over.kind != "overlay" or (upper := _UPPER.search(over.options)) is None:
        return False
    changed = _under(Path(upper[1]), table)
    return changed is not None and changed.kind in ("tmpfs", "ramfs")


def forgotten(*folders: Path, mounts: Path = MOUNTS) -> str:
    """A sentence with the first of `folders` that this system forgets, and what to do; empty when all of them last."""
    table = mounts.read_text(encoding="utf-8")
    found = next((folder for folder in folders if lies_in_memory(folder.resolve(), table)), None)
    return "" if found is None else f"{found} lies in memory and is forgotten when the power goes: {CURE}"


def _mount(line: str) -> _Mount:
    _, point, kind, options = (_ESCAPED.sub(lambda found: chr(int(found[1], 8)), word) for word in line.split(" ")[:4])
    return _Mount(Path(point), kind, options)


def _under(path: Path, table: list[_Mount]) -> _Mount | None:
    """The mount that holds `path`: the deepest, and of those on one place the last."""
    holding = [mount for mount in table if path.is_relative_to(mount.point)]
    return max(reversed(holding), key=lambda mount: len(mount.point.parts), default=None)
