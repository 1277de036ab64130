"""A change on trial, of the config or of the programs: a lost connection does not end it, and whoever asked for it can.

SIGHUP and a terminal that has gone change nothing. Ctrl-C (and SIGTERM) asks for the way back: it comes once, as a
KeyboardInterrupt, and from then on nothing stops the way back.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

SETTLED_S = 10.0
"""For so long a proof has to hold: a unit that falls is started again, and looks well in between."""
_ENDING = (signal.SIGINT, signal.SIGTERM)
_PLAIN = str.maketrans({"✓": "ok", "✗": "WRONG", "→": "->", "•": "*", "…": "...", "–": "-"})


def undisturbed(*, at_boot: bool = False) -> None:
    """From here to the end of the process. At boot SIGTERM is a box that goes down: the next boot ends the change."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in _ENDING[:1] if at_boot else _ENDING:
        signal.signal(number, _back_please)


def decided() -> None:
    """The outcome is known: nothing ends the process before all of it is on disk."""
    for number in _ENDING:
        if signal.getsignal(number) is _back_please:
            signal.signal(number, signal.SIG_IGN)


def proves_itself(works: Callable[[], bool], within_s: float, settled_s: float, look_s: float) -> bool:
    """Whether it works for `settled_s` without a break, that time begun and ended `within_s` from now."""
    until_s, held_since_s = time.monotonic() + within_s, None
    while (now_s := time.monotonic()) < until_s:
        held_since_s = (held_since_s or now_s) if works() else None
        if held_since_s is not None and now_s - held_since_s >= settled_s:
            return True
        time.sleep(look_s)
    return False


def say(*lines: object) -> None:
    """To whoever still reads: a terminal or a pipe that has gone is no fault, and old terminals get plain letters."""
    try:
        for line in lines:
            sys.stdout.write(_as_shown(str(line)) + "\n")
        sys.stdout.flush()
    except OSError:
        # What is left in the buffer would be tried again at the end of the process.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _as_shown(line: str) -> str:
    letters = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        line.encode(letters)
    except UnicodeEncodeError:
        return line.translate(_PLAIN).encode(letters, "replace").decode(letters)
    return line


def _back_please(_number: int, _frame: FrameType | None) -> None:
    decided()
    raise KeyboardInterrupt
