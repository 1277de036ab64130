"""How many triagists a volume of calls needs when any of them takes any call: Erlang's delay formula (M/M/c).

Calls arrive as a Poisson process, handling times are exponential, `c` triagists serve one line in order of arrival.
With a load of A erlang (calls an hour times handling hours) the share that waits is Erlang C, and whoever waits does so
for an exponential time: `P(W > t) = C(c, A) · exp(-(c - A) · t / h)` (A.K. Erlang 1917). When urgent callers go first
without breaking off a conversation, only the urgent load A_u is before them: `C(c, A) · exp(-(c - A_u) · t / h)`.
"""

from __future__ import annotations

import math

from zorgkiosk.overflow.forecast import Norms


def load_erlang(calls_per_h: float, handling_s: float) -> float:
    """The mean number of triagists that talk."""
    return calls_per_h * handling_s / 3600


def share_waiting(triagists: int, load: float) -> float:
    """Erlang C: the share of callers that find nobody free; 1 when the load is more than the triagists can do."""
    if load >= triagists:
        return 1.0
    blocked = 1.0
    for count in range(1, triagists + 1):  # Erlang B by its recursion, which never overflows
        blocked = load * blocked / (count + load * blocked)
    return triagists * blocked / (triagists - load * (1 - blocked))


def share_within(
    triagists: int, load: float, handling_s: float, time_s: float, *, load_before: float | None = None
) -> float:
    """Share of callers answered within `time_s`. `load_before`: of those that go first; None: in order of arrival."""
    if load >= triagists:
        return 0.0
    before = load if load_before is None else load_before
    return 1.0 - share_waiting(triagists, load) * math.exp(-(triagists - before) * time_s / handling_s)


def fewest_triagists(calls_per_h: float, handling_s: float, norms: Norms, *, urgent_share: float | None = None) -> int:
    """The smallest number that meets the two-minute and the ten-minute norm.

    With `urgent_share`, that part of the callers goes first and must meet its own norm as well; the other two norms
    are judged for all callers together as if in order of arrival, which is right to a point or two in a hundred.
    """
    load = load_erlang(calls_per_h, handling_s)
    triagists = math.floor(load) + 1
    while not _meets(triagists, load, handling_s, norms, urgent_share):
        triagists += 1
    return triagists


def _meets(triagists: int, load: float, handling_s: float, norms: Norms, urgent_share: float | None) -> bool:
    urgent_met = urgent_share is None or norms.urgent_share <= share_within(
        triagists, load, handling_s, norms.urgent_s, load_before=load * urgent_share
    )
    return (
        urgent_met
        and share_within(triagists, load, handling_s, norms.short_s) >= norms.short_share
        and share_within(triagists, load, handling_s, norms.long_s) >= norms.long_share
    )
