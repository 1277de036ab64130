"""`doctor`, `apply`, `take-bundle`, `install-certificate` and `factory-reset` as a technician types them on the box."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from zorgkiosk import durable
from zorgkiosk.care.apply import CONFIRM_WITHIN_S, Outcome, apply, resume
from zorgkiosk.care.archive import archive
from zorgkiosk.care.audit import command as audit
from zorgkiosk.care.doctor import findings
from zorgkiosk.care.lasting import forgotten
from zorgkiosk.care.pair import New
from zorgkiosk.care.probes import probe
from zorgkiosk.care.renewal import Renewal, connects, install
from zorgkiosk.care.reset import factory_reset
from zorgkiosk.care.take import take
from zorgkiosk.care.trial import SETTLED_S, say, undisturbed
from zorgkiosk.care.units import Systemd
from zorgkiosk.care.update.slots import HOME, Slots
from zorgkiosk.config_file import ConfigError
from zorgkiosk.provision.acceptance import SITE, as_issued
from zorgkiosk.provision.render import BUNDLE
from zorgkiosk.site.checks import check_site
from zorgkiosk.site.config import SiteConfig, load_site
from zorgkiosk.site.config_log import BOX, CONSOLE, SYSTEM, TECHNICIAN, record
from zorgkiosk.site.journal import JournalLine

EX_OK, EX_FOUND, EX_UNAVAILABLE, EX_IOERR = 0, 1, 69, 74
_CONFIG = Path("/etc/zorgkiosk/site.toml")
_BUNDLE = Path("/boot/firmware") / BUNDLE
_LEAST_WITHIN_S, _MOST_WITHIN_S = 2 * SETTLED_S, 3600.0


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The commands of a box, each with `command` set to what runs it."""
    audit.add_commands(commands)
    doctor = commands.add_parser("doctor", help="how this box is: each check one line, and what to do")
    doctor.add_argument("--json", action="store_true", help="the checks for programs")
    doctor.add_argument("--bundle", type=Path, metavar="FILE", help="write a support archive without any secret")
    doctor.set_defaults(command=_doctor)
    switch = commands.add_parser("apply", help="put a new site.toml in force, and back when it does not work")
    switch.add_argument("new", type=Path, nargs="?", help="the new site.toml, or a folder with it and secrets.toml")
    switch.add_argument("--secrets", type=Path, metavar="FILE", help="the new secrets.toml, in force and back with it")
    switch.add_argument("--resume", action="store_true", help="end a change that a power cut interrupted")
    switch.add_argument("--home", type=Path, default=HOME, help=argparse.SUPPRESS)
    switch.set_defaults(command=_apply)
    switch.add_argument(
        "--within", type=_seconds, default=CONFIRM_WITHIN_S, metavar="SECONDS", help="how long to wait for proof (120)"
    )
    bundle = commands.add_parser("take-bundle", help="put what provision made for this box in its place, and remove it")
    bundle.add_argument("bundle", type=Path, nargs="?", default=_BUNDLE, help=f"{_BUNDLE} by default")
    bundle.set_defaults(command=_take)
    reset = commands.add_parser("factory-reset", help="remove the stores: the box begins anew, its config stays")
    reset.set_defaults(command=_reset)
    fresh = commands.add_parser("install-certificate", help="put the next certificate in force, once it has connected")
    fresh.set_defaults(command=_install_certificate)
    for parser in (doctor, switch, bundle, reset, fresh):
        parser.add_argument("--config", type=Path, default=_CONFIG, help=f"{_CONFIG} by default")


def _doctor(options: argparse.Namespace) -> int:
    try:
        config = load_site(options.config)
    except ConfigError:  # exactly then the other checks are wanted; check_site says what is wrong with it
        config = None
    found = findings(probe(config, check_site(options.config, datetime.now(UTC))))
    if options.json:
        say(json.dumps([asdict(each) for each in found], ensure_ascii=False, indent=2))
    else:
        say(*found)
    if options.bundle:
        try:
            durable.put(options.bundle, archive(config, options.config, found), durable.SECRET)
        except OSError as error:
            print(f"{options.bundle}: {error.strerror}: no support archive was written", file=sys.stderr)
            return EX_IOERR
    return EX_OK if all(each.good for each in found) else EX_FOUND


def _apply(options: argparse.Namespace) -> int:
    if options.resume == (options.new is not None) or (options.resume and options.secrets is not None):
        print("apply: name the new site.toml, or write --resume", file=sys.stderr)
        return 2
    if sentence := forgotten(options.config.parent):
        print(f"apply: {sentence}", file=sys.stderr)
        return EX_UNAVAILABLE
    undisturbed(at_boot=options.resume)
    if options.resume:
        outcome = resume(options.config, Systemd(), options.within)
    elif Slots(options.home).begun() is not None:
        print("apply: an update waits for its proof: wait, or end it with zorgkiosk update resume", file=sys.stderr)
        return EX_UNAVAILABLE
    else:
        outcome = apply(
            _new(options.new, options.secrets),
            options.config,
            Systemd(),
            lambda file, secrets: check_site(file, datetime.now(UTC), secrets=secrets),
            options.within,
        )
    say(outcome.value)
    return EX_OK if outcome in (Outcome.CONFIRMED, Outcome.NOTHING) else EX_UNAVAILABLE


def _new(given: Path, secrets: Path | None) -> New:
    """A folder stands for the files in it."""
    if not given.is_dir():
        return New(given, secrets)
    beside = given / "secrets.toml"
    return New(given / SITE, secrets or (beside if beside.exists() else None))


def _seconds(word: str) -> float:
    """Long enough for a unit to start and to be seen for a while; argparse says the sentence."""
    try:
        seconds = float(word)
    except ValueError:
        seconds = math.nan
    if not _LEAST_WITHIN_S <= seconds <= _MOST_WITHIN_S:
        raise argparse.ArgumentTypeError(f"write {_LEAST_WITHIN_S:.0f} to {_MOST_WITHIN_S:.0f} seconds, not '{word}'")
    return seconds


def _install_certificate(options: argparse.Namespace) -> int:
    config = load_site(options.config)
    outcome, why = install(config, lambda hub: connects(hub, config.site.name))
    if outcome is Renewal.IN_FORCE:
        _record(config, "certificate", hashlib.sha256(config.hub.certificate_file.read_bytes()).hexdigest())
    print(": ".join(filter(None, (outcome.value, why))))
    return EX_OK if outcome in (Renewal.NOTHING, Renewal.IN_FORCE) else EX_UNAVAILABLE


def _take(options: argparse.Namespace) -> int:
    if options.bundle.exists() and (sentence := forgotten(options.config.parent)):
        print(f"{sentence}; the bundle stays where it is", file=sys.stderr)
        return EX_UNAVAILABLE
    try:
        print(take(options.bundle, options.config.parent, as_issued, lambda digest: _took(options, digest)).value)
    except OSError as error:
        print(f"{error.filename or options.bundle}: {error.strerror}: the bundle is not in place", file=sys.stderr)
        return EX_IOERR
    return EX_OK


def _took(options: argparse.Namespace, digest: str) -> None:
    _record(load_site(options.config.with_name(SITE)), "take-bundle", digest)


def _record(config: SiteConfig, verb: str, digest: str) -> None:
    """What came into force, by its SHA-256: by whoever sits at a terminal, or by the box's units, which have none."""
    device, role = (CONSOLE, TECHNICIAN) if sys.stdin.isatty() else (BOX, SYSTEM)
    record(config.care_db, JournalLine(device, role, verb, digest))


def _reset(options: argparse.Namespace) -> int:
    try:
        removed = factory_reset(load_site(options.config), input, Systemd())
    except EOFError:
        print("\nnothing was removed: the site's name has to be typed, so run it in a terminal", file=sys.stderr)
        return EX_FOUND
    if removed is None:
        print("nothing was removed: that is not this site's name", file=sys.stderr)
        return EX_FOUND
    print(f"{len(removed)} files removed; the units begin a new epoch")
    return EX_OK
