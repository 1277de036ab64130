"""On the hub's own machine: from `out/hub/broker` into the broker's folder. Its unit reloads it by itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from zorgkiosk import durable
from zorgkiosk.provision.config import load_region


def install(folder: Path) -> Iterator[str]:
    """A sentence for each file that is new there. Raises ConfigError, OSError."""
    broker = load_region(folder).broker
    broker.directory.mkdir(parents=True, exist_ok=True)
    for source in sorted((folder / "out" / "hub" / "broker").iterdir()):
        target, content = broker.directory / source.name, source.read_bytes()
        if target.exists() and target.read_bytes() == content:
            continue
        durable.put(target, content, durable.SECRET if source.suffix == ".key" else durable.PUBLIC)
        if os.geteuid() == 0:
            shutil.chown(target, broker.run_as)  # Mosquitto reads its key again at each reload, as its own user
        yield f"{target}: installed"
