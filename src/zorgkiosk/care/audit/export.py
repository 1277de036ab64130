"""A journal as JSON Lines: a first line that names it, then every line with its hash, oldest first.

Several journals may stand in one file, one after the other. What the first line says is believed no more than the rest:
`verify` finds out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import Any

from zorgkiosk.site.chain import FORMAT, Head, Link
from zorgkiosk.site.store import StoreError, StoreView

_FIELDS = {field.name for field in fields(Link)}


class NoJournalError(Exception):
    """What was read is no journal; one sentence says where."""


@dataclass(frozen=True)
class Section:
    """One journal of a file. `links` raises NoJournalError where a line is none."""

    name: str
    epoch: str
    start: Head
    head: Head
    links: Iterator[Link]


def export(store: Path) -> Iterator[str]:
    """The lines of the store's journal, all of one moment. Raises StoreError, also when there is no store."""
    view = StoreView(store)
    try:
        with view.chain() as chain:
            if chain is None:
                raise StoreError(f"{store}: there is no store")
            named = {"name": store.stem, "epoch": chain.epoch, "start": str(chain.start), "head": str(chain.head)}
            yield _text({"format": FORMAT, **named})
            for link in chain.links:
                yield _text({**vars(link), "clock_synced": bool(link.clock_synced)})
    finally:
        view.close()


def sections(lines: Iterable[str]) -> Iterator[Section]:
    """The journals of a file. Each is read before the next is asked for. Raises NoJournalError."""
    numbered = enumerate(lines, start=1)
    marked = _marked((number, text) for number, text in numbered if text.strip())
    for _, group in groupby(marked, key=lambda each: each[0]):
        lines_of_one = ((number, line) for _, number, line in group)
        yield _section(*next(lines_of_one), lines_of_one)


def _marked(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Which journal of the file each line is of, its number, and what it holds."""
    section = 0
    for number, text in lines:
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        if not isinstance(line, dict):
            raise NoJournalError(f"line {number} is no JSON object")
        section += "format" in line
        yield section, number, line


def _section(number: int, first: dict[str, Any], rest: Iterator[tuple[int, dict[str, Any]]]) -> Section:
    if first.get("format") != FORMAT:
        raise NoJournalError(f"line {number} does not begin a journal of the kind {FORMAT}")
    start, head = (Head.parse(str(first.get(name, ""))) for name in ("start", "head"))
    if start is None or head is None:
        raise NoJournalError(f"line {number} does not say where the journal starts and ends")
    return Section(str(first.get("name", "")), str(first.get("epoch", "")), start, head, _links(rest))


def _links(lines: Iterator[tuple[int, dict[str, Any]]]) -> Iterator[Link]:
    for number, line in lines:
        if line.keys() != _FIELDS:
            raise NoJournalError(f"line {number} has not the fields of a journal's line")
        yield Link(**line)


def _text(line: dict[str, Any]) -> str:
    return json.dumps(line, separators=(",", ":"))
