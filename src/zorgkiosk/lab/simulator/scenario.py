"""One situation, played as islands and with overflow on the very same calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from zorgkiosk.lab.simulator.centre import Policy
from zorgkiosk.lab.simulator.demand import NATION_HAPS, PRESETS, REGION_HAPS, Hap, dealt, shares, staffed
from zorgkiosk.lab.simulator.play import Answered, play
from zorgkiosk.lab.simulator.service import Service, service

WARM_UP_S = 4 * 3600.0
"""The first hours are played and not counted: everybody starts with an empty line."""

Progress = Callable[[str, float], None]
"""What is being done, and which part of it (0..1) is."""


@dataclass(frozen=True)
class Scenario:
    """`load` multiplies the preset's volume; `calls` is the number that is counted for each policy, in all runs."""

    haps: int = 10
    triagists: int = 25
    load: float = 2.0
    preset: str = "A"
    calls: int = 40_000
    runs: int = 5
    seed: int = 1
    policy: Policy = field(default_factory=Policy)

    @property
    def calls_per_h(self) -> float:
        """Of all these centres together."""
        return PRESETS[self.preset].calls_per_h * self.load * self.haps / NATION_HAPS

    def regions(self) -> list[list[Hap]]:
        """The centres in regions of ten, the largest first. Raises ValueError for less than a triagist a centre."""
        volumes = [share * self.calls_per_h for share in shares(self.haps)]
        return dealt(staffed(volumes, self.triagists), max(1, self.haps // REGION_HAPS))


def as_islands(policy: Policy) -> Policy:
    """The same, but nobody gives calls away."""
    return replace(policy, rules=replace(policy.rules, giving=False))


def compare(scenario: Scenario, progress: Progress) -> tuple[tuple[Service, ...], tuple[Service, ...]]:
    """Each run's service as islands, and with overflow."""
    islands = _runs(scenario, as_islands(scenario.policy), "islands", progress)
    return islands, _runs(scenario, scenario.policy, "overflow", progress)


def _runs(scenario: Scenario, policy: Policy, name: str, progress: Progress) -> tuple[Service, ...]:
    regions = scenario.regions()
    until_s = WARM_UP_S + scenario.calls / scenario.runs / scenario.calls_per_h * 3600
    services = []
    for run in range(scenario.runs):
        answered: list[Answered] = []
        for i, haps in enumerate(regions):
            progress(name, (run + i / len(regions)) / scenario.runs)
            answered += counted(haps, policy, PRESETS[scenario.preset].handling_s, until_s, scenario.seed + run)
        services.append(service(answered, policy.rules.norms))
    progress(name, 1.0)
    return tuple(services)


def counted(haps: list[Hap], policy: Policy, handling_s: float, until_s: float, seed: int) -> list[Answered]:
    """The calls after the warm-up."""
    return [each for each in play(haps, policy, handling_s, until_s, seed) if each.at_s >= WARM_UP_S]
