"""Whether journals are whole, and what they were held against."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zorgkiosk.care.audit.export import NoJournalError, sections
from zorgkiosk.site.chain import START, Broken, Chain, Head, Whole, verify
from zorgkiosk.site.head_file import HeadFile, Known
from zorgkiosk.site.store import StoreError, StoreView

Heads = Mapping[str, Sequence[Head]]
"""Last lines that were heard of elsewhere, by the epoch of the store."""

_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class Proof:
    """`told` is one sentence, with the first row that does not hold when there is one."""

    name: str
    good: bool
    told: str

    def __str__(self) -> str:
        return f"{'✓' if self.good else '✗'} {self.name}: {self.told}"


def prove(file: Path, heads: Heads) -> Iterator[Proof]:
    """Every journal of a store or of an exported file. Raises StoreError and OSError when it cannot be read."""
    with file.open("rb") as opened:
        is_store = opened.read(len(_SQLITE)) == _SQLITE
    if is_store:
        yield _of_store(file, heads)
    else:
        yield from _of_export(file, heads)


def _of_store(store: Path, heads: Heads) -> Proof:
    beside = HeadFile(store).read()  # first: it is never ahead of a store that is read later
    view = StoreView(store)
    try:
        with view.chain() as chain:
            if chain is None:
                raise StoreError(f"{store}: holds no journal")
            if broken := _strange(chain, beside):
                return _proof(store.name, broken)
            own = [beside.head] if beside is not None and beside.epoch == chain.epoch else []
            return _proof(store.name, verify(chain.links, chain.start, [*own, *heads.get(chain.epoch, ())]))
    finally:
        view.close()


def _strange(chain: Chain, beside: Known | None) -> Broken | None:
    """The file beside the store knows a journal of another epoch: then this one must begin by naming it."""
    if beside is None or beside.epoch == chain.epoch or chain.begun_after == beside.head:
        return None
    return Broken(
        START.sequence + 1, f"does not follow the journal that was here, which went to row {beside.head.sequence}"
    )


def _of_export(file: Path, heads: Heads) -> Iterator[Proof]:
    try:
        with file.open(encoding="utf-8") as lines:
            for number, section in enumerate(sections(lines), start=1):
                name = f"{file.name}, journal {number} ({section.name})"
                known = [section.head, *heads.get(section.epoch, ())]
                yield _proof(name, verify(section.links, section.start, known))
    except (NoJournalError, UnicodeDecodeError) as error:
        yield Proof(file.name, False, str(error))


def _proof(name: str, found: Whole | Broken) -> Proof:
    if isinstance(found, Broken):
        return Proof(name, False, str(found))
    rows = f"rows {found.start.sequence + 1} to {found.head.sequence}" if found.links else "no rows"
    gone = f"; {found.gone} more are of rows that a checkpoint says were removed" if found.gone else ""
    return Proof(name, True, f"{rows} are whole, held against {found.seen} known heads{gone}")


def read_heads(lines: Iterable[str]) -> dict[str, list[Head]]:
    """What `zorgkiosk hub heads` printed. Raises NoJournalError."""
    heads: dict[str, list[Head]] = {}
    for number, text in enumerate(lines, start=1):
        try:
            line = json.loads(text)
            head = Head.parse(f"{line['line']}:{line['sha256']}")
            epoch = str(line["epoch"])
        except (ValueError, TypeError, KeyError):
            head = None
        if head is None:
            raise NoJournalError(f"line {number} of the heads names no line of a journal")
        heads.setdefault(epoch, []).append(head)
    return heads
