"""The caller a worker holds, and what the line hears of it when it is over."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from zorgkiosk.site.telephony.messages import TRUNK, Call, CallFinished, Leg, LegState, Outcome


@dataclass
class LegNow:
    """An outbound leg. `leaving`: it is being withdrawn or ended, whatever the far end does now. `too_late`: it was
    answered all the same, and hears so. `knows_urgency`: its INVITE said so, or nobody there asks. `heard_by_s`: a far
    end that has not even begun to ring by then is given up. `given_up`: the line takes it for ended already."""

    knows_urgency: bool = True
    heard_by_s: float = math.inf
    given_up: bool = False
    state: LegState = "calling"
    sip_call_id: str = ""
    leaving: bool = False
    too_late: bool = False


@dataclass
class Held:
    """`decided`: the line took the call on. `answered`: the caller got 200. `ending`: the caller is being let go.
    `gone`: the caller's dialog is over. `left_behind`: the party that hears that the other one's line went dead.
    Times are CLOCK_MONOTONIC, seconds."""

    party: str
    call: Call
    legs: dict[str, LegNow] = field(default_factory=dict)
    decided: bool = False
    answered: bool = False
    ending: bool = False
    gone: bool = False
    bridged: str | None = None
    left_behind: str | None = None
    picked_up_s: float | None = None
    ended_s: float | None = None
    outcome: Outcome | None = None

    def snapshot(self) -> Call:
        legs = tuple(Leg(name, leg.state, leg.sip_call_id) for name, leg in self.legs.items() if not leg.leaving)
        return replace(self.call, legs=legs, bridged=self.bridged)

    @property
    def left(self) -> Outcome:
        """What it is called when the caller goes without having been helped here."""
        return "abandoned" if self.call.origin == TRUNK else "withdrawn"

    def finished(self, now_s: float) -> CallFinished:
        call, end_s = self.call, now_s if self.ended_s is None else self.ended_s
        pick_up_s = end_s if self.picked_up_s is None else self.picked_up_s
        outcome = self.outcome or ("answered" if self.bridged else self.left)
        return CallFinished(
            sip_call_id=call.sip_call_id,
            origin=call.origin,
            hops=call.hops,
            urgent=call.urgent,
            waited_s=call.waited_before_s + pick_up_s - call.arrived_s,
            talked_s=end_s - pick_up_s,
            answered_by=None if outcome == self.left else self.bridged,
            outcome=outcome,
        )
