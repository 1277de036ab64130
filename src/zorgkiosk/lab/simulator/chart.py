"""Results as a picture for those who decide: what callers get with the same triagists, or how few triagists do.

The headline says the finding; every figure stands beside its norm. English, with Dutch in the second line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from zorgkiosk.lab.simulator.demand import NATION_HAPS
from zorgkiosk.lab.simulator.scenario import Scenario
from zorgkiosk.lab.simulator.service import CURVE_S, Service, spread
from zorgkiosk.lab.simulator.staffing import Staffed
from zorgkiosk.lab.simulator.svg import (
    FAINT,
    INK,
    ISLANDS,
    ISLANDS_TEXT,
    OVERFLOW,
    SOFT,
    bar,
    curve,
    diamond,
    drawing,
    line,
    text,
)

WIDTH = 1280
AIM, ON_DUTY = 121, 276
"""Triagists: the pooled figure of Erlang's formula and ten per cent; what the advisory plan counts on duty today."""

Runs = Sequence[Service]


def comparison(scenario: Scenario, islands: Runs, overflow: Runs) -> str:
    """The same calls as islands and with overflow, as SVG."""
    before, after = (_percent(spread(runs, lambda run: run.in_short).mean) for runs in (islands, overflow))
    title = f"The same {scenario.triagists} triagists answer {after} of the calls within 2 minutes, instead of {before}"
    head = [
        text(60, 62, title, 24, weight=700),
        text(
            60, 94,
            f"Dezelfde {scenario.triagists} triagisten beantwoorden {after} van de oproepen binnen 2 minuten, "
            f"in plaats van {before}", 18, fill=SOFT,
        ),
        text(
            60, 132,
            f"Simulated: {scenario.haps} centres, {scenario.calls_per_h:.0f} calls an hour ({scenario.load:g} times "
            f"the usual), {islands[0].calls * len(islands):,} calls, each policy answers the same ones",
            16,
        ),
    ]  # fmt: skip
    parts = [*head, *_legend(166), *_norm_bars(scenario, islands, overflow), *_waits(scenario, islands, overflow)]
    return drawing(WIDTH, 760, title, [*parts, *_who_answers(overflow)])


def _legend(y: float) -> list[str]:
    return [
        bar(60, y - 13, 16, 16, ISLANDS),
        text(84, y, "islands: each centre by itself · eilanden", 16, fill=ISLANDS_TEXT, weight=600),
        bar(480, y - 13, 16, 16, OVERFLOW),
        text(504, y, "overflow: partners help · overloop", 16, fill=OVERFLOW, weight=600),
    ]


def _norm_bars(scenario: Scenario, islands: Runs, overflow: Runs) -> list[str]:
    """Three norms, two bars each, and where the norm is."""
    norms = scenario.policy.rules.norms
    rows: tuple[tuple[str, float, Callable[[Service], float]], ...] = (
        ("Answered within 2 minutes · binnen 2 minuten", norms.short_share, lambda run: run.in_short),
        ("Answered within 10 minutes · binnen 10 minuten", norms.long_share, lambda run: run.in_long),
        ("Urgent callers within 30 seconds · spoed", norms.urgent_share, lambda run: run.urgent_in_time),
    )
    left, full = 60.0, 380.0
    parts = []
    for i, (label, norm, figure) in enumerate(rows):
        y = 222.0 + i * 128
        at = left + full * norm
        parts.append(text(left, y, label, 17, weight=600))
        for runs, fill, top in ((islands, ISLANDS, y + 14), (overflow, OVERFLOW, y + 46)):
            share = spread(runs, figure).mean
            verdict = "✓" if share >= norm else "✗ missed"
            parts += [
                bar(left, top, full, 26, "#f1f4f6"),
                bar(left, top, full * share, 26, fill),
                text(left + full + 12, top + 20, f"{_percent(share)} {verdict}", 18, weight=700),
            ]
        parts.append(line(at, y + 8, at, y + 78, INK, 2.5, "5 4"))
        parts.append(text(at, y + 95, f"norm {norm * 100:.0f} %", 14, anchor="end" if norm > 0.9 else "middle"))
    return parts


def _waits(scenario: Scenario, islands: Runs, overflow: Runs) -> list[str]:
    """How many have been answered after so many minutes, with the norms as diamonds."""
    left, right, top, bottom = 740.0, 1220.0, 246.0, 550.0
    norms = scenario.policy.rules.norms

    def x(time_s: float) -> float:
        return left + (right - left) * time_s / CURVE_S[-1]

    def y(share: float) -> float:
        return bottom - (bottom - top) * share

    parts = [text(left - 50, 222, "Answered after … minutes · beantwoord na … minuten", 17, weight=600)]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(line(left, y(share), right, y(share), FAINT if share else INK))
        parts.append(text(left - 8, y(share) + 5, f"{share * 100:.0f} %", 14, fill=SOFT, anchor="end"))
    parts += [text(x(m * 60), bottom + 22, f"{m}", 14, fill=SOFT, anchor="middle") for m in range(0, 13, 2)]
    parts.append(text((left + right) / 2, bottom + 46, "minutes · minuten", 14, fill=SOFT, anchor="middle"))
    for runs, stroke in ((islands, ISLANDS), (overflow, OVERFLOW)):
        shares = [sum(run.curve[i] for run in runs) / len(runs) for i in range(len(CURVE_S))]
        parts.append(curve([(x(time_s), y(share)) for time_s, share in zip(CURVE_S, shares, strict=True)], stroke))
    for time_s, share, name in (
        (norms.short_s, norms.short_share, f"norm: {norms.short_share * 100:.0f} % in 2 min"),
        (norms.long_s, norms.long_share, f"norm: {norms.long_share * 100:.0f} % in 10 min"),
    ):
        anchor = "start" if time_s < CURVE_S[-1] / 2 else "end"
        below = 30 if anchor == "start" else 66  # clear of the lines, which are flat at the right
        parts += [
            diamond(x(time_s), y(share)),
            text(x(time_s) + 4, y(share) + below, name, 15, weight=600, anchor=anchor),
        ]
    patience_s = scenario.policy.rules.wait_first_s
    if 0 < patience_s < CURVE_S[-1] / 2:
        parts.append(line(x(patience_s), y(0.0), x(patience_s), y(0.42), OVERFLOW, 2, "2 4"))
        parts.append(text(x(patience_s) + 8, y(0.36), f"after {patience_s:.0f} s a free partner", 15, fill=OVERFLOW))
        parts.append(text(x(patience_s) + 8, y(0.36) + 20, "is asked; urgent callers at once", 15, fill=OVERFLOW))
    return parts


def _who_answers(overflow: Runs) -> list[str]:
    """A hundred calls in a row: those that partners answer at the end."""
    moved = spread(overflow, lambda run: run.moved).mean
    count = round(moved * 100)
    squares = [bar(60 + i * 11.62, 672, 9, 30, OVERFLOW if i >= 100 - count else "#c3ced8") for i in range(100)]
    return [
        line(60, 622, 1220, 622),
        text(60, 656, f"With overflow, {count} of 100 calls are answered by a partner centre", 17, weight=600),
        text(1220, 656, f"{count} van de 100 oproepen bij een partner", 15, fill=SOFT, anchor="end"),
        *squares,
        text(60, 728, "grey: answered by the caller's own centre", 14, fill=SOFT),
        text(1220, 728, "blue: answered by a partner", 14, fill=OVERFLOW, weight=600, anchor="end"),
    ]


def staffing(found: Mapping[str, tuple[Sequence[Staffed], Sequence[Staffed]]]) -> str:
    """The fewest triagists with whom the norms are met, as SVG."""
    totals = [
        (preset, sum(part.triagists for part in alone), sum(part.triagists for part in together))
        for preset, (alone, together) in found.items()
    ]
    haps = len(next(iter(found.values()))[0])
    islands, overflow = _range([row[1] for row in totals]), _range([row[2] for row in totals])
    title = f"Centres that help each other need {overflow} triagists instead of {islands}"
    dutch = f"Posten die elkaar helpen hebben {overflow} triagisten nodig in plaats van {islands}"
    norms = "75 % within 2 minutes and 98 % within 10 minutes"
    parts = [
        text(60, 62, title, 24, weight=700),
        text(60, 94, dutch.replace(" to ", " tot "), 18, fill=SOFT),
        text(
            60, 132, f"Simulated: {haps} centres of unequal size, in regions of ten; they meet both norms, {norms}", 16
        ),
        *_legend(166),
    ]
    bottom = 200.0 + len(totals) * 140
    scale = 980 / max(ON_DUTY, *(row[1] for row in totals)) if haps == NATION_HAPS else 980 / max(r[1] for r in totals)
    for i, (preset, alone, together) in enumerate(totals):
        parts += _staffing_bars(200.0 + i * 140, f"Volume {preset}", scale, (alone, together))
    if haps == NATION_HAPS:
        marks = ((ON_DUTY, f"on duty today: {ON_DUTY}"), (AIM, f"aim: at most {AIM}"))
        parts += [part for count, words in marks for part in _mark(160 + count * scale, bottom, words)]
    source = (
        "Volume A: 663 calls an hour of 7 minutes in the country; B: 820 of 6 minutes. Both fit the published figures."
    )
    parts.append(text(60, bottom + 70, source, 14, fill=SOFT))
    return drawing(WIDTH, int(bottom) + 100, title, parts)


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low}" if low == high else f"{low} to {high}"


def _staffing_bars(y: float, label: str, scale: float, counts: tuple[int, int]) -> list[str]:
    parts = [text(60, y + 62, label, 17, weight=600)]
    for count, fill, top in zip(counts, (ISLANDS, OVERFLOW), (y + 16, y + 62), strict=True):
        parts.append(bar(160, top, count * scale, 40, fill))
        parts.append(text(174, top + 28, f"{count}", 22, fill="#ffffff", weight=700))
    return parts


def _mark(at: float, bottom: float, words: str) -> list[str]:
    return [
        line(at, 196, at, bottom + 4, INK, 2.5, "5 4"),
        text(at, bottom + 26, words, 15, weight=600, anchor="middle"),
    ]


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
