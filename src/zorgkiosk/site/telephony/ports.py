"""What the line needs of the world: workers that hold callers, and the front that brings them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from zorgkiosk.contract.events import Triage
from zorgkiosk.site.telephony.messages import Command


class Workers(Protocol):
    """The pool, as the line sees it."""

    def send(self, worker: int, commands: Sequence[Command]) -> None:
        """Tell a worker, in one piece; one that is gone hears nothing and is reported by `Line.gone`."""


class Front(Protocol):
    """Kamailio, as the line sees it. All return at once; what cannot be told now is told when the front is back."""

    def release(self, worker: int) -> None:
        """The worker may have the next caller."""

    def worker_died(self, worker: int) -> None:
        """End what is left of its call at both ends and place nothing there."""

    def publish(self, triage: Triage) -> None:
        """What partners are answered who ask over SIP."""
