"""A simulated Nextion display behind a pseudo-terminal: the other side of the serial panel's instructions.

It speaks at its own rate and understands nothing at another, takes the time that bytes take, holds 1024 of them,
forgets what was written when it changes its page, and goes to `start` when nobody sets its watch. The instruction
set is read here independently of the panel's own code. Source: Nextion Instruction Set, sections 1, 3, 6 and 7.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import termios
import threading
import time
import tty
from dataclasses import dataclass, field
from pathlib import Path

from zorgkiosk.lab.daemon import LabError
from zorgkiosk.site.panel.nextion_layout import PAGES, START, WATCH, WATCH_S

END = b"\xff\xff\xff"
STARTED = b"\x00\x00\x00" + END + b"\x88" + END
BUFFER_BYTES = 1024
INSTRUCTION_S = 0.001
COMOK = b"comok 1,38024-0,NX8048P070_011C,99,61488,D264B8204F0E1828,16777216" + END
SPEEDS = {
    getattr(termios, f"B{rate}"): rate for rate in (2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 921600)
}

_TEXT = re.compile(rb'(\w+)\.txt="([^"\\]*(?:\\r[^"\\]*)*)"')
_VALUE = re.compile(rb"(\w+)\.(val|pco)=(-?\d+)")
_VISIBLE = re.compile(rb"vis (\w+),([01])")
_SYSTEM = re.compile(rb"(bkcmd|dim|sleep)=(\d+)")


@dataclass
class Drawn:
    """A component as it looks now."""

    text: str = ""
    colour: int = 0
    visible: bool = True
    value: int = 0


@dataclass
class SimulatedDisplay:
    """`link` is the device's stable name. `missing`: components that this drawing does not have.

    `refuses`: every instruction is answered with this code. `watch_s`: seconds until `start` is shown; 0 is never.
    `faults`: what no panel should do. `overruns` counts what was sent beyond the buffer, `instructions` what was
    carried out, `starts` how often it began, `beats` how often its watch was set.
    """

    link: Path
    baud: int = 115200
    watch_s: float = WATCH_S
    missing: frozenset[str] = frozenset()
    refuses: int | None = None
    page: str = START
    brightness: int = 100
    overruns: int = 0
    instructions: int = 0
    starts: int = 0
    beats: int = 0
    faults: list[str] = field(default_factory=list)
    _components: dict[str, Drawn] = field(default_factory=dict)
    _bkcmd: int = 2
    _held: bytes = b""
    _watched_s: float = 0.0
    _master: int | None = None
    _slave: int | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _writing: threading.Lock = field(default_factory=threading.Lock)
    _reader: threading.Thread | None = None

    def plug(self) -> None:
        """The USB plug goes in: the device appears, and power starts the display."""
        if self._master is not None:
            raise LabError("the display is plugged in already")
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)  # what nobody reads is lost, as on a wire
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(self._slave))
        self.reset()
        self._reader = threading.Thread(target=self._run, args=(self._master,), name="display", daemon=True)
        self._reader.start()

    def unplug(self) -> None:
        """The device vanishes under whoever has it open. Safe to repeat."""
        with self._lock:
            master, slave, self._master, self._slave = self._master, self._slave, None, None
        if master is None or slave is None:
            return
        self.link.unlink(missing_ok=True)
        os.close(slave)
        if self._reader is not None and self._reader is not threading.current_thread():
            self._reader.join(5)
        os.close(master)

    def reset(self) -> None:
        """As the button or a brown-out does: page 0, everything forgotten."""
        with self._lock:
            self._held, self._bkcmd, self.brightness = b"", 2, 100
            self.starts += 1
            self._load(START)
        self.say(STARTED)

    def tap(self, name: str) -> None:
        """Press and release a key that is in sight; as drawn, only the release is told."""
        with self._lock:
            page = PAGES.get(self.page)
            drawn = self._components.get(name)
            if page is None or drawn is None or not drawn.visible:
                raise LabError(f"there is no key {name!r} in sight on page {self.page}")
            number = page.number_of(name)
        self.say(bytes((0x65, page.number, number, 0)) + END)

    def say(self, data: bytes) -> None:
        """Send bytes at the display's rate; at another rate the other side gets noise. Nothing when unplugged."""
        with self._writing:
            for start in range(0, len(data), 64):
                piece = data[start : start + 64]
                time.sleep(len(piece) * 10 / self.baud)
                with self._lock:
                    if self._master is None:
                        return
                    sent = piece if self._same_rate() else bytes(byte ^ 0x5A for byte in piece)
                    with contextlib.suppress(BlockingIOError):
                        os.write(self._master, sent)

    def text(self, name: str) -> str:
        return self._drawn(name).text

    def visible(self, name: str) -> bool:
        return self._drawn(name).visible

    def colour(self, name: str) -> int:
        return self._drawn(name).colour

    def _drawn(self, name: str) -> Drawn:
        with self._lock:
            return self._components.get(name, Drawn(visible=False))

    def _run(self, master: int) -> None:
        while self._master == master:
            ready, _, _ = select.select([master], [], [], 0.02)
            if ready:
                try:
                    data = os.read(master, 4096)
                except OSError:
                    return
                self._hear(data)
            self._look_at_the_watch()

    def _hear(self, data: bytes) -> None:
        time.sleep(len(data) * 10 / self.baud)
        if not self._same_rate():
            data = bytes(byte & 0x5A for byte in data)  # bytes of another rate hold no end
        self._held += data
        if len(self._held) > BUFFER_BYTES:
            self._held = b""
            self.overruns += 1
            self.say(b"\x24" + END)
        while (at := self._held.find(END)) >= 0:
            instruction, self._held = self._held[:at], self._held[at + 3 :]
            time.sleep(INSTRUCTION_S)
            self._answer(instruction)

    def _answer(self, instruction: bytes) -> None:
        if instruction == b"connect":
            self.say(COMOK)
            return
        with self._lock:
            code = self.refuses if self.refuses is not None else self._carry_out(instruction)
            self.instructions += code == 1
            told = self._bkcmd in ((1, 3) if code == 1 else (2, 3))
            page = 0 if self.page == START else PAGES[self.page].number
        if told:
            self.say(bytes((code,)) + END)
        if instruction == b"sendme":
            self.say(bytes((0x66, page)) + END)

    def _carry_out(self, instruction: bytes) -> int:
        """The return code: 1 when it was done."""
        if match := _TEXT.fullmatch(instruction):
            text = match[2].decode("iso-8859-1").replace("\\r", "\n")
            return self._set(match[1], "text", text, 0x1A)
        if match := _VALUE.fullmatch(instruction):
            if match[1].decode() == WATCH:
                self._watched_s = time.monotonic()
                self.beats += 1
            attribute = {b"val": "value", b"pco": "colour"}[match[2]]
            return self._set(match[1], attribute, int(match[3]), 0x1A)
        if match := _VISIBLE.fullmatch(instruction):
            return self._set(match[1], "visible", match[2] == b"1", 0x02)
        if match := _SYSTEM.fullmatch(instruction):
            return self._system(match[1], int(match[2]))
        if instruction == b"sendme":
            return 1
        if instruction.startswith(b"page "):
            return self._load(instruction[5:].decode("iso-8859-1"))
        return 0x00

    def _set(self, name: bytes, attribute: str, value: str | int | bool, otherwise: int) -> int:
        drawn = self._components.get(name.decode())
        if drawn is None:
            return otherwise
        if attribute != "visible" and not drawn.visible:
            self.faults.append(f"{name.decode()}.{attribute} is written while it is hidden")
        setattr(drawn, attribute, value)
        return 1

    def _system(self, name: bytes, value: int) -> int:
        if name == b"bkcmd":
            self._bkcmd = value
        elif name == b"dim":
            self.brightness = value
        return 1

    def _load(self, page: str) -> int:
        if page not in PAGES and page != START:
            return 0x03
        self.page, self._watched_s = page, time.monotonic()
        names = PAGES[page].by_name if page in PAGES else {}
        self._components = {name: Drawn() for name in names if name not in self.missing}
        return 1

    def _look_at_the_watch(self) -> None:
        with self._lock:
            if self.watch_s and self.page != START and time.monotonic() - self._watched_s > self.watch_s:
                self._load(START)

    def _same_rate(self) -> bool:
        master = self._master
        return master is not None and SPEEDS.get(termios.tcgetattr(master)[5]) == self.baud
