"""What was done with a region's authority, as a chained journal in its folder (`zorgkiosk audit`)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from zorgkiosk.site.config_log import TECHNICIAN, open_log
from zorgkiosk.site.journal import JournalLine
from zorgkiosk.site.store import Store, StoreError

LOG = Path("pki", "journal.db")

Note = Callable[[str, str, str], None]
"""Verb, subject, value: one line, on disk when the call returns."""

log = logging.getLogger(__name__)


@contextmanager
def journal(folder: Path) -> Iterator[Note]:
    """For one run of a command; the file is opened with its first line. One that takes nothing stops nobody from
    shutting out a thief: that is said in the log."""
    store: Store | None = None
    with ExitStack() as closing:

        def note(verb: str, subject: str, value: str = "") -> None:
            nonlocal store
            try:
                store = store or closing.enter_context(open_log(folder / LOG))
                with store.transaction() as change:
                    change.note(JournalLine("provision", TECHNICIAN, verb, subject, value))
            except StoreError as error:
                log.error("%s: what was done with the authority is not in its journal", error)

        yield note
