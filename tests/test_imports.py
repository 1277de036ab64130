"""The direction of imports is the architecture: units → site | hub | lab → overflow, capacity → contract."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"
MODULES = {
    ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted(SOURCE.rglob("*.py"))
}
OURS = "zorgkiosk"

CONFIG = ("config_section", "config_words", "config_ports")
BOXES = ("site", "hub", "units", "provision")
MAY_IMPORT = {
    "contract": set[str](),
    "capacity": {"contract"},
    "overflow": {"contract", "capacity"},
    "toml_places": set[str](),
    "config_section": set[str](),
    "config_words": {"config_section", "contract", "toml_places"},
    "config_ports": {"config_section"},
    "toml_faults": {"toml_places"},
    "config_file": {"toml_places", "toml_faults", "config_section", "config_words"},
    "speech": set[str](),
    "durable": set[str](),
    "site": {"durable", "contract", "capacity", "overflow", "config_file", *CONFIG, "speech"},
    "hub": {"contract", "capacity", "overflow", "config_file", *CONFIG, "speech"},
    "lab": {"durable", "contract", "capacity", "overflow", "config_file", *CONFIG, "care", *BOXES},
    "units": {"contract", "capacity", "overflow", "config_file", *CONFIG, "site", "hub", "lab"},
    "provision": {"durable", "contract", "config_file", *CONFIG, "site", "hub"},
    "care": {"durable", "contract", "config_file", *CONFIG, "toml_places", "site", "hub", "provision"},
    "cli": {"config_file", "site", "hub", "units", "lab", "provision", "care"},
    "__main__": {"cli"},
}
"""What each part of the house may import besides itself. `provision` makes what a region's boxes need, `care` is what a
technician does on a box. `lab` composes regions, so it may start units."""

PURE_STANDARD = {
    "__future__",
    "base64",
    "bisect",
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "heapq",
    "itertools",
    "json",
    "math",
    "re",
    "statistics",
    "typing",
    "zoneinfo",
}
"""What pure parts need of the standard library: nothing that reads a clock, a file, a socket or chance."""

ONE_IMPORTER = {
    "pjsua2": ("zorgkiosk.site.telephony.worker", "zorgkiosk.lab.phone", "zorgkiosk.lab.softphone"),
    "paho": (
        "zorgkiosk.site.sync.uplink",
        "zorgkiosk.hub.link",
        "zorgkiosk.site.panel.openhasp",
        "zorgkiosk.lab.plate",
    ),
    "pika": ("zorgkiosk.hub.amqp",),
    "prometheus_client": ("zorgkiosk.hub.metrics",),
    "serial": ("zorgkiosk.site.panel.nextion",),
}


def imported(module: str) -> Iterator[str]:
    """Full names of all that the module imports, also inside functions."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(origin), names=names, level=0):
                yield from (f"{origin}.{name.name}" for name in names)
            case ast.ImportFrom():
                raise AssertionError(f"{module}: relative import, write the full name")


def part(module: str) -> str:
    """`site` of `zorgkiosk.site.store`; empty for the package itself."""
    return [*module.split("."), ""][1]


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module: str) -> None:
    here = part(module)
    for name in imported(module):
        if name.split(".")[0] != OURS or not here:
            continue
        there = part(name)
        assert there == here or there in MAY_IMPORT[here], f"{module} may not import {name}"


@pytest.mark.parametrize("module", [name for name in MODULES if part(name) in ("overflow", "capacity", "contract")])
def test_the_pure_parts_touch_nothing_outside(module: str) -> None:
    allowed = PURE_STANDARD | {OURS} | ({"pydantic"} if part(module) == "contract" else set())
    roots = {name.split(".")[0] for name in imported(module)}
    assert roots <= allowed, f"{module} imports {', '.join(sorted(roots - allowed))}"
    assert roots - {OURS, "pydantic"} <= sys.stdlib_module_names


@pytest.mark.parametrize("module", MODULES)
def test_an_awkward_library_has_its_few_importers(module: str) -> None:
    for name in imported(module):
        allowed = ONE_IMPORTER.get(name.split(".")[0])
        if allowed is not None:
            assert module.startswith(allowed), f"{module} may not import {name}"


def test_the_check_sees_the_whole_house() -> None:
    assert {"zorgkiosk.site.store", "zorgkiosk.contract.events", "zorgkiosk.units.sync"} <= set(MODULES)
    assert "zorgkiosk.contract.events" in set(imported("zorgkiosk.site.sync.relay")) | {
        name.rpartition(".")[0] for name in imported("zorgkiosk.site.sync.relay")
    }
