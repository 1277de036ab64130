"""What a waiting caller hears next: the welcome once, then where they stand, and what changes for them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from zorgkiosk.site.config_telephony import Announcements
from zorgkiosk.site.telephony.floor import Held, Spoken
from zorgkiosk.site.telephony.messages import Hold

_STEPS_MIN = (*range(1, 11), 15, 20)
"""Waits are told in whole minutes up to ten, then fifteen and twenty: nobody can know them better."""


@dataclass(frozen=True)
class Announcer:
    """Chooses files. `minutes` maps the numbers of minutes that can be said to their files."""

    announcements: Announcements
    minutes: dict[int, str]

    @classmethod
    def of(cls, announcements: Announcements) -> Announcer:
        """With those of the minute files that exist."""
        files = {step: str(announcements.folder / announcements.minutes.format(step)) for step in _STEPS_MIN}
        there = {path.name for path in announcements.folder.iterdir()}
        return cls(announcements, {step: file for step, file in files.items() if file.rsplit("/", 1)[1] in there})

    def say(self, held: Held, expected_s: float | None) -> tuple[list[Hold], Spoken]:
        """Orders for the worker of a waiting caller, and what has been said after them.

        `expected_s` is the expected wait from now; None when nothing can be said of it.
        """
        once = {name: file for name, file in self._once(held).items() if name not in held.spoken.once}
        repeated = self._repeated(expected_s)
        spoken = Spoken(held.spoken.once | set(once), repeated)
        every_s = self.announcements.every_s
        if not held.spoken.repeated:
            return [Hold((*once.values(), *repeated), every_s), Hold(repeated, every_s, now=False)], spoken
        if once:
            return [Hold(tuple(once.values()), every_s), Hold(repeated, every_s, now=False)], spoken
        if repeated != held.spoken.repeated:
            return [Hold(repeated, every_s, now=False)], spoken
        return [], spoken

    def _once(self, held: Held) -> dict[str, str]:
        named = {"welcome": self.announcements.welcome}
        if held.call.urgent:
            named["urgent"] = self.announcements.urgent
        if held.offers:
            named["partner"] = self.announcements.partner
        return {name: self._file(file) for name, file in named.items()}

    def _repeated(self, expected_s: float | None) -> tuple[str, ...]:
        waiting = self._file(self.announcements.waiting)
        return (waiting,) if expected_s is None else (waiting, self.wait(expected_s))

    def wait(self, expected_s: float) -> str:
        """In rounded words; rounded to the nearest step, so a caller hears `ongeveer`."""
        if expected_s < 60:
            return self._file(self.announcements.almost)
        longest = max(self.minutes, default=0)
        if expected_s > longest * 60 * 1.2:
            return self._file(self.announcements.longer)
        return self.minutes[min(self.minutes, key=lambda step: (abs(step * 60 - expected_s), step))]

    def _file(self, name: str) -> str:
        return f"{self.announcements.folder}/{name}"
