"""What every section of a config is made of: strict keys, and rules that are told also while a key is wrong.

A form of one value (a host, a day) is an `AfterValidator` in the field's own `Annotated`; what several keys say against
each other is a rule. No `field_validator`: it would be asked about keys that could not be read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, NoReturn, Self, TypeVar, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

WITHOUT_RULES = "without rules"
"""Context of a validation whose caller asks the rules itself, section by section."""

Rule = Callable[[], Iterable[str]]
"""A sentence for each thing that does not fit together."""


class UnreadError(Exception):
    """A rule asked for a key that could not be read: nothing can be said by it."""


class Unread:
    """In the place of a value that could not be read. It is something (`is not None`), and no more can be asked."""

    def _refuse(self, *_: object) -> NoReturn:
        raise UnreadError

    __eq__ = __hash__ = __bool__ = __iter__ = __len__ = __contains__ = __getitem__ = __str__ = __format__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = __index__ = __fspath__ = __getattr__ = _refuse
    __add__ = __sub__ = __mul__ = __truediv__ = __radd__ = __rsub__ = __rmul__ = __rtruediv__ = _refuse


UNREAD: Any = Unread()


@cache
def _scalars(annotation: Any) -> frozenset[type]:
    """Which of TOML's plain types a key takes: a path, an address and a choice are written as text."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _scalars(inner[0])
    if origin is Literal:
        return frozenset(type(word) for word in inner)
    if origin in (tuple, Union, UnionType):
        return frozenset().union(*(_scalars(each) for each in inner if each is not Ellipsis))
    return _SCALARS.get(annotation, frozenset({str}))


_SCALARS: dict[Any, frozenset[type]] = {
    bool: frozenset({bool}),
    int: frozenset({int}),
    float: frozenset({int, float}),
    type(None): frozenset(),
}


class Section(BaseModel):
    """Base of every config section: immutable, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    def rules(self) -> tuple[Rule, ...]:
        """What its keys say against each other. A rule that asks for a key that could not be read says no more."""
        return ()

    def broken_rules(self) -> Iterator[str]:
        """The sentences of all rules, one line each."""
        for rule in self.rules():
            try:
                yield from rule()
            except UnreadError:
                continue

    @model_validator(mode="after")
    def _keeps_its_rules(self, info: ValidationInfo) -> Self:
        if info.context is None and (broken := list(self.broken_rules())):
            raise ValueError("\n".join(broken))
        return self

    @field_validator("*", mode="wrap")
    @classmethod
    def _as_it_is_written(cls, value: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """No text is a number, no number a text or an address, and `true` is neither; pydantic would take them."""
        if value is UNREAD:
            return UNREAD
        annotation: Any = cls.model_fields[str(info.field_name)].annotation
        wanted = _scalars(annotation)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, bool | int | float | str) and type(each) not in wanted:
                raise PydanticCustomError("scalar_type", "is of another type")
        return read(value)

    @staticmethod
    def not_one_of(key: str, value: str, allowed: Iterable[str]) -> str:
        """`key 'x' is not known, did you mean 'y'?`"""
        choices = list(allowed)
        return f"{key} '{value}' is not known{did_you_mean(value, choices) or ', one of: ' + ', '.join(choices)}"


AnySection = TypeVar("AnySection", bound=Section)


def with_keys(sections: Iterable[AnySection], *names: str) -> list[AnySection]:
    """The sections of which all of these keys could be read: what is said of them holds whatever the others are."""
    return [each for each in sections if all(getattr(each, name) is not UNREAD for name in names)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`, did you mean 'y'?`, or nothing when no word is near."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f", did you mean '{close[0]}'?" if close else ""


def _is_host(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_.:-]{1,253}", value) is None or value.count(":") == 1:
        raise ValueError(f"'{value}' is no host: write a name or an address alone, such as \"hub.example\"")
    return value


Host = Annotated[str, AfterValidator(_is_host)]
"""What a broker is reached by: no address of a web page, no port, no space."""
