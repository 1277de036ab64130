"""The region's broker: Mosquitto's configuration and its ACL, rendered from who is in the region.

The name in a client's certificate is who it is. A site writes below its own name only, and reads what the hub says to
it and its partners' `state`; the hub's own certificates read and write for the region, the provisioner's what is about
certificates. Nobody else gets anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import jinja2

from zorgkiosk.contract.events import MAX_BATCH_BYTES
from zorgkiosk.contract.names import CODE_PATTERN
from zorgkiosk.contract.topics import (
    FROM_HUB,
    FROM_PROVISIONER,
    FROM_SITE,
    HEARD_BY_SITE,
    SAID_BY_SITE,
    TO_PROVISIONER,
    Topic,
    every_site,
)

CONFIG_FILE = "mosquitto.conf"
ACL_FILE = "mosquitto.acl"
HUB_NAME = "hub-intake"
PROVISIONER_NAME = "hub-provisioner"
"""Whoever keeps the region's certificate authority: hears requests for certificates, and answers them."""

_ENVELOPE_BYTES = 4_096
"""Topic and properties around a payload."""
_QUEUED_BYTES = 64 * 1024 * 1024
_PATH = re.compile(r"/[A-Za-z0-9._/@+-]+")
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]+")


@dataclass(frozen=True)
class BrokerParameters:
    """All that the broker of one region has to know.

    `sites`: for each site's name the partners whose `state` it reads. `hub_names`: names in the hub's certificates.
    `directory` receives the configuration. `run_as`: the user Mosquitto becomes when root starts it (None: its own).
    """

    region: str
    directory: Path
    address: str
    port: int
    ca_file: Path
    certificate_file: Path
    key_file: Path
    sites: Mapping[str, tuple[str, ...]]
    hub_names: tuple[str, ...] = field(default=(HUB_NAME,))
    revoked_file: Path | None = None
    run_as: str | None = None


def render(broker: BrokerParameters) -> str:
    """mosquitto.conf. Raises ValueError for what cannot be written into it safely."""
    paths = [broker.directory / ACL_FILE, broker.ca_file, broker.certificate_file, broker.key_file]
    for path in [*paths, *([broker.revoked_file] if broker.revoked_file else [])]:
        if not _PATH.fullmatch(str(path)):
            raise ValueError(f"broker: {str(path)!r} is no absolute path of plain characters")
    if not _ADDRESS.fullmatch(broker.address):
        raise ValueError(f"broker: {broker.address!r} is no IP address")
    _check_names([broker.region, *([broker.run_as] if broker.run_as else [])])
    template = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701 - not HTML
    return template.from_string(files("zorgkiosk.hub").joinpath(CONFIG_FILE + ".j2").read_text()).render(
        region=broker.region,
        address=broker.address,
        port=int(broker.port),
        acl_file=paths[0],
        ca_file=broker.ca_file,
        certificate_file=broker.certificate_file,
        key_file=broker.key_file,
        revoked_file=broker.revoked_file,
        run_as=broker.run_as,
        batch_bytes=MAX_BATCH_BYTES,
        packet_bytes=MAX_BATCH_BYTES + _ENVELOPE_BYTES,
        queued_bytes=_QUEUED_BYTES,
    )


def render_acl(broker: BrokerParameters) -> str:
    """The ACL file. Raises ValueError for a name that could mean more than itself."""
    _check_names([broker.region, *broker.hub_names, *broker.sites])
    for partners in broker.sites.values():
        _check_names(partners)
    if clash := {*broker.hub_names, PROVISIONER_NAME} & set(broker.sites):
        raise ValueError(f"broker: {min(clash)} cannot be the name of a site and of the hub")
    return "\n".join(_acl_lines(broker)) + "\n"


def write(broker: BrokerParameters) -> Path:
    """Both files on disk, each replaced whole; returns the path of the configuration."""
    broker.directory.mkdir(parents=True, exist_ok=True)
    _replace(broker.directory / ACL_FILE, render_acl(broker))
    return _replace(broker.directory / CONFIG_FILE, render(broker))


def command(config_file: Path) -> list[str]:
    """How the broker is started."""
    return ["mosquitto", "-c", str(config_file)]


def _acl_lines(broker: BrokerParameters) -> Iterator[str]:
    yield f"# Who may say and hear what in {broker.region}. Rendered; do not edit."
    for name in broker.hub_names:
        yield f"user {name}"
        yield from (f"topic read {every_site(broker.region, leaf)}" for leaf in FROM_SITE)
        yield from (f"topic write {every_site(broker.region, leaf)}" for leaf in FROM_HUB)
    yield f"user {PROVISIONER_NAME}"
    yield from (f"topic read {every_site(broker.region, leaf)}" for leaf in TO_PROVISIONER)
    yield from (f"topic write {every_site(broker.region, leaf)}" for leaf in FROM_PROVISIONER)
    for site, partners in broker.sites.items():
        yield f"user {site}"
        yield from (f"topic write {Topic(broker.region, site, leaf)}" for leaf in SAID_BY_SITE)
        yield from (f"topic read {Topic(broker.region, site, leaf)}" for leaf in HEARD_BY_SITE)
        yield from (f"topic read {Topic(broker.region, partner, 'state')}" for partner in partners)


def _check_names(names: list[str] | tuple[str, ...]) -> None:
    for name in names:
        if len(name) > 40 or not re.fullmatch(CODE_PATTERN, name):
            raise ValueError(f"broker: {name[:80]!r} is no name: lower-case words joined by hyphens")


def _replace(path: Path, text: str) -> Path:
    # Mosquitto may have become another user before it reads the ACL; nothing in either file is secret.
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o644)
    return fresh.replace(path)
