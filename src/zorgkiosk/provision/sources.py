"""What people write of a region: region.toml and every site.toml, read as a whole and held against each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from zorgkiosk.config_file import ConfigError, Problem, read
from zorgkiosk.provision.config import RegionConfig, load_region
from zorgkiosk.provision.render import ETC, on_the_box, own_files
from zorgkiosk.site.checks import front_problems, partner_problems
from zorgkiosk.site.config import SiteConfig, load_site


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
        problems += _disagreements(folder / "sites" / name / "site.toml", site, sites)
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
    for own in own_files(site, file.parent):
        if own.place is None:
            sentence = f"{own.path} does not come along to the box: write a name beside this file"
            yield written.problem((own.section, own.name), sentence)
        elif not (source := file.parent / own.place).is_file():
            yield written.problem((own.section, own.name), f"{source} is not there, and the box needs it: put it there")
    yield from front_problems(on_the_box(site), written)
    yield from partner_problems(site, written, known)


def _disagreements(file: Path, site: SiteConfig, sites: Mapping[str, SiteConfig]) -> Iterator[Problem]:
    """What two site.toml say differently of each other: calls between them would meet silence."""
    written, ours = read(file, secrets=file.with_name("secrets.toml")), file.parent.name
    for number, partner in enumerate(site.partner):
        other = sites.get(partner.name)
        if other is None or partner.name == ours:
            continue
        at = ("partner", number)
        if other.front is None:
            yield written.problem((*at, "name"), f"'{partner.name}' has no [front] and takes no calls: remove it here")
            continue
        for key, has, wants in (
            ("address", partner.address, other.front.address),
            ("tls_port", partner.tls_port, other.front.tls_port),
        ):
            if has != wants:
                sentence = f"is {has}, [front] {key} of '{partner.name}' is {wants}: make them the same"
                yield written.problem((*at, key), sentence)
        if ours not in {each.name for each in other.partner}:
            sentence = f"'{partner.name}' has no agreement with '{ours}': write it there too, or remove it here"
            yield written.problem((*at, "name"), sentence)
    for name in sorted(sites):
        front = sites[name].front
        if name < ours and front and site.front and front.address == site.front.address:
            sentence = (
                f"{front.address} is the address of '{name}' too: partners know a centre by it, give each its own"
            )
            yield written.problem(("front", "address"), sentence)
