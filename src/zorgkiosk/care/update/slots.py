"""The two directories of a box, and which of them is in force.

    a/ b/      a whole release each: programs, the package they came from, systemd's units
    current    link to the one in force; every unit starts from it
    good       link to the last one that proved itself: not `current` only while an update waits for its proof
    updating   there from before the switch until the proof or the way back: what was begun
    newest     the newest version that ever proved itself here: nothing older is installed (`newest.next`: once proved)
    history    what was done, when and by whom

Links and files change by one rename, on disk when it returns. All of it is root's: no unit can write here.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from zorgkiosk import durable
from zorgkiosk.care.update.manifest import UpdateError, Version

log = logging.getLogger(__name__)

HOME = Path("/opt/zorgkiosk")
NAMES = ("a", "b")
_STAMP = "release"
_HISTORY_LINES = 500


@dataclass(frozen=True)
class Begun:
    """A switch that is not proved yet. `to` is a directory's name; `units` are those that ran before it."""

    to: str
    version: str
    needs_hub: bool
    units: tuple[str, ...]


@dataclass(frozen=True)
class Slots:
    home: Path = HOME

    @property
    def current(self) -> Path:
        return self.home / "current"

    @property
    def good(self) -> Path:
        return self.home / "good"

    @property
    def updating(self) -> Path:
        return self.home / "updating"

    @property
    def newest_file(self) -> Path:
        return self.home / "newest"

    @property
    def next_newest_file(self) -> Path:
        return self.home / "newest.next"

    @property
    def history_file(self) -> Path:
        return self.home / "history"

    def running(self) -> str:
        """Name of the directory in force. Raises UpdateError."""
        return self._read(self.current)

    def proved(self) -> str:
        """Name of the last directory that proved itself. Raises UpdateError."""
        return self._read(self.good) if self.good.is_symlink() else self.running()

    def other(self) -> str:
        """Name of the directory that is not in force. Raises UpdateError."""
        return NAMES[1 - NAMES.index(self.running())]

    def release(self, name: str) -> Version | None:
        """The version that is whole in a directory; None when none is."""
        try:
            return Version.parse((self.home / name / _STAMP).read_text(encoding="ascii").strip())
        except (OSError, UnicodeDecodeError, UpdateError):
            return None

    def newest(self) -> Version | None:
        """No older version is installed; None when nothing is known yet."""
        known = [self.release(self.running())]
        if self.newest_file.exists():
            known.append(Version.parse(self.newest_file.read_text(encoding="ascii").strip()))
        return max((each for each in known if each is not None), default=None)

    def told(self) -> str:
        """One line: what runs, what is in the other directory, what waits. Raises UpdateError."""
        running, other, begun = self.running(), self.other(), self.begun()
        there = self.release(other)
        line = f"{self.release(running)} in {running}; {other}: {there if there is not None else 'nothing'}"
        return line if begun is None else f"{line}; {begun.version} waits for its proof"

    def clear(self, name: str) -> Path:
        """Empty a directory, first of what says that it is whole."""
        slot = self.home / name
        if slot.exists():
            durable.remove(slot / _STAMP)
            shutil.rmtree(slot)
        slot.mkdir()
        return slot

    def stamp(self, name: str, version: Version) -> None:
        """Say that all of a directory is on disk, once it is."""
        os.sync()
        durable.put(self.home / name / _STAMP, f"{version}\n".encode())

    def begin(self, begun: Begun) -> None:
        # Written now, while what fails changes nothing: the proof must not end at a disk that is full.
        version, newest = Version.parse(begun.version), self.newest()
        durable.put(self.next_newest_file, f"{max(version, newest or version)}\n".encode())
        durable.put(self.updating, (json.dumps(asdict(begun)) + "\n").encode())

    def begun(self) -> Begun | None:
        """What waits for its proof; None when nothing does."""
        if not self.updating.exists():
            return None
        said = json.loads(self.updating.read_text(encoding="utf-8"))
        return Begun(said["to"], said["version"], said["needs_hub"], tuple(said["units"]))

    def prove(self, name: str) -> None:
        """From now on this directory is the one to come back to, and nothing older than it is installed."""
        begun = self.begun()
        if begun is not None and begun.to == name and self.next_newest_file.exists():
            durable.rename(self.next_newest_file, self.newest_file)
        durable.point(self.good, name)
        self.end()

    def end(self) -> None:
        """Nothing waits for its proof any more."""
        self.next_newest_file.unlink(missing_ok=True)
        durable.remove(self.updating)

    def note(self, now: datetime, said: str) -> None:
        """A line of the history: an instant, who, what. Where it cannot be written the log says why, and no more."""
        who = os.environ.get("SUDO_USER") or os.environ.get("USER") or "system"
        try:
            kept = self.history_file.read_text(encoding="utf-8").splitlines() if self.history_file.exists() else []
            lines = [*kept[1 - _HISTORY_LINES :], f"{now.isoformat(timespec='seconds')} {who}: {said}"]
            durable.put(self.history_file, ("\n".join(lines) + "\n").encode())
        except OSError as error:
            log.error("%s: %s: not in the history: %s", self.history_file, error.strerror, said)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes the directories meanwhile. Raises UpdateError."""
        try:
            opened = os.open(self.home, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise UpdateError(f"{self.home}: {error.strerror}; install the package first") from None
        try:
            flock(opened, LOCK_EX | LOCK_NB)
            yield
        except BlockingIOError:
            raise UpdateError("another update is at work here: wait until it has ended") from None
        finally:
            os.close(opened)

    def _read(self, link: Path) -> str:
        target = str(link.readlink()) if link.is_symlink() else ""
        if target not in NAMES:
            raise UpdateError(f"{link} is no link to a or b: this machine is not a box, or install the package anew")
        return target


BOX = Slots()
"""Those of a machine with the package."""
