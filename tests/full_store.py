"""A store at its fullest: not one page more, and nothing left that could make room."""

from __future__ import annotations

import sqlite3

from zorgkiosk.site.store import Room, Store
from zorgkiosk.site.store_room import Space


class _Exhausted(Space):
    def make(self, _connection: sqlite3.Connection) -> bool:
        return False


def fill(store: Store) -> None:
    """Until `relieve`, the file takes only what fits into the pages it has."""
    with store.transaction() as change:
        pages = change._connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        change._connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    store._space = _Exhausted(store.path, Room())


def relieve(store: Store) -> None:
    with store.transaction() as change:
        change._connection.exec_driver_sql("PRAGMA max_page_count=1000000")
