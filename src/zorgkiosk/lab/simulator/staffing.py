"""How few triagists do: every centre by itself, or ten centres that help each other, found by playing.

Islands: the smallest number with which each centre meets both norms for its own callers. Overflow: the smallest number
in a region, at least one in each centre, with which the region's callers together meet both norms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from zorgkiosk.lab.simulator.centre import Policy
from zorgkiosk.lab.simulator.demand import NATION_HAPS, PRESETS, REGION_HAPS, Preset, dealt, shares, staffed
from zorgkiosk.lab.simulator.scenario import WARM_UP_S, Progress, as_islands, counted
from zorgkiosk.lab.simulator.service import Service, service
from zorgkiosk.overflow.erlang import fewest_triagists, load_erlang

TICK_S = 5.0
"""A search looks at waiting lines every five seconds where an appliance does every second: four times as fast, and
what it finds can only be too many triagists."""


@dataclass(frozen=True)
class Staffed:
    """The answer for one centre (islands) or one region (overflow). `by_formula` is Erlang's for the same volume."""

    name: str
    calls_per_h: float
    centres: int
    triagists: int
    by_formula: int
    service: Service


@dataclass(frozen=True)
class Search:
    """`calls` is what one centre is judged by as an island; a region of ten is judged by three times as many."""

    preset: str = "A"
    haps: int = NATION_HAPS
    calls: int = 2000
    seed: int = 1
    policy: Policy = field(default_factory=Policy)

    def volumes(self) -> list[float]:
        """Calls an hour of each centre, the largest first."""
        total = PRESETS[self.preset].calls_per_h * self.haps / NATION_HAPS
        return [share * total for share in shares(self.haps)]


def islands(search: Search, progress: Progress) -> list[Staffed]:
    """Each centre, the largest first."""
    preset, found = PRESETS[search.preset], []
    volumes = search.volumes()
    for i, volume in enumerate(volumes):
        progress(f"preset {preset.name}, islands", i / len(volumes))
        found.append(
            _fewest(f"hap-{i + 1:03d}", [volume], as_islands(search.policy), preset, search.calls, search.seed)
        )
    progress(f"preset {preset.name}, islands", 1.0)
    return found


def overflow(search: Search, progress: Progress) -> list[Staffed]:
    """Each region of ten centres."""
    preset, found = PRESETS[search.preset], []
    regions = dealt(search.volumes(), max(1, search.haps // REGION_HAPS))
    policy = replace(search.policy, tick_s=TICK_S)
    for i, region in enumerate(regions):
        progress(f"preset {preset.name}, overflow", i / len(regions))
        found.append(_fewest(f"region-{i + 1:02d}", region, policy, preset, 3 * search.calls, search.seed))
    progress(f"preset {preset.name}, overflow", 1.0)
    return found


def _fewest(name: str, volumes: list[float], policy: Policy, preset: Preset, calls: int, seed: int) -> Staffed:
    """From the first number that can carry the load at all, one more until the norms are met."""
    volume, norms = math.fsum(volumes), policy.rules.norms
    until_s = WARM_UP_S + calls / volume * 3600
    triagists = max(len(volumes), math.floor(load_erlang(volume, preset.handling_s)) + 1)
    while True:
        haps = list(staffed(volumes, triagists, prefix=name))
        result = service(counted(haps, policy, preset.handling_s, until_s, seed), norms)
        if result.meets(norms):
            by_formula = fewest_triagists(volume, preset.handling_s, norms)
            return Staffed(name, volume, len(volumes), triagists, by_formula, result)
        triagists += 1
