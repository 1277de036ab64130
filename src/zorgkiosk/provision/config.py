"""region.toml → `RegionConfig`: what all boxes of a region share. Its sites are the folders below `sites/`."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated

from pydantic import Field, IPvAnyAddress

from zorgkiosk.config_file import Section, load
from zorgkiosk.contract.names import Code

Port = Annotated[int, Field(ge=1, le=65535)]
Days = Annotated[int, Field(ge=1, le=365)]


class Region(Section):
    """Which region this is."""

    name: Code
    renew_days: Days = 60
    """A certificate that ends within so many days is renewed by the next `provision`."""


class Broker(Section):
    """The hub's broker. `host` is what sites know it by; `directory` and `run_as` are on the hub's machine."""

    host: Annotated[str, Field(min_length=1, max_length=253)]
    address: IPvAnyAddress = IPv4Address("0.0.0.0")
    port: Port = 8883
    directory: Path = Path("/etc/zorgkiosk/broker")
    run_as: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")] = "mosquitto"
    intakes: Annotated[int, Field(ge=1, le=9)] = 1


class RegionConfig(Section):
    """All of region.toml."""

    region: Region
    broker: Broker


def load_region(folder: Path) -> RegionConfig:
    """The region of `folder`. Raises ConfigError with every problem."""
    return load(RegionConfig, folder / "region.toml")
