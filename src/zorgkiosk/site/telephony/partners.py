"""The partners of a centre: who took callers of ours lately, and who is left alone for a while."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from zorgkiosk.site.telephony.floor import PartnerStand


class Partners:
    """All partners by name. A name that is not configured (any more) is ignored: a worker may outlive a config."""

    def __init__(self, names: Iterable[str], rest_s: float) -> None:
        self._stands = {name: PartnerStand(name) for name in names}
        self._rest_s = rest_s

    @property
    def stands(self) -> tuple[PartnerStand, ...]:
        return tuple(self._stands.values())

    def resume(self, given_uptime_ms: Mapping[str, tuple[int, ...]], now_s: float) -> None:
        """What they took before this line began counts for the agreement's hour."""
        for name, given_ms in given_uptime_ms.items():
            if (stand := self._stands.get(name)) is not None:
                # After a reboot the old instants lie in the future of the new boot: they are worthless then.
                given_s = tuple(ms / 1000 for ms in given_ms if ms / 1000 <= now_s)
                self._stands[name] = replace(stand, given_s=given_s)

    def gave(self, name: str, now_s: float) -> None:
        """The partner took a caller of ours."""
        if (stand := self._stands.get(name)) is not None:
            self._stands[name] = stand.gave(now_s)

    def rest(self, name: str, now_s: float) -> None:
        """The partner refused or broke its word: it is not asked for a while."""
        if (stand := self._stands.get(name)) is not None:
            self._stands[name] = replace(stand, resting_until_s=now_s + self._rest_s)
