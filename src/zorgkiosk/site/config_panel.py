"""`[panel]` of site.toml: the touchscreen, its reminders, its PIN, and its way to the building's network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import time
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from zorgkiosk.config_section import Rule, Section
from zorgkiosk.config_words import PIN_SCRYPT as PIN_SCRYPT
from zorgkiosk.speech import Language as Language

PinAction = Literal["giving", "accepting", "stop"]
LOOPBACK = "127.0.0.1"
_QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def _is_one_address(value: str) -> str:
    try:
        address = IPv4Address(value)
    except ValueError:
        raise ValueError(f"'{value}' is not an IPv4 address: write '127.0.0.1', or this box's own") from None
    if address.is_unspecified:
        raise ValueError(f"{value} is every network: write '127.0.0.1', or this box's own address")
    return value


def _is_a_span(value: str) -> str:
    if value and _QUIET.fullmatch(value) is None:
        raise ValueError(f"'{value}' is not a span of the day: write '22:00-07:00', or '' for none")
    return value


class Panel(Section):
    """The touchscreen's web server. It is always on loopback: the screen is on the same machine.

    With another `address` the building's network can open it too, there over TLS and with the PIN.
    """

    address: Annotated[str, AfterValidator(_is_one_address)] = LOOPBACK
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    certificate_file: Path | None = None
    key_file: Path | None = None
    language: Language = "nl"
    """Of every panel of the site: the touchscreen, serial displays and plates."""
    undo_s: Annotated[float, Field(ge=0, le=30)] = 5
    """How long a tap can be undone before it is reported."""
    dpi: Annotated[float, Field(ge=60, le=400)] = 133
    """Pixels per inch of the screen as the browser counts them: 133 is seven inches of 800 x 480."""
    home_after_s: Annotated[float, Field(ge=5, le=3600)] = 30
    """So long without a touch, and the screen is the first page again."""
    sound_after_min: Annotated[float, Field(gt=0, le=1440)] | None = None
    """So long after a value wants confirming a chime asks for it, and again each time; never when not set."""
    quiet_hours: Annotated[str, AfterValidator(_is_a_span)] = "22:00-07:00"
    """Local time without sound; `""` for none."""
    pin_actions: tuple[PinAction, ...] = ()
    """What asks for the PIN first: `giving` and `accepting` open and close the overflow, `stop` stops an SEH."""
    log_days: Annotated[int, Field(ge=1, le=3650)] = 365

    def rules(self) -> tuple[Rule, ...]:
        return (self._certificate_has_its_key,)

    def _certificate_has_its_key(self) -> Iterator[str]:
        if (self.certificate_file is None) != (self.key_file is None):
            yield "certificate_file and key_file belong together: write both"

    @property
    def quiet(self) -> tuple[time, time] | None:
        """From when to when no sound is made, in local time; None for never."""
        match = _QUIET.fullmatch(self.quiet_hours)
        if match is None:
            return None
        hour, minute, to_hour, to_minute = (int(part) for part in match.groups())
        return time(hour, minute), time(to_hour, to_minute)

    @property
    def is_on_network(self) -> bool:
        return self.address != LOOPBACK

    def problems(self, *, has_pin: bool) -> Iterator[str]:
        """What does not fit with the rest of the config."""
        if self.pin_actions and not has_pin:
            yield "[panel] pin_actions needs a PIN: run 'zorgkiosk pin' and write its line in secrets.toml"
        if self.is_on_network and (self.certificate_file is None or not has_pin):
            yield (
                f"[panel] address {self.address} is another than 127.0.0.1: that needs certificate_file, key_file"
                " and a PIN in secrets.toml ('zorgkiosk pin')"
            )
