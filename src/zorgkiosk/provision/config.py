"""region.toml → `RegionConfig`: what all boxes of a region share. Its sites are the folders below `sites/`."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, IPvAnyAddress

from zorgkiosk.config_file import load
from zorgkiosk.config_section import Section
from zorgkiosk.contract.names import Code
from zorgkiosk.provision.technicians import Technicians

Port = Annotated[int, Field(ge=1, le=65535)]
MOST_DAYS = 365
Days = Annotated[int, Field(ge=1, le=MOST_DAYS)]
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


class Region(Section):
    """Which region this is."""

    name: Code
    renew_days: Days = 60
    """A certificate that ends within so many days is renewed by the next `provision`."""


def _is_a_host(value: str) -> str:
    """It goes into the broker's certificate."""
    try:
        ip_address(value)
    except ValueError:
        if not _HOST.fullmatch(value):
            raise ValueError("is no host name and no address: write the name alone, as in mqtt.example") from None
    return value


class Broker(Section):
    """The hub's broker. `host` is what sites know it by; `directory` and `run_as` are on the hub's machine."""

    host: Annotated[str, Field(min_length=1, max_length=253), AfterValidator(_is_a_host)]
    address: IPvAnyAddress = IPv4Address("0.0.0.0")
    port: Port = 8883
    directory: Path = Path("/etc/zorgkiosk/broker")
    run_as: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")] = "mosquitto"
    intakes: Annotated[int, Field(ge=1, le=9)] = 1


class RegionConfig(Section):
    """All of region.toml."""

    region: Region
    broker: Broker
    technicians: Technicians | None = None


def load_region(folder: Path) -> RegionConfig:
    """The region of `folder`. Raises ConfigError with every problem."""
    return load(RegionConfig, folder / "region.toml")
