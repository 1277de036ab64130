"""All that a line holds: its callers, desks and partners as they are now. Decided is on a picture of it, `floor()`."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from zorgkiosk.overflow.terms import Rules
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.config_telephony import Telephony
from zorgkiosk.site.facts import OverflowSwitch
from zorgkiosk.site.telephony.desks import Desks
from zorgkiosk.site.telephony.floor import DESK, Held
from zorgkiosk.site.telephony.partners import Partners
from zorgkiosk.site.telephony.situation import Floor, Heard

TOLD_AGAIN_S = 2.0
"""A worker that heard the line die just after a call's end tells that end to the next line again, for all it knows."""
_HOUR_S = 3600.0


class LineState:
    """`held`: callers by worker. `handling_s`: the mean handling time as learned. `lost`: calls since this boot."""

    def __init__(self, config: SiteConfig, telephony: Telephony) -> None:
        self._config = config
        self._telephony = telephony
        self.held: dict[int, Held] = {}
        self.desks = Desks([desk.id for desk in config.desk], telephony.no_answer_rest_s)
        self.partners = Partners([partner.name for partner in config.partner], config.overflow.rest_s)
        self.heard: Mapping[str, Heard] = {}
        self.switch = OverflowSwitch()
        self.handling_s = telephony.handling_s
        self.lost = 0
        self._arrivals_s: deque[float] = deque()
        self._ended: deque[tuple[str, float]] = deque()

    def arrived(self, now_s: float) -> None:
        """A caller of our own came: the share that may be moved counts from these."""
        self._arrivals_s.append(now_s)

    def ended(self, sip_call_id: str, now_s: float) -> None:
        """A worker has told the end of this call."""
        self._ended.append((sip_call_id, now_s))

    def free_desks_of(self, held: Held, now_s: float) -> None:
        """Its caller is gone: who talked is idle, who rang rang in vain."""
        for desk in desks_of(held):
            if held.talking_at == DESK + desk:
                self.desks.set(desk, "idle", now_s)
            else:
                self.desks.rang_in_vain(desk, now_s)

    def floor(self) -> Floor:
        """The picture of now."""
        return Floor(
            held=tuple(self.held.values()),
            desks=self.desks.stands,
            partners=self.partners.stands,
            heard=self.heard,
            switch=self.switch,
            handling_s=self.handling_s,
            lost=self.lost,
            ended=tuple(sip_call_id for sip_call_id, _ in self._ended),
        )

    def rules(self, now_s: float) -> Rules:
        """What the config and the panel allow."""
        while self._arrivals_s and now_s - self._arrivals_s[0] > _HOUR_S:
            self._arrivals_s.popleft()
        return Rules(
            giving=self.switch.giving,
            wait_first_s=self._config.overflow.wait_first_s,
            margin=self._config.overflow.margin,
            ring_s=self._telephony.ring_s,
            handling_s=self.handling_s,
            reserve_desks=self._config.overflow.reserve_desks,
            calls_last_hour=len(self._arrivals_s),
            urgent_overflow_s=self._telephony.urgent_overflow_s,
            urgent_last_resort_s=self._telephony.urgent_last_resort_s,
            has_last_resort=self._telephony.last_resort is not None,
        )

    def forget_old_ends(self, now_s: float) -> None:
        """No worker tells them again after so long."""
        while self._ended and now_s - self._ended[0][1] > TOLD_AGAIN_S:
            self._ended.popleft()


def desks_of(held: Held) -> list[str]:
    """Ids of the desks that this caller occupies: the one it talks to, the one that rings."""
    talking = held.talking_at if held.talking_at is not None and held.talking_at.startswith(DESK) else None
    return [desk for desk in (talking and talking.removeprefix(DESK), held.rings_at) if desk]
