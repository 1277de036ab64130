"""The sentences of a screen in the language it speaks. Dutch is what the code says; English is a catalogue.

Which language is spoken is scoped with `speaking`, by the few functions that compose a whole screen. A context
variable, and no parameter of every function that has a word to say: nothing is set outside a `with`, each thread has
its own, and outside of it everything is Dutch. The catalogue is read once; without a translation a sentence is Dutch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Literal, Protocol

Language = Literal["nl", "en"]
DOMAIN = "messages"


class Named(Protocol):
    """What the catalogue of categories holds: its names in both languages."""

    @property
    def dutch(self) -> str: ...
    @property
    def english(self) -> str: ...


class Speech:
    """One program's sentences; `locale` is the folder of its catalogues."""

    def __init__(self, locale: Path) -> None:
        self._locale = locale
        self._spoken: ContextVar[Language] = ContextVar(f"spoken by {locale.parent.name}", default="nl")

    @contextmanager
    def speaking(self, language: Language) -> Iterator[None]:
        token = self._spoken.set(language)
        try:
            yield
        finally:
            self._spoken.reset(token)

    def spoken(self) -> Language:
        return self._spoken.get()

    def say(self, sentence: str, **parts: str | int) -> str:
        """`sentence` in the language that is spoken; `%(name)s` in it is filled with the part of that name."""
        text = _translations(self._locale, self._spoken.get()).gettext(sentence)
        return text % parts if parts else text

    def say_many(self, count: int, one: str, more: str) -> str:
        """The form for this count, without the count itself."""
        return _translations(self._locale, self._spoken.get()).ngettext(one, more, count)

    def name(self, named: Named) -> str:
        """Of a category, a choice, a reason or a limit."""
        return named.english if self._spoken.get() == "en" else named.dutch


def phrase(sentence: str) -> str:
    """Marks a sentence that is kept as it is and said later, so that it gets into the catalogue."""
    return sentence


@cache
def _translations(locale: Path, language: Language) -> NullTranslations:
    if language == "nl":
        return NullTranslations()
    with (locale / language / "LC_MESSAGES" / f"{DOMAIN}.mo").open("rb") as file:
        return GNUTranslations(file)
