"""The board's pages: HTML for a wallboard, the same view model as JSON, and a health check. Reads only."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from flask import Blueprint, Flask, Response, current_app, jsonify, render_template, request, url_for
from flask_babel import Babel, gettext
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, ServiceUnavailable

from zorgkiosk.contract.events import format_instant
from zorgkiosk.hub.asked_as import is_foreign
from zorgkiosk.hub.board import view
from zorgkiosk.hub.board.language import DOMAIN, LOCALE, phrase, speaking
from zorgkiosk.hub.config import HubConfig
from zorgkiosk.hub.metrics import CONTENT_TYPE, board_text
from zorgkiosk.hub.outlook import Outlook, OutlookError

log = logging.getLogger(__name__)

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the pages get what they show. `now` gives aware UTC."""

    config: HubConfig
    outlook: Outlook
    now: Callable[[], datetime]

    def board(self, only: view.Filter) -> view.Board:
        """Raises ServiceUnavailable while the database cannot be read, BadRequest for an unknown subregion."""
        if only.subregion is not None and only.subregion not in {site.subregion for site in self.config.site}:
            raise BadRequest(phrase("Deze deelregio is niet bekend."))
        try:
            reports = self.outlook.reports()
        except OutlookError as error:
            log.warning("board shows nothing: %s", error)
            raise ServiceUnavailable(phrase("De gegevens zijn nu niet te lezen.")) from error
        with speaking(self.config.board.language):
            return view.board(self.config.hub.title or self.config.hub.region, reports, self.now(), only)


pages = Blueprint("board", __name__, template_folder="templates", static_folder="static")


def create_app(source: Source) -> Flask:
    """The WSGI application that shows `source`."""
    app = Flask(__name__, static_folder=None)
    app.extensions["zorgkiosk_board"] = source
    language = source.config.board.language
    Babel(
        app,
        default_locale=language,
        default_domain=DOMAIN,
        default_translation_directories=str(LOCALE),
        locale_selector=lambda: language,
    )
    app.context_processor(lambda: {"language": language})
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.register_blueprint(pages)
    app.register_error_handler(HTTPException, _refuse)
    app.before_request(_guard)
    app.after_request(_with_headers)
    return app


@pages.get("/")
def page() -> str | tuple[str, int]:
    """The whole page. While the database cannot be read it is served empty, and fills itself later."""
    only = _asked()
    try:
        shown = _source().board(only)
    except ServiceUnavailable:
        return render_template("page.html", board=None, only=only), ServiceUnavailable.code
    return render_template("page.html", **_context(shown, only))


@pages.get("/inhoud")
def content() -> str:
    """What the page replaces every two seconds."""
    only = _asked()
    return render_template("content.html", **_context(_source().board(only), only))


@pages.get("/api/v1/sites")
def sites() -> Response:
    """The board as JSON: instants RFC 3339, durations in seconds, null where nothing is known."""
    shown = _source().board(_asked())
    return jsonify(_plain(dataclasses.asdict(shown)))


@pages.get("/healthz")
def healthz() -> Response:
    """200 when the database can be read, 503 when not."""
    _source().board(view.Filter())
    return jsonify({"status": "ok"})


@pages.get("/metrics")
def metrics() -> Response:
    """What the database knows of the region, for Prometheus; also while it cannot be read."""
    source = _source()
    try:
        reports = source.outlook.reports()
    except OutlookError:
        reports = None
    return Response(board_text(reports, source.now()), content_type=CONTENT_TYPE)


def _guard() -> None:
    if is_foreign(request.host, _source().config.board.names):
        raise Forbidden(phrase("Onder deze naam is het bord hier niet bekend: schrijf hem in [board] names."))


def _source() -> Source:
    return cast(Source, current_app.extensions["zorgkiosk_board"])


def _asked() -> view.Filter:
    sector = request.args.get("sector") or None
    if sector is not None and sector not in view.SECTORS:
        raise BadRequest(phrase("Deze sector is niet bekend."))
    return view.Filter(sector=sector, subregion=request.args.get("deelregio") or None)


def _context(shown: view.Board, only: view.Filter) -> dict[str, Any]:
    def link(**change: str | None) -> str:
        """This page with another filter."""
        asked: dict[str, Any] = {"sector": only.sector, "deelregio": only.subregion} | change
        return url_for("board.page", **{key: value for key, value in asked.items() if value})

    return {"board": shown, "only": only, "link": link, "sector_names": view.SECTORS}


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return format_instant(value)
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case _:
            return value


def _refuse(error: HTTPException) -> Response:
    """One plain sentence and the status; as JSON where JSON was asked."""
    sentence = gettext(error.description or error.name)
    if request.path.startswith(("/api/", "/healthz")):
        response = jsonify({"error": sentence})
    else:
        response = Response(sentence + "\n", mimetype="text/plain")
    response.status_code = error.code or 500
    for name, value in error.get_headers():
        if name in ("Allow", "Location"):
            response.headers[name] = value
    return response


def _with_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    if request.endpoint != "board.static":
        response.headers["Cache-Control"] = "no-store"
    return response
