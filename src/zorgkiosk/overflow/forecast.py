"""How likely a caller is picked up in time, from what is known now.

With every desk busy and handling times that are exponential with mean h, desks come free as a Poisson process of
rate c/h; the caller with k others ahead is served by the (k+1)-th of them, so the wait is Erlang(k+1, c/h)
distributed (A.K. Erlang 1917; the waiting part of M/M/c seen from a known position).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from zorgkiosk.contract.events import Pressure


@dataclass(frozen=True)
class Norms:
    """Kwaliteitskader spoedzorgketen: the share of calls that a triagist answers within a time in seconds."""

    short_s: float = 120.0
    short_share: float = 0.75
    long_s: float = 600.0
    long_share: float = 0.98
    urgent_s: float = 30.0
    urgent_share: float = 0.90


def erlang_cdf(stages: int, rate_per_s: float, time_s: float) -> float:
    """P(Erlang(stages, rate) <= time): 1 - Σ_{i<stages} e^{-rt}(rt)^i / i!, by adding terms from the largest down."""
    if stages <= 0:
        return 1.0
    mean = rate_per_s * time_s
    if mean <= 0:
        return 0.0
    # In logarithms: e^{-rt} alone underflows for a long time at a large centre.
    terms = (math.exp(i * math.log(mean) - mean - math.lgamma(i + 1)) for i in range(stages))
    return min(1.0, max(0.0, 1.0 - math.fsum(terms)))


def chance_within(*, ahead: int, desks_present: int, desks_free: int, handling_s: float, time_s: float) -> float:
    """Share of callers with `ahead` others before them that are picked up within `time_s` from now."""
    if desks_present <= 0:
        return 0.0
    return erlang_cdf(ahead + 1 - desks_free, desks_present / handling_s, time_s)


def expected_wait_s(ahead: int, desks_present: int, handling_s: float) -> float | None:
    """Mean of the Erlang(ahead + 1, c/h) wait, (k + 1)·h/c; None while no desk is manned and nothing can be said."""
    return (ahead + 1) * handling_s / desks_present if desks_present > 0 else None


def next_norm(*, waited_s: float, urgent: bool, norms: Norms) -> tuple[float, float]:
    """Seconds until the next norm that this caller can still meet, and the share of callers who must meet it.

    A caller past all norms is looked at by the minute and should be helped at once: any better chance is taken.
    """
    limits = [(norms.short_s, norms.short_share), (norms.long_s, norms.long_share)]
    if urgent:
        limits.insert(0, (norms.urgent_s, norms.urgent_share))
    return next(((limit_s - waited_s, share) for limit_s, share in limits if waited_s < limit_s), (60.0, 1.0))


def pressure(chance_2min: float, norms: Norms) -> Pressure:
    """The word for the share of new callers that will meet the two-minute norm: groen as long as the norm is met."""
    if chance_2min >= norms.short_share:
        return "groen"
    if chance_2min >= norms.short_share * 2 / 3:
        return "geel"
    if chance_2min >= norms.short_share / 3:
        return "oranje"
    return "rood"


def learned_handling_s(mean_s: float, talked_s: float, weight: float = 0.05) -> float:
    """Exponentially weighted mean handling time after one more call; floored at 10 s so that a rate stays finite."""
    return max(10.0, mean_s + weight * (talked_s - mean_s))
