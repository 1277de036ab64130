"""What a site says of one category: a number that is free, or a status out of the category's own list.

A writer of version 1 that knows numbers only is read as before. Reasons and limits come from the fixed lists below, so
that nobody can write about a patient. A code of a newer list is read as the least it can mean: a reason as `anders`, a
limit not at all.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from zorgkiosk.contract.names import CODE_PATTERN, Code, Count, Instant, Message

Reason = Literal["drukte", "personeel", "geen-bedden", "storing", "calamiteit", "anders"]
"""Why a status is not the best one. No public national code list was found: these are ours."""

Limit = Literal["gesloten-afdeling", "isolatie", "bariatrisch", "alleen-m", "alleen-v"]
"""Whom the free beds are for."""

REASONS: tuple[Reason, ...] = get_args(Reason)
LIMITS: tuple[Limit, ...] = get_args(Limit)
Free = Annotated[int, Field(ge=-999, le=9999)]


class Capacity(Message):
    """Exactly one of `free` and `status` is set. `free` may be negative: more promised than there is.

    `reason` and `until` belong to a status: why it holds, and when its end or the next opening is expected, by the
    site's own clock. `expected_free_24h` and `limits` belong to a number. Which codes a category has is for the
    catalogue: a status it does not know is no known value.
    """

    category: Code
    free: Free | None = None
    total: Count | None = None
    staffed: Count | None = None
    expected_free_24h: Free | None = None
    limits: Annotated[tuple[Limit, ...], Field(max_length=len(LIMITS), exclude_if=lambda limits: not limits)] = ()
    status: Code | None = None
    reason: Reason | None = None
    until: Instant | None = None

    @field_validator("reason", mode="before")
    @classmethod
    def _of_a_newer_list_is_another(cls, value: object) -> object:
        return "anders" if _is_code(value) and value not in REASONS else value

    @field_validator("limits", mode="before")
    @classmethod
    def _of_a_newer_list_is_none(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            return value
        return tuple(limit for limit in value if limit in LIMITS or not _is_code(limit))

    @model_validator(mode="after")
    def _is_a_number_or_a_status(self) -> Self:
        if (self.free is None) == (self.status is None):
            raise ValueError("either free or status is set")
        return self


def _is_code(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 40 and re.fullmatch(CODE_PATTERN, value) is not None
