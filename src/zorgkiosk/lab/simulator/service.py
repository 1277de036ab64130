"""What callers got: shares within the norms, waits, and how many were helped by another centre."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from zorgkiosk.lab.simulator.play import Answered
from zorgkiosk.overflow.forecast import Norms

CURVE_S = tuple(range(0, 721, 10))
"""Where the curve of answered callers has its points."""


@dataclass(frozen=True)
class Service:
    """Of one run. Shares are 0..1; `curve` is the share answered within each of `CURVE_S`."""

    calls: int
    in_short: float
    in_long: float
    urgent_in_time: float
    mean_wait_s: float
    longest_wait_s: float
    moved: float
    curve: tuple[float, ...]

    def meets(self, norms: Norms) -> bool:
        """Both norms that hold for every caller."""
        return self.in_short >= norms.short_share and self.in_long >= norms.long_share


def service(answered: Sequence[Answered], norms: Norms) -> Service:
    """Of at least one call. Without any urgent caller the urgent norm is met."""
    waits = [each.waited_s for each in answered]
    urgent = [each.waited_s for each in answered if each.urgent]
    return Service(
        calls=len(waits),
        in_short=_within(waits, norms.short_s),
        in_long=_within(waits, norms.long_s),
        urgent_in_time=_within(urgent, norms.urgent_s) if urgent else 1.0,
        mean_wait_s=fmean(waits),
        longest_wait_s=max(waits),
        moved=fmean(each.moved for each in answered),
        curve=tuple(_within(waits, time_s) for time_s in CURVE_S),
    )


def _within(waits: Sequence[float], time_s: float) -> float:
    return sum(wait <= time_s for wait in waits) / len(waits)


@dataclass(frozen=True)
class Spread:
    """A figure over several runs."""

    mean: float
    lowest: float
    highest: float


def spread(runs: Sequence[Service], figure: Callable[[Service], float]) -> Spread:
    values = [figure(run) for run in runs]
    return Spread(fmean(values), min(values), max(values))
