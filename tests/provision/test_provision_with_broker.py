"""Real Mosquitto with the rendered files: who gets in, who may speak, and how fast a stolen box is shut out."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from provision_region import SITES, TEMPLATES, BrokerUnits, make_region, wait_for

from zorgkiosk.hub.broker import CONFIG_FILE, command
from zorgkiosk.lab.daemon import Daemon
from zorgkiosk.lab.ports import free_port
from zorgkiosk.provision.region import provision, revoke

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
WITHIN_S = 30.0
SHUT_OUT_WITHIN_S = 60.0


@dataclass
class Running:
    region: Path
    port: int
    units: BrokerUnits

    def install(self) -> str:
        """What a technician does on the hub's machine, and what systemd is told then."""
        shutil.copytree(self.region / "out" / "hub" / "broker", self.region / "broker", dirs_exist_ok=True)
        return self.units.take_up()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    port = free_port()
    region = make_region(tmp_path, port, getpass.getuser())
    provision(region, TEMPLATES, datetime.now(UTC))
    shutil.copytree(region / "out" / "hub" / "broker", region / "broker")
    broker = Daemon("broker", command(region / "broker" / CONFIG_FILE), tmp_path / "log")
    units = BrokerUnits(region, port, broker)
    try:
        units.start()
        yield Running(region, port, units)
    finally:
        broker.stop()


@dataclass
class Client:
    """A box's certificate at the broker; `published` gives the reason code of the broker's answer."""

    client: mqtt.Client
    answers: list[int]

    @classmethod
    def connect(cls, running: Running, certificate: Path, key: Path) -> Client | None:
        """None when the broker does not let it in."""
        context = ssl.create_default_context(cafile=str(running.region / "pki" / "ca.pem"))
        context.load_cert_chain(certificate, key)
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=certificate.stem, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        client.tls_set_context(context)
        admitted: list[bool] = []
        self = cls(client, [])
        client.on_connect = lambda *seen: admitted.append(not seen[3].is_failure)
        client.on_publish = lambda *seen: self.answers.append(seen[3].value)
        try:
            client.connect("127.0.0.1", running.port)
        except OSError:
            return None
        until_s = time.monotonic() + WITHIN_S
        while not admitted and client.loop(0.05) == mqtt.MQTT_ERR_SUCCESS:
            assert time.monotonic() < until_s, "the broker says nothing"
        return self if admitted == [True] else None

    def published(self, topic: str) -> int:
        before = len(self.answers)
        self.client.publish(topic, b"{}", qos=1)
        until_s = time.monotonic() + WITHIN_S
        while len(self.answers) == before:
            assert time.monotonic() < until_s and self.client.loop(0.05) == mqtt.MQTT_ERR_SUCCESS
        return self.answers[-1]


def files(running: Running, name: str) -> tuple[Path, Path]:
    issued = running.region / "pki" / "issued"
    return issued / f"{name}.pem", issued / f"{name}.key"


def test_each_site_gets_in_and_speaks_for_itself_alone(running: Running) -> None:
    refused = 0x87  # MQTT 5.0 §3.4.2.1: not authorized
    for name in SITES:
        client = Client.connect(running, *files(running, name))
        assert client is not None, name
        other = SITES[(SITES.index(name) + 1) % len(SITES)]
        assert client.published(f"zorgkiosk/v1/oost/{name}/state") != refused
        assert client.published(f"zorgkiosk/v1/oost/{other}/state") == refused
        client.client.disconnect()
    hub = Client.connect(running, *files(running, "hub-intake"))
    assert hub is not None and hub.published("zorgkiosk/v1/oost/vvt-linde/ask") != refused
    assert hub.published("zorgkiosk/v1/oost/vvt-linde/state") == refused


CONNECT = bytes.fromhex("101000044d5154540402003c0004626c6164")
"""MQTT 3.1.1 §3.1, clean session, client `blad`."""


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_no_certificate_and_no_old_tls_gets_in(running: Running) -> None:
    """Read what the broker says after the handshake: in TLS 1.3 a client hears of a refusal with its first read."""
    authority = running.region / "pki" / "ca.pem"
    certificate, key = files(running, "vvt-linde")

    def said(context: ssl.SSLContext) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", running.port), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as wrapped,
        ):
            wrapped.sendall(CONNECT)
            return wrapped.recv(4)

    good = ssl.create_default_context(cafile=str(authority))
    good.load_cert_chain(certificate, key)
    assert said(good) == bytes.fromhex("20020000"), "CONNACK: the way there is open"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        said(ssl.create_default_context(cafile=str(authority)))
    old = ssl.create_default_context(cafile=str(authority))
    old.load_cert_chain(certificate, key)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):  # the broker's word, not our own library's
        said(old)
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as plain:
        plain.sendall(CONNECT)
        with contextlib.suppress(ConnectionResetError):
            assert plain.recv(4)[:1] in (b"", b"\x15"), "an alert, or the end"


def stolen_from(running: Running, tmp_path: Path, name: str) -> tuple[Path, Path]:
    """Copies of a site's files, as whoever has its card has them."""
    tmp_path.joinpath("stolen").mkdir(exist_ok=True)
    certificate, key = (Path(shutil.copy(file, tmp_path / "stolen")) for file in files(running, name))
    return certificate, key


def ended(client: Client) -> bool:
    return client.client.loop(0.05) != mqtt.MQTT_ERR_SUCCESS


def test_a_revoked_site_is_shut_out_within_a_minute_and_its_open_connection_says_nothing_more(
    running: Running, tmp_path: Path
) -> None:
    stolen = stolen_from(running, tmp_path, "vvt-linde")
    live = Client.connect(running, *stolen)
    assert live is not None
    revoke(running.region, "vvt-linde", TEMPLATES, datetime.now(UTC))
    start_s = time.monotonic()
    assert running.install() == "try-restart"
    wait_for(lambda: ended(live), "the open connection ends")
    assert Client.connect(running, *stolen) is None
    assert time.monotonic() - start_s < SHUT_OUT_WITHIN_S
    assert Client.connect(running, *files(running, "hap-noord")) is not None

    provision(running.region, TEMPLATES, datetime.now(UTC))
    assert running.install() == "try-reload-or-restart"
    wait_for(lambda: Client.connect(running, *files(running, "vvt-linde")), "the replacement gets in")
    assert Client.connect(running, *stolen) is None


def test_an_open_connection_of_a_stolen_box_gets_no_rights_back_with_its_replacement(
    running: Running, tmp_path: Path
) -> None:
    """Both were made before anything was installed: the ACL never lacked the name."""
    live = Client.connect(running, *stolen_from(running, tmp_path, "vvt-linde"))
    assert live is not None and live.published("zorgkiosk/v1/oost/vvt-linde/state") != 0x87
    revoke(running.region, "vvt-linde", TEMPLATES, datetime.now(UTC))
    provision(running.region, TEMPLATES, datetime.now(UTC))
    running.install()
    wait_for(lambda: ended(live), "the open connection ends")
    replacement = Client.connect(running, *files(running, "vvt-linde"))
    assert replacement is not None and replacement.published("zorgkiosk/v1/oost/vvt-linde/state") != 0x87


def test_the_certificates_that_a_revoked_site_had_before_get_in_no_more(running: Running, tmp_path: Path) -> None:
    before = stolen_from(running, tmp_path, "vvt-linde")
    provision(running.region, TEMPLATES, datetime.now(UTC), renew_days=3650)
    running.install()
    now = files(running, "vvt-linde")
    assert before[0].read_bytes() != now[0].read_bytes() and Client.connect(running, *before) is not None
    revoke(running.region, "vvt-linde", TEMPLATES, datetime.now(UTC))
    running.install()
    assert Client.connect(running, *before) is None


def test_files_without_a_new_list_leave_open_connections_alone(running: Running) -> None:
    live = Client.connect(running, *files(running, "vvt-linde"))
    assert live is not None
    assert running.install() == "try-reload-or-restart", "the same files, written again"
    assert live.published("zorgkiosk/v1/oost/vvt-linde/state") != 0x87
