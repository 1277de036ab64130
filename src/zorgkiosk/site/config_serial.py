"""`[[serial_panel]]` of site.toml: displays of the Nextion kind on a serial port."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from zorgkiosk.config_section import Section
from zorgkiosk.contract.names import Code

BAUDS = (115200, 9600, 57600, 38400, 19200, 230400, 256000, 512000, 921600, 4800, 2400)
"""Rates that a display can have, in the order in which `auto` tries them; 9600 is how one leaves the factory."""


def _is_a_full_path(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError(f"'{value}' is no full path: write /dev/zorgkiosk-panel, or what your udev rule makes")
    return value


def _is_a_rate(value: int) -> int:
    if value not in BAUDS:
        raise ValueError(f'{value} is no rate of a display: write "auto" or one of {sorted(BAUDS)}')
    return value


class SerialPanel(Section):
    """One display. `name` is for the logs; `device` is made by the shipped udev rule."""

    name: Code = "paneel"
    device: Annotated[Path, AfterValidator(_is_a_full_path)] = Path("/dev/zorgkiosk-panel")
    baud: Literal["auto"] | Annotated[int, Field(ge=2400, le=921600), AfterValidator(_is_a_rate)] = "auto"
