"""Ports of one machine: two services that would listen on the same address and port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from zorgkiosk.config_section import UnreadError

_EVERY = {"0.0.0.0", "::"}


@dataclass(frozen=True)
class Range:
    """Ports `first` to `last` on `address`, set by `key`."""

    key: str
    address: str
    first: int
    last: int

    @classmethod
    def of(cls, key: str, address: object, first: int, count: int = 1) -> Range:
        """`count` ports from `first` on. Raises UnreadError where one of these could not be read."""
        return cls(key, str(address), first + 0, first + count - 1)

    def __str__(self) -> str:
        return f"{self.key} ({self.ports} on {self.address})"

    @property
    def ports(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def readable(*ranges: Callable[[], Range]) -> Iterator[Range]:
    """Those whose keys could all be read."""
    for each in ranges:
        try:
            yield each()
        except UnreadError:
            continue


def clashes(ranges: list[Range]) -> Iterator[str]:
    """A sentence for each range that runs into an earlier one or beyond the last port there is.

    UDP and TCP count as one, so that nobody has to know which is which.
    """
    for one in ranges:
        if one.last > 65535:
            yield f"{one.key}: {one.first} leaves no room for all of them below 65536: write a lower port"
    for number, later in enumerate(ranges):
        for earlier in ranges[:number]:
            if _meet(earlier, later):
                yield f"{later.key}: {later.ports} clashes with {earlier}: give each its own"


def _meet(one: Range, other: Range) -> bool:
    same_address = one.address == other.address or not _EVERY.isdisjoint((one.address, other.address))
    return same_address and one.first <= other.last and other.first <= one.last
