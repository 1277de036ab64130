"""What went wrong at a HAP and stays on the screen until somebody has seen it: lost callers, desks that fail. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zorgkiosk.site import facts
from zorgkiosk.site.facts import LineFact
from zorgkiosk.site.panel import words
from zorgkiosk.site.panel.known import DeskFailed, Known, LostSeen
from zorgkiosk.site.panel.language import say


@dataclass(frozen=True)
class Alarm:
    """Sentences for the screen, and what a tap on "Gezien" speaks of: no more than what stood there.

    `lost` is the count of lost callers so far, None when all were seen; `failed` is desk id and uptime of its failure.
    """

    sentences: tuple[str, ...]
    lost: int | None
    failed: tuple[tuple[str, int], ...]


def alarm(known: Known) -> Alarm | None:
    """None when there is nothing that has not been seen."""
    lost = facts.read(LostSeen, known.panel.get("lost"))
    unseen = 0 if lost is None else lost.count - lost.seen
    failed = tuple(_failed(known))
    if unseen <= 0 and not failed:
        return None
    sentences = []
    if unseen > 0:
        sentences.append(words.many(unseen, "oproep verloren", "oproepen verloren"))
    if failed:
        sentences.append(_who_failed(known, [desk for desk, _ in failed]))
    return Alarm(tuple(sentences), lost.count if lost and unseen > 0 else None, failed)


def new_failures(known: Known, line: LineFact) -> dict[str, DeskFailed]:
    """Desks that do not answer, and whose failure is not in panel.db yet."""
    ours = {desk.id for desk in known.config.desk}
    found = {desk.id: desk.since_uptime_ms for desk in line.desks if desk.state == "no-answer" and desk.id in ours}
    told = {desk: facts.read(DeskFailed, known.panel.get(f"failed/{desk}")) for desk in found}
    return {
        desk: DeskFailed(since_uptime_ms=since)
        for desk, since in found.items()
        if (before := told[desk]) is None or before.since_uptime_ms != since
    }


def _failed(known: Known) -> Iterator[tuple[str, int]]:
    for desk in known.config.desk:
        fact = facts.read(DeskFailed, known.panel.get(f"failed/{desk.id}"))
        if fact is not None and not fact.seen:
            yield desk.id, fact.since_uptime_ms


def _who_failed(known: Known, desks: list[str]) -> str:
    """`Werkplek 2 nam niet op 14:05`; several in one sentence, for a key has little room."""
    if len(desks) > 1:
        return say("%(count)s werkplekken namen niet op", count=len(desks))
    title = next(desk.title for desk in known.config.desk if desk.id == desks[0])
    when = words.when(known.panel[f"failed/{desks[0]}"].said.at, known.now.at)
    return say("%(desk)s nam niet op %(when)s", desk=title, when=when)
