"""`provision`, `renew` and `revoke` as a technician types them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from zorgkiosk.hub.broker import HUB_NAME
from zorgkiosk.provision.authority import AuthorityError
from zorgkiosk.provision.config import MOST_DAYS
from zorgkiosk.provision.install import install
from zorgkiosk.provision.region import BOARD_NAME, provision, revoke
from zorgkiosk.provision.render import Templates
from zorgkiosk.provision.renewal import RenewalError, renew

EX_OK, EX_UNAVAILABLE, EX_CONFIG = 0, 69, 78
_TEMPLATES = (Path("firmware_config"), Path("/usr/share/zorgkiosk"))


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The commands of this room, each with `command` set to what runs it."""
    make = commands.add_parser("provision", help="certificates and one bundle for each box of a region")
    shut = commands.add_parser("revoke", help="shut a site out: its certificate is trusted no longer")
    for parser in (make, shut):
        parser.add_argument("region", type=Path, metavar="REGION_DIR", help="region.toml and sites/NAME/site.toml")
        parser.add_argument("--templates", type=Path, help="folder with boot/ and kiosk/; firmware_config by default")
        parser.add_argument("--install", action="store_true", help="this is the hub: fill the broker's folder as well")
    again = commands.add_parser("renew", help="ask every site over the broker, and send the certificates that are due")
    again.add_argument("region", type=Path, metavar="REGION_DIR", help="folder with region.toml, sites/ and pki/")
    again.add_argument("--within-s", type=float, default=60.0, help="how long sites have to answer; 60 by default")
    again.set_defaults(command=_renew)
    make.add_argument("--renew-days", type=_days, help="renew certificates that end within so many days")
    make.set_defaults(command=_provision)
    shut.add_argument("site")
    shut.set_defaults(command=_revoke)


def _provision(options: argparse.Namespace) -> int:
    return _told(lambda: _made(options, provision(options.region, _templates(options), _now(), options.renew_days)))


def _revoke(options: argparse.Namespace) -> int:
    code = _told(lambda: _made(options, revoke(options.region, options.site, _templates(options), _now())))
    if code == EX_OK and not options.install:
        print("now copy out/hub/broker to the broker's folder; the broker and all sites take it up by themselves")
    if code == EX_OK and options.site.startswith((HUB_NAME, BOARD_NAME)):
        print("now copy out/hub/pki to where the hub has its certificates, and restart what uses them")
    return code


def _renew(options: argparse.Namespace) -> int:
    try:
        return _told(lambda: renew(options.region, _now(), options.within_s))
    except RenewalError as error:
        print(error, file=sys.stderr)
        return EX_UNAVAILABLE


def _made(options: argparse.Namespace, said: list[str]) -> list[str]:
    return [*said, *install(options.region)] if options.install else said


def _now() -> datetime:
    return datetime.now(UTC)


def _templates(options: argparse.Namespace) -> Templates:
    if options.templates is not None:
        return Templates(options.templates)
    return Templates(next((folder for folder in _TEMPLATES if (folder / "boot").is_dir()), _TEMPLATES[-1]))


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"'{text[:20]}' is no number of days from 1 to {MOST_DAYS}")
    return int(text)


def _told(work: Callable[[], list[str]]) -> int:
    try:
        said = work()
    except (AuthorityError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    for sentence in said or ["nothing to change"]:
        print(sentence)
    return EX_OK
