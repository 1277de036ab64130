"""Sections of site.toml for wall plates: the plates, the site's own broker, and what Home Assistant may read.

Passwords stand in secrets.toml: `[plates]` by plate name, `[local_broker]` for the panel itself and Home Assistant.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zorgkiosk.config_section import Host, Rule, Section, with_keys
from zorgkiosk.contract.names import Code

if TYPE_CHECKING:
    from zorgkiosk.site.config import SiteConfig

PANEL_USER = "panel"
HOME_ASSISTANT_USER = "home-assistant"
TAKEN_NAMES = (PANEL_USER, HOME_ASSISTANT_USER, "plates", "broadcast", "discovery")
"""Users of the local broker, and words that openHASP uses in the place of a plate's name."""

Size = Literal["480x320", "800x480"]
Password = Annotated[str, Field(min_length=8, max_length=31)]
"""openHASP keeps at most 31 characters."""


class Plate(Section):
    """One openHASP plate. `name` is its host name, its MQTT user and its part of the topics."""

    name: Code
    title: Annotated[str, Field(min_length=1, max_length=60)]
    size: Size = "480x320"


class LocalBroker(Section):
    """The site's own Mosquitto: it listens at `address`, the panel asks at `host`. With its files it speaks TLS."""

    host: Host = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 1883
    address: IPv4Address = IPv4Address("0.0.0.0")
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def rules(self) -> tuple[Rule, ...]:
        return (self._all_files_or_none,)

    def _all_files_or_none(self) -> Iterator[str]:
        given = [file is not None for file in (self.ca_file, self.certificate_file, self.key_file)]
        if any(given) != all(given):
            yield "ca_file, certificate_file and key_file belong together: write all three or none"

    @property
    def tls(self) -> bool:
        return self.ca_file is not None


class HomeAssistant(Section):
    """What the site's own dashboard may read, announced by MQTT discovery. Off unless `discovery` is true."""

    discovery: bool = False
    prefix: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")] = "homeassistant"


class LocalBrokerSecrets(Section):
    panel: Password | None = Field(default=None, repr=False)
    home_assistant: Password | None = Field(default=None, repr=False)


def plate_rules(config: SiteConfig) -> tuple[Rule, ...]:
    """What the plates, their broker and its passwords say against each other."""
    rules = (_names_are_free, _plates_have_passwords, _have_a_broker, _panel_has_its_password, _home_assistant_has_its)
    return tuple(partial(rule, config) for rule in rules)


def _names_are_free(config: SiteConfig) -> Iterator[str]:
    for plate in with_keys(config.plate, "name"):
        if plate.name in TAKEN_NAMES:
            yield f"[[plate]] name '{plate.name}' has a meaning of its own: choose another"


def _plates_have_passwords(config: SiteConfig) -> Iterator[str]:
    for plate in with_keys(config.plate, "name"):
        if plate.name not in config.secrets.plates:
            yield f"[[plate]] {plate.name} has no password: write it in secrets.toml under [plates]"


def _have_a_broker(config: SiteConfig) -> Iterator[str]:
    if config.local_broker is None and (config.plate or config.home_assistant.discovery):
        yield "[[plate]] and [home_assistant] discovery need [local_broker]: add it"


def _panel_has_its_password(config: SiteConfig) -> Iterator[str]:
    if config.local_broker is not None and config.secrets.local_broker.panel is None:
        yield "[local_broker] the panel has no password: write panel in secrets.toml under [local_broker]"


def _home_assistant_has_its(config: SiteConfig) -> Iterator[str]:
    if config.local_broker is None or config.secrets.local_broker.home_assistant is not None:
        return
    if config.home_assistant.discovery:
        yield "[home_assistant] has no password: write home_assistant in secrets.toml under [local_broker]"
