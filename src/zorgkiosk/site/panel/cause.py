"""Why there is no connection, in the language of the screen. The unit `sync` keeps it as a Dutch sentence; pure."""

from __future__ import annotations

import re

from zorgkiosk.site.panel.language import phrase, say

_SENTENCES = (
    phrase("De regio bevestigt onze meldingen niet. Ze worden bewaard en later verstuurd."),
    phrase("De regio weigert onze meldingen: deze locatie mag dit daar niet. Bel de beheerder van de regio."),
    phrase("De regio heeft de verbinding verbroken."),
    phrase("De verbinding met de regio is weggevallen."),
    phrase("De regio verbreekt de verbinding meteen weer: controleer het certificaat van deze locatie."),
    phrase("De regio neemt wel op, maar zegt niets terug."),
    phrase("Een ander apparaat meldt zich bij de regio met de naam van deze locatie."),
    phrase("De regio weigert het certificaat van deze locatie: verlopen of niet van deze regio."),
    phrase("De regio kent deze locatie niet: het certificaat en de naam horen niet bij elkaar."),
    phrase("Het certificaat van de regio is nog niet geldig: loopt de klok van dit apparaat goed?"),
    phrase("Het certificaat van de regio is verlopen, of de klok van dit apparaat loopt verkeerd."),
    phrase("Het certificaat van de regio is van een andere naam dan %(host)s."),
    phrase("Het certificaat van de regio is van een ander adres dan %(host)s."),
    phrase("Het certificaat van de regio is van een onbekende uitgever."),
    phrase("De regio is nu niet beschikbaar."),
    phrase("De regio is te druk."),
    phrase("De regio heeft deze locatie geblokkeerd."),
    phrase("Er komt geen beveiligde verbinding met de regio tot stand."),
    phrase("De naam %(host)s is niet te vinden: geen internet, of de naam is verkeerd."),
    phrase("De regio neemt niet op (%(host)s, poort %(port)s)."),
    phrase("De regio is niet bereikbaar (%(host)s): geen netwerk."),
    phrase("Het certificaat van deze locatie is niet te lezen (%(file)s)."),
    phrase("Het certificaat van deze locatie is niet te lezen."),
    phrase("De regio weigert de verbinding (code %(code)s)."),
    phrase("Bij de regio leest nu niemand onze meldingen. Ze worden bewaard en later verstuurd."),
    phrase("De regio neemt nu geen meldingen aan: daar is geen plaats."),
    phrase("De regio neemt onze meldingen niet aan. Bel de beheerder van de regio."),
    phrase("De regio stopt of start opnieuw."),
    phrase("De regio hoorde deze locatie te lang niet."),
    phrase("De verbinding met de regio is stil: er komt geen antwoord meer."),
    phrase("De regio stuurt iets wat dit apparaat niet kan lezen. Bel de beheerder van de regio."),
    phrase("De verbinding met de regio valt telkens weg: gebruikt een ander apparaat de naam van deze locatie?"),
    phrase("De regio heeft het certificaat van deze locatie ingetrokken. Bel de beheerder van de regio."),
    phrase("De regio weigert het certificaat van deze locatie: het is verlopen."),
    phrase("De regio weigert het certificaat van deze locatie: het is niet van deze regio."),
    phrase("De regio spreekt deze versie van MQTT niet."),
    phrase("Het certificaat van de regio is ingetrokken."),
)


def _pattern(sentence: str) -> re.Pattern[str]:
    """Of a sentence with its parts filled in."""
    return re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(sentence)))


_PATTERNS = {sentence: _pattern(sentence) for sentence in _SENTENCES}


def say_cause(told: str) -> str:
    """A sentence that is not known here is shown as it was told."""
    for sentence, pattern in _PATTERNS.items():
        if (match := pattern.fullmatch(told)) is not None:
            return say(sentence, **match.groupdict())
    return told
