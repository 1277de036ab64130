"""A broker that sends anything at all: the uplink says that the connection is over, and can open another."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from zorgkiosk.lab.authority import Authority
from zorgkiosk.site.config import Hub
from zorgkiosk.site.sync.uplink import Closed, Happening, MqttUplink, Opened
from zorgkiosk.site.wake import Wake

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
LONG_S = 30.0

CONNACK = b"\x20\x0b\x00\x00\x08\x21\x00\x64\x22\x00\x0a\x25\x00"
CONNACK_3 = b"\x20\x02\x00\x00"
AFTER = [
    b"\x90\x06\x00\x01\x00\x01\x01\x87",  # SUBACK
    b"\x40\x04\x00\x02\x10\x00",  # PUBACK: no subscribers
    b"\x40\x02\x00\x03",
    b"\x30\x0b\x00\x03a/b\x00hello",  # PUBLISH
    b"\x32\x0b\x00\x03a/b\x00\x05\x00abc",
    b"\xe0\x02\x8e\x00",  # DISCONNECT: taken over
    b"\xd0\x00",  # PINGRESP
    b"\xf0\x02\x18\x00",  # AUTH
    b"\x62\x02\x00\x01",  # PUBREL
]


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """A CONNACK and packets of MQTT 5, some bytes of them changed; or anything."""
    if draw(st.booleans()):
        return draw(st.sampled_from([b"", CONNACK, CONNACK_3])) + draw(st.binary(max_size=60))
    whole = bytearray(draw(st.sampled_from([CONNACK, CONNACK_3])) + b"".join(draw(st.lists(st.sampled_from(AFTER)))))
    for at, byte in draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=5)):
        whole[at] = byte
    return bytes(whole)


@dataclass
class Stranger:
    """A TLS server that answers each connection with `answer`, and closes it."""

    server: socket.socket
    context: ssl.SSLContext
    answer: bytes = b""

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            connection.settimeout(LONG_S)
            with suppress(OSError), self.context.wrap_socket(connection, server_side=True) as secure:
                secure.recv(1024)
                secure.sendall(self.answer)


@dataclass
class Line:
    stranger: Stranger
    hub: Hub


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    directory: Path = tmp_path_factory.mktemp("stranger")
    authority = Authority.create(directory)
    certificate, key = authority.issue("broker", addresses=("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:
        stranger = Stranger(server, context)
        thread = threading.Thread(target=stranger.serve, daemon=True)
        thread.start()
        yield Line(
            stranger,
            Hub(
                host="127.0.0.1",
                port=server.getsockname()[1],
                ca_file=authority.ca_file,
                certificate_file=certificate,
                key_file=key,
            ),
        )
        server.shutdown(socket.SHUT_RDWR)
    thread.join(LONG_S)


def heard(line: Line, mqtt: Literal["5", "3.1.1"]) -> list[Happening]:
    """All that the uplink says of one connection."""
    hub, wake = line.hub.model_copy(update={"mqtt": mqtt}), Wake.beside(line.hub.key_file)
    uplink = MqttUplink(hub, "hap-noord", ("a/online", b"{}"), lambda: None, wake)
    uplink.open()
    happened: list[Happening] = []
    until_s = time.monotonic() + LONG_S
    while not any(isinstance(each, Closed) for each in happened):
        assert time.monotonic() < until_s, "the uplink never says that it is over"
        happened += uplink.poll(0.01)
        if Opened() in happened:
            uplink.subscribe(["a/ack"])
            uplink.publish("a/events", b"[]")
    wake.close()
    return happened


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(CONNACK + b"\x30\x0b\x00\x03\x80/b\x00hello", "5")  # a topic that is not UTF-8
@given(streams(), st.sampled_from(["5", "3.1.1"]))
def test_any_bytes_end_in_a_closed_connection_and_a_sentence(
    line: Line, answer: bytes, mqtt: Literal["5", "3.1.1"]
) -> None:
    line.stranger.answer = answer
    last = heard(line, mqtt)[-1]
    assert isinstance(last, Closed) and last.why.screen and last.why.log


def test_the_stranger_can_speak_mqtt(line: Line) -> None:
    line.stranger.answer = CONNACK
    assert Opened() in heard(line, "5")
    line.stranger.answer = CONNACK_3
    assert Opened() in heard(line, "3.1.1")
