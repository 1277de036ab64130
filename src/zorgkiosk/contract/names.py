"""The few types every message is made of. None of them can hold a telephone number or a person's name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

CODE_PATTERN = r"^[a-z]+[0-9]{0,3}(-([a-z]+[0-9]{0,3}|[0-9]{1,3}))*$"

Code = Annotated[str, Field(pattern=CODE_PATTERN, max_length=40)]
"""Lower-case words and short numbers joined by hyphens: `hap-noord`, `elv-laag`, `desk-12`.

Never four digits in a row, so that a telephone number cannot be written into it by mistake.
"""

Epoch = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""Random name of one outbox's life: a new SD card or a factory reset starts another."""

Sequence = Annotated[int, Field(ge=1, le=2**53)]
Count = Annotated[int, Field(ge=0, le=9999)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(ge=0.0, le=10 * 366 * 86400.0)]


def _exists(instant: str) -> str:
    try:
        datetime.fromisoformat(instant)
    except ValueError:
        raise ValueError("no such instant") from None
    return instant


Instant = Annotated[
    str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)$"), AfterValidator(_exists)
]
"""RFC 3339 in UTC, of a date and time that exist."""


class Message(BaseModel):
    """Base of everything that travels: immutable, and tolerant of fields from a newer version."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class ContractError(ValueError):
    """A payload that cannot be read. `reason` is a code for counting, the text one sentence for the log."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
