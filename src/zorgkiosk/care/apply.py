"""A new config, and back to the last good one by itself when it does not prove itself in time.

Its files stand in `pair.py`. Each step is an atomic rename, and `site.toml.applying` is on disk before the first: after
a power cut at any moment `resume` finds either the old config, or the new one still to be proved, and ends what was
begun.
"""

from __future__ import annotations

import enum
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from zorgkiosk import durable
from zorgkiosk.care.pair import Begun, Files, New, SecretsBefore, digest, usable, write
from zorgkiosk.care.trial import SETTLED_S, decided, proves_itself
from zorgkiosk.care.units import CALL_UNITS, Units, WatchedUnits
from zorgkiosk.config_file import ConfigError, Problem
from zorgkiosk.contract.status import Ack
from zorgkiosk.site.checks import secrets_problems
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
class Bounds:
    """Seconds in which a change has to prove itself, and for how many of them the proof has to hold."""

    within_s: float = CONFIRM_WITHIN_S
    settled_s: float = SETTLED_S


Check = Callable[[Path, Path], tuple[Problem, ...]]
"""Of a site.toml and the secrets that go with it."""


def apply(
    new: New,
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
        files.switch()
        units.restart()
        outcome = _judge(files, units, begun, since_s, Bounds(within_s, settled_s))
    except KeyboardInterrupt:  # whoever does not want to wait for the proof does not want the new config
        if not files.applying.exists():
            files.forget()
            return Outcome.NOTHING
        begun = files.begun()
        outcome = _back(files, units, begun, Outcome.STOPPED)
    return _ended(files, begun, CONSOLE, outcome)


def resume(
    config: Path, units: WatchedUnits, within_s: float = CONFIRM_WITHIN_S, settled_s: float = SETTLED_S
) -> Outcome:
    """At boot: end what a power cut interrupted. The units that boot started have read the config in force.

    Raises ConfigError when there is neither a config nor a last good one.
    """
    files = Files(config)
    if not files.applying.exists():
        files.forget()
        return Outcome.NOTHING
    begun = files.begun()
    if files.switched(begun):
        return _ended(files, begun, BOX, _resumed(files, units, begun, Bounds(within_s, settled_s)))
    if not config.exists() and not files.good.exists():
        sentence = f"is not there, and {files.good.name} is not either: write it anew, then remove {files.applying}"
        raise ConfigError([Problem.of_file(config, sentence)])
    if files.good.exists() and not (config.exists() and config.read_bytes() == files.good.read_bytes()):
        return _ended(files, begun, BOX, _back(files, units, begun, Outcome.BACK))
    # Cut before the switch, between its two renames, or on the way back with the last good one in force again.
    files.restore_secrets(begun)
    files.forget()
    files.applying.unlink()
    if begun.secrets is not None:  # boot may have started the units with the new ones
        units.restart()
    _keep_as_good(files)
    return _ended(files, begun, BOX, Outcome.NOTHING)


def _resumed(files: Files, units: WatchedUnits, begun: Begun, bounds: Bounds) -> Outcome:
    """The new config is in force, or once more the old one where only the secrets change."""
    if begun.secrets is not None and begun.secrets.way_back:
        # The way back begins with taking the last good one from where it lies, confirming with removing old secrets.
        if not files.good.exists():
            files.restore_secrets(begun)
            return _is_back(files, units, Outcome.BACK)
        if not files.secrets_good.exists():
            return _confirmed(files)
    try:
        return _judge(files, units, begun, 0.0, bounds)
    except KeyboardInterrupt:
        return _back(files, units, begun, Outcome.STOPPED)


def _prepared(new: New, files: Files, check: Check, units: WatchedUnits) -> Begun:
    """All that is on disk before the switch. Raises ConfigError, with the config in force untouched."""
    try:
        _stage(new, files, check)
        begun = _begin(files, units)
        write(files.applying, begun.text().encode(), like=files.config)
        if begun.secrets is not None:  # never there without `applying`, so that no boot leaves it
            files.keep_secrets()
    except OSError as error:
        files.forget()
        files.applying.unlink(missing_ok=True)
        sentence = f"{error.strerror}: nothing was changed"
        raise ConfigError([Problem.of_file(Path(error.filename or new.site), sentence)]) from None
    return begun


def _stage(new: New, files: Files, check: Check) -> None:
    """Raises ConfigError when it cannot be used, OSError when it cannot be read or written."""
    if not files.config.is_file():
        raise ConfigError([Problem.of_file(files.config, "there is no such file: name the one in force with --config")])
    content, secrets = new.site.read_bytes(), None
    if new.secrets is not None:
        secrets = new.secrets.read_bytes()
        if wide := [each for each in secrets_problems(new.secrets) if each.severity == "error"]:
            raise ConfigError(wide)
    files.stage(content, secrets)
    found = check(files.staged, files.secrets if secrets is None else files.secrets_staged)
    if errors := [problem for problem in found if problem.severity == "error"]:
        files.forget()
        raise ConfigError([_as_given(each, new, files) for each in errors])


def _as_given(problem: Problem, new: New, files: Files) -> Problem:
    """A technician knows the files by the names that were given."""
    given = {files.staged: new.site, files.secrets_staged: new.secrets}.get(problem.file) or problem.file
    return replace(problem, file=given, sentence=problem.sentence.replace(f"{files.secrets_staged}", f"{new.secrets}"))


def _begin(files: Files, units: WatchedUnits) -> Begun:
    """What was before the change. A config in force that cannot be used is nothing to come back to. Raises OSError."""
    both = files.secrets_staged.exists()
    fresh = load_site(files.staged, files.secrets_staged if both else files.secrets)
    in_force = usable(files.config)
    before = fresh if in_force is None else in_force
    ran = units.active()
    if fresh.telephony is None or fresh.front is None:
        ran -= CALL_UNITS
    if in_force is not None:
        write(files.good, files.config.read_bytes(), like=files.config)
    secrets = SecretsBefore(files.secrets.exists(), usable(files.good) is not None) if both else None
    begun = Begun(digest(files.staged), hub_reached(before, None), tuple(sorted(ran)), secrets)
    _record(before, begun, CONSOLE, "begun")
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
    return _confirmed(files) if proved else _back(files, units, begun, Outcome.BACK)


def _confirmed(files: Files) -> Outcome:
    """No copy of the old secrets stays; that it is gone is also how a boot in between knows that it was confirmed."""
    durable.remove(files.secrets_good)
    _keep_as_good(files)
    files.forget()
    files.applying.unlink()
    return Outcome.CONFIRMED


def works(file: Path, needs_hub: bool, since_s: float) -> bool:
    """The proof: the hub is reached, or where it was not before sync at least runs, and the panel answers."""
    config = usable(file)
    if config is None:
        return False
    if needs_hub:
        proven = hub_reached(config, since_s) and hub_acknowledged(config, since_s)
    else:
        proven = sync_runs(config, since_s)
    return proven and panel_answers(config)


def _back(files: Files, units: Units, begun: Begun, why: Outcome) -> Outcome:
    """Renames, which need no room on the disk; the copy for the next time may wait until there is some."""
    switched = files.switched(begun)
    files.staged.unlink(missing_ok=True)
    good = usable(files.good, files.secrets_before) if files.good.exists() else None
    if not files.good.exists() or (good is None and usable(files.config) is not None):
        if not switched:
            files.restore_secrets(begun)
        files.forget()
        files.applying.unlink(missing_ok=True)
        return Outcome.UNPROVED
    durable.rename(files.good, files.config)
    files.restore_secrets(begun)
    return _is_back(files, units, why)


def _is_back(files: Files, units: Units, why: Outcome) -> Outcome:
    files.forget()
    files.applying.unlink(missing_ok=True)
    units.restart()
    _keep_as_good(files)
    return why


def _keep_as_good(files: Files) -> None:
    """Without room the one before stays the last good one: no reason to take back what works."""
    if usable(files.config) is None:
        return
    try:
        write(files.good, files.config.read_bytes(), like=files.config)
    except OSError as error:
        log.error("%s: %s: the config in force is not kept as the last good one", files.good, error.strerror)


def _ended(files: Files, begun: Begun, device: str, outcome: Outcome) -> Outcome:
    """How the change to the config of this digest ended, for the log of the box that is in force now."""
    if (in_force := usable(files.config)) is not None:
        _record(in_force, begun, device, outcome.name.lower())
    return outcome


def _record(config: SiteConfig, begun: Begun, device: str, value: str) -> None:
    """Of secrets only that they change with it: a digest of a file of passwords would help to guess them."""
    subjects = [begun.digest] if begun.secrets is None else [begun.digest, "secrets"]
    role = SYSTEM if device == BOX else TECHNICIAN
    record(config.care_db, *(JournalLine(device, role, "apply", subject, value) for subject in subjects))
