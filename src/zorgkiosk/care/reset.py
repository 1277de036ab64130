"""Factory reset: the stores go, so that the box begins a new epoch, as with a new SD card. Its config stays.

So do the files that know the last line of each journal: the new ones begin by naming it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from zorgkiosk.care.units import Units
from zorgkiosk.site.chain import Head
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.config_log import CONSOLE, TECHNICIAN, record
from zorgkiosk.site.head_file import HeadFile, Known
from zorgkiosk.site.journal import JournalLine
from zorgkiosk.site.store import StoreError, StoreView

log = logging.getLogger(__name__)

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
    ended = _tell_head(config.panel_db)
    _tell_head(config.care_db)
    stores = (config.panel_db, config.telephony_db, config.sync_db, config.care_db)
    files = [store.with_name(store.name + part) for store in stores for part in _PARTS]
    removed = [file for file in files if file.exists()]
    for file in removed:
        file.unlink()
    record(config.care_db, JournalLine(CONSOLE, TECHNICIAN, "factory-reset", "panel", str(ended or "")))
    units.start()
    return removed


def _tell_head(store: Path) -> Head | None:
    """The journal's last line, now also in the file beside the store. One that cannot be read has told it before."""
    view = StoreView(store)
    try:
        epoch, head = view.epoch(), view.journal_head()
    except StoreError as error:
        log.warning("%s: its last line is not known", error)
        return None
    finally:
        view.close()
    if epoch is not None and head is not None:
        HeadFile(store).write(Known(epoch, head))
    return head
