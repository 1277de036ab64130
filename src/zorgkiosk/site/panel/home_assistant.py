"""What the site's own Home Assistant may read: MQTT discovery of sensors and their values. Pure.

Sources: Home Assistant's pages "MQTT" (discovery) and "MQTT Sensor". Only sensors, which have no command topic: nothing
can be changed from there. A value that is unknown is said as `None`, which Home Assistant shows as unknown; values are
never retained and expire after 60 s, so an old number is never shown as a new one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.panel.known import Known
from zorgkiosk.site.panel.language import name as named
from zorgkiosk.site.panel.language import phrase, say, speaking
from zorgkiosk.site.panel.openhasp_protocol import Message
from zorgkiosk.site.panel.tile import tile
from zorgkiosk.site.panel.triage import heard

EVERY_S = 20.0
EXPIRE_S = 60
UNKNOWN = "None"


@dataclass(frozen=True)
class Sensor:
    """`key` ends the topics and the unique id. `unit` is "" for what has none."""

    key: str
    name: str
    unit: str


LINE_SENSORS = (
    Sensor("line-waiting", phrase("Wachtenden"), phrase("bellers")),
    Sensor("line-longest-wait", phrase("Langste wachttijd"), "s"),
    Sensor("line-chance-2min", phrase("Kans op 2 minuten"), "%"),
    Sensor("line-desks-free", phrase("Werkplekken vrij"), phrase("werkplekken")),
    Sensor("line-desks-present", phrase("Werkplekken bezet"), phrase("werkplekken")),
)


def availability_topic(config: SiteConfig) -> str:
    return f"zorgkiosk/{config.site.name}/available"


def sensors(config: SiteConfig) -> tuple[Sensor, ...]:
    with speaking(config.panel.language):
        categories = tuple(
            Sensor(item.code, named(item.category), say("plaatsen") if item.category.counted else "")
            for item in config.capacity
        )
        line = tuple(Sensor(each.key, say(each.name), each.unit and say(each.unit)) for each in LINE_SENSORS)
    return (*categories, *(line if config.telephony is not None else ()))


def announcements(config: SiteConfig) -> Iterator[Message]:
    """One retained discovery message for each sensor."""
    site = config.site
    device = {"identifiers": [f"zorgkiosk-{site.name}"], "name": site.title, "manufacturer": "Zorgkiosk"}
    for sensor in sensors(config):
        unique = f"zorgkiosk-{site.name}-{sensor.key}"
        content = {
            "name": sensor.name,
            "unique_id": unique,
            "state_topic": _topic(config, sensor),
            "availability_topic": availability_topic(config),
            "expire_after": EXPIRE_S,
            "device": device,
        }
        if sensor.unit:  # a status is a word
            content |= {"unit_of_measurement": sensor.unit, "state_class": "measurement"}
        yield Message(f"{config.home_assistant.prefix}/sensor/{unique}/config", json.dumps(content).encode())


def values(known: Known) -> dict[str, bytes]:
    """By topic what each sensor says now."""
    with speaking(known.config.panel.language):
        tiles = [tile(known, item) for item in known.config.capacity]
    said: dict[str, int | str | None] = {
        each.code: each.number if each.kind == "status" and each.shown is not None else each.shown for each in tiles
    }
    said |= _line(known)
    return {_topic(known.config, sensor): _said(said.get(sensor.key)).encode() for sensor in sensors(known.config)}


def _line(known: Known) -> dict[str, int]:
    """Nothing while telephony is silent."""
    triage, _ = heard(known)
    if triage is None:
        return {}
    since_s = known.age_s(known.telephony["triage"])
    return {
        "line-waiting": triage.waiting,
        "line-longest-wait": int(triage.longest_wait_s + since_s) if triage.waiting else 0,
        "line-chance-2min": int(triage.chance_2min * 100 + 1e-9),
        "line-desks-free": triage.desks_free,
        "line-desks-present": triage.desks_present,
    }


def _topic(config: SiteConfig, sensor: Sensor) -> str:
    return f"zorgkiosk/{config.site.name}/{sensor.key}"


def _said(value: int | str | None) -> str:
    return UNKNOWN if value is None else str(value)
