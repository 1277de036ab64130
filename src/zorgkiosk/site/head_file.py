"""The last link of a store's journal in a file of its own, `panel.head` beside `panel.db`.

Whoever takes lines from the end of the journal, or the whole file, leaves this one to say what there was; a new file's
journal begins by naming it. It is written after the commit and some seconds later, so it is never ahead of the store.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from zorgkiosk import durable
from zorgkiosk.site.chain import Head

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Known:
    """`epoch` is that of the store whose journal it is."""

    epoch: str
    head: Head


class HeadFile:
    """Written by the owner of the store. One that cannot be read is as good as absent; it says so in the log."""

    def __init__(self, store: Path) -> None:
        self.path = store.with_suffix(".head")
        self._refused = False

    def read(self) -> Known | None:
        try:
            epoch, _, named = self.path.read_text(encoding="ascii").strip().partition(" ")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("%s: cannot be read: %s", self.path, error)
            return None
        head = Head.parse(named)
        if head is None:
            log.warning("%s: names no line of a journal", self.path)
            return None
        return Known(epoch, head)

    def write(self, known: Known) -> bool:
        """Whether it is on disk. A full disk keeps nobody from working: the next time may do."""
        try:
            durable.put(self.path, f"{known.epoch} {known.head}\n".encode("ascii"), durable.SHARED)
        except OSError as error:
            if not self._refused:
                log.warning("%s: cannot be written: %s", self.path, error.strerror)
            self._refused = True
            return False
        self._refused = False
        return True
