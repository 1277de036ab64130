"""site.toml → `SiteConfig`: one file a site, secrets in a second one, every error at once with its cure.

`firmware_config/README.md` is the reference for technicians. Relative paths are relative to the file that names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from zorgkiosk.capacity.catalog import CATEGORIES, Category
from zorgkiosk.config_file import load
from zorgkiosk.config_section import Host, Rule, Section, with_keys
from zorgkiosk.contract.capacity import LIMITS
from zorgkiosk.contract.names import Code
from zorgkiosk.contract.status import Freshness
from zorgkiosk.site.config_panel import PIN_SCRYPT, Panel
from zorgkiosk.site.config_plates import HomeAssistant, LocalBroker, LocalBrokerSecrets, Password, Plate, plate_rules
from zorgkiosk.site.config_ports import port_problems
from zorgkiosk.site.config_serial import SerialPanel
from zorgkiosk.site.config_telephony import (
    Announcements,
    Desk,
    Front,
    Overflow,
    Partner,
    Port,
    Telephony,
    Title,
    telephony_rules,
)


class Site(Section):
    """Who this is. `data_dir` holds the stores, `run_dir` sockets, with the front's folder beside it."""

    name: Code
    title: Title
    region: Code
    data_dir: Path = Path("/var/lib/zorgkiosk")
    run_dir: Path = Path("/run/zorgkiosk")
    store_max_mb: Annotated[int, Field(ge=64, le=65536)] = 512
    """How large each unit's store may become; thirty days at one event a second fit into the default."""


class Hub(Section):
    """The region's broker, and the certificate that says who we are (its name is the site's name)."""

    host: Host
    port: Port = 8883
    ca_file: Path
    certificate_file: Path
    key_file: Path
    state_every_s: Annotated[float, Field(ge=1, le=60)] = 20
    """How often the whole state is said even when nothing changed; silence of 60 s is `onbekend` at the hub."""
    mqtt: Literal["5", "3.1.1"] = "5"
    """3.1.1 is for brokers that speak nothing newer: they cannot say why they refuse something."""
    reconnect_max_s: Annotated[float, Field(ge=1, le=600)] = 30
    """The longest pause between two attempts to reach the broker; pauses grow from 1 s."""


class CapacityItem(Section):
    """One category this site reports. Freshness times that are not set come from the catalogue.

    `ask_expected` and `limits` are for beds: whether staff are also asked what will be free in 24 h, and which limits
    of what is free they can tick.
    """

    code: str
    total: Annotated[int, Field(ge=0, le=9999)] | None = None
    ask_expected: bool = False
    limits: tuple[str, ...] = ()
    due_min: Annotated[float, Field(gt=0)] | None = None
    overdue_min: Annotated[float, Field(gt=0)] | None = None
    unknown_min: Annotated[float, Field(gt=0)] | None = None

    def rules(self) -> tuple[Rule, ...]:
        return self._is_known, self._is_counted, self._asks_of_beds, self._knows_its_limits, self._ages_rise

    def _is_known(self) -> Iterator[str]:
        if self.code not in CATEGORIES:
            yield self.not_one_of("code", self.code, CATEGORIES)

    def _is_counted(self) -> Iterator[str]:
        category = CATEGORIES.get(self.code)
        if category is not None and not category.counted and self.total is not None:
            words = ", ".join(choice.code for choice in category.choices)
            yield f"total: '{self.code}' is told as a status ({words}), not counted: leave total out"

    def _asks_of_beds(self) -> Iterator[str]:
        category = CATEGORIES.get(self.code)
        for key in ("ask_expected", "limits"):
            if category is not None and category.sector != "vvt-bedden" and getattr(self, key):
                yield f"{key}: is for beds alone: leave it out of '{self.code}'"

    def _knows_its_limits(self) -> Iterator[str]:
        yield from (self.not_one_of("limits", limit, LIMITS) for limit in self.limits if limit not in LIMITS)
        if len(set(self.limits)) < len(self.limits):
            yield "limits: one stands twice: name each once"

    def _ages_rise(self) -> Iterator[str]:
        ages = self.freshness if self.code in CATEGORIES else None
        if ages is not None and not ages.due_s < ages.overdue_s < ages.unknown_s:
            yield "freshness times must rise: write due_min < overdue_min < unknown_min"

    @property
    def category(self) -> Category:
        return CATEGORIES[self.code]

    @property
    def freshness(self) -> Freshness:
        shipped = CATEGORIES[self.code].freshness
        return Freshness(
            due_s=shipped.due_s if self.due_min is None else self.due_min * 60,
            overdue_s=shipped.overdue_s if self.overdue_min is None else self.overdue_min * 60,
            unknown_s=shipped.unknown_s if self.unknown_min is None else self.unknown_min * 60,
        )


class PanelSecrets(Section):
    """`pin_scrypt`: the line that `zorgkiosk pin` printed."""

    pin_scrypt: Annotated[str, Field(pattern=PIN_SCRYPT)] | None = Field(default=None, repr=False)


class Secrets(Section):
    """secrets.toml, mode 0600: passwords of the desk phones by phone name, and the panel's PIN as a hash."""

    phones: dict[str, Annotated[str, Field(min_length=8)]] = Field(default_factory=dict, repr=False)
    panel: PanelSecrets = PanelSecrets()
    plates: dict[str, Password] = Field(default_factory=dict, repr=False)
    local_broker: LocalBrokerSecrets = Field(default=LocalBrokerSecrets(), repr=False)


class SiteConfig(Section):
    """All of site.toml. `telephony`, `front`, `announcements`, `desk` and `partner`
    exist at a HAP only."""

    site: Site
    hub: Hub
    panel: Panel = Panel()
    serial_panel: tuple[SerialPanel, ...] = ()
    capacity: tuple[CapacityItem, ...] = ()
    front: Front | None = None
    announcements: Announcements | None = None
    telephony: Telephony | None = None
    desk: tuple[Desk, ...] = ()
    partner: tuple[Partner, ...] = ()
    overflow: Overflow = Overflow()
    plate: tuple[Plate, ...] = ()
    local_broker: LocalBroker | None = None
    home_assistant: HomeAssistant = HomeAssistant()
    secrets: Secrets = Secrets()

    def rules(self) -> tuple[Rule, ...]:
        return (
            lambda: _twice("serial_panel", "device", self.serial_panel),
            lambda: _twice("capacity", "code", self.capacity),
            lambda: _twice("desk", "id", self.desk),
            lambda: _twice("desk", "phone", self.desk),
            lambda: _twice("desk", "extension", self.desk),
            lambda: _twice("partner", "name", self.partner),
            lambda: _twice("plate", "name", self.plate),
            lambda: self.panel.problems(has_pin=self.secrets.panel.pin_scrypt is not None),
            *telephony_rules(self),
            *plate_rules(self),
            lambda: port_problems(self),
        )

    @property
    def panel_db(self) -> Path:
        return self.site.data_dir / "panel.db"

    @property
    def care_db(self) -> Path:
        """What was done to the box itself: `apply`, `factory-reset`, updates.

        In a folder of root's alone, beside the one that the units share: root follows no path there that a unit made.
        """
        data = self.site.data_dir
        return data.with_name(f"{data.name}-care") / "care.db"

    @property
    def telephony_db(self) -> Path:
        return self.site.data_dir / "telephony.db"

    @property
    def sync_db(self) -> Path:
        return self.site.data_dir / "sync.db"


def load_site(path: Path, secrets: Path | None = None) -> SiteConfig:
    """The config of one site, with the `secrets.toml` beside it, or with those named. Raises ConfigError with all."""
    return load(SiteConfig, path, secrets=secrets or path.with_name("secrets.toml"))


def _twice(section: str, key: str, sections: Sequence[Section]) -> list[str]:
    given = [getattr(each, key) for each in with_keys(sections, key)]
    values = [str(value) for value in given if value is not None]
    return [
        f"[[{section}]] {key} '{value}' stands twice: give each its own"
        for value in sorted({value for value in values if values.count(value) > 1})
    ]
