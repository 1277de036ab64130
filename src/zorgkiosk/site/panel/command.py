"""`zorgkiosk pin` and `zorgkiosk plates`: what a panel's config needs and no editor writes."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from zorgkiosk.config_file import ConfigError, Problem
from zorgkiosk.site import local_broker
from zorgkiosk.site.config import load_site
from zorgkiosk.site.panel.pin import hashed, is_pin, is_weak

EX_OK, EX_USAGE = 0, 64


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The commands of this room, each with `command` set to what runs it."""
    pin = commands.add_parser("pin", help="read a PIN, and print the line for secrets.toml that the panel knows it by")
    pin.set_defaults(command=_pin)
    plates = commands.add_parser("plates", help="write the files of the site's own broker for plates")
    plates.add_argument("--config", type=Path, required=True, help="site.toml")
    plates.add_argument("--directory", type=Path, required=True, help="where its three files go")
    plates.add_argument("--run-as", help="the user Mosquitto becomes when root starts it")
    plates.set_defaults(command=_plates)


def _pin(_options: argparse.Namespace) -> int:
    pin = getpass.getpass("PIN: ")
    if not is_pin(pin):
        print("a PIN is six to eight digits", file=sys.stderr)
        return EX_USAGE
    if is_weak(pin):
        print("everybody tries this PIN first: choose one that is no run and not one digit alone", file=sys.stderr)
        return EX_USAGE
    if getpass.getpass("once more: ") != pin:
        print("these two differ: nothing was made", file=sys.stderr)
        return EX_USAGE
    print(f'[panel]\npin_scrypt = "{hashed(pin)}"')
    return EX_OK


def _plates(options: argparse.Namespace) -> int:
    directory: Path = options.directory
    try:
        file = local_broker.write(load_site(options.config), directory.resolve(), options.run_as)
    except (ValueError, LookupError, OSError) as error:
        raise ConfigError([Problem.of_file(options.config, str(error))]) from None
    print(f"written: start it with {' '.join(local_broker.command(file))}")
    return EX_OK
