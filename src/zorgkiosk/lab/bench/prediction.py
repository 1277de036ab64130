"""What the simulator says of the policy that the appliance runs."""

from __future__ import annotations

from collections.abc import Callable

from zorgkiosk.lab.bench.figures import Figure
from zorgkiosk.lab.simulator.figures import double_load, fewest_triagists
from zorgkiosk.lab.simulator.scenario import Scenario
from zorgkiosk.lab.simulator.staffing import Search

CENTRE_CALLS = 500
"""A centre is judged by fewer calls than `zorgkiosk simulate --staffing` takes, which needs minutes."""


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Ten centres at double load, and how few triagists the country needs. The same on every machine."""

    def progress(what: str, part: float) -> None:
        if part >= 1:
            say(f"simulated: {what}")

    scenario, search = Scenario(), Search(calls=CENTRE_CALLS)
    shares, triagists = double_load(scenario, progress), fewest_triagists(search, progress)
    return [
        *(Figure(name, value, "share", scenario.calls) for name, value in shares.items()),
        *(Figure(name, value, "triagists", search.haps) for name, value in triagists.items()),
    ]
