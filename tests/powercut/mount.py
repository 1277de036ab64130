"""`python mount.py DIRECTORY`: a FUSE file system whose power can be cut. Commands and answers are lines of JSON.

Each directory is the disk of one life: `{"next": seed, "steps": n}` makes the next one out of what survives of the
last, answers with its name, and cuts its power after n more steps that change it. After a cut every
change fails with EIO; what was read stays readable, since a process that maps a file would be killed otherwise.
"""

from __future__ import annotations

import errno
import itertools
import json
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import mfusepy
from volatile import Disk, Inode, Resize, Write


class PowerCut(mfusepy.Operations):  # type: ignore[misc]
    """Passes everything through to the disk of the life that a path begins with."""

    use_ns = True

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._lives = itertools.count()
        self._disks: dict[str, Disk] = {}
        self._newest = ""
        self._steps_left = 0
        self._open: dict[int, Inode] = {}
        self._handles = itertools.count(1)
        self._written_bytes = 0

    def next_life(self, seed: int, steps: int) -> str:
        with self._lock:
            last = self._disks.pop(self._newest, None)
            self._newest = f"life-{next(self._lives)}"
            self._disks = {self._newest: Disk() if last is None else last.after_cut(seed)}
            self._steps_left = steps
            return self._newest

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        with self._lock:
            if path == "/" or path[1:] in self._disks:
                return {"st_mode": stat.S_IFDIR | 0o770, "st_nlink": 2}
            inode = self._open[fh] if fh in self._open else self._inode(path)
            return {"st_mode": stat.S_IFREG | 0o660, "st_nlink": 1, "st_size": len(inode.now)}

    def readdir(self, path: str, fh: int) -> list[str]:
        with self._lock:
            there = self._disks if path == "/" else self._disks[path[1:]].names
            return [".", "..", *there]

    def create(self, path: str, mode: int, fi: object = None) -> int:
        with self._lock:
            disk, name = self._step(path)
            return self._opened(disk.create(name))

    def open(self, path: str, flags: int) -> int:
        with self._lock:
            return self._opened(self._inode(path))

    def release(self, path: str, fh: int) -> int:
        with self._lock:
            self._open.pop(fh, None)
            return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        with self._lock:
            return bytes(self._open[fh].now[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        with self._lock:
            self._step(path)
            self._open[fh].change(Write(offset, bytes(data)))
            self._written_bytes += len(data)
            return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        with self._lock:
            self._step(path)
            inode = self._open[fh] if fh in self._open else self._inode(path)
            inode.change(Resize(length))
            return 0

    def fallocate(self, path: str, mode: int, offset: int, size: int, fh: int) -> int:
        with self._lock:
            self._step(path)
            inode = self._open[fh]
            inode.change(Resize(max(len(inode.now), offset + size)))
            return 0

    def unlink(self, path: str) -> int:
        with self._lock:
            self._inode(path)
            disk, name = self._step(path)
            disk.remove(name)
            return 0

    def rename(self, old: str, new: str) -> int:
        with self._lock:
            self._inode(old)
            disk, name = self._step(old)
            disk.rename(name, new.split("/")[2])
            return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        with self._lock:
            self._step(path)
            self._open[fh].sync()
            return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        with self._lock:
            disk, _ = self._step(f"{path}/")
            disk.sync_names()
            return 0

    def chmod(self, path: str, mode: int) -> int:
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        return 0

    def utimens(self, path: str, times: object = None) -> int:
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        return {"f_bsize": 4096, "f_frsize": 4096, "f_blocks": 1 << 20, "f_bfree": 1 << 19, "f_bavail": 1 << 19}

    def _step(self, path: str) -> tuple[Disk, str]:
        """The disk and the name, if the power is still there for one more change."""
        _, life, name = path.split("/")
        if life != self._newest or self._steps_left <= 0:
            raise mfusepy.FuseOSError(errno.EIO)
        self._steps_left -= 1
        return self._disks[life], name

    def _inode(self, path: str) -> Inode:
        _, life, name = f"{path}/".split("/")[:3]
        disk = self._disks.get(life)
        if disk is None or name not in disk.names:
            raise mfusepy.FuseOSError(errno.ENOENT)
        return disk.names[name]

    def _opened(self, inode: Inode) -> int:
        handle = next(self._handles)
        self._open[handle] = inode
        return handle


def _obey(power: PowerCut) -> None:
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(power.next_life(command["next"], command["steps"])), flush=True)


def main(directory: Path) -> None:
    """Until it is unmounted."""
    power = PowerCut()
    threading.Thread(target=_obey, args=(power,), daemon=True).start()
    mfusepy.FUSE(power, str(directory), foreground=True, nothreads=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
