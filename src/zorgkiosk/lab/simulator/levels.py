"""The staffing table of the field, by Erlang's formula, and the simulator checked against the same formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zorgkiosk.lab.simulator.centre import Policy
from zorgkiosk.lab.simulator.demand import NATION_HAPS, PRESETS, URGENT_SHARE, Hap, Preset, shares
from zorgkiosk.lab.simulator.scenario import WARM_UP_S, as_islands, counted
from zorgkiosk.lab.simulator.service import Service, service
from zorgkiosk.overflow.erlang import fewest_triagists, load_erlang, share_within
from zorgkiosk.overflow.forecast import Norms


@dataclass(frozen=True)
class Level:
    """A way to divide the nation. `printed`: what the advisory plan of 2022 prints for it."""

    name: str
    pools: tuple[float, ...]
    printed: str


LEVELS = (
    Level("one national pool", (1.0,), "80-90"),
    Level("11 ROAZ regions", (1 / 11,) * 11, "~110"),
    Level("25 RAV regions", (1 / 25,) * 25, "125"),
    Level("110 centres, equal", (1 / NATION_HAPS,) * NATION_HAPS, ""),
    Level("110 centres, unequal", shares(NATION_HAPS), "276 seen"),
)


def triagists(level: Level, preset: Preset, norms: Norms, *, urgent: bool) -> int:
    """The fewest with which every pool meets both norms, or all three with `urgent`."""
    share = URGENT_SHARE if urgent else None
    return sum(
        fewest_triagists(pool * preset.calls_per_h, preset.handling_s, norms, urgent_share=share)
        for pool in level.pools
    )


@dataclass(frozen=True)
class Check:
    """A single pool by the formula (shares within 2 min, 10 min, urgent in 30 s), and as it was played a few times."""

    name: str
    triagists: int
    formula: tuple[float, float, float]
    played: tuple[Service, ...]


def checks(preset: Preset, norms: Norms, calls: int, seeds: Sequence[int]) -> list[Check]:
    """One ROAZ and one RAV region, staffed as the two norms ask, with `calls` for each seed.

    The national pool is so close to its capacity that weeks of calls say little about its long waits.
    """
    return [_check(level, preset, norms, calls, seeds) for level in LEVELS[1:3]]


def _check(level: Level, preset: Preset, norms: Norms, calls: int, seeds: Sequence[int]) -> Check:
    volume = level.pools[0] * preset.calls_per_h
    count, load = fewest_triagists(volume, preset.handling_s, norms), load_erlang(volume, preset.handling_s)
    hap = Hap(level.name, volume, count)
    until_s = WARM_UP_S + calls / volume * 3600
    played = (counted([hap], as_islands(Policy()), preset.handling_s, until_s, seed) for seed in seeds)
    in_time = [share_within(count, load, preset.handling_s, time_s) for time_s in (norms.short_s, norms.long_s)]
    urgent = share_within(count, load, preset.handling_s, norms.urgent_s, load_before=load * URGENT_SHARE)
    return Check(level.name, count, (in_time[0], in_time[1], urgent), tuple(service(run, norms) for run in played))


def table(norms: Norms) -> Sequence[Sequence[str]]:
    """Rows for people: level, what is printed, then for each preset both norms and with the urgent norm too."""
    rows = []
    for level in LEVELS:
        row = [level.name, level.printed]
        for preset in PRESETS.values():
            both, all_three = (triagists(level, preset, norms, urgent=urgent) for urgent in (False, True))
            row += [str(both), str(all_three), f"+{all_three - both}"]
        rows.append(row)
    return rows
