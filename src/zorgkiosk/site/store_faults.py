"""Faults of a unit's own file: a key in its state for the panel, a `device.health` event for the hub, in one commit."""

from __future__ import annotations

from typing import Any, Protocol

from zorgkiosk.contract.events import DeviceHealth

DAMAGED = "store-damaged"
FULL = "store-full"
PREFIX = "fault/"


class Change(Protocol):
    """The part of a transaction that is needed here."""

    def put(self, key: str, value: Any) -> None: ...
    def get(self, key: str) -> object: ...
    def remove(self, key: str) -> None: ...
    def report(self, data: DeviceHealth) -> int: ...


def begin(change: Change, unit: str, condition: str, detail: str = "") -> None:
    """Once: `fault/<condition>` stays as it is when it stands already. `detail` tells one fault from the next."""
    key = PREFIX + condition
    if change.get(key) is None:
        change.put(key, detail)
        change.report(DeviceHealth(unit=unit, condition=condition, ok=False))


def end(change: Change, unit: str, condition: str) -> None:
    key = PREFIX + condition
    if change.get(key) is not None:
        change.remove(key)
        change.report(DeviceHealth(unit=unit, condition=condition, ok=True))
