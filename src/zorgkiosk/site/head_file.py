"""The last link of a store's journal in a file of its own, `panel.head` beside `panel.db`.

Whoever takes lines from the end of the journal, or the whole file, leaves this one to say what there was; a new file's
journal begins by naming it, and those before it. It is written after the commit and some seconds later, so it is never
ahead of the store. The first line is of the store that is here, the others of the ones before it, the newest first.
"""

from __future__ import annotations

import logging
from pathlib import Path

from zorgkiosk import durable
from zorgkiosk.site.chain import Head, Known

log = logging.getLogger(__name__)


MOST_CHAINS = 50
"""A reset each month for four years: what is older is named no more."""


class HeadFile:
    """Written by the owner of the store. One that cannot be read is as good as absent; it says so in the log."""

    def __init__(self, store: Path) -> None:
        self.path = store.with_suffix(".head")
        self._refused = False

    def read(self) -> Known | None:
        return next(iter(self.all()), None)

    def all(self) -> tuple[Known, ...]:
        """Every journal that stood here as far as it is known, the newest first."""
        try:
            lines = self.path.read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            log.warning("%s: cannot be read: %s", self.path, error)
            return ()
        known = [_known(line) for line in lines]
        if not known or None in known:
            log.warning("%s: names no line of a journal", self.path)
            return ()
        return tuple(each for each in known if each is not None)

    def write(self, known: Known) -> bool:
        """Whether it is on disk. A full disk keeps nobody from working: the next time may do."""
        chains = [known, *(each for each in self.all() if each.epoch != known.epoch)][:MOST_CHAINS]
        lines = "".join(f"{each.epoch} {each.head}\n" for each in chains)
        try:
            durable.put(self.path, lines.encode("ascii"), durable.SHARED)
        except OSError as error:
            if not self._refused:
                log.warning("%s: cannot be written: %s", self.path, error.strerror)
            self._refused = True
            return False
        self._refused = False
        return True


def _known(line: str) -> Known | None:
    epoch, _, named = line.strip().partition(" ")
    head = Head.parse(named)
    return None if head is None else Known(epoch, head)
