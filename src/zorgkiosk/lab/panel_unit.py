"""A site with a panel and nothing else, as a process of its own: for benches and tests that look at it from outside."""

from __future__ import annotations

import sys
from pathlib import Path

from zorgkiosk.lab.daemon import Daemon

SITE = """
[site]
name = "vvt-linde"
title = "VVT De Linde"
region = "oost"
data_dir = "data"
[hub]
host = "127.0.0.1"
ca_file = "ca.pem"
certificate_file = "site.pem"
key_file = "site.key"
[panel]
port = {port}
"""
"""To be formatted with a port. What follows it belongs to `[panel]`; a `capacity = [...]` stands before it."""


def panel_daemon(folder: Path, config: str) -> Daemon:
    """The panel of this config, not started yet; everything it writes is below `folder`."""
    file = folder / "site.toml"
    file.write_text(config, encoding="utf-8")
    command = [sys.executable, "-m", "zorgkiosk", "--log-level", "WARNING", "run", "panel", "--config", str(file)]
    return Daemon("panel", command, folder / "panel.log")
