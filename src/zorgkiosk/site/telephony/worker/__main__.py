"""Start one call worker: `python -m zorgkiosk.site.telephony.worker --number 3 --sip-port 5103 ...`."""

from __future__ import annotations

import argparse
import fcntl
import gc
import logging
import logging.handlers
import os
import signal
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from zorgkiosk.site.core_dumps import forbid_core_dumps
from zorgkiosk.site.telephony.worker.call import Identity, OneCall
from zorgkiosk.site.telephony.worker.link import Link
from zorgkiosk.site.telephony.worker.loop import Loop
from zorgkiosk.site.telephony.worker.settings import Settings
from zorgkiosk.site.telephony.worker.watch import SilenceWatch


def main(arguments: list[str] | None = None) -> int:
    """0 after `Retire`; 69 without pjsua2 or when its port is taken; 75 when this worker runs already."""
    options = _options(arguments)
    forbid_core_dumps()  # pjsua2 aborts where others raise, and holds the caller's number
    lines = _log(options.number)
    log = logging.getLogger(__name__)
    lock = _lock(options.lock)
    if lock is None:
        log.error("another process is worker %d already (%s)", options.number, options.lock)
        return os.EX_TEMPFAIL
    try:
        from zorgkiosk.site.telephony.worker.sip import Phone
    except ModuleNotFoundError as error:
        if error.name != "pjsua2":
            raise
        log.error("pjsua2 is not installed, so this machine can take no calls: pip install 'zorgkiosk[telephony]'")
        return os.EX_UNAVAILABLE
    sys.excepthook = _die
    settings = _settings(options)
    phone = Phone(settings)
    try:
        phone.start()
    except OSError as error:
        log.error("%s", error)
        logging.shutdown()
        os._exit(os.EX_UNAVAILABLE)  # the half-started library aborts in its destructors
    identity = Identity(settings.number, os.getpid(), settings.sip_uri)
    loop = Loop(phone, OneCall(identity, time.monotonic()), Link(options.line), SilenceWatch(), lines.flush)
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: loop.shut_down())
    gc.freeze()  # collecting what never goes away would delay the audio's orders
    loop.run()
    phone.close()
    log.info("retired")
    logging.shutdown()
    os._exit(0)  # a Call object alive after libDestroy aborts at interpreter exit


def _die(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An error nobody foresaw ends the process, also one in a callback, which the binding would print and forget."""
    logging.shutdown()
    sys.__excepthook__(kind, error, trace)
    sys.stderr.flush()
    os._exit(os.EX_SOFTWARE)


def _log(number: int) -> logging.handlers.MemoryHandler:
    """Written when a turn has done what is urgent, or at once from a warning on: a caller does not wait for a line."""
    stderr = logging.StreamHandler(sys.stderr)
    stderr.setFormatter(logging.Formatter(f"worker {number}: %(message)s"))
    lines = logging.handlers.MemoryHandler(1000, logging.WARNING, stderr)
    logging.basicConfig(level=logging.INFO, handlers=[lines])
    return lines


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="zorgkiosk worker", description="Holds one caller for the line.")
    parser.add_argument("--number", type=int, required=True, help="which worker this is")
    parser.add_argument("--sip-port", type=int, required=True, help="UDP port on 127.0.0.1")
    parser.add_argument("--front", required=True, metavar="HOST:PORT", help="inner listener of the front")
    parser.add_argument("--media-address", required=True, help="address of this machine that audio comes to")
    parser.add_argument("--rtp-port", type=int, required=True, help="first of 20 UDP ports for audio")
    parser.add_argument("--line", type=Path, required=True, help="socket of the line")
    parser.add_argument("--lock", type=Path, required=True, help="file this process keeps locked while it lives")
    parser.add_argument("--lost-announcement", type=Path, metavar="FILE", help="WAV for who is left on a dead line")
    return parser.parse_args(arguments)


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        number=options.number,
        sip_port=options.sip_port,
        front=options.front,
        media_address=options.media_address,
        rtp_port=options.rtp_port,
        lost_announcement=options.lost_announcement,
    )


def _lock(path: Path) -> IO[bytes] | None:
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


if __name__ == "__main__":
    sys.exit(main())
