"""Sections of site.toml for wall plates: the plates, the site's own broker, and what Home Assistant may read.

Passwords stand in secrets.toml: `[plates]` by plate name, `[local_broker]` for the panel itself and Home Assistant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zorgkiosk.config_file import Section
from zorgkiosk.contract.names import Code

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

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 1883
    address: IPv4Address = IPv4Address("0.0.0.0")
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _all_files_or_none(self) -> Self:
        files = (self.ca_file, self.certificate_file, self.key_file)
        if any(files) != all(files):
            raise ValueError("ca_file, certificate_file and key_file belong together: write all three or none")
        return self

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


def plate_problems(
    plates: tuple[Plate, ...],
    broker: LocalBroker | None,
    home_assistant: HomeAssistant,
    passwords: Mapping[str, str],
    own: LocalBrokerSecrets,
) -> Iterator[str]:
    """What does not fit together, one sentence each with its cure."""
    names = [plate.name for plate in plates]
    yield from (
        f"[[plate]] name '{name}' stands twice: give each its own"
        for name in sorted(set(names))
        if names.count(name) > 1
    )
    yield from (
        f"[[plate]] name '{name}' has a meaning of its own: choose another" for name in names if name in TAKEN_NAMES
    )
    yield from (
        f"[[plate]] {name} has no password: write it in secrets.toml under [plates]"
        for name in names
        if name not in passwords
    )
    if broker is None:
        if plates or home_assistant.discovery:
            yield "[[plate]] and [home_assistant] discovery need [local_broker]: add it"
        return
    if own.panel is None:
        yield "[local_broker] the panel has no password: write panel in secrets.toml under [local_broker]"
    if home_assistant.discovery and own.home_assistant is None:
        yield "[home_assistant] has no password: write home_assistant in secrets.toml under [local_broker]"
