"""`update` as whoever makes a release and a technician on the box type it."""

from __future__ import annotations

import argparse
import getpass
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from zorgkiosk import durable
from zorgkiosk.care.lasting import forgotten
from zorgkiosk.care.trial import say, undisturbed
from zorgkiosk.care.units import HUB_UNITS, SITE_UNITS, Systemd
from zorgkiosk.care.update import artefact, steps
from zorgkiosk.care.update.keys import TRUSTED, load_key, load_trusted, make_key, needs_passphrase
from zorgkiosk.care.update.manifest import Manifest, UpdateError, signed
from zorgkiosk.care.update.slots import HOME, Slots

EX_OK, EX_DATAERR, EX_UNAVAILABLE = 0, 65, 69
_CONFIGS = (Path("/etc/zorgkiosk/site.toml"), Path("/etc/zorgkiosk/hub.toml"))
_DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}
_SHOWN_LINES = 10


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`update` and what follows it, each with `command` set to what runs it."""
    what = commands.add_parser("update", help="signed releases: make and install them, and go back")
    of = what.add_subparsers(required=True, metavar="WHAT")
    key = of.add_parser("key", help="make a secret key that signs releases, and say its line for update-keys")
    key.add_argument("file", type=Path, help="where the secret key goes")
    key.add_argument("--name", default="", help="what people call it")
    key.set_defaults(command=_told(_key))
    sign = of.add_parser("sign", help="sign a package: FILE.signed is written beside it")
    sign.add_argument("file", type=Path, help="zorgkiosk_VERSION_ARCH.deb, as `make package` made it")
    sign.add_argument("--key", type=Path, required=True, help="the secret key")
    sign.set_defaults(command=_told(_sign))
    install = of.add_parser("install", help="put a signed release in force, and back when it does not work")
    install.add_argument("file", type=Path, help="zorgkiosk_VERSION_ARCH.deb, with FILE.signed beside it")
    install.add_argument("--keys", type=Path, default=TRUSTED, help=f"{TRUSTED} by default")
    install.set_defaults(command=_told(_install))
    back = of.add_parser("back", help="put the other directory in force, older or not")
    back.set_defaults(command=_told(_back))
    resume = of.add_parser("resume", help="end an update that a power cut interrupted")
    resume.set_defaults(command=_told(_resume))
    status = of.add_parser("status", help="which versions are here, and what was done")
    status.set_defaults(command=_told(_status))
    for parser in (install, back, resume, status):
        parser.add_argument("--home", type=Path, default=HOME, help=argparse.SUPPRESS)
        parser.add_argument("--config", type=Path, help="site.toml or hub.toml of this machine")


def _told(work: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        try:
            return work(options)
        except UpdateError as error:
            print(error, file=sys.stderr)
            return EX_DATAERR
        except OSError as error:
            print(f"{error.filename or 'update'}: {error.strerror}", file=sys.stderr)
            return EX_DATAERR

    return run


def _key(options: argparse.Namespace) -> int:
    passphrase = _asked("Passphrase, empty for none: ")
    if passphrase and _asked("Once more: ") != passphrase:
        raise UpdateError("the two are not the same: no key was made")
    print(make_key(options.file, options.name, passphrase))
    return EX_OK


def _sign(options: argparse.Namespace) -> int:
    key = load_key(options.key, _asked(f"Passphrase of {options.key}: ") if needs_passphrase(options.key) else b"")
    version, architecture = artefact.described(options.file)
    sha256, size_bytes = artefact.digest(options.file)
    unpacked_bytes = artefact.measured(options.file)
    made_at = datetime.now(UTC)
    manifest = Manifest(version, architecture, sha256, size_bytes, unpacked_bytes, made_at)
    beside = options.file.with_name(options.file.name + ".signed")
    durable.put(beside, signed(manifest, key))
    print(f"{beside}: {version} for {architecture}")
    return EX_OK


def _install(options: argparse.Namespace) -> int:
    _lasts(options.home)
    _undisturbed()
    box = _box(options)
    return _said(steps.install(options.file, load_trusted(options.keys), box, datetime.now(UTC)), box)


def _back(options: argparse.Namespace) -> int:
    _lasts(options.home)
    _undisturbed()
    box = _box(options)
    return _said(steps.back(box, datetime.now(UTC)), box)


def _resume(options: argparse.Namespace) -> int:
    _undisturbed(at_boot=True)
    box = _box(options)
    return _said(steps.resume(box, datetime.now(UTC)), box)


def _status(options: argparse.Namespace) -> int:
    slots = Slots(options.home)
    print(slots.told())
    if slots.history_file.exists():
        for line in slots.history_file.read_text(encoding="utf-8").splitlines()[-_SHOWN_LINES:]:
            print(f"  {line}")
    return EX_OK


def _said(outcome: steps.Outcome, box: steps.Box) -> int:
    name = box.slots.running()
    say(f"{box.slots.release(name)} in directory {name} {outcome.value}")
    bad = outcome in (steps.Outcome.BACK, steps.Outcome.UNPROVED)
    return EX_UNAVAILABLE if bad else EX_OK


def _box(options: argparse.Namespace) -> steps.Box:
    config = options.config or next((each for each in _CONFIGS if each.exists()), _CONFIGS[0])
    machine = platform.machine()
    return steps.Box(Slots(options.home), config, Systemd(SITE_UNITS + HUB_UNITS), _DEBIAN.get(machine, machine))


def _lasts(home: Path) -> None:
    """Raises UpdateError where the next start would bring the release before back, without a word."""
    if sentence := forgotten(home):
        raise UpdateError(sentence)


def _undisturbed(*, at_boot: bool = False) -> None:
    """As `apply`; and units can read what root makes."""
    undisturbed(at_boot=at_boot)
    os.umask(0o022)


def _asked(question: str) -> bytes:
    return getpass.getpass(question).encode()
