"""A new config, and back to the last good one by itself when it does not prove itself in time.

    site.toml        in force                    site.toml.staged   checked, not yet in force
    site.toml.good   the last that proved itself site.toml.applying there from the first step to the last

Each step is an atomic rename, and `site.toml.applying` is on disk before the first: after a power cut at any moment
`resume` finds either the old config, or the new one still to be proved, and ends what was begun.
"""

from __future__ import annotations

import enum
import hashlib
import logging
import socket
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from zorgkiosk import durable
from zorgkiosk.care.trial import SETTLED_S, decided, proves_itself
from zorgkiosk.care.units import CALL_UNITS, Units, WatchedUnits
from zorgkiosk.config_file import ConfigError, Problem
from zorgkiosk.contract.status import Ack
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.config import SiteConfig, load_site
from zorgkiosk.site.config_log import BOX, CONSOLE, SYSTEM, TECHNICIAN, record
from zorgkiosk.site.facts import LinkFact, read
from zorgkiosk.site.journal import JournalLine
from zorgkiosk.site.store import StateValue, StoreView

log = logging.getLogger(__name__)

CONFIRM_WITHIN_S = 120.0
_LOOK_S = 0.1


class Outcome(enum.Enum):
    CONFIRMED = "the new config is in force and confirmed"
    BACK = "the new config did not prove itself in time: the last good one is in force again"
    STOPPED = "stopped, as was asked: the last good config is in force again"
    UNPROVED = (
        "the new config is in force; it has not proved itself, and there is no good one to go back to: "
        "run zorgkiosk doctor"
    )
    NOTHING = "nothing was begun: the config in force stays"


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


@dataclass(frozen=True)
class Begun:
    """What `applying` says: the new config, whether the hub was reached before it, and the units that ran then."""

    digest: str
    needs_hub: bool
    units: tuple[str, ...]

    @classmethod
    def of(cls, line: str) -> Begun:
        digest, needs_hub, *units = line.split()
        return cls(digest, needs_hub == "1", tuple(units))

    def line(self) -> str:
        return " ".join((self.digest, str(int(self.needs_hub)), *self.units)) + "\n"


@dataclass(frozen=True)
class Bounds:
    """Seconds in which a change has to prove itself, and for how many of them the proof has to hold."""

    within_s: float = CONFIRM_WITHIN_S
    settled_s: float = SETTLED_S


Check = Callable[[Path], tuple[Problem, ...]]


def apply(
    new: Path,
    config: Path,
    units: WatchedUnits,
    check: Check,
    within_s: float = CONFIRM_WITHIN_S,
    settled_s: float = SETTLED_S,
) -> Outcome:
    """Check, stage, switch, and wait for proof. Raises ConfigError, with the config in force untouched."""
    files = Files(config)
    if files.applying.exists():
        raise ConfigError(
            [Problem.of_file(config, "a change is under way: end it first with zorgkiosk apply --resume")]
        )
    try:
        begun = _prepared(new, files, check, units)
        since_s = time.monotonic()
        durable.rename(files.staged, config)
        units.restart()
        outcome = _judge(files, units, begun, since_s, Bounds(within_s, settled_s))
    except KeyboardInterrupt:  # whoever does not want to wait for the proof does not want the new config
        if not files.applying.exists():
            files.staged.unlink(missing_ok=True)
            return Outcome.NOTHING
        begun = Begun.of(files.applying.read_text(encoding="utf-8"))
        outcome = _back(files, units, Outcome.STOPPED)
    return _ended(files, begun.digest, CONSOLE, outcome)


def resume(
    config: Path, units: WatchedUnits, within_s: float = CONFIRM_WITHIN_S, settled_s: float = SETTLED_S
) -> Outcome:
    """At boot: end what a power cut interrupted. The units that boot started have read the config in force.

    Raises ConfigError when there is neither a config nor a last good one.
    """
    files = Files(config)
    if not files.applying.exists():
        return Outcome.NOTHING
    begun = Begun.of(files.applying.read_text(encoding="utf-8"))
    if config.exists() and _digest(config) == begun.digest:
        try:
            outcome = _judge(files, units, begun, 0.0, Bounds(within_s, settled_s))
        except KeyboardInterrupt:
            outcome = _back(files, units, Outcome.STOPPED)
        return _ended(files, begun.digest, BOX, outcome)
    if not config.exists() and not files.good.exists():
        sentence = f"is not there, and {files.good.name} is not either: write it anew, then remove {files.applying}"
        raise ConfigError([Problem.of_file(config, sentence)])
    if files.good.exists() and not (config.exists() and config.read_bytes() == files.good.read_bytes()):
        return _ended(files, begun.digest, BOX, _back(files, units, Outcome.BACK))
    # Cut before the switch, or on the way back with the last good one in force again.
    files.staged.unlink(missing_ok=True)
    files.applying.unlink()
    _keep_as_good(files)
    return _ended(files, begun.digest, BOX, Outcome.NOTHING)


def _prepared(new: Path, files: Files, check: Check, units: WatchedUnits) -> Begun:
    """All that is on disk before the switch. Raises ConfigError, with the config in force untouched."""
    try:
        _stage(new, files, check)
        begun = _begin(files, units)
        _write(files.applying, begun.line().encode(), like=files.config)
    except OSError as error:
        files.staged.unlink(missing_ok=True)
        sentence = f"{error.strerror}: nothing was changed"
        raise ConfigError([Problem.of_file(Path(error.filename or new), sentence)]) from None
    return begun


def _stage(new: Path, files: Files, check: Check) -> None:
    """Raises ConfigError when it cannot be used, OSError when it cannot be read or written."""
    if not files.config.is_file():
        raise ConfigError([Problem.of_file(files.config, "there is no such file: name the one in force with --config")])
    _write(files.staged, new.read_bytes(), like=files.config)
    errors = [problem for problem in check(files.staged) if problem.severity == "error"]
    if errors:
        files.staged.unlink()
        # A technician knows the file by the name that was given.
        raise ConfigError([replace(each, file=new) if each.file == files.staged else each for each in errors])


def _begin(files: Files, units: WatchedUnits) -> Begun:
    """What was before the change. A config in force that cannot be used is nothing to come back to. Raises OSError."""
    fresh, in_force = load_site(files.staged), _usable(files.config)
    before = fresh if in_force is None else in_force
    ran = units.active()
    if fresh.telephony is None or fresh.front is None:
        ran -= CALL_UNITS
    begun = Begun(_digest(files.staged), hub_reached(before, None), tuple(sorted(ran)))
    record(before.care_db, JournalLine(CONSOLE, TECHNICIAN, "apply", begun.digest, "begun"))
    if in_force is not None:
        _write(files.good, files.config.read_bytes(), like=files.config)
    return begun


def hub_reached(config: SiteConfig, since_s: float | None) -> bool:
    """Whether sync says it has the hub; with `since_s` (of this boot's clock) whether it has said so after that."""
    view = StoreView(config.sync_db)
    try:
        state = view.state()
    finally:
        view.close()
    link = state.get("link")
    fact = read(LinkFact, link)
    if fact is None or link is None or not fact.connected:
        return False
    return since_s is None or _after(link, since_s)


def hub_acknowledged(config: SiteConfig, since_s: float) -> bool:
    """Whether the hub has committed, since then, what this box's sync said: each start of sync says so much.

    The broker alone proves nothing: it takes messages also where no hub reads them.
    """
    view = StoreView(config.sync_db)
    try:
        state, epoch = view.state(), view.epoch()
    finally:
        view.close()
    value = state.get("acked/sync")
    ack = read(Ack, value)
    return ack is not None and value is not None and ack.epoch == epoch and _after(value, since_s)


def panel_answers(config: SiteConfig) -> bool:
    """The local health check: the panel takes connections."""
    try:
        socket.create_connection((config.panel.address, config.panel.port), timeout=1).close()
    except OSError:
        return False
    return True


def sync_runs(config: SiteConfig, since_s: float) -> bool:
    """Whether sync has written how its link is since then, good or bad."""
    view = StoreView(config.sync_db)
    try:
        link = view.state().get("link")
    finally:
        view.close()
    return link is not None and _after(link, since_s)


def _after(value: StateValue, since_s: float) -> bool:
    boot_id = SystemClock.of_this_boot().boot_id
    return value.said.boot_id == boot_id and value.said.uptime_ms / 1000 >= since_s


def _judge(files: Files, units: WatchedUnits, begun: Begun, since_s: float, bounds: Bounds) -> Outcome:
    """A hub that was out of reach before the change proves nothing about it: then the box's own health must do."""

    def holds() -> bool:
        return units.active() >= set(begun.units) and works(files.config, begun.needs_hub, since_s)

    proved = proves_itself(holds, bounds.within_s, bounds.settled_s, _LOOK_S)
    decided()
    if not proved:
        return _back(files, units, Outcome.BACK)
    _keep_as_good(files)
    files.applying.unlink()
    return Outcome.CONFIRMED


def works(file: Path, needs_hub: bool, since_s: float) -> bool:
    """The proof: the hub is reached, or where it was not before sync at least runs, and the panel answers."""
    config = _usable(file)
    if config is None:
        return False
    if needs_hub:
        proven = hub_reached(config, since_s) and hub_acknowledged(config, since_s)
    else:
        proven = sync_runs(config, since_s)
    return proven and panel_answers(config)


def _back(files: Files, units: Units, why: Outcome) -> Outcome:
    """One rename, which needs no room on the disk; the copy for the next time may wait until there is some."""
    files.staged.unlink(missing_ok=True)
    if not files.good.exists() or (_usable(files.good) is None and _usable(files.config) is not None):
        files.applying.unlink(missing_ok=True)
        return Outcome.UNPROVED
    durable.rename(files.good, files.config)
    files.applying.unlink(missing_ok=True)
    units.restart()
    _keep_as_good(files)
    return why


def _keep_as_good(files: Files) -> None:
    """Without room the one before stays the last good one: no reason to take back what works."""
    if _usable(files.config) is None:
        return
    try:
        _write(files.good, files.config.read_bytes(), like=files.config)
    except OSError as error:
        log.error("%s: %s: the config in force is not kept as the last good one", files.good, error.strerror)


def _usable(file: Path) -> SiteConfig | None:
    try:
        return load_site(file)
    except ConfigError:
        return None


def _ended(files: Files, digest: str, device: str, outcome: Outcome) -> Outcome:
    """How the change to the config of this digest ended, for the log of the box that is in force now."""
    role = SYSTEM if device == BOX else TECHNICIAN
    if (in_force := _usable(files.config)) is not None:
        record(in_force.care_db, JournalLine(device, role, "apply", digest, outcome.name.lower()))
    return outcome


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _write(path: Path, content: bytes, like: Path) -> None:
    """With the rights of `like`: whoever could read the config in force can read the next."""
    rights = like.stat()
    durable.put(path, content, mode=stat.S_IMODE(rights.st_mode), group=rights.st_gid)
