"""Plates on a real Mosquitto with the rendered configuration: taps, absence, nonsense, rights."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from plate_site import PASSWORDS, Broker, PlateSite, plate_config, wait_for

from zorgkiosk.lab.authority import Authority
from zorgkiosk.lab.panel_unit import SITE as PANEL_SITE
from zorgkiosk.lab.plate import PlateError, SimulatedPlate
from zorgkiosk.lab.ports import free_port
from zorgkiosk.site.panel import openhasp_pages as pages
from zorgkiosk.site.panel.openhasp_pages import LAYOUTS, tile_id

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

MORE, NUMBER, NAME = tile_id(1, pages.MORE), tile_id(1, pages.NUMBER), tile_id(1, pages.NAME)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(plate_config(tmp_path, free_port()), tmp_path / "broker")
    broker.start()
    yield broker
    broker.end()


@pytest.fixture
def site(broker: Broker) -> Iterator[PlateSite]:
    site = PlateSite(broker.config, broker)
    site.start()
    yield site
    site.end()


def is_whole(plate: SimulatedPlate, objects: int = len(LAYOUTS["800x480"].where)) -> bool:
    there = [at for at in plate.objects() if at[1] != 0]
    return len(there) == objects and plate.text(NAME, page=1) == "ELV laag complex"


def ready(site: PlateSite, name: str = "balie") -> SimulatedPlate:
    plate = site.plate(name)
    objects = len(LAYOUTS["800x480" if name == "balie" else "480x320"].where)
    wait_for(lambda: is_whole(plate, objects), f"all pages on {name}")
    return plate


def test_a_tap_is_in_the_store_and_on_both_plates(site: PlateSite) -> None:
    large, small = ready(site), ready(site, "post-2")
    assert large.text(NUMBER) == "? van 8"
    large.touch(MORE)
    wait_for(lambda: large.text(NUMBER) == small.text(NUMBER) == "1 van 8", "the tap on both plates")
    assert site.pending() == 1
    assert large.text(pages.LINE).startswith("Bewaard. Wordt over ")
    large.touch(pages.UNDO)
    wait_for(lambda: large.text(NUMBER) == "? van 8", "the undo")
    assert site.pending() is None


def test_each_plate_has_its_own_place(site: PlateSite) -> None:
    large, small = ready(site), ready(site, "post-2")
    large.touch(pages.TO_REGIO)
    wait_for(lambda: large.page == pages.REGIO, "the region on the large plate")
    assert small.page == pages.CAPACITY
    small.touch(pages.NEXT)
    wait_for(lambda: small.text(NAME) == "ELV hoog complex", "the next tile on the small plate")
    small.touch(MORE)
    wait_for(lambda: site.pending("elv-hoog") == 1, "the tap on the tile that is shown")
    assert large.page == pages.REGIO and site.pending() is None
    large.touch(pages.HOME)
    wait_for(lambda: large.page == pages.CAPACITY and large.text(tile_id(2, pages.NUMBER)) == "1 van 4", "home again")


def test_a_refusal_stands_in_the_line(site: PlateSite) -> None:
    plate = ready(site)
    plate.touch(pages.CONFIRM)
    wait_for(lambda: plate.text(pages.LINE) == "Er is niets te bevestigen: tik eerst wat er nu is.", "the refusal")


def test_more_is_said_of_a_number_on_its_own_page(tmp_path: Path) -> None:
    beds = {"code": "elv-laag", "total": 8, "ask_expected": True, "limits": ["isolatie", "alleen-v"]}
    broker = Broker(plate_config(tmp_path, free_port(), capacity=[beds]), tmp_path / "broker")
    broker.start()
    site = PlateSite(broker.config, broker)
    site.start()
    try:
        plate = site.plate("balie")
        wait_for(lambda: plate.text(NAME) == "ELV laag complex »", "the tile")
        plate.touch(MORE)
        wait_for(lambda: plate.text(NUMBER) == "1 van 8", "one is free")
        plate.touch(tile_id(1, pages.SAY_MORE))
        wait_for(lambda: plate.page == pages.DETAIL and plate.text(pages.EXPECTED) == "-", "its page")
        plate.touch(pages.lower_id(3))
        wait_for(lambda: plate.text(pages.EXPECTED) == "2", "one more in 24 hours")
        plate.touch(pages.upper_id(2))
        wait_for(lambda: pending(site).get("limits") == ["alleen-v"], "women only")
        assert (pending(site)["free"], pending(site)["expected_free_24h"]) == (1, 2)
        plate.touch(pages.TO_CAPACITY)
        wait_for(lambda: plate.page == pages.CAPACITY, "back at its tile")
    finally:
        site.end()
        broker.end()


def pending(site: PlateSite, code: str = "elv-laag") -> dict[str, Any]:
    value = site.look.known().panel.get(f"pending/{code}")
    return {} if value is None else dict(value.value)


def test_a_plate_that_was_away_gets_everything_again(site: PlateSite) -> None:
    plate, other = ready(site), ready(site, "post-2")
    plate.drop()
    assert plate.objects() == {}
    before = len(plate.received)
    other.touch(MORE)
    wait_for(lambda: other.text(NUMBER) == "1 van 8", "the other plate goes on")
    assert len(plate.received) == before, "an offline plate is sent nothing"
    plate.connect()
    wait_for(lambda: is_whole(plate) and plate.text(NUMBER) == "1 van 8", "everything again")
    plate.forget()  # a reset that was so fast that the connection lived on
    plate.say_state()
    wait_for(lambda: is_whole(plate) and plate.text(NUMBER) == "1 van 8", "everything after a reset")
    plate.forget()
    plate.say("state/idle", "long")
    wait_for(lambda: is_whole(plate), "everything after a rest")


def test_two_plates_tapping_at_the_same_moment(site: PlateSite) -> None:
    both = ready(site), ready(site, "post-2")
    start = threading.Barrier(2)

    def tap(plate: SimulatedPlate) -> None:
        start.wait()
        plate.touch(MORE)

    hands = [threading.Thread(target=tap, args=(plate,), daemon=True) for plate in both]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    wait_for(lambda: [plate.text(NUMBER) for plate in both] == ["2 van 8"] * 2, "both taps on both plates")
    both[0].touch(tile_id(1, pages.LESS))
    wait_for(lambda: [plate.text(NUMBER) for plate in both] == ["1 van 8"] * 2, "the last tap wins")
    assert site.pending() == 1


NONSENSE: list[tuple[str, bytes]] = [
    (f"state/p1b{MORE}", b"{"),
    (f"state/p1b{MORE}", b'{"event":"up"' * 100),
    (f"state/p1b{MORE}", b'{"event":"' + b"u" * 6_000 + b'"}'),
    (f"state/p1b{MORE}", b'{"event":"UP"}'),
    (f"state/p1b{MORE}", b"\xff\x00"),
    ("state/p1b253", b'{"event":"up"}'),
    ("state/p9b14", b'{"event":"up"}'),
    ("state/p999b999", b'{"event":"up"}'),
    ("state/statusupdate", b"[]"),
    ("state/idle", b"\x00"),
    ("LWT", b"maybe"),
    ("state/some/deep/thing", b"x"),
]


def test_nonsense_changes_nothing_and_others_go_on(site: PlateSite, caplog: pytest.LogCaptureFixture) -> None:
    bad, good = ready(site), ready(site, "post-2")
    for leaf, payload in NONSENSE:
        bad.say(leaf, payload)
    good.touch(MORE)
    wait_for(lambda: good.text(NUMBER) == bad.text(NUMBER) == "1 van 8", "the good plate's tap")
    assert site.pending() == 1 and site.pending("elv-hoog") is None
    assert "plate balie: 1 messages refused: " in caplog.text and "uuuu" not in caplog.text


def test_a_packet_above_the_limit_costs_the_plate_its_connection_only(site: PlateSite) -> None:
    bad, good = ready(site), ready(site, "post-2")
    bad.say(f"state/p1b{MORE}", b"x" * 100_000)
    good.touch(MORE)
    wait_for(lambda: good.text(NUMBER) == "1 van 8", "the good plate's tap")
    assert site.pending() == 1


def connected(broker: Broker, identity: str) -> mqtt.Client:
    """Whoever has the password of `post-2`, with another client's id."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=identity, protocol=mqtt.MQTTv5)
    client.username_pw_set("post-2", PASSWORDS["post-2"])
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    wait_for(client.is_connected, f"{identity} let in")
    return client


def test_a_plate_with_another_s_client_id_ends_nobody_s_connection(site: PlateSite) -> None:
    plate = ready(site)
    for identity in ("panel", "balie", "balie_a1b2c3", "home-assistant"):
        client = connected(site.broker, identity)
        client.disconnect()
        client.loop_stop()
    plate.touch(MORE)
    wait_for(lambda: plate.text(NUMBER) == "1 van 8", "the other plate's tap")
    assert not re.findall(r"^Client (panel|balie)\S* (?:closed|disconnected|already)", site.broker.log, re.MULTILINE)
    assert re.findall("^Client post-2 disconnected", site.broker.log, re.MULTILINE), "who it was is in the log"


def memory_kb(process: subprocess.Popen[bytes]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def test_what_a_plate_has_retained_stays_small(site: PlateSite) -> None:
    plate, process = ready(site), site.broker.process
    assert process is not None
    bad = connected(site.broker, "post-2")
    before_kb = memory_kb(process)
    topics = [f"state/p{page}b{number}" for page in range(1, 13) for number in range(1, 255)]
    for topic in [*topics, *(f"state/deep/{number}" for number in range(2_000))]:
        bad.publish(f"hasp/post-2/{topic}", b"x" * 8_000, qos=1, retain=True).wait_for_publish(5)
    assert memory_kb(process) - before_kb < 4_000
    plate.touch(MORE)
    wait_for(lambda: plate.text(NUMBER) == "1 van 8", "the other plate's tap")
    bad.disconnect()
    bad.loop_stop()


def test_whoever_asks_for_too_much_memory_is_refused_and_others_go_on(site: PlateSite) -> None:
    plate, process = ready(site), site.broker.process
    assert process is not None
    bad = connected(site.broker, "post-2")
    for number in range(40_000):
        bad.subscribe(f"hasp/post-2/command/{number}/" + "x" * 2_000)
    wait_for(lambda: "ut of memory" in site.broker.log or not bad.is_connected(), "the limit", within_s=40)
    bad.disconnect()
    bad.loop_stop()
    assert memory_kb(process) < 64_000
    plate.touch(MORE)
    wait_for(lambda: plate.text(NUMBER) == "1 van 8", "the other plate's tap")


def test_a_flood_counts_as_few_taps_and_others_go_on(site: PlateSite) -> None:
    bad, good = ready(site), ready(site, "post-2")
    for _ in range(3_000):
        bad.say(f"state/p1b{tile_id(2, pages.MORE)}", b'{"event":"up"}')
    good.touch(MORE)
    wait_for(lambda: good.text(NUMBER) == "1 van 8", "the good plate's tap", within_s=30)
    flooded = site.pending("elv-hoog")
    assert flooded is not None and flooded <= 4
    assert site.thread.is_alive()


def test_the_broker_comes_back_and_so_does_everything(site: PlateSite, caplog: pytest.LogCaptureFixture) -> None:
    plate = ready(site)
    site.broker.end(signal.SIGKILL)
    wait_for(lambda: site.broker.process is not None and site.broker.process.poll() is not None, "the broker's end")
    plate.forget()
    wait_for(lambda: "local broker: the connection was lost (storing 62)." in caplog.messages, "its number in the log")
    site.broker.start()
    wait_for(lambda: is_whole(plate), "everything after the broker's restart", within_s=40)
    plate.touch(MORE)
    wait_for(lambda: plate.text(NUMBER) == "1 van 8", "a tap after the broker's restart")


def test_the_broker_listens_at_one_place_only(broker: Broker) -> None:
    assert broker.process is not None
    own = {str(file.readlink()) for file in Path(f"/proc/{broker.process.pid}/fd").iterdir() if file.is_symlink()}
    sockets = [line.split() for kind in ("tcp", "tcp6") for line in Path(f"/proc/net/{kind}").read_text().splitlines()]
    listening = [columns[1] for columns in sockets if columns[3] == "0A" and f"socket:[{columns[9]}]" in own]
    assert listening == [f"0100007F:{broker.port:04X}"]


def test_a_wrong_password_is_refused(broker: Broker) -> None:
    plate = SimulatedPlate("balie", "not-the-password", "127.0.0.1", broker.port)
    with pytest.raises(PlateError, match="plate balie: Not authorized"):
        plate.connect()
    stranger = SimulatedPlate("stranger", PASSWORDS["balie"], "127.0.0.1", broker.port)
    with pytest.raises(PlateError, match="Not authorized"):
        stranger.connect()
    assert "not-the-password" not in broker.log


def test_a_plate_may_say_its_own_state_and_read_its_own_commands(site: PlateSite) -> None:
    plate, other = ready(site), ready(site, "post-2")
    for topic in ("#", "hasp/#", "hasp/post-2/command/#", "hasp/+/state/#", "homeassistant/#", "$SYS/#"):
        plate.listen(topic)
    plate.touch(MORE)  # the other plate is told about it, and says things itself
    other.say_state()
    plate.say("command/page", "3", plate="post-2")
    plate.say("command/page", "3")
    plate.say("state/idle", "long", plate="post-2")
    plate.say(f"state/p1b{MORE}", '{"event":"up"}', plate="post-2")
    plate.say("LWT", "offline", plate="post-2")
    wait_for(lambda: other.text(NUMBER) == "1 van 8", "the plate's own tap")
    other.touch(tile_id(1, pages.LESS))
    wait_for(lambda: plate.text(NUMBER) == other.text(NUMBER) == "0 van 8", "the other plate is still online")
    assert site.pending() == 0, "a tap in another's name is not heard"
    assert other.page == plate.page == pages.CAPACITY, "a command of a plate reaches nobody"
    assert {topic.rpartition("/")[0] for topic, _ in plate.received} == {"hasp/balie/command"}


CAPACITY = 'capacity = [{code = "elv-laag", total = 8}, {code = "elv-hoog", total = 4}]'
PLATES = """
undo_s = 30
[[plate]]
name = "balie"
title = "Balie"
size = "800x480"
[local_broker]
port = {port}
address = "127.0.0.1"
"""
SECRETS = '[plates]\nbalie = "balie-secret"\n[local_broker]\npanel = "panel-secret"\n'
UNIT = "import sys; from pathlib import Path; from zorgkiosk.units import panel; {}panel.run(Path(sys.argv[1]))"


def start_unit(broker: Broker, folder: Path, fault: str = "") -> subprocess.Popen[bytes]:
    """The panel as a process of its own; `fault` is Python that is run before it."""
    (folder / "site.toml").write_text(CAPACITY + PANEL_SITE.format(port=free_port()) + PLATES.format(port=broker.port))
    (folder / "secrets.toml").write_text(SECRETS)
    (folder / "secrets.toml").chmod(0o600)
    with (folder / "unit.log").open("wb") as log:
        return subprocess.Popen([sys.executable, "-c", UNIT.format(fault), str(folder / "site.toml")], stderr=log)


def test_the_unit_serves_plates_and_ends_when_told(broker: Broker, tmp_path: Path) -> None:
    unit = start_unit(broker, tmp_path)
    plate = SimulatedPlate("balie", PASSWORDS["balie"], "127.0.0.1", broker.port)
    try:
        plate.connect()
        wait_for(lambda: is_whole(plate), "all pages from the unit")
        plate.touch(MORE)
        wait_for(lambda: plate.text(NUMBER) == "1 van 8", "the tap")
    finally:
        plate.drop(abruptly=False)
        unit.send_signal(signal.SIGTERM)
    assert unit.wait(15) == 0, (tmp_path / "unit.log").read_text()


def test_an_unexpected_error_of_the_plates_ends_the_unit(broker: Broker, tmp_path: Path) -> None:
    unit = start_unit(broker, tmp_path, "panel.Plates.run = lambda plates, stop: 1 / 0; ")
    try:
        assert unit.wait(20) == 1
    finally:
        unit.kill()
    log = (tmp_path / "unit.log").read_text()
    assert "ZeroDivisionError" in log and "RuntimeError: the panel of the plates stopped" in log


def test_plates_over_tls(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "ca")
    certificate, key = authority.issue("local", addresses=("127.0.0.1",))
    files = {"ca_file": authority.ca_file, "certificate_file": certificate, "key_file": key}
    port = free_port()
    config = plate_config(tmp_path, port, local_broker={"port": port, "address": "127.0.0.1", **files})
    broker = Broker(config, tmp_path / "broker")
    broker.start()
    site = PlateSite(config, broker)
    site.start()
    try:
        plate = SimulatedPlate("balie", PASSWORDS["balie"], "127.0.0.1", port, ca_file=authority.ca_file)
        site.plates.append(plate)
        plate.connect()
        wait_for(lambda: is_whole(plate), "all pages over TLS")
    finally:
        site.end()
        broker.end()


class Assistant:
    """A Home Assistant that listens to all it may."""

    def __init__(self, port: int) -> None:
        self.heard: dict[str, bytes] = {}
        self.retained: set[str] = set()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="ha", protocol=mqtt.MQTTv5)
        self.client.username_pw_set("home-assistant", "assistant-secret")
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_message = self._take
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _take(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.heard[message.topic] = bytes(message.payload)
        if message.retain:
            self.retained.add(message.topic)


@pytest.fixture
def assisted(tmp_path: Path) -> Iterator[PlateSite]:
    """A site with discovery switched on; `end` is the test's own."""
    config = plate_config(tmp_path, free_port(), home_assistant={"discovery": True})
    broker = Broker(config, tmp_path / "broker")
    broker.start()
    site = PlateSite(config, broker)
    site.start()
    yield site
    site.stop.set()
    broker.end()


def test_home_assistant_reads_and_cannot_write(assisted: PlateSite) -> None:
    site = assisted
    plate = ready(site)
    plate.touch(MORE)
    wait_for(lambda: plate.text(NUMBER) == "1 van 8", "the tap")
    assistant = Assistant(site.broker.port)
    found = "homeassistant/sensor/zorgkiosk-vvt-linde-elv-laag/config"
    wait_for(lambda: found in assistant.heard, "the discovery message")
    announced = json.loads(assistant.heard[found])
    assert found in assistant.retained
    assert not any("command" in key for key in announced)
    available = announced["availability_topic"]
    wait_for(lambda: assistant.heard.get(available) == b"online", "available")
    other = "zorgkiosk/vvt-linde/elv-hoog"
    plate.touch(tile_id(2, pages.MORE))
    wait_for(lambda: assistant.heard.get(other) == b"1", "the other number")
    assert announced["state_topic"] not in assistant.retained, "an old number is never read as a new one"
    plate.touch(pages.UNDO)
    wait_for(lambda: assistant.heard.get(announced["state_topic"]) == b"None", "unknown is said as unknown")
    wait_for(lambda: assistant.heard.get(other) == b"None", "unknown is said as unknown")
    assistant.client.publish(f"hasp/balie/state/p1b{MORE}", '{"event":"up"}', qos=1).wait_for_publish(5)
    assistant.client.publish("hasp/balie/command/page", "3", qos=1).wait_for_publish(5)
    plate.touch(tile_id(2, pages.LESS))
    wait_for(lambda: plate.text(tile_id(2, pages.NUMBER)) == "0 van 4", "a tap after the attempt")
    assert site.pending() is None and plate.page == pages.CAPACITY
    assert not any(topic.startswith("hasp/") for topic in assistant.heard)
    site.end()
    wait_for(lambda: assistant.heard.get(available) == b"offline", "no longer available")
    assistant.client.disconnect()
    assistant.client.loop_stop()
