"""`provision`: from REGION_DIR to `out/`. A second run changes only what needs to change.

region.toml  sites/NAME/site.toml, secrets.toml   what people write; update-keys: whose releases boxes trust
pki/                                              the authority: keep a backup, in a safe
out/NAME/    user-data, meta-data, network-config, zorgkiosk.tar: onto the box's boot partition
out/hub/     broker/ (to the broker's folder), pki/ (the hub's own certificates)
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from zorgkiosk import durable
from zorgkiosk.config_file import ConfigError, Problem, read
from zorgkiosk.hub.broker import PROVISIONER_NAME
from zorgkiosk.provision.authority import Authority, Member
from zorgkiosk.provision.bundle import Entry, pack
from zorgkiosk.provision.config import RegionConfig, load_region
from zorgkiosk.provision.render import BUNDLE, ETC, Templates, boot_files, broker_files, hub_names, site_root
from zorgkiosk.site.checks import partner_problems
from zorgkiosk.site.config import SiteConfig, load_site
from zorgkiosk.site.config_log import TECHNICIAN, record
from zorgkiosk.site.journal import JournalLine

BOARD_NAME = "hub-board"
UPDATE_KEYS = "update-keys"
LOG = Path("pki", "journal.db")
"""What was done with this authority, as a chained journal (`zorgkiosk audit`)."""


@dataclass(frozen=True)
class Sources:
    """What people wrote, valid as a whole."""

    folder: Path
    region: RegionConfig
    sites: Mapping[str, SiteConfig]

    @property
    def partners(self) -> dict[str, tuple[str, ...]]:
        return {name: tuple(partner.name for partner in site.partner) for name, site in self.sites.items()}


def load_sources(folder: Path) -> Sources:
    """Raises ConfigError with every problem of every file."""
    problems: list[Problem] = []
    region: RegionConfig | None = None
    try:
        region = load_region(folder)
    except ConfigError as error:
        problems += error.found
    files = sorted(folder.glob("sites/*/site.toml"))
    if not files:
        problems.append(Problem.of_file(folder / "sites", "holds no NAME/site.toml: make one for each site"))
    sites = {}
    for file in files:
        try:
            sites[file.parent.name] = load_site(file)
        except ConfigError as error:
            problems += error.found
    known = {file.parent.name for file in files}
    for name, site in sites.items():
        problems += _misplaced(folder / "sites" / name / "site.toml", site, region, known)
    if problems or region is None:
        raise ConfigError(problems)
    return Sources(folder, region, sites)


def _misplaced(file: Path, site: SiteConfig, region: RegionConfig | None, known: set[str]) -> Iterator[Problem]:
    """A site.toml that is right by itself, but not in this folder and region."""
    written = read(file, secrets=file.with_name("secrets.toml"))
    if site.site.name != file.parent.name:
        yield written.problem(("site", "name"), f"is not the folder's name: write '{file.parent.name}' or rename it")
    if region is not None:
        for key, has, wants in (
            (("site", "region"), site.site.region, region.region.name),
            (("hub", "host"), site.hub.host, region.broker.host),
            (("hub", "port"), site.hub.port, region.broker.port),
        ):
            if has != wants:
                yield written.problem(key, f"is '{has}', in region.toml it is '{wants}': make them the same")
    paths = [(("hub", name), getattr(site.hub, name)) for name in ("ca_file", "certificate_file", "key_file")]
    paths += [(("announcements", "folder"), site.announcements.folder)] if site.announcements else []
    for key, path in paths:
        if path.parent not in (file.resolve().parent, ETC):
            yield written.problem(key, f"{path} does not come along to the box: write a name beside this file")
    yield from partner_problems(site, written, known)


def provision(folder: Path, templates: Templates, now: datetime, renew_days: int | None = None) -> list[str]:
    """Bring `pki/` and `out/` up to date; a sentence for each change. Raises ConfigError and AuthorityError."""
    new_secrets = [f"sites/{name}/secrets.toml: written" for name in _phone_passwords(folder)]
    sources = load_sources(folder)
    authority = Authority.open(folder / "pki", sources.region.region.name, now)
    renew_before = timedelta(days=renew_days or sources.region.region.renew_days)
    members = [*map(Member, sources.sites), *_own_members(sources.region)]
    done = [(member.name, authority.ensure(member, now, renew_before)) for member in members]
    authority.ensure_crl(now)
    said = [f"{name}: certificate {what}" for name, what in done if what]
    written = list(_write_out(sources, authority, templates))
    if changed := [*new_secrets, *said, *written]:
        certificates = [_line("certificate", name, what) for name, what in done if what]
        record(folder / LOG, *certificates, _line("provision", sources.region.region.name, str(len(changed))))
    return changed


def revoke(folder: Path, name: str, templates: Templates, now: datetime) -> list[str]:
    """Shut a site out: list and broker's files are new; a sentence for each. Raises ConfigError, AuthorityError.

    The hub and its broker cannot be without: they get new certificates at once.
    """
    sources = load_sources(folder)
    authority = Authority.open(folder / "pki", sources.region.region.name, now)
    said = [f"{name}: certificate revoked"] if authority.revoke(name, now) else []
    if not said and not authority.was_revoked(name):
        raise ConfigError([Problem.of_file(folder / "pki", f"'{name}' has no certificate: nothing to revoke")])
    authority.ensure_crl(now)
    missing = [own for own in _own_members(sources.region) if not authority.has(own.name)]
    issued = [(own.name, authority.ensure(own, now)) for own in missing]
    said += [f"{own}: certificate {what}" for own, what in issued]
    said += _write_out(sources, authority, templates)  # also what a run that was cut has left undone
    if not said:
        raise ConfigError([Problem.of_file(folder / "pki", f"'{name}' has no certificate: nothing to revoke")])
    record(folder / LOG, _line("revoke", name), *(_line("certificate", own, what) for own, what in issued))
    return said


def _own_members(region: RegionConfig) -> list[Member]:
    """The hub's own: whoever gets a certificate and is no site."""
    hosts = {region.broker.host, str(region.broker.address)} - {"0.0.0.0", "::"}
    names = (PROVISIONER_NAME, *hub_names(region), BOARD_NAME)
    return [Member("broker", tuple(sorted(hosts))), *map(Member, names)]


def _line(verb: str, subject: str, value: str = "") -> JournalLine:
    return JournalLine("provision", TECHNICIAN, verb, subject, value)


def _write_out(sources: Sources, authority: Authority, templates: Templates) -> Iterator[str]:
    out = sources.folder / "out"
    for name, site in sources.sites.items():
        if authority.has(name):
            root = site_root(site, sources.folder / "sites" / name, authority, templates) | _update_keys(sources.folder)
            files = {**boot_files(site, templates), BUNDLE: Entry(pack(root), secret=True)}
            yield from _put(out / name, files, sources.folder)
    yield from _put(out / "hub" / "broker", broker_files(sources.region, authority, sources.partners), sources.folder)
    own = {"ca.pem": Entry(authority.ca_file.read_bytes())}
    for name in (*hub_names(sources.region), BOARD_NAME):
        certificate, key = authority.files_of(name)
        own |= {f"{name}.pem": Entry(certificate.read_bytes()), f"{name}.key": Entry(key.read_bytes(), secret=True)}
    yield from _put(out / "hub" / "pki", own, sources.folder)


def _update_keys(folder: Path) -> dict[str, Entry]:
    """Whose releases the region's boxes trust, where the region has said so."""
    file = folder / UPDATE_KEYS
    return {f"etc/zorgkiosk/{UPDATE_KEYS}": Entry(file.read_bytes())} if file.exists() else {}


def _put(folder: Path, files: Mapping[str, Entry], base: Path) -> Iterator[str]:
    """Write what differs."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, entry in files.items():
        file = folder / name
        if file.exists() and file.read_bytes() == entry.content:
            continue
        durable.put(file, entry.content, durable.SECRET if entry.secret else durable.PUBLIC)
        yield f"{file.relative_to(base)}: written"


def _phone_passwords(folder: Path) -> Iterator[str]:
    """A site whose phones have no secrets.toml gets random passwords; the technician reads them from there."""
    for file in sorted(folder.glob("sites/*/site.toml")):
        own = file.with_name("secrets.toml")
        desks = read(file).content.get("desk", [])
        phones = [desk["phone"] for desk in desks if isinstance(desk, dict) and isinstance(desk.get("phone"), str)]
        if phones and not own.exists():
            lines = [f'"{phone}" = "{secrets.token_urlsafe(12)}"\n' for phone in dict.fromkeys(phones)]
            durable.put(own, ("[phones]\n" + "".join(lines)).encode(), durable.SECRET)
            yield file.parent.name
