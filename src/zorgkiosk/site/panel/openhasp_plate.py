"""One plate: where it is, what it shows, and what must be sent to it. Pure; `now_s` is a monotonic clock's reading."""

from __future__ import annotations

from collections.abc import Iterator

from zorgkiosk.site.config_plates import Size
from zorgkiosk.site.panel import openhasp_protocol as protocol
from zorgkiosk.site.panel.detail import DetailPage
from zorgkiosk.site.panel.keys import Key
from zorgkiosk.site.panel.known import Known
from zorgkiosk.site.panel.openhasp_face import Drawing, View, after, back, drawing, key_of
from zorgkiosk.site.panel.openhasp_pages import LAYOUTS, PAGES, objects
from zorgkiosk.site.panel.openhasp_protocol import Attributes, Heard, Message
from zorgkiosk.site.panel.screen import Place, home, screen

HOME_AFTER_S = 30.0
BOUNCE_S = 0.3
"""A second touch of the same key within this time is the same finger."""
TOUCHES_PER_S, TOUCHES_AT_ONCE = 6.0, 10.0
"""No hand touches faster for long; a plate that does is broken and cannot keep the disk busy."""
TOLD_S = 6.0
WHOLE_GAP_S = 1.0
"""Whole pages are sent at most this often, however often a plate says that it is back."""
STATUS_GAP_S = 30.0


class Plate:
    """Kept by one thread. A plate that is offline is sent nothing."""

    def __init__(self, name: str, size: Size, start: Place) -> None:
        self.name = name
        self.online = False
        self.shown: Drawing | None = None
        self._size = size
        self._layout = LAYOUTS[size]
        self._home = View(start)
        self._view = self._home
        self._sent: dict[tuple[int, int], Attributes] = {}
        self._whole_due = True
        self._whole_at_s: float | None = None
        self._touched_s = float("-inf")
        self._touches_left = (TOUCHES_AT_ONCE, float("-inf"))
        self._pressed: tuple[int, int] | None = None
        self._deaf_until_s = float("-inf")
        self._told: tuple[str, float] = ("", 0.0)
        self._uptime_s = 0

    def hear(self, heard: Heard, now_s: float) -> Key | None:
        """Take in what the plate said; returns the key that was pressed, if one was."""
        match heard:
            case protocol.Online():
                self.online, self._whole_due = True, True
            case protocol.Offline():
                self.lost()
            case protocol.Status(uptime_s=uptime_s):
                quiet = self._whole_at_s is None or now_s - self._whole_at_s >= STATUS_GAP_S
                self._whole_due |= uptime_s < self._uptime_s or not self.online or quiet
                self.online, self._uptime_s = True, uptime_s
            case protocol.Idled(state="short" | "long"):
                self._whole_due = True
            case protocol.Touched():
                return self._touch(heard, now_s)
        return None

    def lost(self) -> None:
        """Offline, or the broker is gone. It starts at home when it comes back."""
        self.online, self.shown, self._view = False, None, self._home
        self._sent.clear()

    def go(self, key: Key, place: Place) -> None:
        """Where `key` led: `place` by the panel, or the next part on a plate that shows one thing at a time."""
        if self.shown is None:
            return
        body = self.shown.screen.body
        if key.verb == "capacity" and isinstance(body, DetailPage):
            self._view = back(body, self._layout)
        elif place != self.shown.view.place or key.verb in ("home", "capacity", "triage", "regio"):
            self._view = View(place)

    def go_round(self, known: Known) -> bool:
        """ "Verder" on a small plate; False on a large one, where the panel's own next page is meant."""
        if self.shown is None:
            return False
        view = self.shown.view
        whole = screen(known, view.place)
        following = View(self._home.place) if whole is None else after(view, whole, self._layout)
        if following is None:
            return False
        self._view = following
        return True

    def tell(self, sentence: str, now_s: float) -> None:
        """Show a refusal in the place of the line for `TOLD_S`, or until the next touch."""
        self._told = (sentence, now_s + TOLD_S)

    def draw(self, known: Known, now_s: float) -> list[Message]:
        """What to send so that the plate shows what is known now: only what changed, or everything when due."""
        if not self.online:
            return []
        self._return_home(now_s)
        told = self._told[0] if now_s < self._told[1] else ""
        whole = screen(known, self._view.place)
        if whole is None:  # a page that is no longer there
            self._view = self._home
            whole = screen(known, home(known.config))
        if whole is None:
            return []
        before, self.shown = self.shown, drawing(whole, self._view, self._layout, told)
        self._view = self.shown.view
        if self._whole_due and (self._whole_at_s is None or now_s - self._whole_at_s >= WHOLE_GAP_S):
            self._whole_due, self._whole_at_s = False, now_s
            return list(self._everything(self.shown))
        return list(self._changes(before, self.shown))

    def _touch(self, touch: protocol.Touched, now_s: float) -> Key | None:
        if touch.event not in protocol.RELEASES or self.shown is None or touch.page != self.shown.page:
            return None
        key = key_of(self.shown, touch.id)
        if key is None or now_s < self._deaf_until_s:
            return None
        since_s, pressed = now_s - self._touched_s, (touch.page, touch.id)
        if since_s < BOUNCE_S and pressed == self._pressed:
            return None
        left = min(TOUCHES_AT_ONCE, self._touches_left[0] + (now_s - self._touches_left[1]) * TOUCHES_PER_S)
        self._touches_left = (left - 1 if left >= 1 else left, now_s)
        if left < 1:
            return None
        self._touched_s, self._pressed, self._told = now_s, pressed, ("", 0.0)
        return key

    def _return_home(self, now_s: float) -> None:
        if self._view != self._home and now_s - self._touched_s >= HOME_AFTER_S:
            self._view = self._home
            self._deaf_until_s = now_s + BOUNCE_S  # a finger that was on its way meant another screen

    def _everything(self, shown: Drawing) -> Iterator[Message]:
        self._sent = {(shown.page, number): attributes for number, attributes in shown.objects.items()}
        for page in PAGES.values():
            yield protocol.clear_page(self.name, page)
        filled = ({**each, **self._sent.get((int(each["page"]), int(each["id"])), {})} for each in objects(self._size))
        yield from protocol.draw(self.name, filled)
        yield protocol.show_page(self.name, shown.page)

    def _changes(self, before: Drawing | None, shown: Drawing) -> Iterator[Message]:
        changed = []
        for number, attributes in shown.objects.items():
            known = self._sent.get((shown.page, number), {})
            fresh = {name: value for name, value in attributes.items() if known.get(name) != value}
            if fresh:
                changed.append({"page": shown.page, "id": number, **fresh})
                self._sent[shown.page, number] = {**known, **fresh}
        yield from protocol.draw(self.name, changed)
        if before is None or before.page != shown.page:
            yield protocol.show_page(self.name, shown.page)
