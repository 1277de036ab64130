"""The journal as a hash chain: each line's hash covers the line and the hash before it. Pure.

The hash is SHA-256 (FIPS 180-4) over `FORMAT`, a line feed and a JSON array in ASCII, without spaces: the hash before,
the sequence, device, role, verb, subject, value, said_at, boot_id, uptime_ms, clock_synced. The first link follows
`NOTHING`. So a line cannot be altered, moved, put in or taken out without every hash after it.

Lines that speak of the chain itself, told by their verb:

    begin       a store began; `subject` is its epoch, `value` the last link of the chain before it, "" if none is known
    before      one more chain that stood here earlier; `subject` is its epoch, `value` its last link
    chained     an older store's lines were chained at its migration; `value` is how many, `subject` the epoch
    checkpoint  older lines were removed; `value` is the last link that went, and what is left follows it. What went of
                `before` is said again after it
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

FORMAT = "zorgkiosk-journal-1"
NOTHING = "0" * 64
BEGIN, BEFORE, CHAINED, CHECKPOINT = "begin", "before", "chained", "checkpoint"
OWN_VERBS = (BEGIN, BEFORE, CHAINED, CHECKPOINT)
OWN_DEVICE, OWN_ROLE = "zorgkiosk", "systeem"
"""Who writes these lines: no hand."""

_HEAD = re.compile(r"([0-9]{1,15}):([0-9a-f]{64})")


@dataclass(frozen=True)
class Head:
    """A link of a chain, named: its sequence and its hash. Written as `sequence:hash`."""

    sequence: int
    hash: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head | None:
        """None when it names no link."""
        found = _HEAD.fullmatch(text.strip())
        return None if found is None else cls(int(found[1]), found[2])


START = Head(0, NOTHING)
"""What the first line of a chain follows."""


@dataclass(frozen=True)
class Known:
    """The last link that is known of a chain; `epoch` is that of the store whose journal it is."""

    epoch: str
    head: Head


@dataclass(frozen=True)
class Link:
    """A line as it is stored. Nothing of it is believed before `verify`: a type may be wrong too."""

    sequence: int
    device: str
    role: str
    verb: str
    subject: str
    value: str
    said_at: str
    boot_id: str
    uptime_ms: int
    clock_synced: bool
    hash: str

    @property
    def head(self) -> Head:
        return Head(self.sequence, self.hash)


@dataclass(frozen=True)
class Chain:
    """A journal as it is stored. `begun_after`: the last link of the chain before it, as its line `begin` names it."""

    epoch: str
    start: Head
    head: Head
    begun_after: Head | None
    links: Iterator[Link]


def digest(before: str, link: Link) -> str:
    """The hash that `link` must have after the hash `before`. Raises TypeError for what JSON cannot hold."""
    synced = bool(link.clock_synced) if link.clock_synced in (0, 1) else link.clock_synced
    words = [link.device, link.role, link.verb, link.subject, link.value, link.said_at, link.boot_id]
    covered = json.dumps([before, link.sequence, *words, link.uptime_ms, synced], separators=(",", ":"))
    return hashlib.sha256(f"{FORMAT}\n{covered}".encode()).hexdigest()


@dataclass(frozen=True)
class Broken:
    """`sequence` is that of the first line that does not hold."""

    sequence: int
    sentence: str

    def __str__(self) -> str:
        return f"row {self.sequence}: {self.sentence}"


@dataclass(frozen=True)
class Whole:
    """Nothing is wrong from what the first line follows to the last.

    `seen`: heads that it was held against. `gone`: heads of lines that a checkpoint says were removed.
    """

    links: int
    start: Head
    head: Head
    seen: int = 0
    gone: int = 0


def verify(links: Iterable[Link], start: Head, heads: Iterable[Head] = ()) -> Whole | Broken:
    """Read a chain to its end. `start` is what its first line follows: the link that its newest checkpoint names, else
    `START`. `heads` are links of it that were heard of elsewhere.

    A head after the last line means that lines were taken from the end, one that differs that the chain was written
    anew. Heads before `start` are counted only: whether so much should be gone is for who reads the checkpoint's time.
    """
    known = set(heads)
    told: dict[int, str] = {head.sequence: head.hash for head in known}
    if twice := [head.sequence for head in known if told[head.sequence] != head.hash]:
        return Broken(min(twice), "was heard of with two hashes: there are two chains")
    if told.get(start.sequence, start.hash) != start.hash:
        return Broken(start.sequence, "is not the row that was there, as the newest checkpoint names it")
    last, checkpoint, count = start, START, 0
    for link in links:
        if broken := _break(last, link, told.get(link.sequence)):
            return broken
        if link.verb == CHECKPOINT:
            checkpoint = Head.parse(link.value) or START
        last, count = link.head, count + 1
    if checkpoint != start:
        return Broken(start.sequence + 1, "does not follow what the newest checkpoint names")
    newest = max(told, default=0)
    if newest > last.sequence:
        return Broken(last.sequence + 1, f"is missing, and all after it: there was a row {newest}")
    gone = sum(sequence <= start.sequence for sequence in told)
    return Whole(count, start, last, len(told) - gone, gone)


def _break(last: Head, link: Link, told: str | None) -> Broken | None:
    wanted = last.sequence + 1
    if link.sequence != wanted:
        return Broken(wanted, f"is missing: row {link.sequence} stands in its place")
    try:
        holds = digest(last.hash, link) == link.hash
    except TypeError:
        holds = False
    if not holds:
        return Broken(wanted, "its hash does not fit: this row was altered, or what it follows")
    if told not in (None, link.hash):
        return Broken(wanted, "is not the row that was there: the chain was written anew, from here or earlier")
    return None


def link_after(last: Head, line: Mapping[str, Any]) -> Link:
    """The line, any columns of `Link` but sequence and hash, as the next link after `last`."""
    bare = Link(sequence=last.sequence + 1, hash="", **line)
    return replace(bare, hash=digest(last.hash, bare))
