"""The number pad: before a tap that affects others, and at the door of the network. A PIN is good for one action."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Literal

from flask import Flask, Response, abort, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from zorgkiosk.capacity.catalog import CATEGORIES
from zorgkiosk.site.config_panel import Language
from zorgkiosk.site.panel import words
from zorgkiosk.site.panel.actions import Taps
from zorgkiosk.site.panel.actor import Actor, PinNeededError
from zorgkiosk.site.panel.language import name as named
from zorgkiosk.site.panel.language import speaking
from zorgkiosk.site.panel.pin import PinGate
from zorgkiosk.site.panel.screen import parse_place
from zorgkiosk.site.panel.view import Header
from zorgkiosk.site.panel.web.door import COOKIE, SESSION_S, Door
from zorgkiosk.site.panel.web.form import is_live, yes

OPEN_TO_ALL = frozenset({"login", "log_in", "static", "sizes"})

log = logging.getLogger(__name__)


def add_pin_pages(
    app: Flask, taps: Taps, gate: PinGate, door: Door, header: Callable[[], Header], language: Language
) -> None:
    """`header` reads what stands on top of every page."""
    pages = _PinPages(taps, gate, door, header, language)
    app.register_error_handler(PinNeededError, pages.ask_first)
    pad = "/pin/<any(giving, accepting):switch>/<any(yes, no):on>"
    app.add_url_rule(pad, "pin", pages.pad)
    app.add_url_rule(pad, "tap_with_pin", pages.overflow, methods=["POST"])
    app.add_url_rule("/pin/stop/<code>", "pin_stop", pages.pad_stop)
    app.add_url_rule("/pin/stop/<code>", "stop_with_pin", pages.stop, methods=["POST"])
    if door.sessions is not None:
        app.before_request(pages.stop_at_the_door)
        app.add_url_rule("/login", "login", pages.door)
        app.add_url_rule("/login", "log_in", pages.log_in, methods=["POST"])
        app.add_url_rule("/logout", "log_out", pages.log_out, methods=["POST"])


class _PinPages:
    def __init__(self, taps: Taps, gate: PinGate, door: Door, header: Callable[[], Header], language: Language) -> None:
        self._taps = taps
        self._gate = gate
        self._door = door
        self._header = header
        self._language = language

    def ask_first(self, _error: PinNeededError) -> AnyResponse:
        """The tap waits in the address of the number pad; the PIN itself is in the body of a form only."""
        place = parse_place(request.form.get("place", ""))
        args = {**(request.view_args or {}), "place": place and str(place)}
        if "switch" in args:
            pad = url_for("pin", **args, on="yes" if yes(request.form, "on") else "no")
        else:
            pad = url_for("pin_stop", **args)
        return Response("", 200, {"X-Go": pad}) if is_live() else redirect(pad, 303)

    def pad(self, switch: str, on: str) -> str:
        return self._page(_switched(switch, on), self._pause())

    def overflow(self, switch: Literal["giving", "accepting"], on: str) -> AnyResponse:
        return self._with_pin(_switched(switch, on), lambda taps: taps.overflow(switch, on=on == "yes"))

    def pad_stop(self, code: str) -> str:
        return self._page(self._stopped(code), self._pause())

    def stop(self, code: str) -> AnyResponse:
        return self._with_pin(self._stopped(code), lambda taps: taps.choose(code, "stop"))

    def _with_pin(self, title: str, act: Callable[[Taps], None]) -> AnyResponse:
        if sentence := self._wrong():
            return Response(self._page(title, sentence), 403)
        act(self._taps.by(Actor(self._door.device, "leiding")))
        place = parse_place(request.args.get("place", ""))
        return redirect(url_for("show", kind=place.kind, page=place.page) if place else url_for("start"), 303)

    def door(self) -> str:
        return self._page(gettext("Paneel openen"), self._pause())

    def log_in(self) -> AnyResponse:
        sessions = self._door.sessions
        if sessions is None:
            abort(404)
        if sentence := self._wrong():
            return Response(self._page(gettext("Paneel openen"), sentence), 403)
        self._taps.note("login")
        answer = redirect(url_for("start"), 303)
        answer.set_cookie(
            COOKIE, sessions.begin(), max_age=int(SESSION_S), secure=True, httponly=True, samesite="Strict"
        )
        return answer

    def stop_at_the_door(self) -> AnyResponse | None:
        sessions = self._door.sessions
        if request.endpoint in OPEN_TO_ALL or sessions is None or sessions.knows(request.cookies.get(COOKIE, "")):
            return None
        return _to_the_door()

    def log_out(self) -> AnyResponse:
        """The session ends at once, also for whoever kept a copy of its cookie."""
        if self._door.sessions is not None:
            self._door.sessions.end(request.cookies.get(COOKIE, ""))
        answer = _to_the_door()
        answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="Strict")
        return answer

    def _wrong(self) -> str:
        """The sentence to show; "" when the PIN is right."""
        if pause := self._pause():
            return pause
        verdict = self._gate.check(request.form.get("pin", ""))
        if verdict == "right":
            return ""
        log.warning("panel: wrong PIN at %s", self._door.device)
        self._taps.note("pin")
        return self._pause() or str(gettext("Deze pincode klopt niet."))

    def _pause(self) -> str:
        pause_s = self._gate.pause_s()
        if not pause_s:
            return ""
        return str(gettext("Te vaak een verkeerde pincode: wacht %(seconds)s s.", seconds=math.ceil(pause_s)))

    def _stopped(self, code: str) -> str:
        category = CATEGORIES.get(code)
        if category is None:
            abort(404)
        with speaking(self._language):
            return f"{named(category)}: stop"

    def _page(self, title: str, sentence: str) -> str:
        is_door = request.endpoint in ("login", "log_in")
        return render_template("pin.html", title=title, sentence=sentence, is_door=is_door, header=self._header())


def _to_the_door() -> AnyResponse:
    login = url_for("login")
    return Response("", 200, {"X-Go": login}) if is_live() else redirect(login, 303)


def _switched(switch: str, on: str) -> str:
    state = gettext("aan") if on == "yes" else gettext("uit")
    return f"{gettext(words.SWITCHES[switch])}: {state}"
