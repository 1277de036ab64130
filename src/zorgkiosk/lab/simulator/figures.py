"""What is proven about the policy, as numbers by name; each is played anew with the seed that is given."""

from __future__ import annotations

from zorgkiosk.lab.simulator import staffing
from zorgkiosk.lab.simulator.scenario import Progress, Scenario, compare
from zorgkiosk.lab.simulator.service import spread


def double_load(scenario: Scenario, progress: Progress) -> dict[str, float]:
    """Shares (0..1) of ten centres with 25 triagists at double load, unless another scenario is asked for."""
    islands, overflow = compare(scenario, progress)
    return {
        "simulated_share_in_2min_islands": spread(islands, lambda run: run.in_short).mean,
        "simulated_share_in_2min_overflow": spread(overflow, lambda run: run.in_short).mean,
        "simulated_share_in_10min_islands": spread(islands, lambda run: run.in_long).mean,
        "simulated_share_in_10min_overflow": spread(overflow, lambda run: run.in_long).mean,
        "simulated_share_moved": spread(overflow, lambda run: run.moved).mean,
    }


def fewest_triagists(search: staffing.Search, progress: Progress) -> dict[str, int]:
    """Triagists in the whole country with whom both norms are met."""
    return {
        "simulated_triagists_islands": sum(each.triagists for each in staffing.islands(search, progress)),
        "simulated_triagists_overflow": sum(each.triagists for each in staffing.overflow(search, progress)),
    }
