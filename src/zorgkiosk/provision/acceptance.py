"""Whether a box takes a bundle: asked on the box, and by whoever makes the bundle before it is on a card.

The files are laid as they will be on the box, and looked at as `zorgkiosk check` does.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from zorgkiosk.config_file import ConfigError, Problem
from zorgkiosk.provision.bundle import BundleError, Entry, unpack
from zorgkiosk.site.checks import check_site, read_certificate
from zorgkiosk.site.config import load_site

SITE = "site.toml"
_BELOW = PurePosixPath("etc/zorgkiosk")
_STAGE = ".bundle"

Check = Callable[[Path], tuple[Problem, ...]]


def as_issued(file: Path) -> tuple[Problem, ...]:
    """A fresh box without a battery does not know the date: a certificate is looked at as on its first day."""
    certificate = read_certificate(load_site(file).hub.certificate_file)
    return check_site(file, datetime.now(UTC) if certificate is None else certificate.not_valid_before_utc)


def unpacked(bundle: Path, content: bytes) -> dict[str, Entry]:
    """By path below /etc/zorgkiosk. Raises ConfigError where the bundle is damaged or no box's."""
    try:
        entries = unpack(content)
    except BundleError as error:
        raise ConfigError([Problem.of_file(bundle, str(error))]) from None
    files = {}
    for path, entry in entries.items():
        if not PurePosixPath(path).is_relative_to(_BELOW):
            raise ConfigError([Problem.of_file(bundle, f"'{path}' is outside /{_BELOW}: a box takes nothing there")])
        files[str(PurePosixPath(path).relative_to(_BELOW))] = entry
    if SITE not in files:
        raise ConfigError([Problem.of_file(bundle, f"has no {SITE}: make it with zorgkiosk provision")])
    return files


def refuse(bundle: Path, files: Mapping[str, Entry], folder: Path, check: Check) -> None:
    """Raises ConfigError with every error of a box with these files; they are laid in `folder` meanwhile."""
    with _staged(folder) as stage:
        for path, entry in files.items():
            file = stage / path
            file.parent.mkdir(parents=True, exist_ok=True)
            content = entry.content
            if path == SITE:  # files that it names by their places on the box are still here
                content = content.replace(f'"/{_BELOW}/'.encode(), b'"')
            file.touch(mode=0o600)
            file.write_bytes(content)
        try:
            found = check(stage / SITE)
        except ConfigError as error:
            found = error.found
    if errors := [_named(bundle, each, stage) for each in found if each.severity == "error"]:
        raise ConfigError(errors)


def _named(bundle: Path, problem: Problem, stage: Path) -> Problem:
    """What a technician knows: the bundle and the file in it."""
    file, sentence = problem.file, problem.sentence.replace(f"{stage}/", "")
    return replace(
        problem, file=bundle / file.relative_to(stage) if file.is_relative_to(stage) else file, sentence=sentence
    )


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    stage = folder / _STAGE
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700)
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)
