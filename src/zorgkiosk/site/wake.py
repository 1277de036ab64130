"""A word to sync that a store was written, so that it need not ask every few milliseconds.

Whoever commits says it on a socket beside the stores; a word is one datagram. Nothing depends on it: one may be lost
(nobody listens, enough are waiting), and sync looks by itself a few times a second. `zorgkiosk doctor` has a word of
its own: an echo is wanted, a row that goes to the hub and comes back acknowledged.
"""

from __future__ import annotations

import logging
import socket
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

FILE = "sync.wake"
_WORDS_AT_ONCE = 64
_WRITTEN, _ECHO = b"\0", b"?"


def tell(directory: Path) -> None:
    """Say that a store in `directory` was written. Never waits, never fails."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as speaking, suppress(OSError):
        speaking.sendto(_WRITTEN, str(directory / FILE))


def ask_for_echo(directory: Path) -> None:
    """Raises OSError when nobody listens, or not to us."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as speaking:
        speaking.sendto(_ECHO, str(directory / FILE))


def is_heard(directory: Path) -> bool:
    """Whether somebody listens there: sync does from its start to its end, and the kernel knows when it is killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(str(directory / FILE))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # not for us to say: who asks is not in sync's group
            return True
    return True


class Wake:
    """The listening end, for select(2)."""

    def __init__(self, listening: socket.socket, file: Path) -> None:
        self._listening = listening
        self._file = file
        self._echo_wanted = False

    @classmethod
    def beside(cls, store: Path) -> Wake:
        """Listen for words about the stores beside this one. One that cannot be heard is logged, and hears nothing."""
        file = store.with_name(FILE)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            file.unlink(missing_ok=True)  # of one before us, who may have been killed
            listening.bind(str(file))
            file.chmod(0o660)
        except OSError as error:
            log.warning("sync: cannot listen on %s: %s; commits are noticed a little later", file, error)
        return cls(listening, file)

    def fileno(self) -> int:
        return self._listening.fileno()

    def clear(self) -> bool:
        """Forget the words heard so far; whether there were any."""
        heard = False
        with suppress(BlockingIOError):
            for _ in range(_WORDS_AT_ONCE):
                self._echo_wanted |= self._listening.recv(1) == _ECHO
                heard = True
        return heard

    def echo_wanted(self) -> bool:
        """Whether an echo was asked for among the words that were cleared since the last call."""
        wanted, self._echo_wanted = self._echo_wanted, False
        return wanted

    def close(self) -> None:
        self._listening.close()
        self._file.unlink(missing_ok=True)
