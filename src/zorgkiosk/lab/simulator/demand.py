"""Who calls: how many calls an hour there are, how they are spread over the centres, and one caller after the other.

The volume of a level never depends on how it is divided. What a centre's callers do depends on the seed and the
centre's name alone, so two policies or two staffings are compared on the very same calls (common random numbers).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar

Item = TypeVar("Item")

URGENT_SHARE = 0.126
"""Share of the calls in which the caller presses the urgent key."""

NATION_HAPS = 110
REGION_HAPS = 10

SIZE_SPREAD = 0.5
"""Standard deviation of the logarithm of a centre's volume.

The volumes of single centres are not published. A lognormal distribution with any spread from 0.5 to 0.7 gives the
Erlang figures that are printed for unequal centres (281-285 triagists with preset A, 277-278 with B); 0.5 makes the
largest of 110 centres fourteen times the smallest, and the largest of 10 five times.
"""


@dataclass(frozen=True)
class Preset:
    """One reading of the national volume: calls an hour at all centres together, and seconds a call takes."""

    name: str
    calls_per_h: float
    handling_s: float


PRESETS = {preset.name: preset for preset in (Preset("A", 663.0, 420.0), Preset("B", 820.0, 360.0))}
"""Two fits to the printed staffing table, which gives no volume and no handling time. A is 4.3 million calls a year."""


@dataclass(frozen=True)
class Hap:
    """A centre before anybody calls: how busy it is and how many triagists are on duty."""

    name: str
    calls_per_h: float
    triagists: int


@dataclass(frozen=True)
class Call:
    """One caller. `handling_s` is how long the conversation will take, whoever has it."""

    id: str
    home: str
    at_s: float
    urgent: bool
    handling_s: float


def shares(haps: int, spread: float = SIZE_SPREAD) -> tuple[float, ...]:
    """Each centre's share of the volume, the largest first: the middles of equal slices of a lognormal distribution."""
    normal = NormalDist()
    weights = [math.exp(spread * normal.inv_cdf(1 - (i + 0.5) / haps)) for i in range(haps)]
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)


def dealt(largest_first: Sequence[Item], regions: int) -> list[list[Item]]:
    """Centres dealt to regions to and fro, so that each has large and small ones and about the same volume."""
    hands: list[list[Item]] = [[] for _ in range(regions)]
    for i, item in enumerate(largest_first):
        turn, place = divmod(i, regions)
        hands[place if turn % 2 == 0 else regions - 1 - place].append(item)
    return hands


def staffed(volumes: Sequence[float], triagists: int, prefix: str = "hap") -> tuple[Hap, ...]:
    """Centres with one triagist each, and every further one where most calls come to one triagist.

    Raises ValueError when there are fewer triagists than centres.
    """
    if triagists < len(volumes):
        raise ValueError(f"{len(volumes)} centres need at least {len(volumes)} triagists, one each")
    desks = [1] * len(volumes)
    for _ in range(triagists - len(volumes)):
        busiest = max(range(len(volumes)), key=lambda i: volumes[i] / desks[i])
        desks[busiest] += 1
    return tuple(
        Hap(f"{prefix}-{i + 1:03d}", volume, count)
        for i, (volume, count) in enumerate(zip(volumes, desks, strict=True))
    )


def calls_of(hap: Hap, handling_s: float, until_s: float, seed: int) -> Iterator[Call]:
    """The centre's callers of a Poisson process, first to last, with exponential handling times."""
    chance = random.Random(f"{seed}/{hap.name}")
    at_s, number = 0.0, 0
    while (at_s := at_s + chance.expovariate(hap.calls_per_h / 3600)) < until_s:
        number += 1
        urgent = chance.random() < URGENT_SHARE
        yield Call(f"{hap.name}/{number:06d}", hap.name, at_s, urgent, chance.expovariate(1 / handling_s))
