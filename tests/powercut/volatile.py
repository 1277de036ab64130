"""What a disk holds and what of it would survive a power cut. Pure: no mount, randomness only from a seed.

A file's content survives as far as it was synced, its name as far as its directory was (fsync(2): "calling fsync() does
not necessarily ensure that the entry in the directory containing the file has also reached disk").
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

SECTOR_BYTES = 512


@dataclass(frozen=True)
class Write:
    offset: int
    data: bytes


@dataclass(frozen=True)
class Resize:
    length: int


@dataclass
class Inode:
    """`now` is what processes see; `pending` leads from `synced` to it."""

    now: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    pending: list[Write | Resize] = field(default_factory=list)

    def change(self, what: Write | Resize) -> None:
        _apply(self.now, what)
        self.pending.append(what)

    def sync(self) -> None:
        self.synced = bytes(self.now)
        self.pending.clear()

    def after_cut(self, chance: random.Random, *, torn: bool) -> bytes:
        """What was synced; when `torn`, with any sectors of what was on its way."""
        content = bytearray(self.synced)
        share = chance.random()
        for what in self.pending if torn else ():
            match what:
                case Resize() if chance.random() < share:
                    _apply(content, what)
                case Write(offset, data):
                    for begin, end in _sectors(offset, len(data)):
                        if chance.random() < share:
                            _apply(content, Write(begin, data[begin - offset : end - offset]))
        return bytes(content)


class Disk:
    """One directory of files. A name that is None in `_renamings` was removed."""

    def __init__(self) -> None:
        self.names: dict[str, Inode] = {}
        self._durable: dict[str, Inode] = {}
        self._renamings: list[dict[str, Inode | None]] = []

    def create(self, name: str) -> Inode:
        inode = Inode()
        self._rename({name: inode})
        return inode

    def remove(self, name: str) -> None:
        self._rename({name: None})

    def rename(self, old: str, new: str) -> None:
        self._rename({old: None, new: self.names[old]})

    def sync_names(self) -> None:
        self._durable = dict(self.names)
        self._renamings.clear()

    def after_cut(self, seed: int) -> Disk:
        """The disk that is found when the power is back: half of the cuts forget all that was not synced."""
        chance = random.Random(seed)
        torn = chance.random() < 0.5
        names = dict(self._durable)
        kept = chance.randint(0, len(self._renamings)) if torn else 0
        for renaming in self._renamings[:kept]:  # a journal keeps their order
            _apply_names(names, renaming)
        after = Disk()
        for name, inode in names.items():
            content = inode.after_cut(chance, torn=torn)
            after.names[name] = Inode(bytearray(content), content)
        after.sync_names()
        return after

    def _rename(self, renaming: dict[str, Inode | None]) -> None:
        _apply_names(self.names, renaming)
        self._renamings.append(renaming)


def _apply(content: bytearray, what: Write | Resize) -> None:
    match what:
        case Resize(length):
            del content[length:]
            content.extend(bytes(length - len(content)))
        case Write(offset, data):
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(data)] = data


def _apply_names(names: dict[str, Inode], renaming: dict[str, Inode | None]) -> None:
    for name, inode in renaming.items():
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode


def _sectors(offset: int, length: int) -> list[tuple[int, int]]:
    """The parts of a write by sector of the disk, as (begin, end)."""
    end = offset + length
    edges = [offset, *range((offset // SECTOR_BYTES + 1) * SECTOR_BYTES, end, SECTOR_BYTES), end]
    return list(itertools.pairwise(edges)) if length else []
