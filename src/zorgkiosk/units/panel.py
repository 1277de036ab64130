"""The site's `panel`: what staff see and tap, on every face it has. It works without telephony, sync and hub."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from flask import Flask

from zorgkiosk.config_file import ConfigError, Problem
from zorgkiosk.site.clock import Clock, SystemClock
from zorgkiosk.site.config import SiteConfig, load_site
from zorgkiosk.site.config_serial import SerialPanel
from zorgkiosk.site.panel.actions import Taps
from zorgkiosk.site.panel.actor import Actor
from zorgkiosk.site.panel.known import STREAM, Look
from zorgkiosk.site.panel.nextion_panel import DisplayThread
from zorgkiosk.site.panel.openhasp import Plates
from zorgkiosk.site.panel.pin import PinGate
from zorgkiosk.site.panel.rounds import Rounds
from zorgkiosk.site.panel.web.app import LIVE_PLACES, create_app
from zorgkiosk.site.panel.web.door import LOOPBACK, Door, Sessions
from zorgkiosk.site.panel.web.serve import names_in, on_loopback, on_network
from zorgkiosk.site.store import Room, Store, StoreError
from zorgkiosk.units.heart import Heart

ROUND_S = 0.1
THREADS = LIVE_PLACES + 4  # each listening browser holds one; the others are for taps
FACE_STOP_S = 6.0
"""Displays and plates are told that the panel stops."""

log = logging.getLogger(__name__)


def run(config_path: Path) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError and StoreError; OSError when the port is taken."""
    config = load_site(config_path)
    clock = SystemClock.of_this_boot()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    store = Store.open(config.panel_db, STREAM, clock, Room(config.site.store_max_mb))
    taps = Taps(config, store, clock)
    with contextlib.suppress(StoreError):  # a full one begins it with its first tap; damage ends the panel in `tend`
        store.begin_journal()
        taps.note_config(hashlib.sha256(config_path.read_bytes()).hexdigest())
    look = Look.of(config, clock)
    rounds = Rounds(look, taps)
    heart = Heart.of_unit("rounds")
    faces: list[threading.Thread] = []
    try:
        web, faces = _web(config_path, config, taps, clock), _faces(config, taps, clock, stop)
        for thread in (*web, *faces):
            thread.start()
        log.info("panel: http://127.0.0.1:%d", config.panel.port)
        while not stop.wait(ROUND_S):
            rounds.beat(clock.uptime_s())
            heart.turned("rounds")
            if dead := [each.name for each in (*web, *faces) if not each.is_alive() and not stop.is_set()]:
                raise RuntimeError(f"the {dead[0]} stopped")
    finally:
        stop.set()
        for face in faces:
            face.join(FACE_STOP_S)
        look.close()
        with contextlib.suppress(StoreError):  # the file may be why the panel ends
            store.tell_head()
        store.close()


def _web(config_path: Path, config: SiteConfig, taps: Taps, clock: Clock) -> list[threading.Thread]:
    """The screen on loopback, and the network's door where the config opens one: each counts wrong PINs by itself."""

    def app(door: Door) -> Flask:
        here = taps.by(Actor(door.device))
        stored = config.secrets.panel.pin_scrypt
        gate = PinGate(stored, clock.uptime_s, here.wrong_pins(), here.remember_wrong_pins)
        return create_app(config, taps, lambda: Look.of(config, clock), door, gate)

    screen = _thread("web server of the panel", on_loopback(app(LOOPBACK), config.panel.port, THREADS))
    if not config.panel.is_on_network:
        return [screen]
    return [screen, _thread("web server of the network", _on_network(config_path, config, clock, app))]


def _on_network(
    config_path: Path, config: SiteConfig, clock: Clock, app: Callable[[Door], Flask]
) -> Callable[[], None]:
    panel = config.panel
    if panel.certificate_file is None or panel.key_file is None:
        raise ConfigError([Problem.of_file(config_path, "address needs certificate_file and key_file", "panel")])
    try:
        names = names_in(panel.certificate_file) | {panel.address}
        door = Door("paneel (netwerk)", names, Sessions(clock.uptime_s))
        return on_network(app(door), panel.address, panel.port, panel.certificate_file, panel.key_file)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        sentence = f"certificate_file or key_file cannot be used: {error}"
        raise ConfigError([Problem.of_file(config_path, sentence, "panel")]) from None


def _faces(config: SiteConfig, taps: Taps, clock: SystemClock, stop: threading.Event) -> list[threading.Thread]:
    """The faces without a browser: serial displays, and plates. The logbook knows each by its name."""

    def look() -> Look:
        return Look.of(config, clock)

    def display(section: SerialPanel) -> DisplayThread:
        return DisplayThread(config, section, taps.by(Actor(f"{section.name} (serieel)")), look, clock)

    displays = [_thread(f"serial panel {section.name}", display(section).run, stop) for section in config.serial_panel]
    plates = Plates.of(config, taps, look)
    return displays if plates is None else [*displays, _thread("panel of the plates", plates.run, stop)]


def _thread(name: str, run: Callable[..., None], *arguments: threading.Event) -> threading.Thread:
    return threading.Thread(target=run, args=arguments, name=name, daemon=True)
