"""Who may speak to the panel: pages of the panel itself. There are no accounts; the screen hangs on the wall.

On the building's network a session comes on top (door.py).

A page of another origin must not be able to tap (cross-site request forgery), nor to read us under a name of its own
(DNS rebinding). Source: Fetch Metadata Request Headers §2.2; RFC 6454 §7.
"""

from __future__ import annotations

from collections.abc import Collection

from werkzeug.wrappers import Request


def is_foreign_host(request: Request, names: Collection[str]) -> bool:
    """The request was meant for another name than this machine's own."""
    return request.host.rsplit(":", 1)[0] not in names


def is_foreign_tap(request: Request) -> bool:
    """A POST that did not come from a page of ours. Browsers send at least one of both headers with every POST."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is None and origin is None:
        return True
    return site not in (None, "same-origin") or origin not in (None, f"{request.scheme}://{request.host}")


def is_foreign_listener(request: Request) -> bool:
    """A stream that a page of elsewhere opened: it cannot read it, but it would hold a place of the few there are."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
