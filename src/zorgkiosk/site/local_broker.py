"""The site's own Mosquitto for wall plates: its configuration, ACL and password file, rendered from site.toml.

A plate writes its own `LWT` and what the panel heeds of its `state`, topic by topic: what it has retained stays small.
It reads its own `command`, nothing else. Passwords are written as Mosquitto
hashes them (`$7$`: PBKDF2 of SHA-512), never as they are.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import jinja2

from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.config_plates import HOME_ASSISTANT_USER, PANEL_USER, LocalBroker
from zorgkiosk.site.panel.openhasp_pages import LAYOUTS, heeded

CONFIG_FILE, ACL_FILE, PASSWORD_FILE = "mosquitto.conf", "mosquitto.acl", "mosquitto.passwd"
ITERATIONS = 20_000
"""Mosquitto reads the count from the file; its own tool writes 101."""

_TEMPLATE = "mosquitto_plates.conf.j2"
_PACKET_BYTES = 8_192
"""Four times what openHASP's buffer holds; the longest that Home Assistant is told is below 2 kB."""
_QUEUED_BYTES = 1024 * 1024
_MEMORY_BYTES = 48 * 1024 * 1024
_PATH = re.compile(r"/[A-Za-z0-9._/@+-]+")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def write(config: SiteConfig, directory: Path, run_as: str | None = None) -> Path:
    """All three files, each replaced whole; returns the path of the configuration.

    `run_as`: the user Mosquitto becomes when root starts it. Raises ValueError for what cannot be written safely.
    """
    texts = {
        ACL_FILE: render_acl(config),
        PASSWORD_FILE: render_passwords(config),
        CONFIG_FILE: render(config, directory, run_as),
    }
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        _replace(directory / name, text, run_as)
    return directory / CONFIG_FILE


def command(config_file: Path) -> list[str]:
    """How the broker is started."""
    return ["mosquitto", "-c", str(config_file)]


def render(config: SiteConfig, directory: Path, run_as: str | None = None) -> str:
    """mosquitto.conf."""
    broker = _broker(config)
    tls = [broker.certificate_file, broker.key_file] if broker.tls else []
    for path in [directory, *tls]:
        if not _PATH.fullmatch(str(path)):
            raise ValueError(f"local broker: {str(path)!r} is no absolute path of plain characters: write another")
    if run_as is not None and not _USER.fullmatch(run_as):
        raise ValueError(f"local broker: {run_as[:40]!r} is no user's name")
    template = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701 - not HTML
    return template.from_string(files("zorgkiosk.site").joinpath(_TEMPLATE).read_text()).render(
        site=config.site.name,
        address=broker.address,
        port=broker.port,
        acl_file=directory / ACL_FILE,
        password_file=directory / PASSWORD_FILE,
        certificate_file=broker.certificate_file,
        key_file=broker.key_file,
        run_as=run_as,
        packet_bytes=_PACKET_BYTES,
        queued_bytes=_QUEUED_BYTES,
        memory_bytes=_MEMORY_BYTES,
        connections=2 * len(config.plate) + 10,
    )


def render_acl(config: SiteConfig) -> str:
    """The ACL file. Names are codes by the config's own check, so none can mean more than itself."""
    return "\n".join(_acl_lines(config)) + "\n"


def render_passwords(config: SiteConfig, salt: Callable[[], bytes] = lambda: secrets.token_bytes(12)) -> str:
    """The password file, hashed."""
    own = config.secrets.local_broker
    passwords = {PANEL_USER: own.panel, **{plate.name: config.secrets.plates[plate.name] for plate in config.plate}}
    if config.home_assistant.discovery:
        passwords[HOME_ASSISTANT_USER] = own.home_assistant
    return "".join(f"{user}:{hashed(text, salt())}\n" for user, text in passwords.items() if text is not None)


def hashed(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """`$7$iterations$salt$hash`, as mosquitto_passwd of Mosquitto 2 writes it (lib/password_mosq.c)."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)
    return f"$7${iterations}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _acl_lines(config: SiteConfig) -> Iterator[str]:
    yield f"# Who may say and hear what at {config.site.name}. Rendered; do not edit."
    yield f"user {PANEL_USER}"
    yield "topic readwrite hasp/#"
    if config.home_assistant.discovery:
        own, found = f"zorgkiosk/{config.site.name}/#", f"{config.home_assistant.prefix}/sensor/#"
        yield from (f"topic write {topic}" for topic in (own, found))
        yield f"user {HOME_ASSISTANT_USER}"
        yield from (f"topic read {topic}" for topic in (own, found))
    for plate in config.plate:
        yield f"user {plate.name}"
        yield f"topic write hasp/{plate.name}/LWT"
        yield from (f"topic write hasp/{plate.name}/state/{what}" for what in heeded(LAYOUTS[plate.size]))
        yield f"topic read hasp/{plate.name}/command/#"


def _broker(config: SiteConfig) -> LocalBroker:
    if config.local_broker is None:
        raise ValueError("local broker: site.toml has no [local_broker]: add it")
    return config.local_broker


def _replace(path: Path, text: str, run_as: str | None) -> None:
    # Hashes are still worth guessing at: only the broker reads them.
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    if run_as is not None and os.geteuid() == 0:
        shutil.chown(fresh, run_as)
    fresh.replace(path)
