"""`zorgkiosk simulate`: play a region as islands and with overflow, or search how few triagists do; show and save."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from zorgkiosk.lab.simulator import chart, levels, report, staffing
from zorgkiosk.lab.simulator.centre import WAIT_FIRST_S, Policy
from zorgkiosk.lab.simulator.demand import PRESETS
from zorgkiosk.lab.simulator.scenario import Scenario, compare

EX_OK, EX_USAGE = 0, 2
TRIAGISTS_PER_HAP = 2.5
"""What is on duty in the country today: 276 at 110 centres."""
CHECK_CALLS, CHECK_RUNS = 8000, 5


@dataclass(frozen=True)
class Asked:
    """The command line. None means 10 centres and preset A for a comparison, 110 and both for a staffing search."""

    haps: int | None = None
    triagists: int | None = None
    load: float = 2.0
    preset: str | None = None
    calls: int | None = None
    seed: int = 1
    wait_first_s: float = WAIT_FIRST_S
    staffing: bool = False
    csv: Path | None = None
    plot: Path | None = None


def run(asked: Asked) -> int:
    """0, or 2 when the question cannot be played."""
    rules = replace(Policy().rules, wait_first_s=asked.wait_first_s)
    policy = replace(Policy(), rules=rules)
    try:
        _check(asked)
        return _staffing(asked, policy) if asked.staffing else _comparison(asked, policy)
    except (ValueError, OSError) as error:
        print(f"zorgkiosk simulate: {error}", file=sys.stderr)
        return EX_USAGE


def _check(asked: Asked) -> None:
    """Raises ValueError for what has no answer."""
    if asked.load <= 0:
        raise ValueError("--load must be more than 0")
    if asked.haps is not None and asked.haps < 1:
        raise ValueError("--haps must be at least 1")
    if asked.calls is not None and asked.calls < 100:
        raise ValueError("--calls must be at least 100: fewer say nothing about a share")


def _comparison(asked: Asked, policy: Policy) -> int:
    haps = Scenario.haps if asked.haps is None else asked.haps
    triagists = round(TRIAGISTS_PER_HAP * haps) if asked.triagists is None else asked.triagists
    calls = Scenario.calls if asked.calls is None else asked.calls
    scenario = Scenario(haps, triagists, asked.load, asked.preset or "A", calls, seed=asked.seed, policy=policy)
    islands, overflow = compare(scenario, _progress)
    if asked.csv is not None:
        report.write_comparison(asked.csv, scenario, islands, overflow)
    if asked.plot is not None:
        asked.plot.write_text(chart.comparison(scenario, islands, overflow), encoding="utf-8")
    print(
        f"{scenario.haps} centres, {triagists} triagists, {scenario.calls_per_h:.0f} calls an hour "
        f"(preset {scenario.preset}, load × {scenario.load:g}), {calls} calls in {scenario.runs} runs from seed "
        f"{scenario.seed}\n\n{report.comparison(scenario, islands, overflow)}\n"
    )
    _erlang(policy, asked.seed, min(CHECK_CALLS, calls))
    return EX_OK


def _erlang(policy: Policy, seed: int, calls: int) -> None:
    norms = policy.rules.norms
    print(f"Erlang's formula: triagists that one volume needs, by how it is pooled\n\n{report.erlang_table(norms)}\n")
    found, seeds = [], range(seed, seed + CHECK_RUNS)
    for preset in PRESETS.values():
        _progress(f"preset {preset.name} against the formula", 0.0)
        found += [(preset.name, check) for check in levels.checks(preset, norms, calls, seeds)]
        _progress(f"preset {preset.name} against the formula", 1.0)
    title = "The simulator against the formula: pools staffed for 2 and 10 min, urgent callers first"
    print(f"{title}\n\n{report.check_table(found)}")


def _staffing(asked: Asked, policy: Policy) -> int:
    found = {}
    for name in PRESETS if asked.preset is None else (asked.preset,):
        haps = staffing.Search.haps if asked.haps is None else asked.haps
        calls = staffing.Search.calls if asked.calls is None else asked.calls
        search = staffing.Search(name, haps, calls, asked.seed, policy)
        found[name] = (staffing.islands(search, _progress), staffing.overflow(search, _progress))
    if asked.csv is not None:
        report.write_staffing(asked.csv, found)
    if asked.plot is not None:
        asked.plot.write_text(chart.staffing(found), encoding="utf-8")
    print(f"The fewest triagists with whom both norms are met\n\n{report.staffing_table(found)}")
    return EX_OK


def _progress(what: str, part: float) -> None:
    """On the terminal one line that moves; elsewhere the start and the end."""
    if sys.stderr.isatty():
        print(f"\r{what:<32} {part:4.0%} ", end="\n" if part >= 1 else "", file=sys.stderr, flush=True)
    elif part in (0.0, 1.0):
        print(f"{what}: {'done' if part else 'started'}", file=sys.stderr, flush=True)
