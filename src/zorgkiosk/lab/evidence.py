"""What can be seen from outside: the panels' and the board's pages, the hub's database, every file of the region."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import urllib.parse
import urllib.request
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zorgkiosk.lab.region import Region, Site

_TIMEOUT_S = 5.0


async def tap(site: Site, what: str, **form: str) -> None:
    """A finger on the panel: `capacity/elv-laag` with step="+1", `desk/desk-1` with present="yes"."""
    data = urllib.parse.urlencode({"place": "", **form}).encode()
    request = urllib.request.Request(f"{site.panel_url}/tap/{what}", data, {"Origin": site.panel_url})  # noqa: S310
    await asyncio.to_thread(_fetch, request)


async def panel_text(site: Site) -> str:
    """Everything that stands on the panel's first page, without its markup."""
    page = await asyncio.to_thread(_fetch, urllib.request.Request(site.panel_url + "/"))  # noqa: S310
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


async def board(region: Region) -> dict[str, Any]:
    """The board as its API gives it."""
    text = await asyncio.to_thread(_fetch, urllib.request.Request(region.board_url + "/api/v1/sites"))  # noqa: S310
    return dict(json.loads(text))


@dataclass(frozen=True)
class Cell:
    """One value on the board; `free` is None while it is unknown."""

    free: int | None
    fresh: str
    age_s: float | None


async def board_cell(region: Region, site: str, category: str) -> Cell | None:
    """A value of a site on the board; None when the board does not have it."""
    for row in (await board(region))["rows"]:
        for cell in row["cells"]:
            if row["name"] == site and cell and cell["category"] == category:
                return Cell(cell["free"], cell["fresh"], cell["age_s"])
    return None


def _fetch(request: urllib.request.Request) -> str:
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - loopback, http only
        return str(answer.read().decode())


@dataclass(frozen=True)
class Stream:
    """What the hub has of one outbox."""

    site: str
    stream: str
    sequences: tuple[int, ...]

    @property
    def complete(self) -> bool:
        """Every row from the first to the last, each once."""
        return self.sequences == tuple(range(1, len(self.sequences) + 1))


class HubDatabase:
    """The hub's tables, read beside it. The lab's hub keeps them in SQLite."""

    def __init__(self, region: Region) -> None:
        self._url = f"file:{region.hub.hub.database.removeprefix('sqlite:///')}?mode=ro"

    def streams(self) -> list[Stream]:
        rows = self._rows("SELECT site, stream, sequence FROM event ORDER BY site, stream, sequence")
        keys = sorted({(site, stream) for site, stream, _ in rows})
        return [Stream(*key, tuple(row[2] for row in rows if row[:2] == key)) for key in keys]

    def calls(self) -> list[dict[str, Any]]:
        """Data of every `call.handled`, each with the `reporter` that said it."""
        rows = self._rows("SELECT site, data FROM event WHERE kind = 'call.handled' ORDER BY heard_at, sequence")
        return [{"reporter": site, **json.loads(data)} for site, data in rows]

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._url, uri=True, timeout=_TIMEOUT_S)) as connection:
            return connection.execute(query).fetchall()


def files_with(folders: Iterable[Path], text: str) -> tuple[list[Path], int]:
    """The files below `folders` that hold `text` anywhere, and how many were read."""
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
    return [file for file in files if text.encode() in file.read_bytes()], len(files)
