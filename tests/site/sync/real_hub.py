"""The real hub for the tests of sync: the unit `intake`, a process of its own, on an SQLite file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from lab_region import REGION, SITES, Region, wait_for

from zorgkiosk.hub.broker import HUB_NAME


class RealHub:
    """`zorgkiosk run intake` on an SQLite file; `forget` takes its database away, as a disk does."""

    def __init__(self, region: Region) -> None:
        certificate, key = region.authority.issue(HUB_NAME)
        self.database = region.directory / "hub.db"
        self._file = region.directory / "hub.toml"
        self._process: subprocess.Popen[bytes] | None = None
        sites = "".join(
            f'[[site]]\nname = "{name}"\ntitle = "HAP"\nkind = "hap"\npartners = {list(partners)}\n'
            for name, partners in SITES.items()
        )
        self._file.write_text(
            f'[hub]\nregion = "{REGION}"\ndatabase = "sqlite:///{self.database}"\n'
            f'[broker]\nhost = "127.0.0.1"\nport = {region.port}\nca_file = "{region.authority.ca_file}"\n'
            f'certificate_file = "{certificate}"\nkey_file = "{key}"\n{sites}'
        )

    def start(self) -> None:
        """It answers queries once it has made its tables; `rows` waits for that."""
        command = [sys.executable, "-m", "zorgkiosk", "run", "intake", "--config", str(self._file)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def forget(self) -> None:
        for file in self.database.parent.glob("hub.db*"):
            file.unlink()

    @property
    def url(self) -> str:
        return f"sqlite:///{self.database}"

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def held(self) -> list[int]:
        """Sequences of the panel's rows in the database, in order."""
        rows = self.rows("SELECT sequence FROM event WHERE stream = 'panel' ORDER BY sequence")
        return [int(row.sequence) for row in rows]

    def gaps(self) -> int:
        """Sequences that will never come, of all streams."""
        return int(self.rows("SELECT coalesce(sum(missing), 0) AS missing FROM stream_position")[0].missing)

    def dead_letters(self) -> int:
        return int(self.rows("SELECT count(*) AS n FROM dead_letter")[0].n)

    def rows(self, query: str) -> Sequence[sa.Row[Any]]:
        engine = sa.create_engine(self.url)
        wait_for(lambda: sa.inspect(engine).has_table("event"), "the hub's tables", within_s=20.0)
        with engine.connect() as connection:
            rows = connection.execute(sa.text(query)).all()
        engine.dispose()
        return rows

    def change(self, statement: str) -> None:
        """Change the database behind the hub's back."""
        engine = sa.create_engine(self.url)
        with engine.begin() as connection:
            connection.execute(sa.text(statement))
        engine.dispose()
