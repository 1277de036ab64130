"""Each way in which the link can fail, with a real Mosquitto: what the panel and the log say about it."""

from __future__ import annotations

import logging
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lab_region import CLOCK, ActingHub, Region, SetClock, running_sync, wait_for

from zorgkiosk.contract.events import CapacityReported, Said
from zorgkiosk.contract.status import Ack
from zorgkiosk.lab.authority import Authority
from zorgkiosk.lab.broker import RunningBroker
from zorgkiosk.lab.fault_proxy import FaultProxy
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.facts import LinkFact, read
from zorgkiosk.site.faults import numbered
from zorgkiosk.site.store import Store
from zorgkiosk.site.sync import trouble
from zorgkiosk.site.sync.trouble import Trouble

pytest_plugins = ["sync_fixtures"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]
LONG_S = 40.0
NOW = datetime.now(UTC)
LAST_YEAR = (NOW - timedelta(days=400), NOW - timedelta(days=30))


RIGHT = SetClock(CLOCK.boot_id)


def link_of(store: Store) -> LinkFact | None:
    return read(LinkFact, store.view().state().get("link"))


def in_words(config: SiteConfig, wanted: Trouble, caplog: pytest.LogCaptureFixture, clock: SetClock = RIGHT) -> None:
    """Run sync until the panel says it in Dutch; the log says it in English."""
    caplog.set_level(logging.INFO)
    with running_sync(config, clock) as store:
        wanted_fact = LinkFact(connected=False, problem=wanted.screen)
        wait_for(lambda: link_of(store) == wanted_fact, f"the panel says: {wanted.screen}", within_s=LONG_S)
    assert logged(wanted) in caplog.messages


def logged(wanted: Trouble) -> str:
    return f"sync: no link with the hub: {numbered(wanted.screen, wanted.log)}"


def test_our_certificate_has_expired(region: Region, caplog: pytest.LogCaptureFixture) -> None:
    config = region.site("hap-noord")
    region.authority.issue("hap-noord", lifetime=LAST_YEAR)
    in_words(config, trouble.EXPIRED, caplog)


def test_our_certificate_is_revoked(region: Region, caplog: pytest.LogCaptureFixture) -> None:
    config = region.site("hap-noord")
    region.broker.stop()
    revoked = region.authority.revoke(config.hub.certificate_file)
    region.broker = RunningBroker.start(replace(region.broker.parameters, revoked_file=revoked))
    in_words(config, trouble.REVOKED, caplog)


def test_our_certificate_is_of_another_region(region: Region, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = region.site("hap-noord", authority=Authority.create(tmp_path / "other", "Another region"))
    in_words(config, trouble.UNKNOWN_ISSUER, caplog)


def test_our_certificate_is_of_another_site(region: Region, caplog: pytest.LogCaptureFixture) -> None:
    in_words(region.site("hap-noord", certificate_of="hap-west"), trouble.REFUSED, caplog)


def test_the_region_s_certificate_is_of_another_ca(
    region: Region, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = Authority.create(tmp_path / "other", "Another region")
    config = region.site("hap-noord", hub={"ca_file": other.ca_file})
    unknown = trouble.of_error(_verification(20), "127.0.0.1", region.port)
    caplog.set_level(logging.INFO)
    with running_sync(config, RIGHT) as store:
        wait_for(lambda: link_of(store) is not None, "a first attempt", within_s=LONG_S)
        assert link_of(store) == LinkFact(connected=False, problem=unknown.screen)
    assert any("the broker's certificate is not of our CA" in message for message in caplog.messages)


def test_the_region_s_certificate_has_expired(region: Region, caplog: pytest.LogCaptureFixture) -> None:
    config = region.site("hap-noord")
    _with_certificate(region, LAST_YEAR)
    in_words(config, trouble.THEIRS_EXPIRED, caplog)


def test_the_broker_is_stopped_and_then_gone(region: Region, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    config = region.site("hap-noord")
    gone = trouble.of_error(ConnectionRefusedError(), "127.0.0.1", region.port)
    with running_sync(config, RIGHT) as store:
        wait_for(lambda: link_of(store) == LinkFact(connected=True), "connected", within_s=LONG_S)
        region.broker.stop()
        wait_for(lambda: link_of(store) == LinkFact(connected=False, problem=gone.screen), "gone", within_s=LONG_S)
        region.restart_broker()
        wait_for(lambda: link_of(store) == LinkFact(connected=True), "connected again", within_s=LONG_S)
    assert {logged(each) for each in (trouble.RESTARTING, trouble.CLOSED, trouble.LOST)} & set(caplog.messages)


@pytest.mark.parametrize(("mqtt", "wanted"), [("5", trouble.HUB_AWAY), ("3.1.1", trouble.UNCONFIRMED)])
def test_the_hub_is_away_behind_a_broker_that_takes_all(
    region: Region, caplog: pytest.LogCaptureFixture, mqtt: str, wanted: Trouble
) -> None:
    config = region.site("hap-noord", hub={"mqtt": mqtt})
    taps(config, 1)
    in_words(config, wanted, caplog)


def test_a_refusal_that_mqtt_3_1_1_cannot_say_shows_as_silence(
    region: Region, caplog: pytest.LogCaptureFixture
) -> None:
    config = region.site("hap-noord", certificate_of="hap-west", hub={"mqtt": "3.1.1"})
    taps(config, 1)
    in_words(config, trouble.UNCONFIRMED, caplog)


@pytest.mark.parametrize("mqtt", ["5", "3.1.1"])
def test_a_backlog_an_outage_and_a_goodbye_go_the_same_with_both_versions(region: Region, mqtt: str) -> None:
    config = region.site("hap-noord", hub={"mqtt": mqtt})
    hub = ActingHub(region)
    taps(config, 450)
    with running_sync(config, RIGHT) as store:
        wait_for(lambda: acked(store) == 450, "all acked", within_s=LONG_S)
        region.broker.kill()
        wait_for(lambda: (fact := link_of(store)) is not None and not fact.connected, "the outage", within_s=LONG_S)
        taps(config, 450)
        region.restart_broker()
        wait_for(lambda: acked(store) == 900, "all acked", within_s=LONG_S)
    hub.close()
    assert sorted(hub.sequences("panel")) == list(range(1, 901))
    assert [thing for thing in hub.heard if isinstance(thing, str)][:3] == ["online", "state", "events"]
    version = "p5" if mqtt == "5" else "p2"
    log = (region.broker.parameters.directory / "mosquitto.log").read_text()
    assert re.search(rf"as hap-noord_[0-9a-f]{{16}} \({version}, c1, k10", log)


def test_the_region_moves_to_another_address(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = {"broker": "127.0.0.1"}
    look_up = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        return look_up(addresses.get(host, host), *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with (
        FaultProxy(("127.0.0.1", region.port)).running() as before,
        FaultProxy(("127.0.0.1", region.port), address="127.0.0.2", port=before.port).running() as after,
    ):
        config = region.site("hap-noord", hub={"host": "broker", "port": before.port})
        with running_sync(config, RIGHT) as store:
            wait_for(lambda: link_of(store) == LinkFact(connected=True), "connected", within_s=LONG_S)
            assert after.accepted == 0
            addresses["broker"] = "127.0.0.2"
            before.refuse()
            wait_for(lambda: after.accepted == 1, "connected with the new address", within_s=LONG_S)
            wait_for(lambda: link_of(store) == LinkFact(connected=True), "connected", within_s=LONG_S)


@pytest.mark.parametrize(
    ("mqtt", "answer", "code"),
    [
        ("5", b"\x20\x03\x00\x88\x00", 0x88),
        ("5", b"\x20\x03\x00\x86\x00", 0x86),
        ("5", b"\x20\x03\x00\x89\x00", 0x89),
        ("3.1.1", b"\x20\x02\x00\x03", 0x88),
        ("3.1.1", b"\x20\x02\x00\x04", 0x86),
        ("3.1.1", b"\x20\x02\x00\x05", 0x87),
    ],
)
def test_a_broker_that_refuses_the_connection(
    region: Region, caplog: pytest.LogCaptureFixture, mqtt: str, answer: bytes, code: int
) -> None:
    with answering(region, answer) as port:
        in_words(region.site("hap-noord", hub={"mqtt": mqtt, "port": port}), trouble.of_connack(code), caplog)


@pytest.mark.parametrize("answer", [b"\x20\x03\x00\xff\x00", b"\x20\xff\xff\xff\xff\xff", b"HTTP/1.1 400 Bad\r\n\r\n"])
def test_what_does_not_speak_mqtt_is_a_failed_attempt_and_no_more(region: Region, answer: bytes) -> None:
    with answering(region, answer) as port, running_sync(region.site("hap-noord", hub={"port": port}), RIGHT) as store:
        wait_for(lambda: (fact := link_of(store)) is not None and not fact.connected, "a word", within_s=LONG_S)


UNSET = SetClock(CLOCK.boot_id, right=False, off=timedelta(days=-20_000))


@pytest.mark.parametrize("days", [-20_000, -366, 366])
def test_a_clock_that_was_never_set_keeps_nobody_out(region: Region, days: int) -> None:
    """The certificates of the lab begin an hour ago; OpenSSL reads the machine's own clock, which is why the broker's
    certificate is one that is not valid yet by it."""
    config = region.site("hap-noord")
    _with_certificate(region, (NOW + timedelta(days=10), NOW + timedelta(days=20)))
    with running_sync(config, replace(UNSET, off=timedelta(days=days))) as store:
        wait_for(lambda: link_of(store) == LinkFact(connected=True), "connected", within_s=LONG_S)


def test_a_clock_that_claims_to_be_right_is_believed(region: Region, caplog: pytest.LogCaptureFixture) -> None:
    config = region.site("hap-noord")
    _with_certificate(region, (NOW + timedelta(days=10), NOW + timedelta(days=20)))
    in_words(config, trouble.THEIRS_TOO_NEW, caplog)


def test_what_is_certainly_over_is_refused_also_without_a_clock(
    region: Region, caplog: pytest.LogCaptureFixture
) -> None:
    config = region.site("hap-noord")
    _with_certificate(region, LAST_YEAR)
    in_words(config, trouble.THEIRS_EXPIRED, caplog, UNSET)


def test_the_floor_is_remembered_over_reboots(region: Region, caplog: pytest.LogCaptureFixture) -> None:
    config = region.site("hap-noord")
    with running_sync(config, replace(RIGHT, off=timedelta(days=60))) as store:
        wait_for(lambda: "clock" in store.view().state(), "the time is kept")
    _with_certificate(region, (NOW - timedelta(days=1), NOW + timedelta(days=50)))
    in_words(config, trouble.THEIRS_EXPIRED, caplog, replace(UNSET, boot_id="f" * 36))


def test_what_was_said_without_a_clock_is_corrected_and_keeps_its_order(region: Region) -> None:
    config, hub = region.site("hap-noord"), ActingHub(region)
    for clock in (UNSET, replace(UNSET, off=timedelta(days=366)), replace(UNSET, off=timedelta(days=-366)), RIGHT):
        taps(config, 3, clock)
    with running_sync(config, RIGHT) as store:
        wait_for(lambda: acked(store) == 12, "all acked", within_s=LONG_S)
    hub.close()
    said: list[Said] = [event.said for key, event in sorted(hub.events.items()) if key[1] == "panel"]
    assert all(each.clock_synced for each in said)
    assert [each.uptime_ms for each in said] == sorted(each.uptime_ms for each in said)
    assert all(abs(each.at - datetime.now(UTC)) < timedelta(minutes=5) for each in said)


def taps(config: SiteConfig, count: int, clock: SetClock = RIGHT) -> None:
    panel = Store.open(config.panel_db, "panel", clock)
    with panel.transaction() as change:
        for free in range(count):
            change.report(CapacityReported(category="elv-laag", free=free % 20))
    panel.close()


def acked(store: Store) -> int:
    ack = read(Ack, store.view().state().get("acked/panel"))
    return 0 if ack is None else ack.up_to


def _verification(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code = code
    return error


def _with_certificate(region: Region, lifetime: tuple[datetime, datetime]) -> None:
    """The broker again, with a certificate of this lifetime."""
    region.broker.stop()
    region.authority.issue("broker", addresses=("127.0.0.1",), lifetime=lifetime)
    region.restart_broker()


@contextmanager
def answering(region: Region, answer: bytes) -> Iterator[int]:
    """A TLS server with the broker's certificate that answers every connection with these bytes; gives its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*region.authority.issue("broker", addresses=("127.0.0.1",)))
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                with suppress(OSError):
                    connection, _ = server.accept()
                    connection.settimeout(LONG_S)
                    with context.wrap_socket(connection, server_side=True) as secure:
                        secure.recv(1024)
                        secure.sendall(answer)
                        secure.recv(1024)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
    thread.join(LONG_S)
