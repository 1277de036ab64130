"""The command `zorgkiosk`: run a unit, check a config, show the demo, simulate a region."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from zorgkiosk.care import command as care
from zorgkiosk.config_file import ConfigError
from zorgkiosk.hub import command as hub
from zorgkiosk.provision import command as provision
from zorgkiosk.site.core_dumps import forbid_core_dumps
from zorgkiosk.site.panel import command as panel
from zorgkiosk.site.store_damage import say_damaged
from zorgkiosk.site.store_trouble import StoreDamagedError, StoreError
from zorgkiosk.site.telephony import command as telephony

log = logging.getLogger(__name__)

UNITS = ("telephony", "panel", "sync", "intake", "board")
EX_OK, EX_UNAVAILABLE, EX_IOERR, EX_CONFIG = 0, 69, 74, 78
"""As in sysexits.h: systemd and technicians know them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code of the command: 0, 2 for wrong usage, 69 what is missing, 74 a failing store, 78 an unusable config."""
    options = _parser().parse_args(arguments)
    forbid_core_dumps()
    logging.basicConfig(level=options.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # its plugins announce themselves one by one
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # a lost connection is a page of it, and one line of ours
    try:
        return int(options.command(options))
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return EX_CONFIG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="zorgkiosk", description=__doc__)
    parser.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run one unit until it is told to stop")
    run.add_argument("unit", choices=UNITS)
    run.add_argument("--config", type=Path, required=True, help="site.toml, or hub.toml for intake and board")
    run.set_defaults(command=_run)
    care.add_commands(commands)
    provision.add_commands(commands)
    panel.add_commands(commands)
    hub.add_commands(commands)
    telephony.add_commands(commands)
    demo = commands.add_parser("demo", help="a region on this machine, and its story with measurements")
    demo.add_argument("--keep", action="store_true", help="leave the region running for the browser")
    demo.add_argument("--directory", type=Path, default=Path(".demo"), help="where its files go; removed at start")
    demo.set_defaults(command=_demo)
    _simulate_arguments(
        commands.add_parser("simulate", help="what overflow does for a region, before it meets a phone")
    )
    return parser


def _simulate_arguments(simulate: argparse.ArgumentParser) -> None:
    simulate.add_argument("--haps", type=int, help="centres, in regions of ten: 10 when not said, 110 with --staffing")
    simulate.add_argument("--triagists", type=int, help="on duty in all of them together; 2.5 a centre when not said")
    simulate.add_argument("--load", type=float, default=2.0, help="times the usual number of calls")
    simulate.add_argument("--preset", choices=("A", "B"), help="usual volume: A 663 calls/h of 420 s, B 820 of 360 s")
    simulate.add_argument("--calls", type=int, help="counted calls a policy; with --staffing a centre")
    simulate.add_argument("--seed", type=int, default=1)
    simulate.add_argument("--wait-first", type=float, default=105.0, dest="wait_first_s", metavar="SECONDS",
                          help="how long a caller waits at home before a partner is asked")  # fmt: skip
    simulate.add_argument(
        "--staffing", action="store_true", help="search the fewest triagists for 110 centres (minutes)"
    )
    simulate.add_argument("--csv", type=Path, help="write every run to this file")
    simulate.add_argument("--plot", type=Path, help="draw the result to this file (SVG)")
    simulate.set_defaults(command=_simulate)


def _run(options: argparse.Namespace) -> int:
    # Imported when run: a unit loads only what it needs, and the rest works where pjsua2 is missing.
    unit = importlib.import_module(f"zorgkiosk.units.{options.unit}")
    try:
        unit.run(options.config)
    except StoreError as error:
        if isinstance(error, StoreDamagedError):  # a unit lets through only what its own file says
            say_damaged(error.path)
        log.error("%s stops: %s", options.unit, error)
        return EX_IOERR
    return EX_OK


def _demo(options: argparse.Namespace) -> int:
    demo = importlib.import_module("zorgkiosk.lab.demo")
    return int(demo.run(options.directory, keep=options.keep))


def _simulate(options: argparse.Namespace) -> int:
    command = importlib.import_module("zorgkiosk.lab.simulator.command")
    fields = ("haps", "triagists", "load", "preset", "calls", "seed", "wait_first_s", "staffing", "csv", "plot")
    return int(command.run(command.Asked(**{name: getattr(options, name) for name in fields})))
