"""A new config, and back to the last good one by itself when it does not prove itself in time.

    site.toml        in force                    site.toml.staged   checked, not yet in force
    site.toml.good   the last that proved itself site.toml.applying there from the first step to the last

Each step is an atomic rename, and `site.toml.applying` is on disk before the first: after a power cut at any moment
`resume` finds either the old config, or the new one still to be proved, and ends what was begun.
"""

from __future__ import annotations

import enum
import hashlib
import socket
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from zorgkiosk import durable
from zorgkiosk.care.units import Units
from zorgkiosk.config_file import ConfigError, Problem
from zorgkiosk.contract.status import Ack
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.config import SiteConfig, load_site
from zorgkiosk.site.config_log import BOX, CONSOLE, SYSTEM, TECHNICIAN, record
from zorgkiosk.site.facts import LinkFact, read
from zorgkiosk.site.journal import JournalLine
from zorgkiosk.site.store import StateValue, StoreView

CONFIRM_WITHIN_S = 120.0
_LOOK_S = 0.1


class Outcome(enum.Enum):
    CONFIRMED = "the new config is in force and confirmed"
    BACK = "the new config did not prove itself in time: the last good one is in force again"
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


Check = Callable[[Path], tuple[Problem, ...]]


def apply(new: Path, config: Path, units: Units, check: Check, within_s: float = CONFIRM_WITHIN_S) -> Outcome:
    """Check, stage, switch, and wait for proof. Raises ConfigError, with the config in force untouched."""
    files = Files(config)
    if files.applying.exists():
        raise ConfigError(
            [Problem.of_file(config, "a change is under way: end it first with zorgkiosk apply --resume")]
        )
    _write(files.staged, new.read_bytes(), like=config)
    errors = [problem for problem in check(files.staged) if problem.severity == "error"]
    if errors:
        files.staged.unlink()
        # A technician knows the file by the name that was given.
        raise ConfigError([replace(each, file=new) if each.file == files.staged else each for each in errors])
    in_force = load_site(config)
    needs_hub = hub_reached(in_force, None)
    record(in_force.care_db, JournalLine(CONSOLE, TECHNICIAN, "apply", _digest(files.staged), "begun"))
    _write(files.good, config.read_bytes(), like=config)
    _write(files.applying, f"{_digest(files.staged)} {int(needs_hub)}\n".encode(), like=config)
    since_s = time.monotonic()
    durable.rename(files.staged, config)
    units.restart()
    return _ended(files, _digest(config), CONSOLE, _prove(files, units, needs_hub, since_s, within_s))


def resume(config: Path, units: Units, within_s: float = CONFIRM_WITHIN_S) -> Outcome:
    """At boot: end what a power cut interrupted. The units that boot started have read the config in force."""
    files = Files(config)
    if not files.applying.exists():
        return Outcome.NOTHING
    digest, _, needs_hub = files.applying.read_text(encoding="utf-8").strip().partition(" ")
    if not config.exists() or (_digest(config) != digest and config.read_bytes() != files.good.read_bytes()):
        return _ended(files, digest, BOX, _back(files, units))
    if _digest(config) != digest:
        files.staged.unlink(missing_ok=True)
        files.applying.unlink()
        return _ended(files, digest, BOX, Outcome.NOTHING)
    return _ended(files, digest, BOX, _prove(files, units, needs_hub == "1", 0.0, within_s))


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


def _prove(files: Files, units: Units, needs_hub: bool, since_s: float, within_s: float) -> Outcome:
    """A hub that was out of reach before the change proves nothing about it: then the box's own health must do."""
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        if works(files.config, needs_hub, since_s):
            _write(files.good, files.config.read_bytes(), like=files.config)
            files.applying.unlink()
            return Outcome.CONFIRMED
        time.sleep(_LOOK_S)
    return _back(files, units)


def works(file: Path, needs_hub: bool, since_s: float) -> bool:
    """The proof: the hub is reached, or where it was not before sync at least runs, and the panel answers."""
    config = load_site(file)
    if needs_hub:
        proven = hub_reached(config, since_s) and hub_acknowledged(config, since_s)
    else:
        proven = sync_runs(config, since_s)
    return proven and panel_answers(config)


def _back(files: Files, units: Units) -> Outcome:
    # `good` stays until `applying` is gone: a power cut here must find it again.
    _write(files.staged, files.good.read_bytes(), like=files.good)
    durable.rename(files.staged, files.config)
    files.applying.unlink()
    units.restart()
    return Outcome.BACK


def _ended(files: Files, digest: str, device: str, outcome: Outcome) -> Outcome:
    """How the change to the config of this digest ended, for the log of the box that is in force now."""
    role = SYSTEM if device == BOX else TECHNICIAN
    record(load_site(files.config).care_db, JournalLine(device, role, "apply", digest, outcome.name.lower()))
    return outcome


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _write(path: Path, content: bytes, like: Path) -> None:
    """With the rights of `like`: whoever could read the config in force can read the next."""
    rights = like.stat()
    durable.put(path, content, mode=stat.S_IMODE(rights.st_mode), group=rights.st_gid)
