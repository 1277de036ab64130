"""`zorgkiosk front` and `zorgkiosk pjsua2`: what the telephony of a box needs before its units start."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from zorgkiosk.config_file import ConfigError, Problem
from zorgkiosk.site.config import load_site

EX_OK, EX_USAGE, EX_UNAVAILABLE = 0, 2, 69
HOME = Path("/opt/zorgkiosk")
"""Where the releases of a box are; `wheels` beside them is what each takes in."""
REVOKED = "revoked.pem"
"""Beside site.toml: the region's list of certificates that are trusted no longer."""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The commands of this room, each with `command` set to what runs it."""
    binding = commands.add_parser("pjsua2", help="say whether a build of pjsua2 fits: name, version, calls at once")
    binding.add_argument("wheel", type=Path, nargs="?", help="a wheel; what is installed when not said")
    binding.add_argument("--install", action="store_true", help="put the wheel into the release in force, for good")
    binding.add_argument("--home", type=Path, default=HOME, help=argparse.SUPPRESS)
    binding.set_defaults(command=_binding)
    front = commands.add_parser("front", help="write the configuration of the site's Kamailio, where it takes calls")
    front.add_argument("--config", type=Path, required=True, help="site.toml")
    front.set_defaults(command=_front)


def _binding(options: argparse.Namespace) -> int:
    binding = importlib.import_module("zorgkiosk.site.telephony.worker.binding")
    if options.install and options.wheel is None:
        print("pjsua2: name the wheel to install", file=sys.stderr)
        return EX_USAGE
    try:
        if options.install:
            print(binding.install(options.wheel, options.home))
            print("installed; systemctl restart zorgkiosk-telephony takes it into use")
            return EX_OK
        print(binding.check_installed() if options.wheel is None else binding.check_wheel(options.wheel))
    except binding.BindingError as error:
        print(error, file=sys.stderr)
        return EX_UNAVAILABLE
    return EX_OK


def _front(options: argparse.Namespace) -> int:
    front = importlib.import_module("zorgkiosk.site.telephony.front")
    wiring = importlib.import_module("zorgkiosk.site.telephony.wiring")
    trust = importlib.import_module("zorgkiosk.site.telephony.front_trust")
    site = wiring.TriageSite.of(load_site(options.config))
    if site is None:
        sentence = "this site has no [telephony] and [front]: it takes no calls"
        raise ConfigError([Problem.of_file(options.config, sentence, "front")])
    try:
        file = front.write(wiring.front_parameters(site, revoked_file=trust.bring(site.config)))
    except (ValueError, OSError) as error:
        raise ConfigError([Problem.of_file(options.config, str(error), "front")]) from None
    print(f"written: {file}")
    return EX_OK
