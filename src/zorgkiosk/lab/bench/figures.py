"""What was measured, as one JSON line a figure."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """`n`: how many samples the value is made of."""

    name: str
    value: float
    unit: str
    n: int

    def line(self) -> str:
        """One JSON object: name, value, unit, n."""
        return json.dumps({**asdict(self), "value": round(self.value, 3)})


def percentile(samples: Sequence[float], part: float) -> float:
    """The nearest-rank percentile: the smallest sample that `part` (0..1) of all samples do not exceed.

    It is always a sample that was seen. Raises ValueError without samples, or for a part outside 0..1.
    """
    if not samples or not 0 <= part <= 1:
        raise ValueError(f"no percentile {part} of {len(samples)} samples")
    return sorted(samples)[max(0, math.ceil(part * len(samples)) - 1)]


def delays(name: str, samples_s: Sequence[float], *parts: int) -> list[Figure]:
    """Percentiles of seconds, as milliseconds: `{name}_ms_p50` and so on."""
    n = len(samples_s)
    return [Figure(f"{name}_ms_p{part}", percentile(samples_s, part / 100) * 1000, "ms", n) for part in parts]
