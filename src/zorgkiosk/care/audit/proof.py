"""Whether journals are whole, what they were held against, and whether the ones before them ended as they should."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zorgkiosk.care.audit.export import NoJournalError, sections
from zorgkiosk.care.reset import RESET
from zorgkiosk.site.chain import BEFORE, BEGIN, START, Broken, Chain, Head, Known, Link, Whole, verify
from zorgkiosk.site.head_file import HeadFile
from zorgkiosk.site.store import StoreError, StoreView


@dataclass(frozen=True)
class Heard:
    """A last line that was heard of elsewhere; `name` says of which journal."""

    name: str
    head: Head


Heads = Mapping[str, Sequence[Heard]]
"""By the epoch of the store."""

_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class Proof:
    """`told` is one sentence, with the first row that does not hold when there is one."""

    name: str
    good: bool
    told: str

    def __str__(self) -> str:
        return f"{'✓' if self.good else '✗'} {self.name}: {self.told}"


@dataclass
class _Journal:
    """One that was read. `before`: by epoch, where the ones before it ended; `ended`: by whom a reset says so."""

    name: str
    epoch: str = ""
    found: Whole | Broken | str = "holds no journal"
    begun_after: Head | None = None
    before: dict[str, Head] = field(default_factory=dict)
    ended: set[Head] = field(default_factory=set)
    is_told_beside: bool = True

    def watched(self, links: Iterable[Link]) -> Iterator[Link]:
        """The same links; what they tell of other journals is kept."""
        for link in links:
            named = Head.parse(str(link.value))
            if named is not None and link.verb == BEGIN:
                self.begun_after = named
            elif named is not None and link.verb == BEFORE:
                self.before[str(link.subject)] = named
            elif named is not None and link.verb == RESET:
                self.ended.add(named)
            yield link


def prove(files: Iterable[Path], heads: Heads) -> Iterator[Proof]:
    """Every journal of stores and exported files, and every one that was heard of.

    A journal that follows another one is good only where one of them says that a factory reset ended that.
    Raises StoreError and OSError when a file cannot be read.
    """
    journals = [journal for file in files for journal in _read(file, heads)]
    ended = {head for journal in journals for head in journal.ended if isinstance(journal.found, Whole)}
    for journal in journals:
        yield _proof(journal, ended)
    here = {journal.epoch for journal in journals}
    for epoch, heard in heads.items():
        if epoch not in here:
            yield _of_absent(epoch, heard, journals)


def _read(file: Path, heads: Heads) -> Iterator[_Journal]:
    if not file.exists() and (known := HeadFile(file).read()) is not None:
        yield _Journal(file.name, found=f"is gone: its journal went to row {known.head.sequence} at least")
        return
    with file.open("rb") as opened:
        is_store = opened.read(len(_SQLITE)) == _SQLITE
    if is_store:
        yield _of_store(file, heads)
    else:
        yield from _of_export(file, heads)


def _of_store(store: Path, heads: Heads) -> _Journal:
    beside = HeadFile(store).read()  # first: it is never ahead of a store that is read later
    view = StoreView(store)
    try:
        with view.chain() as chain:
            if chain is None:
                raise StoreError(f"{store}: holds no journal")
            journal = _Journal(store.name, chain.epoch, is_told_beside=beside is not None)
            if broken := _strange(chain, beside):
                journal.found = broken
                return journal
            own = [beside.head] if beside is not None and beside.epoch == chain.epoch else []
            known = [*own, *(each.head for each in heads.get(chain.epoch, ()))]
            journal.found = verify(journal.watched(chain.links), chain.start, known)
            return journal
    finally:
        view.close()


def _strange(chain: Chain, beside: Known | None) -> Broken | None:
    """The file beside the store knows a journal of another epoch: then this one must begin by naming it."""
    if beside is None or beside.epoch == chain.epoch or chain.begun_after == beside.head:
        return None
    return Broken(
        START.sequence + 1, f"does not follow the journal that was here, which went to row {beside.head.sequence}"
    )


def _of_export(file: Path, heads: Heads) -> Iterator[_Journal]:
    try:
        with file.open(encoding="utf-8") as lines:
            for number, section in enumerate(sections(lines), start=1):
                journal = _Journal(f"{file.name}, journal {number} ({section.name})", section.epoch)
                known = [section.head, *(each.head for each in heads.get(section.epoch, ()))]
                journal.found = verify(journal.watched(section.links), section.start, known)
                yield journal
    except (NoJournalError, UnicodeDecodeError) as error:
        yield _Journal(file.name, found=str(error))


def _proof(journal: _Journal, ended: set[Head]) -> Proof:
    found, after = journal.found, journal.begun_after
    if not isinstance(found, Whole):
        return Proof(journal.name, False, str(found))
    rows = f"rows {found.start.sequence + 1} to {found.head.sequence}" if found.links else "no rows"
    gone = f"; {found.gone} more are of rows that a checkpoint says were removed" if found.gone else ""
    told = f"{rows} are whole, held against {found.seen} known heads{gone}"
    if not journal.is_told_beside:
        beside = HeadFile(Path(journal.name)).path.name
        return Proof(journal.name, False, f"{told}, but {beside} is not beside it: rows after them may have been taken")
    if after is None:
        return Proof(journal.name, True, told)
    if after in ended:
        return Proof(journal.name, True, f"{told}; a factory reset ended the journal before it at row {after.sequence}")
    why = f"the journal before it, up to row {after.sequence} ({after.hash[:12]}…), is not here"
    return Proof(journal.name, False, f"{told}, but {why}, and no factory reset that is told of here ended it")


def _of_absent(epoch: str, heard: Sequence[Heard], journals: Iterable[_Journal]) -> Proof:
    """A journal that is not here must be named by a later one, and end no earlier than what was heard of it."""
    newest = max(heard, key=lambda each: each.head.sequence)
    name = f"{newest.name} of epoch {epoch}"
    ends = {each.before[epoch] for each in journals if isinstance(each.found, Whole) and epoch in each.before}
    if not ends:
        row = newest.head.sequence
        return Proof(name, False, f"the hub heard of row {row}, but it is not here, and no journal here names it")
    for end in ends:
        for each in heard:
            if each.head.sequence > end.sequence or (each.head.sequence == end.sequence and each.head != end):
                told = (
                    f"the hub heard of another row {each.head.sequence} than a journal that ended at {end.sequence} has"
                )
                return Proof(name, False, told)
    return Proof(name, True, f"is not here; the journal after it names its last row, {min(e.sequence for e in ends)}")


def read_heads(lines: Iterable[str]) -> dict[str, list[Heard]]:
    """What `zorgkiosk hub heads` printed. Raises NoJournalError."""
    heads: dict[str, list[Heard]] = {}
    for number, text in enumerate(lines, start=1):
        try:
            line = json.loads(text)
            head = Head.parse(f"{line['line']}:{line['sha256']}")
            name, epoch = f"{line['site']} {line['stream']}", str(line["epoch"])
        except (ValueError, TypeError, KeyError):
            head = None
        if head is None:
            raise NoJournalError(f"line {number} of the heads names no line of a journal")
        heads.setdefault(epoch, []).append(Heard(name, head))
    return heads
