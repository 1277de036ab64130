"""`check` and `config show` as a technician types them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zorgkiosk.care import box
from zorgkiosk.care.show import settings
from zorgkiosk.care.trial import say
from zorgkiosk.care.update import command as update
from zorgkiosk.config_file import ConfigError, Problem, Written, read, validate
from zorgkiosk.config_section import Section
from zorgkiosk.hub.config import Broker, HubConfig, is_open_to_strangers
from zorgkiosk.provision.config import RegionConfig
from zorgkiosk.site.checks import certificate_problems, check_site, file_problems, pair_problems, revocation_problems
from zorgkiosk.site.config import SiteConfig

EX_OK, EX_CONFIG = 0, 78


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The commands of this room, each with `command` set to what runs it."""
    check = commands.add_parser("check", help="say every problem of a config file, and what to write instead")
    of_files = "site.toml, hub.toml or region.toml, one or more"
    check.add_argument("files", type=Path, nargs="+", metavar="file", help=of_files)
    check.add_argument("--json", action="store_true", help="a list of problems for programs")
    check.add_argument("--region", type=Path, metavar="REGION_DIR", help="folder whose sites/ names the region's sites")
    check.set_defaults(command=_check)
    config = commands.add_parser("config", help="what is in force").add_subparsers(required=True, metavar="WHAT")
    show = config.add_parser("show", help="every key, its value, and where it comes from; secrets masked")
    show.add_argument("file", type=Path, help="site.toml, hub.toml or region.toml")
    show.set_defaults(command=_show)
    box.add_commands(commands)
    update.add_commands(commands)


def sites_of(folder: Path) -> frozenset[str] | None:
    """Names of the sites of a region's folder; None when it is none."""
    names = frozenset(file.parent.name for file in folder.glob("sites/*/site.toml"))
    return names or None


def problems_of(file: Path, region: Path | None = None) -> tuple[Problem, ...]:
    """All that is wrong with `file`, a hub's, a region's or a site's."""
    if file.is_dir():
        return (Problem.of_file(file, "is a folder: name the site.toml, hub.toml or region.toml in it"),)
    kind = _kind_of(file)
    if kind is HubConfig:
        return _check_hub(file, datetime.now(UTC))
    if kind is RegionConfig:
        return _check_region(file)
    folder = region or file.resolve().parent.parent.parent  # REGION_DIR/sites/NAME/site.toml
    known = sites_of(folder) if region or (folder / "region.toml").exists() else None
    return check_site(file, datetime.now(UTC), known)


def _kind_of(file: Path) -> type[HubConfig | RegionConfig | SiteConfig]:
    """By its name, else by its sections: a hub has a `[broker]` and a list of `[[site]]`, a region has no site."""
    for name, kind in (("hub", HubConfig), ("region", RegionConfig)):
        if file.name.startswith(name):
            return kind
    try:
        content = read(file).content
    except ConfigError:
        return SiteConfig
    if "broker" in content and isinstance(content.get("site"), list):
        return HubConfig
    return RegionConfig if {"broker", "region"} <= content.keys() and "site" not in content else SiteConfig


def database_problems(url: str, written: Written) -> Iterator[Problem]:
    """A database on another machine that is not asked for its certificate: what is heard goes there in the clear."""
    if is_open_to_strangers(url):
        sentence = "is on another machine, without TLS: add sslmode=verify-full and sslrootcert=PATH to its query"
        yield written.problem(("hub", "database"), sentence, "warning")


def _check_region(file: Path) -> tuple[Problem, ...]:
    try:
        validate(RegionConfig, read(file))
    except ConfigError as error:
        return error.found
    return ()


def _check_hub(file: Path, now: datetime) -> tuple[Problem, ...]:
    try:
        written = read(file)
        config = validate(HubConfig, written)
    except ConfigError as error:
        return (*error.found, *_files_of_broker(file, now))
    return (*_broker_problems(config.broker, now, written), *database_problems(config.hub.database, written))


class _Known(Section):
    """The section that says who the hub is."""

    broker: Broker


def _files_of_broker(file: Path, now: datetime) -> tuple[Problem, ...]:
    """The hub's certificate and its files, which mistakes elsewhere in the text do not hide."""
    try:
        written = read(file)
        content = {name: value for name, value in written.content.items() if name in _Known.model_fields}
        broker = validate(_Known, replace(written, content=content)).broker
    except ConfigError:
        return ()  # told already: it stands in this section
    return _broker_problems(broker, now, written)


def _broker_problems(broker: Broker, now: datetime, written: Written) -> tuple[Problem, ...]:
    return (
        *file_problems(broker, ("broker",), written),
        *certificate_problems(broker.certificate_file, None, now, ("broker",), written),
        *pair_problems(broker, now, written, "broker"),
        *revocation_problems(broker, [broker.revoked_file] if broker.revoked_file else [], written, "broker"),
    )


def _check(options: argparse.Namespace) -> int:
    found = {file: problems_of(file, options.region) for file in options.files}
    if options.json:
        every = [_record(problem) for problems in found.values() for problem in problems]
        print(json.dumps(every, ensure_ascii=False, indent=2))
    wrong = [file for file, problems in found.items() if any(problem.severity == "error" for problem in problems)]
    for file, problems in () if options.json else found.items():
        _tell(problems)
        if file not in wrong:
            print(f"{file}: good")
    return EX_CONFIG if wrong else EX_OK


def _tell(found: Sequence[Problem]) -> None:
    for problem in found:
        print(problem if problem.severity == "error" else f"warning: {problem}", file=sys.stderr)


def _record(problem: Problem) -> dict[str, Any]:
    return {
        "file": str(problem.file),
        "line": problem.place.line,
        "column": problem.place.column,
        "key": problem.key,
        "severity": problem.severity,
        "problem": problem.sentence,
    }


def _show(options: argparse.Namespace) -> int:
    kind = _kind_of(options.file)
    written = read(options.file, secrets=options.file.with_name("secrets.toml") if kind is SiteConfig else None)
    say(*settings(validate(kind, written), written))
    return EX_OK
