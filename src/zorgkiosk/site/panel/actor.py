"""Who taps: a device and a role, never a person; and what of it needs the PIN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zorgkiosk.site.panel.draft import RefusedError

Role = Literal["geen", "leiding"]


@dataclass(frozen=True)
class Actor:
    """`device` is its name in the logbook. `leiding` has just typed the PIN, for this one action."""

    device: str
    role: Role = "geen"


NOBODY = Actor("paneel")


class PinNeededError(RefusedError):
    """The config asks for the PIN before this tap, and it has not been given."""


@dataclass
class Health:
    """Shared by all hands of one store. `problem` is the Dutch sentence of a store that refuses."""

    problem: str | None = None
