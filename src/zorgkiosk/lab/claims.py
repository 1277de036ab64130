"""What a run claims, what it measured, and whether that holds. Nothing is claimed that was not measured in the run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Claim:
    """`measured` is what was seen, in words with figures; `holds` is judged from the same measurement."""

    claim: str
    measured: str
    holds: bool


@dataclass
class Claims:
    """Collects claims and tells the story on the terminal while it happens."""

    begin_s: float = field(default_factory=time.monotonic)
    made: list[Claim] = field(default_factory=list)

    def tell(self, text: str) -> None:
        """One line of the story, with the seconds since it began."""
        print(f"{time.monotonic() - self.begin_s:6.1f} s  {text}", flush=True)

    def chapter(self, title: str) -> None:
        print(f"\n{title}", flush=True)

    def check(self, claim: str, measured: str, holds: bool) -> None:
        self.made.append(Claim(claim, measured, holds))
        self.tell(f"{'✓' if holds else '✗'} {claim}: {measured}")

    @property
    def all_hold(self) -> bool:
        return bool(self.made) and all(claim.holds for claim in self.made)

    def table(self) -> str:
        """All claims under each other, aligned."""
        width = max(len(claim.claim) for claim in self.made)
        rows = [f"{'✓' if each.holds else '✗'}  {each.claim:<{width}}  {each.measured}" for each in self.made]
        return "\n".join(rows)
