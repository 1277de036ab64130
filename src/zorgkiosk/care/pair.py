"""The files of a change of config: site.toml, and with it, where they change too, its secrets.

    site.toml           in force                      site.toml.staged     checked, not yet in force
    site.toml.good      the last that proved itself   site.toml.applying   there from the first step to the last
    secrets.toml        in force                      secrets.toml.staged  likewise
    secrets.toml.good   what to go back to, empty where there were none: there while a change of both is on trial

Two renames put both in force: the secrets first, so that `site.toml.staged` is there until the new config is. The way
back goes the other way round. A power cut in between leaves the old site.toml with new secrets, never the reverse, and
`resume` puts the old secrets back. That `secrets.toml.good` is gone says that the change was decided.
"""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path

from zorgkiosk import durable
from zorgkiosk.config_file import ConfigError
from zorgkiosk.site.config import SiteConfig, load_site


@dataclass(frozen=True)
class New:
    """What a technician wants in force; without `secrets` those in force stay."""

    site: Path
    secrets: Path | None = None


@dataclass(frozen=True)
class SecretsBefore:
    """How it was before a change of both: whether there were secrets, and whether there is a config to go back to."""

    there: bool
    way_back: bool


@dataclass(frozen=True)
class Begun:
    """What `applying` says: the new config, whether the hub was reached before it, and the units that ran then.

    `secrets` is None where they do not change. Nothing is told of what is in them, not even a digest.
    """

    digest: str
    needs_hub: bool
    units: tuple[str, ...]
    secrets: SecretsBefore | None = None

    @classmethod
    def of(cls, text: str) -> Begun:
        first, *more = text.splitlines()
        digest, needs_hub, *units = first.split()
        secrets = None
        if more:
            _, there, way_back = more[0].split()
            secrets = SecretsBefore(there == "1", way_back == "1")
        return cls(digest, needs_hub == "1", tuple(units), secrets)

    def text(self) -> str:
        lines = [" ".join((self.digest, str(int(self.needs_hub)), *self.units))]
        if self.secrets is not None:
            lines.append(f"secrets {int(self.secrets.there)} {int(self.secrets.way_back)}")
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True)
class Files:
    """Where a change of `config` keeps its files: all in one folder, so that a rename is atomic."""

    config: Path

    @property
    def staged(self) -> Path:
        return self.config.with_name(self.config.name + ".staged")

    @property
    def good(self) -> Path:
        return self.config.with_name(self.config.name + ".good")

    @property
    def applying(self) -> Path:
        return self.config.with_name(self.config.name + ".applying")

    @property
    def secrets(self) -> Path:
        return self.config.with_name("secrets.toml")

    @property
    def secrets_staged(self) -> Path:
        return self.config.with_name("secrets.toml.staged")

    @property
    def secrets_good(self) -> Path:
        return self.config.with_name("secrets.toml.good")

    @property
    def secrets_before(self) -> Path:
        """Those that belong to the config before the change."""
        return self.secrets_good if self.secrets_good.exists() else self.secrets

    def begun(self) -> Begun:
        return Begun.of(self.applying.read_text(encoding="utf-8"))

    def switched(self, begun: Begun) -> bool:
        """Whether the new config is in force, and with it its secrets. Also where it is, to the letter, the old one."""
        return self.config.exists() and digest(self.config) == begun.digest and not self.staged.exists()

    def stage(self, content: bytes, secrets: bytes | None) -> None:
        """Raises OSError."""
        write(self.staged, content, like=self.config)
        if secrets is not None:
            self._write_secrets(self.secrets_staged, secrets)

    def keep_secrets(self) -> None:
        """Those in force, to go back to; of none an empty file. Raises OSError."""
        self._write_secrets(self.secrets_good, self.secrets.read_bytes() if self.secrets.exists() else b"")

    def switch(self) -> None:
        if self.secrets_staged.exists():
            durable.rename(self.secrets_staged, self.secrets)
        durable.rename(self.staged, self.config)

    def restore_secrets(self, begun: Begun) -> None:
        """Those of before the change, whatever came of it so far; a rename, which needs no room on the disk."""
        if begun.secrets is None:
            return
        durable.remove(self.secrets_staged)
        if not begun.secrets.there:
            durable.remove(self.secrets)
            durable.remove(self.secrets_good)
        elif self.secrets_good.exists():
            durable.rename(self.secrets_good, self.secrets)

    def forget(self) -> None:
        """Nothing of a change stays but the config in force and the last good one, nor half a file of a power cut."""
        for file in (self.staged, self.secrets_staged, self.secrets_good):
            file.unlink(missing_ok=True)
        for file in (self.staged, self.good, self.applying, self.secrets_staged, self.secrets_good):
            file.with_name(f"{file.name}.new").unlink(missing_ok=True)

    def _write_secrets(self, path: Path, content: bytes) -> None:
        """With owner and group of those in force, and never wider; where there are none, their owner's alone."""
        there = self.secrets.exists()
        rights = (self.secrets if there else self.config).stat()
        mode = stat.S_IMODE(rights.st_mode) & durable.SHARED if there else 0
        durable.put(path, content, mode | durable.SECRET, rights.st_gid, rights.st_uid)


def write(path: Path, content: bytes, like: Path) -> None:
    """With the rights of `like`: whoever could read the config in force can read the next. Raises OSError."""
    rights = like.stat()
    durable.put(path, content, stat.S_IMODE(rights.st_mode), rights.st_gid, rights.st_uid)


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def usable(file: Path, secrets: Path | None = None) -> SiteConfig | None:
    """The config, with the secrets beside it or with those that are named; None where it cannot be used."""
    try:
        return load_site(file, secrets)
    except ConfigError:
        return None
