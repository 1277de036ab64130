"""Who hears what: announcements, tones, and the bridge between two who talk."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import pjsua2 as pj

from zorgkiosk.site.telephony.worker.playlist import Playlist
from zorgkiosk.site.telephony.worker.sip.account import CLOCK_HZ
from zorgkiosk.site.telephony.worker.sip.dialog import Dialog, log_error

BEEP_HZ, BEEP_LEVEL = 800, 6000
"""Half as loud as the stack's own tones: it comes unexpected into a headset."""
BEEP_MS, PAUSE_MS = 150, 100
BEEPS = 2
BEEPS_S = (BEEPS * (BEEP_MS + PAUSE_MS) - PAUSE_MS) / 1000
LATENCY_S = 0.06
"""From the bridge to the wire: a frame to start with, one to send, and one of the bridge."""

log = logging.getLogger(__name__)


class _File:
    """A WAV file, from its start, once. Raises pj.Error when it cannot be played."""

    def __init__(self, path: str) -> None:
        self.media = pj.AudioMediaPlayer()
        self.media.createPlayer(path, pj.PJMEDIA_FILE_NO_LOOP)
        self.length_s: float = self.media.getInfo().sizeSamples / self.media.getPortInfo().format.clockRate


class Audio:
    """The audio bridge of one caller. Nobody hears anybody but by an order here."""

    def __init__(self) -> None:
        self.talking: tuple[Dialog, Dialog] | None = None
        self.waiting: Dialog | None = None
        self._playlist = Playlist()
        self._sources: dict[str, tuple[Dialog, pj.AudioMedia]] = {}
        self._beepers: list[pj.ToneGenerator] = []
        self._open = False

    def open(self) -> None:
        """The clock of the audio bridge; it costs 1 % of a core. The stack stops it one second after a call and
        starts it again by itself; opening it twice would stop the sound of all for 20 ms."""
        if not self._open:
            pj.Endpoint.instance().audDevManager().setNullDev()
            self._open = True

    def hold(self, caller: Dialog, files: tuple[str, ...], repeat_s: float, *, now: bool) -> None:
        """What this caller hears while waiting."""
        if self.waiting is not caller:
            self.waiting, self._playlist = caller, Playlist()
        if now:
            self._sources.pop(caller.party, None)
        self._playlist.replace(files, repeat_s, now=now)

    def bridge(self, caller: Dialog, leg: Dialog) -> None:
        """These two talk; the announcements are over."""
        self._sources.pop(caller.party, None)
        self.waiting, self.talking = None, (caller, leg)
        self._wire()

    def part(self) -> None:
        """The one is hung up, and the other may hear something else."""
        self.talking = None

    def say(self, dialog: Dialog, path: str) -> float:
        """Play a file to this party alone; how long that takes. 0 when it cannot be."""
        file = _opened(path)
        if file is None:
            return 0.0
        self._sources[dialog.party] = (dialog, file.media)
        self._wire()
        return file.length_s + LATENCY_S

    def beep(self, dialog: Dialog) -> float:
        """A short tone to this party alone; how long it takes. 0 when it has no audio."""
        if dialog.audio() is None:
            return 0.0
        beeper = next((each for each in self._beepers if not each.isBusy()), None)
        if beeper is None:  # kept for ever after, and never more than there are legs
            beeper = pj.ToneGenerator()
            beeper.createToneGenerator(CLOCK_HZ, 1)
            self._beepers.append(beeper)
        self._sources[dialog.party] = (dialog, beeper)
        self._wire()
        beeper.play(_beeps())
        return BEEPS_S + LATENCY_S

    def turn(self, dialogs: Iterable[Dialog], now_s: float) -> None:
        """Bring the bridge in line with new media, and the next announcement to the caller when it is due."""
        changed = [dialog for dialog in dialogs if dialog.audio_changed]
        for dialog in changed:
            dialog.audio_changed = False
        if changed:
            self._wire()
        while self.waiting and (path := self._playlist.due(now_s)) and self.waiting.audio():
            file = _opened(path)
            if file is None:
                self._playlist.unplayable()
                continue
            self._playlist.started(file.length_s, now_s)
            self._sources[self.waiting.party] = (self.waiting, file.media)
            self._wire()

    def forget(self, dialog: Dialog) -> None:
        """The dialog is over."""
        self._sources.pop(dialog.party, None)
        if dialog is self.waiting:
            self.waiting = None
        if self.talking and dialog in self.talking:
            self.talking = None

    def _wire(self) -> None:
        """Connect who should hear whom. Connecting twice is harmless."""
        for dialog, source in self._sources.values():
            self._connect(source, dialog.audio(), dialog.party)
        if self.talking:
            caller, leg = self.talking
            one, other = caller.audio(), leg.audio()
            if one and other:
                self._connect(one, other, leg.party)
                self._connect(other, one, caller.party)

    def _connect(self, source: pj.AudioMedia, ear: pj.AudioMedia | None, party: str) -> None:
        if ear:
            try:
                source.startTransmit(ear)
            except pj.Error as error:  # the next change of media comes here again
                log_error("audio", party, error)


def _opened(path: str) -> _File | None:
    try:
        path.encode()  # the binding takes nothing that is no UTF-8
        return _File(path)
    except UnicodeEncodeError:
        reason = "its name is not UTF-8"
    except pj.Error as error:
        reason = error.reason
    log.error("announcement %s cannot be played (%s); it is left out", ascii(path), reason)
    return None


def _beeps() -> pj.ToneDescVector:
    beeps = pj.ToneDescVector()
    for _ in range(BEEPS):
        beep = pj.ToneDesc()
        beep.freq1, beep.on_msec, beep.off_msec, beep.volume = BEEP_HZ, BEEP_MS, PAUSE_MS, BEEP_LEVEL
        beeps.append(beep)
    return beeps
