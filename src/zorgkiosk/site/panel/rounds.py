"""What the panel does without a hand: reports what was tapped, forgets what the hub has, notices a lost caller."""

from __future__ import annotations

from zorgkiosk.contract.status import Ack
from zorgkiosk.site import facts
from zorgkiosk.site.facts import LineFact
from zorgkiosk.site.panel import alarms
from zorgkiosk.site.panel.actions import Taps, is_ripe
from zorgkiosk.site.panel.known import Known, Look, LostSeen, Moment
from zorgkiosk.site.store import StoreDamagedError, StoreError

PRUNE_EVERY_S = 1.0
JOURNAL_EVERY_S = 3600.0
"""Old lines go, and the hub hears of the last one."""
HEAD_EVERY_S = 60.0
"""The file beside the store hears of the last line: a tap a minute costs the card as much again as its own commit."""
RETRY_S = 2.0


class Rounds:
    """Called some times a second by one thread. A store that refuses is asked again after `RETRY_S`.

    A damaged one is not: `beat` raises StoreDamagedError, and the panel ends so that its next start finds a new file.
    """

    def __init__(self, look: Look, taps: Taps) -> None:
        self._look = look
        self._taps = taps
        self._pruned_up_to = 0
        self._not_before_s = 0.0
        self._prune_after_s = 0.0
        self._journal_after_s = 0.0
        self._report_journal_after_s = float("inf")
        self._head_after_s = 0.0

    def beat(self, uptime_s: float) -> None:
        if uptime_s < self._not_before_s:
            return
        try:
            known = self._look.known()
            self._taps.tend()
            self._report(known)
            self._note_lost(known)
            self._note_failed(known)
            self._tend_journal(uptime_s)
            if uptime_s >= self._prune_after_s:
                self._prune(known)
                self._prune_after_s = uptime_s + PRUNE_EVERY_S
        except StoreDamagedError:
            raise
        except StoreError:  # Taps has told it to the log and to the screen
            self._not_before_s = uptime_s + RETRY_S

    def _tend_journal(self, uptime_s: float) -> None:
        if uptime_s >= self._journal_after_s:
            self._taps.prune_journal()
            if uptime_s >= self._report_journal_after_s:  # not at the start: a unit that starts and ends is no news
                self._taps.report_journal()
                self._head_after_s = 0.0  # the file beside the store knows at least what the hub hears
            self._journal_after_s = self._report_journal_after_s = uptime_s + JOURNAL_EVERY_S
        if uptime_s >= self._head_after_s:
            self._taps.tell_journal()
            self._head_after_s = uptime_s + HEAD_EVERY_S

    def _report(self, known: Known) -> None:
        pending = [value for key, value in known.panel.items() if key.startswith("pending/")]
        now, undo_s = Moment(known.now), known.config.panel.undo_s
        if pending and all(is_ripe(value, now, undo_s) for value in pending):
            self._taps.report_ripe()

    def _note_lost(self, known: Known) -> None:
        line = facts.read(LineFact, known.telephony.get("line"))
        seen = facts.read(LostSeen, known.panel.get("lost"))
        if line is not None and (seen is None or seen.count != line.lost):
            self._taps.note_lost(line.lost)

    def _note_failed(self, known: Known) -> None:
        line = facts.read(LineFact, known.telephony.get("line"))
        if line is not None and (failures := alarms.new_failures(known, line)):
            self._taps.note_failed(failures)

    def _prune(self, known: Known) -> None:
        value = known.acked
        ack = facts.read(Ack, value)
        if value is not None and ack is not None and ack.up_to > self._pruned_up_to:
            self._taps.note_arrived(value)
            self._taps.prune(ack.epoch, ack.up_to)
            self._pruned_up_to = ack.up_to
