"""A new version, and back to the last good one by itself when it does not prove itself in time.

verify → into the directory that is not in force → on disk → switch → units anew → proof, else back. The proof is that
of `zorgkiosk apply`, and that every unit which ran before runs again. What is in force is a link that is moved in one
step, and `updating` is on disk before it moves: after a power cut at any moment a box starts with one whole version.
`resume` ends what was begun; the last good version runs it, as a version that cannot start would not judge itself.
"""

from __future__ import annotations

import enum
import errno
import shutil
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from zorgkiosk import durable
from zorgkiosk.care.apply import Bounds, hub_reached, works
from zorgkiosk.care.pair import Files
from zorgkiosk.care.trial import decided, proves_itself
from zorgkiosk.care.units import WatchedUnits
from zorgkiosk.care.update import artefact
from zorgkiosk.care.update.manifest import LARGEST_BYTES, Manifest, UpdateError, verified
from zorgkiosk.care.update.slots import Begun, Slots
from zorgkiosk.config_file import ConfigError
from zorgkiosk.site.config import SiteConfig, load_site
from zorgkiosk.site.config_log import BOX, CONSOLE, SYSTEM, TECHNICIAN, record
from zorgkiosk.site.journal import JournalLine

FILL_WITHIN_S, ANSWER_WITHIN_S = 1800.0, 120.0
ROOM_FACTOR = 7
"""Of the package's tar, in which wheels are compressed: measured 5.8 (38 MB of tar, 221 MB while it is filled)."""
_LOOK_S = 0.5
_LIB = Path("package/usr/lib")
_WHEELS = _LIB / "zorgkiosk" / "wheels"


class Outcome(enum.Enum):
    CONFIRMED = "is in force and confirmed"
    BACK = "is in force again: the new version did not prove itself in time"
    UNPROVED = "is in force, as was asked; it has not proved itself: run zorgkiosk doctor"
    NOTHING = "is in force: nothing was begun, or nothing was switched yet"


@dataclass(frozen=True)
class Box:
    """Where the directories, the config and the units of this machine are; `architecture` as Debian names it."""

    slots: Slots
    config: Path
    units: WatchedUnits
    architecture: str


USUAL = Bounds()


def install(
    file: Path, trusted: dict[str, Ed25519PublicKey], box: Box, now: datetime, bounds: Bounds = USUAL
) -> Outcome:
    """Everything from a signed file to a proved version. Raises UpdateError, with the version in force untouched."""
    with box.slots.alone():
        manifest = checked(file, trusted, box)
        name = box.slots.other()
        _prepare(file, manifest, name, box)
        box.slots.note(now, f"update to {manifest.version} in {name}, signed file {file.name}")
        # What runs is what a failure goes back to, also on a box whose links were made by hand.
        durable.point(box.slots.good, box.slots.running())
        site = _site(box)
        needs_hub = site is not None and hub_reached(site, None)
        begun = Begun(name, str(manifest.version), needs_hub, tuple(sorted(box.units.active())))
        _recorded(box, CONSOLE, begun.version, "begun")
        try:
            box.slots.begin(begun)
            since_s = time.monotonic()
            durable.point(box.slots.current, name)
            box.units.restart()
            outcome = _judge(box, begun, since_s, now, bounds)
        except KeyboardInterrupt:  # whoever does not want to wait for the proof does not want the new version
            outcome = _return(box, begun, now)
        return _ended(box, CONSOLE, begun.version, outcome)


def resume(box: Box, now: datetime, bounds: Bounds = USUAL) -> Outcome:
    """At boot: end what a power cut interrupted. The units that boot started are those of the directory in force."""
    with box.slots.alone():
        begun = box.slots.begun()
        if begun is None:
            return Outcome.NOTHING
        if box.slots.running() != box.slots.proved():
            try:
                outcome = _judge(box, begun, 0.0, now, bounds)
            except KeyboardInterrupt:
                outcome = _return(box, begun, now)
            return _ended(box, BOX, begun.version, outcome)
        # Cut before the switch, or on the way back, or with the proof all but written.
        proved = box.slots.running() == begun.to
        if not proved:
            _unusable(box.slots, begun.to)
        box.slots.prove(box.slots.running())
        return _ended(box, BOX, begun.version, Outcome.CONFIRMED if proved else Outcome.NOTHING)


def back(box: Box, now: datetime, bounds: Bounds = USUAL) -> Outcome:
    """What a technician on the spot asks for: the other directory, older or not, and whatever it proves.

    Raises UpdateError when there is no whole version in it.
    """
    with box.slots.alone():
        if (begun := box.slots.begun()) is not None:
            return _ended(box, CONSOLE, begun.version, _return(box, begun, now))
        name = box.slots.other()
        if (version := box.slots.release(name)) is None:
            raise UpdateError(f"there is no whole version in {box.slots.home / name}: install one")
        box.slots.note(now, f"back to {version} in {name}, forced")
        site = _site(box)
        asked = Begun(name, str(version), site is not None and hub_reached(site, None), tuple(box.units.active()))
        since_s = time.monotonic()
        durable.point(box.slots.current, name)
        durable.point(box.slots.good, name)
        box.units.restart()
        try:
            outcome = Outcome.CONFIRMED if _proves(box, asked, since_s, bounds) else Outcome.UNPROVED
        except KeyboardInterrupt:  # what was asked for is in force; only nobody waits for its proof
            outcome = Outcome.UNPROVED
        return _ended(box, CONSOLE, f"back to {asked.version}", outcome)


def checked(file: Path, trusted: dict[str, Ed25519PublicKey], box: Box) -> Manifest:
    """The manifest of a file that may be installed here, its bytes not yet compared. Raises UpdateError."""
    if box.slots.begun() is not None or Files(box.config).applying.exists():
        raise UpdateError("a change is under way: wait for its proof, or end it with zorgkiosk update resume")
    beside = file.with_name(file.name + ".signed")
    try:
        with beside.open("rb") as source:
            manifest = verified(source.read(LARGEST_BYTES + 1), trusted)
        size_bytes = file.stat().st_size
    except OSError as error:
        raise UpdateError(f"{error.filename} cannot be read: {error.strerror}") from None
    if manifest.architecture != box.architecture:
        raise UpdateError(
            f"{file.name} is for {manifest.architecture}, this box is {box.architecture}: take the other file"
        )
    _newer(manifest, box.slots)
    if size_bytes != manifest.size_bytes:
        raise UpdateError(f"{file.name} has {size_bytes} of {manifest.size_bytes} signed bytes: copy it again")
    return manifest


def _newer(manifest: Manifest, slots: Slots) -> None:
    running, newest = slots.release(slots.running()), slots.newest()
    if manifest.version == running:
        raise UpdateError(f"{manifest.version} is in force already")
    if newest is not None and manifest.version < newest:
        raise UpdateError(
            f"{manifest.version} is older than {newest}, which has run here: older versions are refused however well "
            "they are signed; zorgkiosk update back goes to the other directory"
        )


def _prepare(file: Path, manifest: Manifest, name: str, box: Box) -> None:
    """Fill a directory with a whole release, or leave it empty. Raises UpdateError."""
    slot = box.slots.home / name
    _room(manifest, slot)
    try:
        copy = box.slots.clear(name) / "artefact.deb"
        if artefact.fetch(file, copy, manifest.size_bytes) != manifest.sha256:
            raise UpdateError(f"{file.name} is not what was signed: its SHA-256 differs, copy it again")
        artefact.unpack(copy, slot / "package", manifest.unpacked_bytes)
        copy.unlink()
        _fill(slot, box.slots.home)
        shutil.rmtree(slot / _WHEELS, ignore_errors=True)
        _accepts(slot, box)
        box.slots.stamp(name, manifest.version)
    except UpdateError:
        box.slots.clear(name)
        raise
    except OSError as error:
        if error.errno != errno.EROFS:
            box.slots.clear(name)
        raise UpdateError(f"{error.filename or slot}: {error.strerror}; the version in force stays") from None


def _room(manifest: Manifest, slot: Path) -> None:
    needed = manifest.size_bytes + ROOM_FACTOR * manifest.unpacked_bytes
    freed = sum(each.lstat().st_size for each in slot.rglob("*")) if slot.exists() else 0
    free = shutil.disk_usage(slot.parent).free + freed
    if free < needed:
        raise UpdateError(
            f"not enough room in {slot.parent}: {needed // 1_000_000} MB are needed, {free // 1_000_000} MB are free"
        )


def _fill(slot: Path, home: Path) -> None:
    """The release's own script makes its programs from its wheels; the package's installation runs the same one."""
    command = [str(slot / _LIB / "zorgkiosk" / "fill"), str(slot), str(home), str(slot / _LIB)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=FILL_WITHIN_S)
    except subprocess.TimeoutExpired:
        raise UpdateError(f"the programs of the new version were not made within {FILL_WITHIN_S:.0f} s") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise UpdateError(f"the programs of the new version cannot be made: {said}")


def _accepts(slot: Path, box: Box) -> None:
    """It starts, and reads the config in force as the version that runs does. Raises UpdateError."""
    asked = ["check", str(box.config)] if box.config.exists() else ["--help"]
    new = _run(slot / "bin" / "zorgkiosk", *asked)
    if new.returncode != 0 and _run(box.slots.current / "bin" / "zorgkiosk", *asked).returncode == 0:
        said = (new.stderr.strip() or f"exit code {new.returncode}").splitlines()[-1]
        raise UpdateError(f"the new version does not take this box's config: {said}")


def _run(program: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(program), *words]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=ANSWER_WITHIN_S)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {ANSWER_WITHIN_S:.0f} s")


def _judge(box: Box, begun: Begun, since_s: float, now: datetime, bounds: Bounds) -> Outcome:
    proved = _proves(box, begun, since_s, bounds)
    decided()
    if not proved:
        return _return(box, begun, now)
    box.slots.note(now, f"{begun.version} in {begun.to} confirmed")
    box.slots.prove(begun.to)
    return Outcome.CONFIRMED


def _return(box: Box, begun: Begun, now: datetime) -> Outcome:
    """The units first: a disk that is full or fails keeps nobody from running the version that works."""
    name = box.slots.proved()
    durable.point(box.slots.current, name)
    box.units.restart()
    _unusable(box.slots, begun.to)
    box.slots.note(now, f"{begun.version} in {begun.to} did not prove itself: {box.slots.release(name)} again")
    box.slots.end()
    return Outcome.BACK


def _unusable(slots: Slots, name: str) -> None:
    """What did not prove itself is nothing to go back to."""
    if name != slots.running():
        slots.clear(name)


def _proves(box: Box, begun: Begun, since_s: float, bounds: Bounds) -> bool:
    return proves_itself(lambda: _holds(box, begun, since_s), bounds.within_s, bounds.settled_s, _LOOK_S)


def _holds(box: Box, begun: Begun, since_s: float) -> bool:
    if not box.units.active() >= set(begun.units):
        return False
    site = _site(box)
    return site is None or works(box.config, begun.needs_hub, since_s)


def _ended(box: Box, device: str, version: str, outcome: Outcome) -> Outcome:
    _recorded(box, device, version, outcome.name.lower())
    return outcome


def _recorded(box: Box, device: str, version: str, value: str) -> None:
    """In the site's hash-chained journal. A hub has none: there the history says it."""
    if (site := _site(box)) is not None:
        role = SYSTEM if device == BOX else TECHNICIAN
        record(site.care_db, JournalLine(device, role, "update", version, value))


def _site(box: Box) -> SiteConfig | None:
    """The site's config; None on a hub, and where no version could use it: then only the units can tell."""
    try:
        return load_site(box.config) if box.config.exists() else None
    except ConfigError:
        return None
