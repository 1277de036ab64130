"""Hand-written stand-ins for ports of the product, side by side so that they are easily compared with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from zorgkiosk.contract.events import Triage
from zorgkiosk.site.telephony.messages import Command


@dataclass
class RecordingWorkers:
    """`ports.Workers`: remembers what was sent, and whether the store had it by then."""

    sent: list[tuple[int, Command]] = field(default_factory=list)

    def send(self, worker: int, commands: Sequence[Command]) -> None:
        self.sent += [(worker, command) for command in commands]

    def take(self) -> list[tuple[int, Command]]:
        """What was sent since the last time."""
        sent, self.sent = self.sent, []
        return sent


@dataclass
class RecordingFront:
    """`ports.Front`: remembers what it was told."""

    told: list[tuple[str, int]] = field(default_factory=list)
    published: list[Triage] = field(default_factory=list)

    def release(self, worker: int) -> None:
        self.told.append(("release", worker))

    def worker_died(self, worker: int) -> None:
        self.told.append(("worker_died", worker))

    def publish(self, triage: Triage) -> None:
        self.published.append(triage)
