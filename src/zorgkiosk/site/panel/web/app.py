"""The panel's web pages. A tap is a form; its answer is the screen as it then is, or a redirect to it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Literal

from flask import Flask, Response, abort, copy_current_request_context, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.panel import screen
from zorgkiosk.site.panel.actions import RefusedError, Taps
from zorgkiosk.site.panel.known import Look
from zorgkiosk.site.panel.screen import Place
from zorgkiosk.site.panel.web.guard import is_foreign_host, is_foreign_tap
from zorgkiosk.site.panel.web.live import Live, Picture, Places
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
    400: "Dit verzoek is niet te begrijpen.",
    403: "Dit verzoek komt niet van dit paneel.",
    404: "Deze pagina bestaat niet.",
    405: "Dat kan hier niet.",
    413: "Dit verzoek is te groot.",
    503: "Er kijken te veel schermen tegelijk mee.",
}

log = logging.getLogger(__name__)


def create_app(config: SiteConfig, taps: Taps, look: Callable[[], Look]) -> Flask:
    """The WSGI application. `look` opens a fresh pair of eyes, which are used by one thread and closed."""
    app = Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=MAX_FORM_BYTES, MAX_FORM_PARTS=50)
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    pages = _Pages(config, taps, look)
    app.before_request(_refuse_strangers)
    app.after_request(_harden)
    app.register_error_handler(HTTPException, _nonsense)
    app.register_error_handler(RefusedError, _refused)
    app.register_error_handler(StoreError, pages.not_saved)
    app.add_url_rule("/", "start", pages.start)
    app.add_url_rule("/<any(capacity, triage, regio):kind>/<int:page>", "show", pages.show)
    app.add_url_rule("/regio", "regio", pages.region)
    app.add_url_rule("/live/<any(capacity, triage, regio):kind>/<int:page>", "live", pages.live)
    _add_taps(app, _Hands(taps, pages))
    return app


def _add_taps(app: Flask, hands: _Hands) -> None:
    rules: dict[str, Callable[..., AnyResponse]] = {
        "/tap/capacity/<code>": hands.step,
        "/tap/confirm": hands.confirm,
        "/tap/undo": hands.undo,
        "/tap/desk/<desk_id>": hands.desk,
        "/tap/overflow/<any(giving, accepting):switch>": hands.overflow,
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

    def after_tap(self, status: int = 200) -> AnyResponse:
        """The screen the tap came from: as a fragment for our script, as a redirect for a plain form."""
        place = screen.parse_place(request.form.get("place", "")) or screen.home(self._config)
        if _is_live():
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
        steps: dict[str, Literal[-1, 1]] = {"+1": 1, "-1": -1}
        step = steps.get(request.form.get("step", ""))
        if step is None:
            raise RefusedError("Tik op − of +.")
        self._taps.step(code, step, tap=request.form.get("tap", "")[:64] or None)
        return self._pages.after_tap()

    def confirm(self) -> AnyResponse:
        self._taps.confirm(dict(_seen(request.form.getlist("seen"))))
        return self._pages.after_tap()

    def undo(self) -> AnyResponse:
        self._taps.undo()
        return self._pages.after_tap()

    def desk(self, desk_id: str) -> AnyResponse:
        self._taps.desk(desk_id, present=_yes(request.form, "present"))
        return self._pages.after_tap()

    def overflow(self, switch: Literal["giving", "accepting"]) -> AnyResponse:
        self._taps.overflow(switch, on=_yes(request.form, "on"))
        return self._pages.after_tap()


def _seen(values: list[str]) -> Iterator[tuple[str, int]]:
    """`elv-laag=2` as it stood on the screen."""
    for value in values:
        code, _, number = value.partition("=")
        try:
            yield code, int(number)
        except ValueError:
            raise RefusedError("Dit aantal is geen getal.") from None


def _yes(form: Mapping[str, str], key: str) -> bool:
    match form.get(key):
        case "yes":
            return True
        case "no":
            return False
        case _:
            raise RefusedError("Tik op aan of uit.")


def _refuse_strangers() -> None:
    if is_foreign_host(request) or (request.method == "POST" and is_foreign_tap(request)):
        abort(403)


def _harden(response: Response) -> Response:
    if request.endpoint != "static":
        response.headers.update(HEADERS)
    return response


def _nonsense(error: HTTPException) -> AnyResponse:
    if error.code is None or error.code < 400:
        return error.get_response()
    return _sentence(error.code, _SENTENCES.get(error.code, "Dit lukt niet."))


def _refused(error: RefusedError) -> AnyResponse:
    return _sentence(400, str(error))


def _sentence(status: int, sentence: str) -> AnyResponse:
    log.warning("panel: %s %.80r refused: %d %s", request.method, request.path, status, sentence)
    if _is_live():
        return Response(sentence, status, mimetype="text/plain")
    return Response(render_template("refused.html", sentence=sentence), status)


def _is_live() -> bool:
    """Whether our script asks, which swaps the screen itself."""
    return request.headers.get("X-Panel") == "live"
