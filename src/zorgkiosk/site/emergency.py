"""Emergency numbers, however they are written: never a number that Zorgkiosk dials."""

from __future__ import annotations

import re

from pydantic import BeforeValidator

_SCHEME = re.compile(r"^\s*(sips?|tel):", re.IGNORECASE)
_UNSAID = re.compile(r"[\W_]+")
"""Visual separators (RFC 3966 has `-.()`), blanks, `+`, `*` and `#`: what an exchange may leave out when it dials."""
_EMERGENCY = re.compile(r"9?0*(31)?0*(112|911|999)|sos|emergency", re.IGNORECASE)
"""Behind the prefix for an outside line (0 or 9), the one for abroad (00) and the country's code."""


def is_emergency(dialled: str) -> bool:
    """Whether a number, an extension or a SIP address would ring at an emergency service."""
    number = _SCHEME.sub("", dialled).partition("@")[0]
    return _EMERGENCY.fullmatch(_UNSAID.sub("", number)) is not None


def _refuse(value: object) -> object:
    if isinstance(value, str) and is_emergency(value):
        raise ValueError(f"'{value}' is an emergency number, which Zorgkiosk never dials: name a desk or a colleague")
    return value


NoEmergency = BeforeValidator(_refuse)
"""For `Annotated`, as the last one: it is asked before the value's form is looked at."""
