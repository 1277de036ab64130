"""Cuts the power of a real store again and again, and compares what is found with what was accepted."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from writer import FREE

HERE = Path(__file__).parent
STEPS_MOST = 300
"""A commit is some ten steps; opening a file that is there takes none or a few."""


@dataclass
class Found:
    """What came of all cuts. Every list but `accepted` should be empty."""

    cuts: int = 0
    accepted: int = 0
    lost: list[str] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    halves: list[str] = field(default_factory=list)
    """State and outbox do not belong together, or state is older than the last durable commit."""
    set_aside: list[str] = field(default_factory=list)
    ended_badly: list[str] = field(default_factory=list)
    slowest_open_s: float = 0.0


@dataclass
class _Told:
    """What the writer has told. Sequence → number of the event; `unsure` was begun and may be there or not."""

    epoch: str = ""
    held: dict[int, int] = field(default_factory=dict)
    unsure: int | None = None
    forgets: int = 0
    number: int = 0
    durable_number: int = 0
    durable_line: int = 0
    line: int = 0


def cut(directory: Path, *, cuts: int, within_s: float, seed: int, synchronous: str = "FULL") -> Found:
    """So many cuts, or as many as fit into `within_s`. `directory` is an empty one to mount at."""
    end_s = time.monotonic() + within_s
    chance, found, told = random.Random(seed), Found(), _Told()
    with _mounted(directory) as disk, _process("writer.py") as writer:
        while found.cuts < cuts and time.monotonic() < end_s:
            # Many cuts early, while a store opens and recovers; the others anywhere.
            steps = chance.randint(0, STEPS_MOST if chance.random() < 0.8 else 60)
            life = _ask(disk, {"next": chance.getrandbits(32), "steps": steps})
            order = {
                "path": str(directory / life / "panel.db"),
                "seed": chance.getrandbits(32),
                "number": told.number,
                "synchronous": synchronous,
            }
            _tell(writer, order)
            _follow(writer, told, found)
            found.cuts += 1
    return found


def _follow(writer: subprocess.Popen[str], told: _Told, found: Found) -> None:
    """One life, to its end."""
    while True:
        match _hear(writer):
            case {"opened_s": float(took_s), "epoch": epoch, "rows": rows, "state": state}:
                found.slowest_open_s = max(found.slowest_open_s, took_s)
                _compare(told, found, epoch, dict(rows), state)
            case {"intent": number}:
                told.number = told.unsure = number
            case {"accepted": number, "sequence": sequence}:
                found.accepted += 1
                if sequence in told.held:
                    found.invented.append(f"sequence {sequence} was given twice")
                told.held[sequence], told.unsure = number, None
                told.durable_number, told.durable_line = number, told.line
            case {"hasty": number}:
                told.number = told.line = number
            case {"forgets": up_to}:
                told.forgets = up_to
            case {"ended": status}:
                if status != 0:
                    found.ended_badly.append(f"status {status}")
                return


def _compare(told: _Told, found: Found, epoch: str, rows: dict[int, int | None], state: dict[str, Any]) -> None:
    here = f"cut {found.cuts}"
    if told.epoch and epoch != told.epoch:
        found.set_aside.append(f"{here}: another epoch")
        found.lost += [f"{here}: {sequence} of the epoch before" for sequence in told.held if sequence > told.forgets]
        told.held, told.forgets, told.durable_number, told.durable_line = {}, 0, 0, 0
    for sequence, number in told.held.items():
        if sequence not in rows and sequence > told.forgets:
            found.lost.append(f"{here}: sequence {sequence} is missing")
        elif sequence in rows and rows[sequence] != number % FREE:
            found.invented.append(f"{here}: sequence {sequence} holds something else")
    for sequence in rows.keys() - told.held.keys():
        if told.unsure is None or rows[sequence] != told.unsure % FREE or sequence != max(rows):
            found.invented.append(f"{here}: sequence {sequence} was never written")
    number, line = int(state.get("number", 0)), int(state.get("line", 0))
    newest = rows[max(rows)] if rows else None
    if newest is not None and newest != number % FREE:
        found.halves.append(f"{here}: the newest row says {newest}, the state {number}")
    if number < told.durable_number or not told.durable_line <= line <= max(told.line, told.durable_line):
        found.halves.append(f"{here}: state {number} and {line}, known {told.durable_number} and {told.durable_line}")
    unsure = dict.fromkeys(rows.keys() - told.held.keys(), number)
    told.held = {sequence: known for sequence, known in (told.held | unsure).items() if sequence in rows}
    told.epoch, told.unsure, told.line = epoch, None, line
    told.durable_number, told.durable_line = number, line


@contextmanager
def _mounted(directory: Path) -> Iterator[subprocess.Popen[str]]:
    with _process("mount.py", str(directory)) as disk:
        try:
            _ask(disk, {"next": 0, "steps": 0})
            while not directory.is_mount():
                if disk.poll() is not None:
                    raise RuntimeError("the file system ended")
            yield disk
        finally:
            subprocess.run(["fusermount3", "-u", "-z", str(directory)], check=False)


@contextmanager
def _process(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(HERE / script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _ask(process: subprocess.Popen[str], command: dict[str, Any]) -> Any:
    _tell(process, command)
    return _hear(process)


def _tell(process: subprocess.Popen[str], command: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(command) + "\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r}: ended")
    return json.loads(line)
