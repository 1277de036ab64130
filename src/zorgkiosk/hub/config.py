"""hub.toml → `HubConfig`: one file for a region's hub, read by its `intake` and its `board`."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, IPvAnyAddress
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from zorgkiosk.config_file import load
from zorgkiosk.config_ports import Range, clashes, readable
from zorgkiosk.config_section import Host, Rule, Section, with_keys
from zorgkiosk.contract.names import Code
from zorgkiosk.speech import Language

Port = Annotated[int, Field(ge=1, le=65535)]
HostName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
Title = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^0-9]*([0-9]{1,3}[^0-9]+)*[0-9]{0,3}$")]
Kind = Literal["hap", "vvt", "seh", "ggz", "so", "apotheek"]
"""What a site is; a triage centre (`hap`) has a card on the board, the others a row also before they were heard."""

_LOOPBACK = "127.0.0.1"
_DRIVERS = ("sqlite", "postgresql+psycopg")
_SECRET_PARAMETERS = frozenset({"password", "sslpassword", "passfile"})
"""What libpq takes as a password in the query too, and where it would read one."""


def _is_a_database(value: str) -> str:
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError("is not a database URL: write sqlite:////PATH or postgresql+psycopg://…") from None
    if url.drivername not in _DRIVERS:
        raise ValueError(Section.not_one_of("database", url.drivername, _DRIVERS))
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError("names no file: write sqlite:////PATH")
    if url.password is not None or _SECRET_PARAMETERS & url.query.keys():
        raise ValueError("holds a password: use peer authentication or ~/.pgpass of the hub's user")
    return value


_WITH_A_CERTIFICATE = ("verify-ca", "verify-full")
"""Of libpq's `sslmode` (PostgreSQL 15, 34.19.1): with the others any server is taken, or TLS is not asked for."""


def is_open_to_strangers(database: str) -> bool:
    """Whether the database is reached over a network without asking who answers; a socket and loopback are not one."""
    url = make_url(database)
    given = url.query.get("host", url.host or "")
    hosts = ",".join([given] if isinstance(given, str) else given).split(",")
    away = [host for host in hosts if host and not host.startswith("/") and not _is_here(host)]
    return bool(away) and url.query.get("sslmode") not in _WITH_A_CERTIFICATE


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Hub(Section):
    """Which region this is and where it is kept. `database` is an SQLAlchemy URL without a password."""

    region: Code
    title: Title | None = None
    """The region's name on the board; without it the code is shown."""
    database: Annotated[str, AfterValidator(_is_a_database)] = "sqlite:////var/lib/zorgkiosk/hub.db"


class Broker(Section):
    """The region's broker, and the certificate that lets the hub read every site and answer it.

    `kind`: how the hub speaks to it; `mqtt` to Mosquitto, `amqp` to a RabbitMQ cluster, whose sites speak MQTT too.
    `hosts`: with `amqp` the cluster's other nodes, tried by turns.
    """

    kind: Literal["mqtt", "amqp"] = "mqtt"
    host: Host
    hosts: tuple[Host, ...] = ()
    port: Port = 8883
    ca_file: Path
    certificate_file: Path
    key_file: Path
    revoked_file: Path | None = None
    """The region's list of revoked certificates, which sites are told; without it they are told nothing."""


class Board(Section):
    """The board's web server: plain HTTP. Beyond loopback it belongs behind the region's own web proxy with TLS.

    `names`: by which browsers ask for it there; addresses and `localhost` are always answered.
    `language`: of everything on the board.
    """

    address: IPvAnyAddress = IPv4Address("127.0.0.1")
    port: Port = 8090
    names: tuple[HostName, ...] = ()
    language: Language = "nl"


class Intake(Section):
    """Where an intake is watched, on 127.0.0.1: each takes the first free port of `ports` from `port` on."""

    port: Port = 8091
    ports: Annotated[int, Field(ge=1, le=100)] = 16


Days = Annotated[int, Field(ge=1, le=36_500)]


class Retention(Section):
    """For how many days the hub keeps what it heard."""

    events_days: Days = 730
    call_records_days: Days = 365
    set_aside_days: Days = 90


class HubSite(Section):
    """One site the hub listens to. `partners` are the sites whose state it is told when it connects."""

    name: Code
    title: Title
    kind: Kind
    partners: tuple[Code, ...] = ()
    subregion: Title | None = None


class HubConfig(Section):
    """All of hub.toml. What a site that is not listed here says is set aside."""

    hub: Hub
    broker: Broker
    board: Board = Board()
    intake: Intake = Intake()
    retention: Retention = Retention()
    site: Annotated[tuple[HubSite, ...], Field(min_length=1)]

    def rules(self) -> tuple[Rule, ...]:
        return self._names_are_each_once, self._partners_are_sites, self._ports_are_free

    def _names_are_each_once(self) -> Iterator[str]:
        names = [site.name for site in with_keys(self.site, "name")]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"[[site]] name '{name}' stands twice: give each its own"

    def _partners_are_sites(self) -> Iterator[str]:
        """A partner may be the site whose name cannot be read: then only who is named by itself is told."""
        named = with_keys(self.site, "name")
        names = [site.name for site in named] if len(named) == len(self.site) else None
        for site in with_keys(named, "partners"):
            for partner in site.partners:
                if names is not None and partner not in names:
                    yield f"[[site]] {site.name}: {self.not_one_of('partners', partner, names)}"
            if site.name in site.partners:
                yield f"[[site]] {site.name}: names itself as partner: remove it"

    def _ports_are_free(self) -> Iterator[str]:
        board, intake = self.board, self.intake
        ranges = readable(
            lambda: Range.of("[intake] port", _LOOPBACK, intake.port, intake.ports),
            lambda: Range.of("[board] port", board.address, board.port),
        )
        yield from clashes(list(ranges))

    def named(self, name: str) -> HubSite | None:
        """The site called `name`; None when it is not configured."""
        return next((site for site in self.site if site.name == name), None)


def load_hub(path: Path) -> HubConfig:
    """The hub's config; a relative SQLite file is relative to `path`. Raises ConfigError with every problem."""
    config = load(HubConfig, path)
    url = _beside(make_url(config.hub.database), path)
    hub = config.hub.model_copy(update={"database": url.render_as_string(hide_password=False)})
    return config.model_copy(update={"hub": hub})


def _beside(url: URL, path: Path) -> URL:
    if url.drivername != "sqlite":
        return url
    return url.set(database=str(path.resolve().parent / str(url.database)))
