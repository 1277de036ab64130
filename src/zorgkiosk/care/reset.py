"""Factory reset: the stores go, so that the box begins a new epoch, as with a new SD card. Its config stays.

So do the files that know the last line of each journal: the new ones begin by naming it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from zorgkiosk.care.units import Units
from zorgkiosk.site.chain import Known
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.config_log import CONSOLE, TECHNICIAN, record
from zorgkiosk.site.head_file import HeadFile
from zorgkiosk.site.journal import JournalLine
from zorgkiosk.site.store import StoreError, StoreView

log = logging.getLogger(__name__)

RESET = "factory-reset"
"""The verb; `subject` is the store whose journal ended, `value` its last link."""
_PARTS = ("", "-wal", "-shm")


def factory_reset(config: SiteConfig, ask: Callable[[str], str], units: Units) -> list[Path] | None:
    """Remove the site's stores once the site's name was typed; the removed files, None when it was not.

    What the hub has not acknowledged is lost with them: the question says so.
    """
    name = config.site.name
    typed = ask(f"Everything not yet acknowledged by the hub is lost. Type the site's name ({name}) to go on: ")
    if typed.strip() != name:
        return None
    units.stop()
    ended = {store.stem: _last_line(store) for store in (config.panel_db, config.care_db)}
    stores = (config.panel_db, config.telephony_db, config.sync_db, config.care_db)
    files = [store.with_name(store.name + part) for store in stores for part in _PARTS]
    removed = [file for file in files if file.exists()]
    for file in removed:
        file.unlink()
    record(config.care_db, *(JournalLine(CONSOLE, TECHNICIAN, RESET, name, line) for name, line in ended.items()))
    units.start()
    return removed


def _last_line(store: Path) -> str:
    """Where the journal ends, now also in the file beside the store. One that cannot be read has told it before."""
    view = StoreView(store)
    try:
        epoch, head = view.epoch(), view.journal_head()
    except StoreError as error:
        log.warning("%s: its last line is known as far as it was told", error)
        epoch = head = None
    finally:
        view.close()
    if epoch is not None and head is not None:
        HeadFile(store).write(Known(epoch, head))
    told = HeadFile(store).read()
    return "" if told is None else str(told.head)
