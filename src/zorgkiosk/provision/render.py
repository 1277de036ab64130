"""What one box is given, as paths below its root: its own files, its certificate, and what the region knows.

Units and the front's configuration are not in it: they are the package's, and the front's is rendered at each start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jinja2

from zorgkiosk.config_file import ConfigError, Problem
from zorgkiosk.config_section import Section
from zorgkiosk.hub.broker import ACL_FILE, CONFIG_FILE, HUB_NAME, BrokerParameters, render, render_acl
from zorgkiosk.provision import technicians
from zorgkiosk.provision.authority import Authority
from zorgkiosk.provision.bundle import Entry
from zorgkiosk.provision.config import RegionConfig
from zorgkiosk.site.config import SiteConfig

ETC = Path("/etc/zorgkiosk")
REVOKED = "revoked.pem"
BUNDLE = "zorgkiosk.tar"
_BOOT = ("boot/user-data", "boot/meta-data", "boot/network-config")
_KIOSK = ("kiosk/zorgkiosk-kiosk.env",)


@dataclass(frozen=True)
class Templates:
    """The technician's own templates (`firmware_config/boot`, `firmware_config/kiosk`), each ending in `.j2`."""

    folder: Path

    def check(self) -> None:
        """Raises ConfigError with every one that is not there."""
        sentence = "is not there: write --templates FOLDER, the folder with boot/ and kiosk/ (firmware_config)"
        files = [self.folder / f"{name}.j2" for name in (*_BOOT, *_KIOSK)]
        if missing := [Problem.of_file(file, sentence) for file in files if not file.is_file()]:
            raise ConfigError(missing)

    def render(self, name: str, values: dict[str, object]) -> Entry:
        text = (self.folder / f"{name}.j2").read_text(encoding="utf-8")
        template = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701 - not HTML
        return Entry(template.from_string(text).render(values).encode())


def site_root(config: SiteConfig, folder: Path, authority: Authority, templates: Templates) -> dict[str, Entry]:
    """Relative path below `/` → file. `folder` is where the site's own files are."""
    certificate, key = authority.files_of(config.site.name)
    own = ETC.relative_to("/")
    root = {
        str(own / "site.toml"): Entry((folder / "site.toml").read_bytes()),
        str(own / _named(config.hub.ca_file)): Entry(authority.ca_file.read_bytes()),
        str(own / _named(config.hub.certificate_file)): Entry(certificate.read_bytes()),
        str(own / _named(config.hub.key_file)): Entry(key.read_bytes(), secret=True),
        str(own / REVOKED): Entry(authority.crl_file.read_bytes()),
    }
    if (folder / "secrets.toml").exists():
        root[str(own / "secrets.toml")] = Entry((folder / "secrets.toml").read_bytes(), secret=True)
    values = template_values(config)
    root |= {str(own / Path(name).name): templates.render(name, values) for name in _KIOSK}
    for file in own_files(config, folder):
        if file.place is not None:
            content = (folder / file.place).read_bytes()
            root[str(own / file.place)] = Entry(content, secret=file.name == "key_file")
    return root | _announcements(config, own)


def technicians_files(who: technicians.Technicians | None) -> dict[str, Entry]:
    """Relative path below `/` → file: the same in every bundle of the region."""
    return {str(ETC.relative_to("/") / name): entry for name, entry in technicians.files(who).items()}


def boot_files(config: SiteConfig, templates: Templates, with_ssh: bool) -> dict[str, Entry]:
    """Files of the boot partition beside the bundle: cloud-init reads them at the first start."""
    values = template_values(config) | {"technicians": with_ssh}
    return {Path(name).name: templates.render(name, values) for name in _BOOT}


def template_values(config: SiteConfig) -> dict[str, object]:
    """What templates may use."""
    front_address = None if config.front is None else str(config.front.address)
    return {
        "site": config.site.name,
        "region": config.site.region,
        "panel_url": f"http://127.0.0.1:{config.panel.port}/",
        "address": front_address,
        "bundle": BUNDLE,
    }


@dataclass(frozen=True)
class OwnFile:
    """A `*_file` of a section of the site's own. `place`: where it comes below /etc/zorgkiosk; None where it cannot."""

    section: str
    name: str
    path: Path
    place: Path | None


def own_files(config: SiteConfig, folder: Path) -> Iterator[OwnFile]:
    """What the site names and brings along itself; what [hub] names the region fills, whoever else uses it."""
    regions = {Path(_named(file)) for file in (config.hub.ca_file, config.hub.certificate_file, config.hub.key_file)}
    for section in type(config).model_fields:
        value = getattr(config, section)
        for name in type(value).model_fields if section != "hub" and isinstance(value, Section) else ():
            path = getattr(value, name)
            if name.endswith("_file") and isinstance(path, Path) and (place := _place(path, folder)) not in regions:
                yield OwnFile(section, name, path, place)


def _place(path: Path, folder: Path) -> Path | None:
    for base in (folder.resolve(), ETC):
        if path.is_relative_to(base) and ".." not in path.parts:
            return path.relative_to(base)
    return None


def on_the_box(config: SiteConfig) -> SiteConfig:
    """The config with the region's files where they are on the box, for what is rendered there."""
    paths = {name: ETC / _named(getattr(config.hub, name)) for name in ("ca_file", "certificate_file", "key_file")}
    return config.model_copy(update={"hub": config.hub.model_copy(update=paths)})


def _named(file: Path) -> str:
    return file.name


def _announcements(config: SiteConfig, own: Path) -> dict[str, Entry]:
    if config.announcements is None:
        return {}
    folder = config.announcements.folder
    return {str(own / folder.name / file.name): Entry(file.read_bytes()) for file in sorted(folder.glob("*.wav"))}


def hub_names(region: RegionConfig) -> tuple[str, ...]:
    """Names in the certificates of the intakes."""
    return (HUB_NAME, *(f"{HUB_NAME}-{number}" for number in range(2, region.broker.intakes + 1)))


def broker_files(region: RegionConfig, authority: Authority, sites: dict[str, tuple[str, ...]]) -> dict[str, Entry]:
    """Files of the broker's own folder on the hub's machine. A site without a certificate may say nothing."""
    folder = region.broker.directory
    parameters = BrokerParameters(
        region=region.region.name,
        directory=folder,
        address=str(region.broker.address),
        port=region.broker.port,
        ca_file=folder / "ca.pem",
        certificate_file=folder / "broker.pem",
        key_file=folder / "broker.key",
        revoked_file=folder / "revoked.pem",
        sites={name: partners for name, partners in sites.items() if authority.has(name)},
        hub_names=hub_names(region),
        run_as=region.broker.run_as,
    )
    certificate, key = authority.files_of("broker")
    return {
        CONFIG_FILE: Entry(render(parameters).encode()),
        ACL_FILE: Entry(render_acl(parameters).encode()),
        "ca.pem": Entry(authority.ca_file.read_bytes()),
        "broker.pem": Entry(certificate.read_bytes()),
        "broker.key": Entry(key.read_bytes(), secret=True),
        "revoked.pem": Entry(authority.crl_file.read_bytes()),
    }
