"""What Home Assistant may read: discovery as its documentation asks, values, and what is unknown."""

from __future__ import annotations

import json
from pathlib import Path

from panel_site import known, nursing_home, triage_centre, value

from zorgkiosk.contract.events import Triage
from zorgkiosk.site.facts import CapacityFact
from zorgkiosk.site.panel.home_assistant import announcements, values
from zorgkiosk.site.panel.triage import TRIAGE_STALE_S

BUSY = Triage(
    desks_present=3,
    desks_free=1,
    waiting=2,
    longest_wait_s=61.5,
    accepting_overflow=True,
    pressure="geel",
    chance_2min=0.749,
)


def test_a_sensor_for_each_category(tmp_path: Path) -> None:
    messages = list(announcements(nursing_home(tmp_path)))
    assert [message.topic for message in messages] == [
        "homeassistant/sensor/zorgkiosk-vvt-linde-elv-laag/config",
        "homeassistant/sensor/zorgkiosk-vvt-linde-elv-hoog/config",
    ]
    assert json.loads(messages[0].payload) == {
        "name": "ELV laag complex",
        "unique_id": "zorgkiosk-vvt-linde-elv-laag",
        "state_topic": "zorgkiosk/vvt-linde/elv-laag",
        "availability_topic": "zorgkiosk/vvt-linde/available",
        "expire_after": 60,
        "unit_of_measurement": "plaatsen",
        "state_class": "measurement",
        "device": {"identifiers": ["zorgkiosk-vvt-linde"], "name": "VVT De Linde", "manufacturer": "Zorgkiosk"},
    }


def test_what_is_unknown_is_said_as_unknown(tmp_path: Path) -> None:
    fresh, old = value(CapacityFact(category="elv-laag", free=3, total=8)), 30 * 86_400
    config = nursing_home(tmp_path)
    now = known(config, panel={"capacity/elv-laag": fresh})
    assert values(now) == {"zorgkiosk/vvt-linde/elv-laag": b"3", "zorgkiosk/vvt-linde/elv-hoog": b"None"}
    aged = value(CapacityFact(category="elv-laag", free=3, total=8), old)
    assert set(values(known(config, panel={"capacity/elv-laag": aged})).values()) == {b"None"}


def test_the_numbers_of_the_line(tmp_path: Path) -> None:
    config = triage_centre(tmp_path)
    said = values(known(config, telephony={"triage": value(BUSY, 4)}))
    assert said == {
        "zorgkiosk/hap-midden/line-waiting": b"2",
        "zorgkiosk/hap-midden/line-longest-wait": b"65",
        "zorgkiosk/hap-midden/line-chance-2min": b"74",
        "zorgkiosk/hap-midden/line-desks-free": b"1",
        "zorgkiosk/hap-midden/line-desks-present": b"3",
    }
    silent = known(config, telephony={"triage": value(BUSY, TRIAGE_STALE_S + 1)})
    assert set(values(silent).values()) == {b"None"}


def test_a_status_is_a_word_without_a_unit(tmp_path: Path) -> None:
    config = nursing_home(tmp_path, ("elv-laag", "seh"))
    announced = json.loads(list(announcements(config))[1].payload)
    assert "unit_of_measurement" not in announced and "state_class" not in announced
    now = known(config, panel={"capacity/seh": value(CapacityFact(category="seh", status="dreigend"))})
    assert values(now)["zorgkiosk/vvt-linde/seh"] == b"dreigende stop"
    assert values(known(config))["zorgkiosk/vvt-linde/seh"] == b"None"
