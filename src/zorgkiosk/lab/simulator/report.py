"""Results as text for a terminal and as rows for a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from zorgkiosk.lab.simulator import levels
from zorgkiosk.lab.simulator.demand import PRESETS
from zorgkiosk.lab.simulator.scenario import Scenario
from zorgkiosk.lab.simulator.service import Service, Spread, spread
from zorgkiosk.lab.simulator.staffing import Staffed
from zorgkiosk.overflow.forecast import Norms

Row = Sequence[str]


def columns(header: Row, rows: Sequence[Row]) -> str:
    """A table with aligned columns; the first column is words, the others are figures."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (header, rule, *rows)
    )


def comparison(scenario: Scenario, islands: Sequence[Service], overflow: Sequence[Service]) -> str:
    """The figures of both policies, each with its lowest and highest run, beside the norm."""
    norms = scenario.policy.rules.norms
    shown: tuple[tuple[str, str, Callable[[Service], float], Callable[[Spread], str]], ...] = (
        ("answered within 2 min", f"≥ {norms.short_share:.0%}", lambda run: run.in_short, _share),
        ("answered within 10 min", f"≥ {norms.long_share:.0%}", lambda run: run.in_long, _share),
        ("urgent within 30 s", f"≥ {norms.urgent_share:.0%}", lambda run: run.urgent_in_time, _share),
        ("mean wait", "", lambda run: run.mean_wait_s, _seconds),
        ("longest wait", "", lambda run: run.longest_wait_s, _seconds),
        ("moved to a partner", "", lambda run: run.moved, _share),
    )
    rows = [
        (title, norm, write(spread(islands, figure)), write(spread(overflow, figure)))
        for title, norm, figure, write in shown
    ]
    rows.append(("both norms met", "", _verdict(islands, norms), _verdict(overflow, norms)))
    return columns(("", "norm", "islands (lowest to highest run)", "overflow (lowest to highest run)"), rows)


def _share(values: Spread) -> str:
    return f"{values.mean:6.1%} ({values.lowest:.1%} to {values.highest:.1%})"


def _seconds(values: Spread) -> str:
    return f"{values.mean:.0f} s ({values.lowest:.0f} to {values.highest:.0f})"


def _verdict(runs: Sequence[Service], norms: Norms) -> str:
    return f"in {sum(run.meets(norms) for run in runs)} of {len(runs)} runs"


def erlang_table(norms: Norms) -> str:
    header = ["triagists on duty", "printed"]
    for preset in PRESETS.values():
        header += [f"{preset.name}: 2+10 min", "and 30 s", "gap"]
    return columns(header, levels.table(norms))


def check_table(found: Sequence[tuple[str, levels.Check]]) -> str:
    figures: tuple[Callable[[Service], float], ...] = (
        lambda run: run.in_short,
        lambda run: run.in_long,
        lambda run: run.urgent_in_time,
    )
    rows = [
        (
            f"{preset}: {check.triagists} triagists, {check.name}",
            *(f"{share:.1%}" for share in check.formula),
            *(f"{spread(check.played, figure).mean:.1%}" for figure in figures),
        )
        for preset, check in found
    ]
    return columns(("one pool", "formula 2 min", "10 min", "30 s", "played 2 min", "10 min", "30 s"), rows)


def staffing_table(found: Mapping[str, tuple[Sequence[Staffed], Sequence[Staffed]]]) -> str:
    rows = []
    for preset, (islands, overflow) in found.items():
        for name, parts in (
            (f"{len(islands)} islands", islands),
            (f"overflow in {len(overflow)} regions", overflow),
        ):
            calls = sum(part.service.calls for part in parts)
            rows.append(
                (
                    f"{preset}: {name}",
                    str(sum(part.triagists for part in parts)),
                    str(sum(part.by_formula for part in parts)),
                    f"{min(part.service.in_short for part in parts):.1%}",
                    f"{min(part.service.in_long for part in parts):.1%}",
                    f"{sum(part.service.urgent_in_time * part.service.calls for part in parts) / calls:.1%}",
                    f"{sum(part.service.moved * part.service.calls for part in parts) / calls:.1%}",
                )
            )
    header = ("fewest triagists", "played", "by formula", "worst 2 min", "worst 10 min", "urgent 30 s", "moved")
    return columns(header, rows)


_SERVICE = ("calls", "in_2min", "in_10min", "urgent_in_30s", "mean_wait_s", "longest_wait_s", "moved")


def write_comparison(path: Path, scenario: Scenario, islands: Sequence[Service], overflow: Sequence[Service]) -> None:
    """One row for each run of each policy."""
    fixed = (scenario.haps, scenario.triagists, scenario.load, scenario.preset)
    rows = [
        (*fixed, policy, scenario.seed + i, *_service(run))
        for policy, runs in (("islands", islands), ("overflow", overflow))
        for i, run in enumerate(runs)
    ]
    _write(path, ("haps", "triagists", "load", "preset", "policy", "seed", *_SERVICE), rows)


def write_staffing(path: Path, found: Mapping[str, tuple[Sequence[Staffed], Sequence[Staffed]]]) -> None:
    """One row for each centre (islands) and each region (overflow)."""
    rows = [
        (
            preset,
            policy,
            part.name,
            part.centres,
            f"{part.calls_per_h:.2f}",
            part.triagists,
            part.by_formula,
            *_service(part.service),
        )
        for preset, both in found.items()
        for policy, parts in zip(("islands", "overflow"), both, strict=True)
        for part in parts
    ]
    fixed = ("preset", "policy", "name", "haps", "calls_per_h", "triagists", "triagists_by_formula")
    _write(path, (*fixed, *_SERVICE), rows)


def _service(run: Service) -> tuple[object, ...]:
    shares = (f"{share:.4f}" for share in (run.in_short, run.in_long, run.urgent_in_time))
    return run.calls, *shares, f"{run.mean_wait_s:.1f}", f"{run.longest_wait_s:.1f}", f"{run.moved:.4f}"


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
