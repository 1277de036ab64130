"""The reading side of the hub's database, for the board: never writes, never migrates, and survives its absence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from pydantic import ValidationError

from zorgkiosk.contract.status import SiteState
from zorgkiosk.hub import schema
from zorgkiosk.hub.config import HubSite
from zorgkiosk.hub.inbox import UTC_SESSION


class OutlookError(Exception):
    """The database cannot be read now; one sentence says why."""


@dataclass(frozen=True)
class SiteReport:
    """What the hub knows of a configured site. `state` and `heard_at` are None for a site never heard.

    `online` is the broker's word (last will) of `online_since`. `set_aside` counts what could not be read, `missing`
    the events of its history that never came.
    """

    site: HubSite
    state: SiteState | None = None
    heard_at: datetime | None = None
    online: bool | None = None
    online_since: datetime | None = None
    set_aside: int = 0
    missing: int = 0


def engine_on(database: str) -> sa.Engine:
    """For reading the database of this URL; opened at the first question."""
    url = sa.make_url(database)
    if url.drivername == "sqlite":
        # Read-only, because a second process that checkpoints can harm a WAL (SQLite before 3.51.3).
        url = url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
        return sa.create_engine(url, hide_parameters=True, connect_args={"timeout": 2})
    return sa.create_engine(url, pool_pre_ping=True, hide_parameters=True, connect_args=UTC_SESSION)


class Outlook:
    """May be used by several threads."""

    def __init__(self, engine: sa.Engine, sites: tuple[HubSite, ...]) -> None:
        self._engine = engine
        self._sites = sites

    @classmethod
    def on(cls, database: str, sites: Iterable[HubSite]) -> Outlook:
        """Eyes on the database of this URL, opened at the first question."""
        return cls(engine_on(database), tuple(sites))

    def reports(self) -> tuple[SiteReport, ...]:
        """One report for each configured site, in the order of the config. Raises OutlookError."""
        try:
            with self._engine.connect() as connection:
                states = {row.site: row for row in connection.execute(sa.select(schema.site_state))}
                aside = _sum_by_site(connection, schema.dead_letter.c.site, schema.dead_letter.c.times)
                missing = _sum_by_site(connection, schema.stream_position.c.site, schema.stream_position.c.missing)
        except sa.exc.DatabaseError as error:
            raise OutlookError(f"the database cannot be read: {error.orig}") from error
        return tuple(
            _report(site, states.get(site.name), aside.get(site.name, 0), missing.get(site.name, 0))
            for site in self._sites
        )

    def close(self) -> None:
        self._engine.dispose()


def _sum_by_site(
    connection: sa.Connection, site: sa.ColumnElement[str], count: sa.ColumnElement[int]
) -> dict[str, int]:
    rows = connection.execute(sa.select(site, sa.func.sum(count)).group_by(site))
    return {name: int(total) for name, total in rows}


def _report(site: HubSite, row: sa.Row[tuple[object, ...]] | None, set_aside: int, missing: int) -> SiteReport:
    if row is None:
        return SiteReport(site, set_aside=set_aside, missing=missing)
    return SiteReport(
        site=site,
        state=_state(row.state),
        heard_at=row.heard_at,
        online=row.online,
        online_since=row.online_since,
        set_aside=set_aside,
        missing=missing,
    )


def _state(stored: object) -> SiteState | None:
    """None too for a state an older hub kept and this one cannot read: the site says it again within seconds."""
    try:
        return None if stored is None else SiteState.model_validate(stored)
    except ValidationError:
        return None
