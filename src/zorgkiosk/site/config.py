"""site.toml → `SiteConfig`: one file a site, secrets in a second one, every error at once with its cure.

`firmware_config/README.md` is the reference for technicians. Relative paths are relative to the file that names them.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zorgkiosk.capacity.catalog import CATEGORIES
from zorgkiosk.config_file import Section, load
from zorgkiosk.contract.names import Code
from zorgkiosk.contract.status import Freshness

Port = Annotated[int, Field(ge=1, le=65535)]
Title = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^0-9]*([0-9]{1,3}[^0-9]+)*[0-9]{0,3}$")]


class Site(Section):
    """Who this is. `data_dir` holds the stores, `run_dir` sockets and rendered files (both made at start)."""

    name: Code
    title: Title
    region: Code
    data_dir: Path = Path("/var/lib/zorgkiosk")
    run_dir: Path = Path("/run/zorgkiosk")


class Hub(Section):
    """The region's broker, and the certificate that says who we are (its name is the site's name)."""

    host: str
    port: Port = 8883
    ca_file: Path
    certificate_file: Path
    key_file: Path
    state_every_s: Annotated[float, Field(ge=1, le=60)] = 20
    """How often the whole state is said even when nothing changed; silence of 60 s is `onbekend` at the hub."""
    reconnect_max_s: Annotated[float, Field(ge=1, le=600)] = 30
    """The longest pause between two attempts to reach the broker; pauses grow from 1 s."""


class Panel(Section):
    """The touchscreen's web server. It is on loopback: the screen is on the same machine."""

    address: Literal["127.0.0.1"] = "127.0.0.1"
    port: Port = 8080
    undo_s: Annotated[float, Field(ge=0, le=30)] = 5
    """How long a tap can be undone before it is reported."""


class CapacityItem(Section):
    """One category this site reports. Freshness times that are not set come from the catalogue."""

    code: str
    total: Annotated[int, Field(ge=0, le=9999)] | None = None
    due_min: Annotated[float, Field(gt=0)] | None = None
    overdue_min: Annotated[float, Field(gt=0)] | None = None
    unknown_min: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _known_and_ordered(self) -> Self:
        if self.code not in CATEGORIES:
            raise ValueError(self.not_one_of("code", self.code, CATEGORIES))
        ages = self.freshness
        if not ages.due_s < ages.overdue_s < ages.unknown_s:
            raise ValueError("freshness times must rise: due_min < overdue_min < unknown_min")
        return self

    @property
    def freshness(self) -> Freshness:
        shipped = CATEGORIES[self.code].freshness
        return Freshness(
            due_s=shipped.due_s if self.due_min is None else self.due_min * 60,
            overdue_s=shipped.overdue_s if self.overdue_min is None else self.overdue_min * 60,
            unknown_s=shipped.unknown_s if self.unknown_min is None else self.unknown_min * 60,
        )


class Front(Section):
    """Kamailio: `address` on the building's network for trunk, phones and partners; workers on loopback."""

    address: IPv4Address
    sip_port: Port = 5060
    tls_port: Port = 5061
    internal_port: Port = 5080
    trunk_addresses: Annotated[tuple[IPv4Network, ...], Field(min_length=1)]


class Telephony(Section):
    """The waiting line and its call workers. One worker is one caller, so `workers` bounds the line's length."""

    announcement: Path
    workers: Annotated[int, Field(ge=1, le=64)] = 12
    worker_sip_port: Port = 5100
    worker_rtp_port: Port = 41000
    announcement_every_s: Annotated[float, Field(ge=5, le=120)] = 20
    answer_after_s: Annotated[float, Field(ge=0, le=600)] = 45
    """Waiting callers hear early media until then; many trunks cut it after one to three minutes, so then we answer."""
    ring_s: Annotated[float, Field(ge=5, le=120)] = 20
    no_answer_rest_s: Annotated[float, Field(ge=0, le=600)] = 60
    handling_s: Annotated[float, Field(ge=10, le=3600)] = 360
    """Mean handling time a forecast starts from; the line learns the centre's own from its calls."""


class Desk(Section):
    """One triagist's desk and the phone on it, registered at the front as `phone` with the password in secrets."""

    id: Code
    title: Title
    phone: Code


class Partner(Section):
    """An agreement with another centre: each may take the other's calls. They are asked in the order of the file."""

    name: Code
    title: Title
    address: IPv4Address
    tls_port: Port = 5061
    agreed_on: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
    give_at_once: Annotated[int, Field(ge=0, le=99)] = 5
    give_per_hour: Annotated[int, Field(ge=0, le=999)] = 60
    take_at_once: Annotated[int, Field(ge=0, le=99)] = 5
    patience_s: Annotated[float, Field(ge=5, le=600)] = 60
    """How long a call may wait at the partner before another one is asked."""


class Overflow(Section):
    """A call is offered once its chance to meet the norm is below `below_chance` and a partner's `margin` better."""

    below_chance: Annotated[float, Field(gt=0, le=1)] = 0.75
    margin: Annotated[float, Field(ge=0, le=1)] = 0.1
    rest_s: Annotated[float, Field(ge=0, le=600)] = 60
    """How long a partner that refused or did not answer is left alone."""


class Secrets(Section):
    """secrets.toml, mode 0600: passwords of the desk phones by phone name, and what signs the panel's forms."""

    phones: dict[str, Annotated[str, Field(min_length=8)]] = Field(default_factory=dict, repr=False)


class SiteConfig(Section):
    """All of site.toml. `telephony`, `front`, `desk` and `partner` exist at a HAP only."""

    site: Site
    hub: Hub
    panel: Panel = Panel()
    capacity: tuple[CapacityItem, ...] = ()
    front: Front | None = None
    telephony: Telephony | None = None
    desk: tuple[Desk, ...] = ()
    partner: tuple[Partner, ...] = ()
    overflow: Overflow = Overflow()
    secrets: Secrets = Secrets()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = [
            *_twice("capacity", "code", [item.code for item in self.capacity]),
            *_twice("desk", "id", [desk.id for desk in self.desk]),
            *_twice("desk", "phone", [desk.phone for desk in self.desk]),
            *_twice("partner", "name", [partner.name for partner in self.partner]),
            *self._telephony_problems(),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _telephony_problems(self) -> list[str]:
        problems = []
        if (self.telephony is None) != (self.front is None):
            problems.append("[telephony] and [front] belong together: write both or neither")
        if self.telephony is None and (self.desk or self.partner):
            problems.append("[[desk]] and [[partner]] need [telephony] and [front]")
        if self.telephony is not None and not self.desk:
            problems.append("[telephony] needs at least one [[desk]]")
        if any(partner.name == self.site.name for partner in self.partner):
            problems.append("[[partner]] names this site itself: write the other centre's name")
        problems += [
            f"[[desk]] {desk.id}: phone '{desk.phone}' has no password: write it in secrets.toml under [phones]"
            for desk in self.desk
            if desk.phone not in self.secrets.phones
        ]
        return problems

    @property
    def panel_db(self) -> Path:
        return self.site.data_dir / "panel.db"

    @property
    def telephony_db(self) -> Path:
        return self.site.data_dir / "telephony.db"

    @property
    def sync_db(self) -> Path:
        return self.site.data_dir / "sync.db"


def load_site(path: Path) -> SiteConfig:
    """The config of one site, with the `secrets.toml` beside it. Raises ConfigError with every problem."""
    return load(SiteConfig, path, secrets=path.with_name("secrets.toml"))


def _twice(section: str, key: str, values: list[str]) -> list[str]:
    return [
        f"[[{section}]] {key} '{value}' stands twice: give each its own"
        for value in sorted({value for value in values if values.count(value) > 1})
    ]
