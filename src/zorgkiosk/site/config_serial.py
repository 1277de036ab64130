"""`[[serial_panel]]` of site.toml: displays of the Nextion kind on a serial port."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from zorgkiosk.config_file import Section
from zorgkiosk.contract.names import Code

BAUDS = (115200, 9600, 57600, 38400, 19200, 230400, 256000, 512000, 921600, 4800, 2400)
"""Rates that a display can have, in the order in which `auto` tries them; 9600 is how one leaves the factory."""


class SerialPanel(Section):
    """One display. `name` is for the logs; `device` is made by the shipped udev rule."""

    name: Code = "paneel"
    device: Path = Path("/dev/zorgkiosk-panel")
    baud: Literal["auto"] | Annotated[int, Field(ge=2400, le=921600)] = "auto"

    @field_validator("device")
    @classmethod
    def _is_a_full_path(cls, value: Path) -> Path:
        if not value.is_absolute():
            raise ValueError(f"'{value}' is no full path: write /dev/zorgkiosk-panel, or what your udev rule makes")
        return value

    @field_validator("baud")
    @classmethod
    def _is_a_rate(cls, value: int | str) -> int | str:
        if value != "auto" and value not in BAUDS:
            raise ValueError(f'{value} is no rate of a display: write "auto" or one of {sorted(BAUDS)}')
        return value
