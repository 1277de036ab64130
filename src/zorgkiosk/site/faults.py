"""Numbered faults: what a technician hears over the telephone, finds in the log and looks up in `hardware/faults.md`.

A sentence on a screen ends with its number, `(storing 21)`. Tens: 1 the way to the region, 2 what the region says,
3 certificates and clock, 4 this box, 5 telephony, 6 displays. A number is never used again for something else.
"""

from __future__ import annotations

from types import MappingProxyType

NETWORK, REGION, CERTIFICATE, BOX = 10, 20, 30, 40

SENTENCES: MappingProxyType[str, int] = MappingProxyType(
    {
        "De naam ": 11,
        "De regio is niet bereikbaar": 12,
        "De regio neemt niet op": 13,
        "De regio neemt wel op, maar zegt niets terug": 14,
        "De verbinding met de regio is weggevallen": 15,
        "De verbinding met de regio is stil": 15,
        "De regio heeft de verbinding verbroken": 16,
        "De regio stopt of start opnieuw": 16,
        "De regio hoorde deze locatie te lang niet": 16,
        "De regio bevestigt onze meldingen niet": 21,
        "Bij de regio leest nu niemand": 21,
        "De regio weigert onze meldingen": 22,
        "De regio neemt onze meldingen niet aan": 22,
        "De regio is te druk": 23,
        "De regio is nu niet beschikbaar": 23,
        "De regio neemt nu geen meldingen aan": 23,
        "De regio heeft deze locatie geblokkeerd": 24,
        "De regio kent deze locatie niet": 25,
        "Een ander apparaat meldt zich": 26,
        "De verbinding met de regio valt telkens weg": 26,
        "De regio weigert de verbinding": 27,
        "De regio spreekt deze versie van MQTT niet": 27,
        "De regio stuurt iets wat dit apparaat niet kan lezen": 28,
        "De regio weigert het certificaat van deze locatie": 31,
        "De regio heeft het certificaat van deze locatie ingetrokken": 31,
        "De regio verbreekt de verbinding meteen weer": 31,
        "Het certificaat van deze locatie": 32,
        "Het certificaat van de regio is verlopen": 33,
        "Het certificaat van de regio is nog niet geldig": 33,
        "Het certificaat van de regio is ingetrokken": 33,
        "Het certificaat van de regio is van": 34,
        "Er komt geen beveiligde verbinding": 35,
        "de opslag is vol": 41,
        "de opslag geeft een fout": 42,
        "Onbekend: de telefonie is stil": 51,
    }
)
"""How a sentence begins, and its number. A test walks through every sentence that the code can say."""

CONDITIONS: MappingProxyType[str, int] = MappingProxyType(
    {
        "link": 12,
        "publish-refused": 22,
        "unreadable-message": 28,
        "certificate-refused": 36,
        "list-refused": 37,
        "store-full": 41,
        "store-damaged": 43,
    }
)
"""The conditions of `device.health` and their numbers, for who reads the hub."""

CLOCK_UNSET, DISPLAY_AWAY, PLATES_BROKER_AWAY = 38, 61, 62
"""What no sentence of these is for: the log has them, and the screen shows what the handbook describes."""

GENERAL = 10
"""A sentence without a number of its own: it says itself what is wrong."""


def number(sentence: str) -> int:
    """The number of a sentence; the longest beginning that fits counts."""
    fitting = [begin for begin in SENTENCES if sentence.startswith(begin)]
    return SENTENCES[max(fitting, key=len)] if fitting else GENERAL


def numbered(sentence: str, told: str = "") -> str:
    """The sentence with its number, as screens and logs have it; `told`: the same in another language."""
    return coded(told or sentence, number(sentence))


def coded(told: str, code: int) -> str:
    """What is told, with a number that is known by other ways than its words."""
    return f"{told.removesuffix('.')} (storing {code})."
