"""`provision`: from REGION_DIR to `out/`. A second run changes only what needs to change.

region.toml  sites/NAME/site.toml, secrets.toml   what people write; update-keys: whose releases boxes trust
pki/                                              the authority: keep a backup, in a safe
out/NAME/    user-data, meta-data, network-config, zorgkiosk.tar: onto the box's boot partition
out/hub/     broker/ (to the broker's folder), pki/ (the hub's own certificates)
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from zorgkiosk import durable
from zorgkiosk.config_file import ConfigError, Problem, read
from zorgkiosk.hub.broker import PROVISIONER_NAME
from zorgkiosk.provision.acceptance import as_issued, refuse, unpacked
from zorgkiosk.provision.authority import RENEW_BEFORE, Authority, Member
from zorgkiosk.provision.bundle import Entry, pack
from zorgkiosk.provision.config import RegionConfig
from zorgkiosk.provision.log import journal
from zorgkiosk.provision.render import (
    BUNDLE,
    Templates,
    boot_files,
    broker_files,
    hub_names,
    site_root,
    technicians_files,
)
from zorgkiosk.provision.sources import Sources, load_sources

BOARD_NAME = "hub-board"
UPDATE_KEYS = "update-keys"


def provision(folder: Path, templates: Templates, now: datetime, renew_days: int | None = None) -> list[str]:
    """Bring `pki/` and `out/` up to date; a sentence for each change. Raises ConfigError and AuthorityError."""
    templates.check()
    new_secrets = [f"sites/{name}/secrets.toml: written" for name in _phone_passwords(folder)]
    sources = load_sources(folder)
    with journal(folder) as note:
        authority = Authority.open(folder / "pki", sources.region.region.name, now, note)
        renew_before = timedelta(days=renew_days or sources.region.region.renew_days)
        members = [*map(Member, sources.sites), *_own_members(sources.region)]
        said = list(_ensured(authority, members, now, renew_before))
        authority.ensure_crl(now)
        boxes = _boxes(sources, authority, templates)
        changed = [*new_secrets, *said, *_write_boxes(boxes, folder), *_write_hub(sources, authority)]
        if changed:
            note("provision", sources.region.region.name, str(len(changed)))
    return [*changed, *_left(folder, authority, {member.name for member in members})]


def _left(folder: Path, authority: Authority, members: set[str]) -> Iterator[str]:
    """What a site that was removed from the region has left: its card goes on working until it is revoked."""
    certificates = {file.stem for file in (authority.folder / "issued").glob("*.pem")} - members
    for name in sorted(certificates):
        yield f"{name}: is no longer in the region, and its certificate is good: zorgkiosk revoke {folder} {name}"
    boxes = {file.parent.name for file in (folder / "out").glob(f"*/{BUNDLE}")} - members
    for name in sorted(boxes):
        yield f"out/{name}: belongs to no site of the region any more and holds its key: remove it"


def revoke(folder: Path, name: str, templates: Templates, now: datetime) -> list[str]:
    """Shut a site out: list and broker's files are new; a sentence for each. Raises ConfigError, AuthorityError.

    The hub and its broker cannot be without: they get new certificates at once.
    """
    templates.check()
    sources = load_sources(folder)
    nothing = ConfigError([Problem.of_file(folder / "pki", f"'{name}' has no certificate: nothing to revoke")])
    with journal(folder) as note:
        authority = Authority.open(folder / "pki", sources.region.region.name, now, note)
        said = [f"{name}: certificate revoked"] if authority.revoke(name, now) else []
        if not said and not authority.was_revoked(name):
            raise nothing
        authority.ensure_crl(now)
        missing = [own for own in _own_members(sources.region) if not authority.has(own.name)]
        said += _ensured(authority, missing, now, RENEW_BEFORE)
        said += _write_hub(sources, authority)  # also what a run that was cut left undone
        try:
            said += _write_boxes(_boxes(sources, authority, templates), folder)
        except ConfigError as error:
            said += error.problems  # a bundle that is refused waits for the next provision; shutting out does not
    if not said:
        raise nothing
    return said


def _ensured(authority: Authority, members: Iterable[Member], now: datetime, renew_before: timedelta) -> Iterator[str]:
    for member in members:
        if what := authority.ensure(member, now, renew_before):
            yield f"{member.name}: certificate {what}"


def _own_members(region: RegionConfig) -> list[Member]:
    """The hub's own: whoever gets a certificate and is no site."""
    hosts = {region.broker.host, str(region.broker.address)} - {"0.0.0.0", "::"}
    names = (PROVISIONER_NAME, *hub_names(region), BOARD_NAME)
    return [Member("broker", tuple(sorted(hosts))), *map(Member, names)]


def _boxes(sources: Sources, authority: Authority, templates: Templates) -> dict[str, dict[str, Entry]]:
    """By site all files of its boot partition. Raises ConfigError when one of the boxes would refuse its bundle."""
    boxes: dict[str, dict[str, Entry]] = {}
    problems: list[Problem] = []
    technicians = sources.region.technicians
    shared = _update_keys(sources.folder) | technicians_files(technicians)
    for name, site in sources.sites.items():
        if not authority.has(name):
            continue
        own = sources.folder / "sites" / name
        bundle = pack(site_root(site, own, authority, templates) | shared)
        boxes[name] = {**boot_files(site, templates, technicians is not None), BUNDLE: Entry(bundle, secret=True)}
        if not _is(sources.folder / "out" / name / BUNDLE, bundle):
            problems += _refused(own, bundle)
    if problems:
        raise ConfigError(problems)
    return boxes


def _refused(own: Path, bundle: bytes) -> tuple[Problem, ...]:
    with TemporaryDirectory() as folder:
        try:
            refuse(own, unpacked(own, bundle), Path(folder), as_issued)
        except ConfigError as error:
            return error.found
    return ()


def _write_boxes(boxes: Mapping[str, Mapping[str, Entry]], base: Path) -> Iterator[str]:
    for name, files in boxes.items():
        yield from _put(base / "out" / name, files, base)


def _write_hub(sources: Sources, authority: Authority) -> Iterator[str]:
    out = sources.folder / "out" / "hub"
    yield from _put(out / "broker", broker_files(sources.region, authority, sources.partners), sources.folder)
    own = {"ca.pem": Entry(authority.ca_file.read_bytes())}
    for name in (*hub_names(sources.region), BOARD_NAME):
        certificate, key = authority.files_of(name)
        own |= {f"{name}.pem": Entry(certificate.read_bytes()), f"{name}.key": Entry(key.read_bytes(), secret=True)}
    yield from _put(out / "pki", own, sources.folder)


def _update_keys(folder: Path) -> dict[str, Entry]:
    """Whose releases the region's boxes trust, where the region has said so."""
    file = folder / UPDATE_KEYS
    return {f"etc/zorgkiosk/{UPDATE_KEYS}": Entry(file.read_bytes())} if file.exists() else {}


def _put(folder: Path, files: Mapping[str, Entry], base: Path) -> Iterator[str]:
    """Write what differs."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, entry in files.items():
        file = folder / name
        if _is(file, entry.content):
            continue
        durable.put(file, entry.content, durable.SECRET if entry.secret else durable.PUBLIC)
        yield f"{file.relative_to(base)}: written"


def _is(file: Path, content: bytes) -> bool:
    return file.exists() and file.read_bytes() == content


def _phone_passwords(folder: Path) -> Iterator[str]:
    """A site whose phones have no secrets.toml gets random passwords; the technician reads them from there."""
    for file in sorted(folder.glob("sites/*/site.toml")):
        own = file.with_name("secrets.toml")
        try:
            desks = read(file).content.get("desk", [])
        except ConfigError:
            continue  # told with every other file's
        phones = [desk["phone"] for desk in desks if isinstance(desk, dict) and isinstance(desk.get("phone"), str)]
        if phones and not own.exists():
            lines = [f'"{phone}" = "{secrets.token_urlsafe(12)}"\n' for phone in dict.fromkeys(phones)]
            durable.put(own, ("[phones]\n" + "".join(lines)).encode(), durable.SECRET)
            yield file.parent.name
