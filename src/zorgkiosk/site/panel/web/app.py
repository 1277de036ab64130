"""The panel's web pages. A tap is a form; its answer is the screen as it then is, or a redirect to it."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from typing import Literal

from flask import Flask, Response, abort, copy_current_request_context, redirect, render_template, request, url_for
from flask_babel import Babel, gettext
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from zorgkiosk.contract.names import CODE_PATTERN
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.panel import screen
from zorgkiosk.site.panel.actions import RefusedError, Taps
from zorgkiosk.site.panel.actor import Actor
from zorgkiosk.site.panel.known import Known, Look
from zorgkiosk.site.panel.language import DOMAIN, LOCALE, phrase, speaking
from zorgkiosk.site.panel.logbook import logbook_page
from zorgkiosk.site.panel.pin import PinGate
from zorgkiosk.site.panel.screen import Place
from zorgkiosk.site.panel.view import Header, header
from zorgkiosk.site.panel.web import sound
from zorgkiosk.site.panel.web.door import LOOPBACK, Door
from zorgkiosk.site.panel.web.form import is_live, yes
from zorgkiosk.site.panel.web.guard import is_foreign_host, is_foreign_listener, is_foreign_tap
from zorgkiosk.site.panel.web.live import Live, Picture, Places
from zorgkiosk.site.panel.web.pin_pages import add_pin_pages
from zorgkiosk.site.panel.web.sizes import stylesheet
from zorgkiosk.site.store import StoreError

MAX_FORM_BYTES = 4096
LIVE_PLACES = 6
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_SENTENCES = {
    400: phrase("Dit verzoek is niet te begrijpen."),
    403: phrase("Dit verzoek komt niet van dit paneel."),
    404: phrase("Deze pagina bestaat niet."),
    405: phrase("Dat kan hier niet."),
    413: phrase("Dit verzoek is te groot."),
    503: phrase("Er kijken te veel schermen tegelijk mee."),
}

log = logging.getLogger(__name__)
_NUMBER = re.compile(r"\d{4,}")


def create_app(
    config: SiteConfig, taps: Taps, look: Callable[[], Look], door: Door = LOOPBACK, gate: PinGate | None = None
) -> Flask:
    """The WSGI application behind one door. `look` opens a fresh pair of eyes, used by one thread and closed.

    Without a `gate` no PIN is right.
    """
    app = Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=MAX_FORM_BYTES, MAX_FORM_PARTS=50)
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    language = config.panel.language
    Babel(
        app,
        default_locale=language,
        default_domain=DOMAIN,
        default_translation_directories=str(LOCALE),
        locale_selector=lambda: language,
    )
    taps = taps.by(Actor(door.device))
    pages = _Pages(config, taps, look)
    app.before_request(lambda: _refuse_strangers(door.names))
    app.after_request(_harden)
    app.register_error_handler(HTTPException, _nonsense)
    app.register_error_handler(RefusedError, _refused)
    app.register_error_handler(StoreError, pages.not_saved)
    app.add_url_rule("/", "start", pages.start)
    app.add_url_rule("/<any(capacity, detail, triage, regio):kind>/<int:page>", "show", pages.show)
    app.add_url_rule("/regio", "regio", pages.region)
    app.add_url_rule("/live/<any(capacity, detail, triage, regio):kind>/<int:page>", "live", pages.live)
    app.add_url_rule("/logboek/<int:page>", "logbook", pages.logbook)
    sizes = Response(stylesheet(config.panel.dpi), mimetype="text/css")
    app.add_url_rule("/sizes.css", "sizes", lambda: sizes)
    chime = Response(sound.chime(), mimetype="audio/wav")
    app.add_url_rule("/chime.wav", "chime", lambda: chime)
    known = {"home_after_s": config.panel.home_after_s, "language": language, "has_session": door.sessions is not None}
    app.context_processor(lambda: known)
    _add_taps(app, _Hands(taps, pages))
    add_pin_pages(app, taps, gate or PinGate(None, time.monotonic), door, pages.header, language)
    return app


def _add_taps(app: Flask, hands: _Hands) -> None:
    rules: dict[str, Callable[..., AnyResponse]] = {
        "/tap/capacity/<code>": hands.step,
        "/tap/status/<code>": hands.choose,
        "/tap/expected/<code>": hands.expect,
        "/tap/limit/<code>/<limit>": hands.limit,
        "/tap/reason/<code>/<reason>": hands.reason,
        "/tap/end/<code>": hands.end,
        "/tap/confirm": hands.confirm,
        "/tap/undo": hands.undo,
        "/tap/desk/<desk_id>": hands.desk,
        "/tap/overflow/<any(giving, accepting):switch>": hands.overflow,
        "/tap/seen": hands.seen,
    }
    for rule, verb in rules.items():
        app.add_url_rule(rule, f"tap_{verb.__name__}", verb, methods=["POST"])


class _Pages:
    """What can be looked at."""

    def __init__(self, config: SiteConfig, taps: Taps, look: Callable[[], Look]) -> None:
        self._config = config
        self._taps = taps
        self._look = look
        self._places = Places(LIVE_PLACES)

    def start(self) -> AnyResponse:
        home = screen.home(self._config)
        return redirect(url_for("show", kind=home.kind, page=home.page))

    def region(self) -> AnyResponse:
        return redirect(url_for("show", kind="regio", page=1))

    def show(self, kind: str, page: int) -> str:
        return render_template("page.html", picture=self.now(Place(kind, page)), place=Place(kind, page))

    def live(self, kind: str, page: int) -> Response:
        place = Place(kind, page)
        self.now(place)
        if not self._places.take():
            abort(503)
        look = self._look()

        def leave() -> None:
            look.close()
            self._places.give_back()

        @copy_current_request_context
        def paint() -> Picture:
            return self._paint(look, place)

        return Response(Live(paint, leave), mimetype="text/event-stream")

    def logbook(self, page: int) -> str:
        with closing(self._look()) as look:
            known = look.known(self._taps.problem)
            shown = logbook_page(self._config, known.now, look.journal_length(), page, look.journal)
        if shown is None:
            abort(404)
        return render_template("logbook.html", header=self._header(known), body=shown)

    def header(self) -> Header:
        with closing(self._look()) as look:
            return self._header(look.known())

    def _header(self, known: Known) -> Header:
        with speaking(self._config.panel.language):
            return header(known)

    def after_tap(self, status: int = 200) -> AnyResponse:
        """The screen the tap came from: as a fragment for our script, as a redirect for a plain form."""
        place = screen.parse_place(request.form.get("place", "")) or screen.home(self._config)
        if is_live():
            picture = self.now(place)
            return Response(picture.html, status, {"X-At": str(picture.at_ms)}, mimetype="text/html")
        if status == 200:
            return redirect(url_for("show", kind=place.kind, page=place.page), 303)
        return Response(render_template("page.html", picture=self.now(place), place=place), status)

    def not_saved(self, error: StoreError) -> AnyResponse:
        """`Taps` has logged it, and holds the sentence that the screen shows."""
        return self.after_tap(507 if "full" in str(error) else 503)

    def now(self, place: Place) -> Picture:
        with closing(self._look()) as look:
            return self._paint(look, place)

    def _paint(self, look: Look, place: Place) -> Picture:
        known = look.known(self._taps.problem)
        shown = screen.screen(known, place)
        if shown is None:
            abort(404)
        return Picture(render_template("screen.html", screen=shown), known.now.uptime_ms)


class _Hands:
    """What can be tapped."""

    def __init__(self, taps: Taps, pages: _Pages) -> None:
        self._taps = taps
        self._pages = pages

    def step(self, code: str) -> AnyResponse:
        self._taps.step(code, _one(), tap=_tap())
        return self._pages.after_tap()

    def expect(self, code: str) -> AnyResponse:
        self._taps.expect(code, _one(), tap=_tap())
        return self._pages.after_tap()

    def choose(self, code: str) -> AnyResponse:
        self._taps.choose(code, request.form.get("status", ""), tap=_tap())
        return self._pages.after_tap()

    def limit(self, code: str, limit: str) -> AnyResponse:
        self._taps.limit(code, limit, on=yes(request.form, "on"), tap=_tap())
        return self._pages.after_tap()

    def reason(self, code: str, reason: str) -> AnyResponse:
        self._taps.reason(code, reason, on=yes(request.form, "on"), tap=_tap())
        return self._pages.after_tap()

    def end(self, code: str) -> AnyResponse:
        self._taps.end(code, request.form.get("end", ""), tap=_tap())
        return self._pages.after_tap()

    def confirm(self) -> AnyResponse:
        self._taps.confirm(dict(_seen(request.form.getlist("seen"))))
        return self._pages.after_tap()

    def undo(self) -> AnyResponse:
        self._taps.undo()
        return self._pages.after_tap()

    def desk(self, desk_id: str) -> AnyResponse:
        self._taps.desk(desk_id, present=yes(request.form, "present"))
        return self._pages.after_tap()

    def overflow(self, switch: Literal["giving", "accepting"]) -> AnyResponse:
        self._taps.overflow(switch, on=yes(request.form, "on"))
        return self._pages.after_tap()

    def seen(self) -> AnyResponse:
        lost = request.form.get("lost")
        failed = (each.partition("=") for each in request.form.getlist("failed"))
        self._taps.seen(
            None if lost is None else _number(lost), {desk: _number(since_ms) for desk, _, since_ms in failed}
        )
        return self._pages.after_tap()


def _tap() -> str | None:
    return request.form.get("tap", "")[:64] or None


def _one() -> Literal[-1, 1]:
    match request.form.get("step"):
        case "+1":
            return 1
        case "-1":
            return -1
        case _:
            raise RefusedError("Tik op − of +.")


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise RefusedError("Dit is geen getal.") from None


def _seen(values: list[str]) -> Iterator[tuple[str, int | str]]:
    """`elv-laag=2`, `seh=stop` as it stood on the screen."""
    for value in values:
        code, _, shown = value.partition("=")
        try:
            yield code, shown if re.fullmatch(CODE_PATTERN, shown) else int(shown)
        except ValueError:
            raise RefusedError("Dit is geen aantal en geen keuze.") from None


def _refuse_strangers(names: Collection[str]) -> None:
    foreign = is_foreign_host(request, names) or (request.method == "POST" and is_foreign_tap(request))
    if foreign or (request.endpoint == "live" and is_foreign_listener(request)):
        abort(403)


def _harden(response: Response) -> Response:
    if request.endpoint != "static":
        response.headers.update(HEADERS)
    return response


def _nonsense(error: HTTPException) -> AnyResponse:
    if error.code is None or error.code < 400:
        return error.get_response()
    return _sentence(error.code, _SENTENCES.get(error.code, phrase("Dit lukt niet.")))


def _refused(error: RefusedError) -> AnyResponse:
    return _sentence(400, str(error))


def _sentence(status: int, sentence: str) -> AnyResponse:
    # An address is a stranger's text: what may be somebody's number, or a PIN, does not reach the log.
    path = _NUMBER.sub("…", request.path)
    log.warning("panel: %s %.80r refused: %d %s", request.method, path, status, sentence)
    sentence = gettext(sentence)
    if is_live():
        return Response(sentence, status, mimetype="text/plain")
    return Response(render_template("refused.html", sentence=sentence), status)
