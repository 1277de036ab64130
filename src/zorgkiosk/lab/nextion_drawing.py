"""`python -m zorgkiosk.lab.nextion_drawing`: the tables of hardware/nextion/README.md, from the panel's own layout."""

from __future__ import annotations

import sys
from pathlib import Path

from zorgkiosk.site.panel.nextion_layout import PAGES, Component, Page

README = Path("hardware/nextion/README.md")
BEGIN, END = "<!-- drawing -->\n", "<!-- end of drawing -->\n"
TYPES = {"key": "Button", "text": "Text", "variable": "Variable (number, local)", "hotspot": "Hotspot"}


def drawing() -> str:
    """All pages as Markdown tables, in the order in which their components are made."""
    return "\n".join(_table(page) for page in PAGES.values())


def renewed(readme: str) -> str:
    """The text with its tables made anew. Raises ValueError when it has no place for them."""
    head, rest = readme.split(BEGIN)
    return f"{head}{BEGIN}\n{drawing()}\n{END}{rest.split(END)[1]}"


def _table(page: Page) -> str:
    rows = [_row(number, component) for number, component in enumerate(page.components, start=1)]
    return "\n".join(
        [
            f"### Page {page.number}: `{page.name}`",
            "",
            "| id | objname | type | x | y | w | h | font | txt_maxl | sends its id on release |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _row(number: int, component: Component) -> str:
    box = component.box
    place = (box.x, box.y, box.w, box.h) if component.kind != "variable" else ("",) * 4
    sends = f"yes: {component.key}" if component.key is not None else ""
    cells = (
        number if component.key is not None else "",
        f"`{component.name}`",
        TYPES[component.kind],
        *place,
        component.font or "",
        component.letters or "",
        sends,
    )
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0)
