"""What a tap carries: the fields of its form, and whether our script sent it."""

from __future__ import annotations

from collections.abc import Mapping

from flask import request

from zorgkiosk.site.panel.actions import RefusedError


def yes(form: Mapping[str, str], key: str) -> bool:
    match form.get(key):
        case "yes":
            return True
        case "no":
            return False
        case _:
            raise RefusedError("Tik op aan of uit.")


def is_live() -> bool:
    """Whether our script asks, which swaps the screen itself."""
    return request.headers.get("X-Panel") == "live"
