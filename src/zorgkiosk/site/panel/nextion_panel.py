"""One serial display as a panel: shows what `screen` says, does what is tapped, and makes the display whole again.

Whenever it is unsure what the display shows (a reset, noise, silence, a refusal) the whole page is written anew. A
key acts on the very screen that stood there; while a new place is being drawn nothing can be tapped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from zorgkiosk.site.clock import Clock
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.config_serial import SerialPanel
from zorgkiosk.site.faults import DISPLAY_AWAY, coded
from zorgkiosk.site.panel.actions import RefusedError, Taps
from zorgkiosk.site.panel.keys import press
from zorgkiosk.site.panel.known import Look
from zorgkiosk.site.panel.nextion import Display, GoneError, TroubledError
from zorgkiosk.site.panel.nextion_face import Face, Step, Written, face, fresh_page, steps
from zorgkiosk.site.panel.nextion_layout import START, WATCH, key_at
from zorgkiosk.site.panel.nextion_protocol import ANSWER_ALWAYS, Failure, Touch, page, value_is
from zorgkiosk.site.panel.screen import Screen, home, screen
from zorgkiosk.site.store import StoreError

HOME_AFTER_S = 30.0
DOUBLE_TAP_S = 0.3
REFUSAL_S = 4.0
BEAT_S = 2.0
"""A third sign of life still comes before the drawing's own watch gives up."""
REFRESH_S = 60.0
"""All texts are written again so often: a byte that fell over on the line is not seen otherwise."""
NOISE_REST_S = 1.0
MOST_TROUBLES = 5
TELL_EVERY_S = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """How often the stores are looked at while nobody touches, and how long to wait before a port is tried again."""

    tick_s: float = 0.1
    retry_first_s: float = 0.5
    retry_most_s: float = 5.0


USUAL_PACE = Pace()

Says = Callable[[Display, str | None], None]
"""Told by a session: its page is whole (None), or what is wrong with it."""


class DisplayThread:
    """Keeps one display, until told to stop. `run` is its thread's."""

    def __init__(
        self,
        config: SiteConfig,
        section: SerialPanel,
        taps: Taps,
        look: Callable[[], Look],
        clock: Clock,
        pace: Pace = USUAL_PACE,
    ) -> None:
        self._config = config
        self._section = section
        self._taps = taps
        self._look = look
        self._clock = clock
        self._pace = pace
        self._problem: str | None = None
        self._works = False
        self._told_s = -TELL_EVERY_S
        self._wait_s = pace.retry_first_s

    def run(self, stop: Event) -> None:
        look = self._look()
        try:
            while not stop.is_set():
                try:
                    with Display.open(self._section.device, self._section.baud, self._clock.uptime_s) as display:
                        session = Session(self._config, self._taps, look, self._clock, display, self._says)
                        session.run(stop, self._pace.tick_s)
                except GoneError as error:
                    self._lost(str(error))
                    stop.wait(self._wait_s)
                    self._wait_s = min(self._pace.retry_most_s, self._wait_s * 2)
        finally:
            look.close()

    def _says(self, display: Display, trouble: str | None) -> None:
        """The session on its page: whole, or why it has to be written anew. A bad line is told once a minute."""
        if trouble is None:
            if not self._works:
                log.info("serial panel %s: %s shows the panel", self._section.name, display)
            self._works, self._problem, self._wait_s = True, None, self._pace.retry_first_s
        elif self._works and self._clock.uptime_s() - self._told_s >= TELL_EVERY_S:
            log.info("serial panel %s: %s; the page is written anew", self._section.name, trouble)
            self._told_s = self._clock.uptime_s()

    def _lost(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("serial panel %s: %s", self._section.name, coded(problem, DISPLAY_AWAY))
        self._works, self._problem = False, problem


class Session:
    """From the moment a display was found until it is gone.

    `_page` is the page it is on, `_written` what it has taken, `_shown` the whole screen that stands on it; None
    when that is not known. `_suspects` were refused once, `_missing` again after the page was written anew.
    """

    def __init__(self, config: SiteConfig, taps: Taps, look: Look, clock: Clock, display: Display, says: Says) -> None:
        self._config = config
        self._taps = taps
        self._look = look
        self._clock = clock
        self._display = display
        self._says = says
        self._place = home(config)
        self._page: str | None = None
        self._written: Written = {}
        self._shown: Screen | None = None
        self._suspects: set[tuple[str, str]] = set()
        self._missing: set[tuple[str, str]] = set()
        self._doubt: str | None = None
        self._refusal: str | None = None
        self._troubles = 0
        self._trouble: str | None = "it was just found"
        now_s = clock.uptime_s()
        self._touched_s = self._refusal_s = self._beat_s = self._whole_s = now_s
        self._last_tap: tuple[Touch, float] | None = None

    def run(self, stop: Event, tick_s: float) -> None:
        """Until told to stop. Raises GoneError when the display does not come to its senses."""
        while not stop.is_set():
            try:
                if self._trouble is not None:
                    self._begin_anew()
                for touch, at_s in self._display.touches(0 if self._shown is None else tick_s):
                    self._touch(touch, at_s)
                self._show(self._clock.uptime_s())
            except TroubledError as error:
                self._note(str(error))
        self._leave()

    def _note(self, trouble: str) -> None:
        self._page, self._shown, self._trouble, self._doubt = None, None, trouble, None
        self._troubles += 1
        self._says(self._display, trouble)
        if self._troubles > MOST_TROUBLES:
            raise GoneError(f"{self._display} cannot be used: {trouble}")

    def _begin_anew(self) -> None:
        self._display.settle()
        self._trouble = None

    def _leave(self) -> None:
        """Show the page that says that the panel is off; a display that does not follow notices by itself."""
        try:
            self._display.carry_out([page(START)])
        except (TroubledError, GoneError) as error:
            log.info("serial panel, %s: left as it is: %s", self._display, error)

    def _touch(self, touch: Touch, now_s: float) -> None:
        if self._page is None or touch.pressed or self._is_bounce(touch, now_s):
            return
        self._touched_s = now_s
        at, key = key_at(touch.page, touch.component)
        if at != self._page:
            raise TroubledError(f"it is on page {touch.page}")
        if key is None or self._shown is None:
            return
        self._last_tap, self._refusal = (touch, now_s), None
        try:
            self._place = press(self._taps, self._config, self._shown, key)
        except RefusedError as error:
            self._refusal, self._refusal_s = str(error), now_s
        except StoreError:
            return  # Taps has told it to the log and to the screen
        # A bounce that came while the card was slow is heard only now.
        self._last_tap = (touch, self._clock.uptime_s())
        if self._place != self._shown.place:
            self._shown = None  # what was touched after this was meant for a screen that nobody has seen yet

    def _is_bounce(self, touch: Touch, now_s: float) -> bool:
        return self._last_tap is not None and self._last_tap[0] == touch and now_s - self._last_tap[1] < DOUBLE_TAP_S

    def _show(self, now_s: float) -> None:
        """Bring the display up to date; a touch goes first, and the rest is written after it."""
        target = self._target(now_s)
        wanted = face(target, self._refusal)
        if self._shown is not None and self._shown.place != target.place:
            self._shown = None
        if self._page != wanted.page:
            self._go(wanted.page, now_s)
        if now_s - self._whole_s >= REFRESH_S:
            self._written, self._whole_s = {}, now_s
        if self._write(wanted):
            self._shown = target
            self._beat(now_s)
            self._look_for_doubts(now_s)
            self._troubles = 0
            self._says(self._display, None)

    def _target(self, now_s: float) -> Screen:
        if now_s - self._touched_s >= HOME_AFTER_S:
            self._place = home(self._config)
        if now_s - self._refusal_s >= REFUSAL_S:
            self._refusal = None
        known = self._look.known(self._taps.problem)
        found = screen(known, self._place)
        if found is None:  # the page is no longer there: a partner left the region's list
            self._place = home(self._config)
            found = screen(known, self._place)
        if found is None:
            raise RuntimeError(f"there is no screen at {self._place}")
        return found

    def _go(self, name: str, now_s: float) -> None:
        """To another page of the drawing. Touches of the page before it have all come by the time it answers."""
        self._shown = None
        [answer] = self._display.carry_out([page(name)])
        if isinstance(answer, Failure):
            raise TroubledError(f"its drawing has no page {name} ({answer})")
        self._page, self._written, self._whole_s = name, fresh_page(name), now_s
        self._display.forget_touches()
        self._beat_s = now_s - BEAT_S

    def _write(self, wanted: Face) -> bool:
        """Whether everything was written; false when somebody touched meanwhile."""
        todo = [step for step in steps(wanted, self._written) if (step.name, step.attribute) not in self._missing]
        while todo:
            now = todo[: self._display.fit([step.instruction for step in todo])]
            del todo[: len(now)]
            self._carry_out(now)
            if todo and self._display.touched:
                return False
        return True

    def _carry_out(self, todo: list[Step]) -> None:
        answers = self._display.carry_out([step.instruction for step in todo])
        refused = []
        for step, answer in zip(todo, answers, strict=False):
            if isinstance(answer, Failure):
                refused.append((step, answer))
            else:
                self._written[step.name, step.attribute] = step.value
                self._suspects.discard((step.name, step.attribute))
        for step, failure in refused:
            self._refused(step, failure)

    def _refused(self, step: Step, failure: Failure) -> None:
        """Once may be the line, or another page than we think; twice is a drawing without this component."""
        each = (step.name, step.attribute)
        if each not in self._suspects:
            self._suspects.add(each)
            self._doubt = f"it refuses {step.name}.{step.attribute} ({failure})"
            return
        self._missing.add(each)
        log.warning("serial panel, %s: the drawing has no %s.%s: %s", self._display, *each, failure)

    def _beat(self, now_s: float) -> None:
        if now_s - self._beat_s < BEAT_S:
            return
        self._beat_s = now_s
        if (WATCH, "val") in self._missing:
            self._display.carry_out([ANSWER_ALWAYS])
        else:
            self._carry_out([Step(WATCH, "val", 0, value_is(WATCH, "val", 0))])

    def _look_for_doubts(self, now_s: float) -> None:
        if self._doubt is not None:
            raise TroubledError(self._doubt)
        if self._display.noisy and now_s - self._whole_s >= NOISE_REST_S:
            raise TroubledError("there is noise on the line")
