"""What the panel knows at one instant, gathered from the three stores of the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field

from zorgkiosk.contract.capacity import Limit, Reason
from zorgkiosk.contract.events import Said
from zorgkiosk.contract.names import Code, Instant, Message
from zorgkiosk.contract.status import Ack
from zorgkiosk.site import facts
from zorgkiosk.site.clock import Clock
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.journal import JournalRow
from zorgkiosk.site.store import Neighbour, StateValue, StoreView

STREAM = "panel"


class PendingTap(Message):
    """`pending/<code>` in panel.db: a number or a status that can still be undone, with all that will be said of it.

    `tap` names the tap that set it last. `until` is by the clock of that tap.
    """

    free: int | None = None
    expected_free_24h: int | None = None
    limits: Annotated[tuple[Limit, ...], Field(exclude_if=lambda limits: not limits)] = ()
    status: Code | None = None
    reason: Reason | None = None
    until: Instant | None = None
    tap: str | None = None


class SentFact(Message):
    """`sent/<code>` in panel.db: which row of the outbox told the value last.

    Once the hub has acknowledged that row it is put again with `arrived`; when it was put is when it arrived.
    """

    sequence: int
    arrived: bool = False


class LostSeen(Message):
    """`lost` in panel.db: the line's count of lost callers; when it was put is when the last one was lost.

    `seen`: up to which count somebody has tapped "Gezien".
    """

    count: int
    rose: bool
    seen: int = 0


class DeskFailed(Message):
    """`failed/<desk>` in panel.db: a desk did not answer; `since_uptime_ms` tells one failure from the next."""

    since_uptime_ms: int
    seen: bool = False


@dataclass(frozen=True)
class Moment:
    """A clock that stands still: lets ages be computed for one given instant."""

    at: Said

    def now(self) -> datetime:
        return self.at.at

    def uptime_s(self) -> float:
        return self.at.uptime_ms / 1000

    def said(self) -> Said:
        return self.at


@dataclass(frozen=True)
class Known:
    """Input of every view. `waiting` counts the panel's events the hub has not acknowledged, `oldest` is their first.

    `problem`: a Dutch sentence when the panel's store refused the last write.
    """

    config: SiteConfig
    now: Said
    panel: Mapping[str, StateValue]
    telephony: Mapping[str, StateValue]
    sync: Mapping[str, StateValue]
    epoch: str | None = None
    waiting: int = 0
    oldest: Said | None = None
    problem: str | None = None

    def age_s(self, value: StateValue) -> float:
        return facts.age_s(value, Moment(self.now))

    @property
    def acked(self) -> StateValue | None:
        return own_ack(self.sync, self.epoch)


def own_ack(sync: Mapping[str, StateValue], epoch: str | None) -> StateValue | None:
    """The hub's ack of the panel's own outbox; an ack of another epoch (an older card) says nothing."""
    value = sync.get(f"acked/{STREAM}")
    ack = facts.read(Ack, value)
    return value if ack is not None and ack.epoch == epoch else None


class Look:
    """One thread's eyes on the three stores. Reads a file again only after its owner committed."""

    def __init__(self, config: SiteConfig, clock: Clock, panel: StoreView, telephony: StoreView, sync: StoreView):
        self._config = config
        self._clock = clock
        self._views = {"panel": panel, "telephony": telephony, "sync": sync}
        self._states: dict[str, Mapping[str, StateValue]] = {"panel": {}, "telephony": {}, "sync": {}}
        self._waiting: tuple[str | None, int, Said | None] = (None, 0, None)

    @classmethod
    def of(cls, config: SiteConfig, clock: Clock) -> Look:
        others = Neighbour(config.telephony_db), Neighbour(config.sync_db)
        return cls(config, clock, StoreView(config.panel_db), *others)

    def known(self, problem: str | None = None) -> Known:
        changed = {name for name, view in self._views.items() if view.changed()}
        for name in changed:
            self._states[name] = self._views[name].state()
        if changed & {"panel", "sync"}:
            self._waiting = self._count_waiting()
        epoch, waiting, oldest = self._waiting
        return Known(
            config=self._config,
            now=self._clock.said(),
            panel=self._states["panel"],
            telephony=self._states["telephony"],
            sync=self._states["sync"],
            epoch=epoch,
            waiting=waiting,
            oldest=oldest,
            problem=problem,
        )

    def journal(self, skip: int, limit: int) -> list[JournalRow]:
        """The panel's journal, newest first."""
        return self._views["panel"].journal(skip=skip, limit=limit)

    def journal_length(self) -> int:
        return self._views["panel"].journal_length()

    def _count_waiting(self) -> tuple[str | None, int, Said | None]:
        panel = self._views["panel"]
        epoch = panel.epoch()
        ack = facts.read(Ack, own_ack(self._states["sync"], epoch))
        after = 0 if ack is None else ack.up_to
        first = panel.outbox(after=after, limit=1)
        return epoch, panel.waiting(after=after), first[0].said if first else None

    def close(self) -> None:
        for view in self._views.values():
            view.close()
