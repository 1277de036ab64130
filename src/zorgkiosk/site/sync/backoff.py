"""How long to wait before the next attempt."""

from __future__ import annotations


def wait_s(attempt: int, jitter: float, *, first_s: float, most_s: float) -> float:
    """Seconds to wait after failed attempt number `attempt` (1 is the first).

    Doubles from `first_s` up to `most_s`, then `jitter` (0 up to 1) takes off up to half, so that all sites of a
    region do not come back in the same second after the hub was away.
    """
    doublings = min(max(attempt, 1) - 1, 30)
    whole_s = min(most_s, first_s * 2.0**doublings)
    return whole_s * (1.0 - jitter / 2.0)
