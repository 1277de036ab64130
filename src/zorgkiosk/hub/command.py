"""`zorgkiosk hub`: a hub's database into a file, and back; a round of retention."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from zorgkiosk.hub.backup import BackupError, backup, restore
from zorgkiosk.hub.config import load_hub
from zorgkiosk.hub.heads import heads
from zorgkiosk.hub.inbox import InboxError, InUseError
from zorgkiosk.hub.retention import retain

EX_OK, EX_UNAVAILABLE = 0, 69


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The commands of this room, each with `command` set to what runs it."""
    meaning = "back up a hub's database, put a backup back, forget what is old, tell what it knows of journals"
    hub = commands.add_parser("hub", help=meaning)
    actions = hub.add_subparsers(required=True, metavar="ACTION")
    for name, meaning in (
        ("backup", "the whole database into FILE, while everything runs"),
        ("restore", "FILE into the hub's database; every intake must be stopped"),
    ):
        action = actions.add_parser(name, help=meaning)
        action.add_argument("file", type=Path)
        action.add_argument("--config", type=Path, default=Path("/etc/zorgkiosk/hub.toml"), help="hub.toml")
        action.set_defaults(command=_backup if name == "backup" else _restore)
    action.add_argument("--replace", action="store_true", help="give up what the database holds now")
    retain = actions.add_parser("retain", help="one round of retention now: what is older than [retention] keeps, goes")
    retain.add_argument("--config", type=Path, default=Path("/etc/zorgkiosk/hub.toml"), help="hub.toml")
    retain.set_defaults(command=_retain)
    known = actions.add_parser("heads", help="last lines of a site's journals, for zorgkiosk audit verify --heads")
    known.add_argument("site", help="code of the site")
    known.add_argument("--config", type=Path, default=Path("/etc/zorgkiosk/hub.toml"), help="hub.toml")
    known.set_defaults(command=_heads)


def _backup(options: argparse.Namespace) -> int:
    try:
        backup(load_hub(options.config).hub.database, options.file)
    except BackupError as error:
        print(error, file=sys.stderr)
        return EX_UNAVAILABLE
    print(f"{options.file}: {options.file.stat().st_size} bytes")
    return EX_OK


def _heads(options: argparse.Namespace) -> int:
    try:
        for line in heads(load_hub(options.config).hub.database, options.site):
            print(line)
    except sa.exc.DatabaseError as error:
        print(f"the database cannot be read: {error.orig}", file=sys.stderr)
        return EX_UNAVAILABLE
    return EX_OK


def _restore(options: argparse.Namespace) -> int:
    try:
        restore(load_hub(options.config).hub.database, options.file, replace=options.replace)
    except BackupError as error:
        print(error, file=sys.stderr)
        return EX_UNAVAILABLE
    print(f"{options.file} is back; what sites had sent since it was made shows on the board as missing")
    return EX_OK


def _retain(options: argparse.Namespace) -> int:
    try:
        gone = retain(load_hub(options.config), datetime.now(UTC))
    except InUseError as error:
        print(f"left to the intake, which forgets by itself: {error}")
        return EX_OK
    except (InboxError, DatabaseError) as error:
        print(getattr(error, "orig", None) or error, file=sys.stderr)
        return EX_UNAVAILABLE
    print(f"{gone} rows went")
    return EX_OK
