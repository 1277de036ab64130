"""What twenty bridged calls cost the machine, as the kernel counts it (proc(5))."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path

from zorgkiosk.lab.bench.delays import front_processes
from zorgkiosk.lab.bench.figures import Figure
from zorgkiosk.lab.bench.ground import Ground

CPU_S = 10.0


async def cpu(ground: Ground) -> list[Figure]:
    """The busy workers' share of one core, for each of their calls."""
    workers = ground.home.workers()
    busy = [workers[call.worker] for call in ground.home.line().calls if call.talking_at is not None]
    begin_s, before_s = time.monotonic(), sum(map(cpu_s, busy))
    await asyncio.sleep(CPU_S)
    used_s, took_s = sum(map(cpu_s, busy)) - before_s, time.monotonic() - begin_s
    return [Figure("bridged_cpu_percent_per_call", 100 * used_s / took_s / len(busy), "% of a core", len(busy))]


def memory(ground: Ground) -> list[Figure]:
    """The line, all its workers and Kamailio: the sum of their proportional set sizes."""
    home = ground.home
    processes = [home.units["telephony"].pid, *home.workers().values(), *front_processes(home)]
    return [Figure("telephony_memory_mb_20_calls", pss_kb(processes) / 1024, "MB", len(processes))]


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, in seconds: fields 14 and 15 of its `stat`."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pss_kb(pids: Iterable[int]) -> int:
    """Memory, in kB; what several processes share is divided among them."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total
