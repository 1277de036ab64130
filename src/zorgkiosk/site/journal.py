"""What was done at a unit or to a box, by device and role and never by person: a hash chain (`chain`) of lines.

There is no free text: verbs are the code's own, subjects are codes of the config, values are numbers, yes and no, or
hashes. Lines are added; only the oldest go, after a time, and a checkpoint says up to which. The table's triggers
refuse everything else, which stops mistakes and not a hand that drops the triggers: the chain is there for that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from zorgkiosk.contract.events import Said, format_instant
from zorgkiosk.site import chain
from zorgkiosk.site.chain import Head, Link

MOST_LINES: Final = 200_000
"""About 35 MB. A stuck key must not fill the card, whatever `log_days` says."""


@dataclass(frozen=True)
class JournalLine:
    """`subject` and `value` are "" where the verb has none."""

    device: str
    role: str
    verb: str
    subject: str = ""
    value: str = ""


@dataclass(frozen=True)
class JournalRow:
    sequence: int
    said: Said
    line: JournalLine


_OWN = ", ".join(f"'{verb}'" for verb in chain.OWN_VERBS)
READ = (  # newest first, without the lines that speak of the chain itself
    f"SELECT * FROM journal WHERE verb NOT IN ({_OWN}) ORDER BY sequence DESC LIMIT :limit OFFSET :skip"  # noqa: S608
)
COUNT = f"SELECT count(*) FROM journal WHERE verb NOT IN ({_OWN})"  # noqa: S608
_NAMES = ("device", "role", "verb", "subject", "value", "said_at", "boot_id", "uptime_ms", "clock_synced")
_COLUMNS = ", ".join(_NAMES)
LINKS = f"SELECT sequence, {_COLUMNS}, hash FROM journal ORDER BY sequence"  # noqa: S608
CHECKPOINT = f"SELECT value FROM journal WHERE verb = '{chain.CHECKPOINT}' ORDER BY sequence DESC LIMIT 1"  # noqa: S608
BEGIN = f"SELECT value FROM journal WHERE verb = '{chain.BEGIN}' ORDER BY sequence DESC LIMIT 1"  # noqa: S608
BEFORE = f"SELECT subject, value FROM journal WHERE verb = '{chain.BEFORE}' AND sequence <= ? ORDER BY sequence"  # noqa: S608
_PAGE = f"SELECT sequence, {_COLUMNS} FROM journal WHERE sequence > ? ORDER BY sequence LIMIT 1000"  # noqa: S608
HEAD = "SELECT sequence, hash FROM journal ORDER BY sequence DESC LIMIT 1"

_FIRST_FRESH = "SELECT sequence FROM journal WHERE clock_synced AND said_at >= :before ORDER BY sequence LIMIT 1"
_LAST_OLD = (
    "SELECT max(sequence) FROM journal"
    " WHERE clock_synced AND said_at < :before AND sequence < coalesce(:fresh, 1 << 62)"
)

TRIGGERS: Final = {
    "journal_in_order": """CREATE TRIGGER journal_in_order BEFORE INSERT ON journal
WHEN NEW.sequence IS NOT (SELECT coalesce(max(sequence), 0) + 1 FROM journal)
BEGIN SELECT RAISE(ABORT, 'journal: a line is added after the last one'); END""",
    "journal_unaltered": """CREATE TRIGGER journal_unaltered BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'journal: a line is never altered'); END""",
    "journal_kept": f"""CREATE TRIGGER journal_kept BEFORE DELETE ON journal
WHEN OLD.sequence > coalesce((SELECT CAST(value AS INTEGER) FROM journal WHERE verb = '{chain.CHECKPOINT}'
    ORDER BY sequence DESC LIMIT 1), 0)
BEGIN SELECT RAISE(ABORT, 'journal: a line goes only below a checkpoint'); END""",  # noqa: S608
}
"""By name, what SQLite runs. `CAST` takes the number before the colon of `sequence:hash`."""


def head(connection: sqlite3.Connection) -> Head | None:
    """The last link; None of a journal in which nothing stands yet."""
    row = connection.execute(HEAD).fetchone()
    return None if row is None else Head(*row)


def prunable(connection: sqlite3.Connection, before: datetime, most: int = MOST_LINES) -> Head | None:
    """The last of the lines that may go: what was logged before, and what is beyond `most`. None when none may.

    A line of a clock that was never set goes with the next one that is old. Days are whole, so that there is at most
    one checkpoint a day.
    """
    newest = head(connection)
    if newest is None:
        return None
    day = before.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    dated: dict[str, Any] = {"before": format_instant(day)}
    fresh = connection.execute(_FIRST_FRESH, dated).fetchone()
    dated["fresh"] = None if fresh is None else fresh[0]
    (old,) = connection.execute(_LAST_OLD, dated).fetchone()
    last = max(old or 0, newest.sequence - most)
    row = connection.execute("SELECT sequence, hash FROM journal WHERE sequence = ?", (last,)).fetchone()
    if row is None or _only_own(connection, last):
        return None
    return Head(*row)


def _only_own(connection: sqlite3.Connection, last: int) -> bool:
    """Whether no line up to there tells of anything done: then it is not worth another checkpoint."""
    told = f"SELECT 1 FROM journal WHERE sequence <= ? AND verb NOT IN ({_OWN}) LIMIT 1"  # noqa: S608
    return connection.execute(told, (last,)).fetchone() is None


def before(connection: sqlite3.Connection) -> Head | None:
    """The last link of the chain before this one, as far as it is named here."""
    row = connection.execute(BEGIN).fetchone()
    return None if row is None else Head.parse(str(row[0]))


def links(connection: sqlite3.Connection) -> Iterator[Link]:
    """Every line, oldest first, as it stands in the file."""
    for row in connection.execute(LINKS):
        yield Link(*row)


def start(connection: sqlite3.Connection) -> Head:
    """What the oldest line follows."""
    row = connection.execute(CHECKPOINT).fetchone()
    return chain.START if row is None else Head.parse(str(row[0])) or chain.START


def chain_all(connection: sqlite3.Connection, said: Mapping[str, Any]) -> None:
    """Migration: number the lines of an older file without a gap, hash them, and add that it was done now.

    `said` holds the four columns that tell when. The triggers are not there yet.
    """
    last, seen = chain.START, 0
    while rows := connection.execute(_PAGE, (seen,)).fetchall():
        changes = []
        for seen, *line in rows:
            link = chain.link_after(last, dict(zip(_NAMES, line, strict=True)))
            changes.append((link.sequence, link.hash, seen))
            last = link.head
        connection.executemany("UPDATE journal SET sequence = ?, hash = ? WHERE sequence = ?", changes)
    if last == chain.START:
        return
    (epoch,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
    told = JournalLine(chain.OWN_DEVICE, chain.OWN_ROLE, chain.CHAINED, epoch, str(last.sequence))
    link = chain.link_after(last, {**asdict(told), **said})
    marks = ", ".join(f":{name}" for name in vars(link))
    connection.execute(f"INSERT INTO journal ({', '.join(vars(link))}) VALUES ({marks})", vars(link))  # noqa: S608


def unchain_all(connection: sqlite3.Connection) -> None:
    """The way back: without the lines that speak of the chain. The triggers are gone already."""
    connection.execute(f"DELETE FROM journal WHERE verb IN ({_OWN})")  # noqa: S608
