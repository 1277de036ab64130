"""What whoever watches the hub is told, and what not."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hub_said import NOON, SITES

from zorgkiosk.hub.letters import read
from zorgkiosk.hub.metrics import IntakeMetrics, board_text
from zorgkiosk.hub.outlook import SiteReport
from zorgkiosk.hub.watch import Watch, WatchError


def values(text: bytes) -> dict[str, float]:
    lines = (line for line in text.decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_events_are_counted_once_and_what_came_again_apart() -> None:
    metrics = IntakeMetrics()
    metrics.committed(10, 3, [])
    metrics.acknowledged([0.004, 0.3])
    found = values(metrics.text(connected=True))
    assert found["zorgkiosk_hub_events_taken_total"] == 7 and found["zorgkiosk_hub_events_known_total"] == 3
    assert found['zorgkiosk_hub_ack_seconds_bucket{le="0.005"}'] == 1
    assert found["zorgkiosk_hub_ack_seconds_count"] == 2 and found["zorgkiosk_hub_broker_connected"] == 1


def test_labels_are_codes_of_ours_whatever_a_site_sends() -> None:
    metrics = IntakeMetrics()
    topics = [f"zorgkiosk/v1/{region}/{site}/{leaf}"
              for region in ("testregio", "0612345678") for site in ("hap-noord", "mevrouw-jansen", "0612345678")
              for leaf in ("events", "state", "online", "secret")]  # fmt: skip
    payloads = [b"", b"{}", b"[1]", b'[{"type": "0612345678"}]', b"\xff" * 300_000, b'{"site": "0612345678"}']
    for topic in topics:
        for payload in payloads:
            metrics.committed(0, 0, read(topic, payload, region="testregio", sites={"hap-noord"}))  # type: ignore[arg-type]
    text = metrics.text(connected=False).decode()
    assert "0612345678" not in text and "jansen" not in text and "hap-noord" not in text
    reasons = set(re.findall(r'set_aside_total\{reason="([^"]*)"\}', text))
    assert {"topic", "json", "size", "envelope"} <= reasons
    assert reasons <= {"topic", "region", "unknown-site", "json", "size", "envelope", "kind", "data", "speaks-for"}


def test_the_board_tells_who_is_connected_and_who_is_silent() -> None:
    noord, zuid, linde = SITES
    reports = [
        SiteReport(noord, heard_at=NOON - timedelta(seconds=59), online=True, missing=2),
        SiteReport(zuid, heard_at=NOON - timedelta(seconds=61), online=True, set_aside=4),
        SiteReport(linde),
    ]
    assert values(board_text(reports, NOON)) == {
        "zorgkiosk_hub_database_readable": 1, "zorgkiosk_hub_sites": 3, "zorgkiosk_hub_sites_connected": 2,
        "zorgkiosk_hub_sites_silent": 2, "zorgkiosk_hub_events_missing": 2, "zorgkiosk_hub_set_aside_kept": 4,
    }  # fmt: skip
    assert values(board_text(None, NOON)) == {"zorgkiosk_hub_database_readable": 0}


@pytest.fixture
def trouble() -> list[str]:
    return []


@pytest.fixture
def watch(trouble: list[str]) -> Iterator[Watch]:
    opened = Watch.on(20_000, 20_000, lambda: trouble[0] if trouble else None, lambda: b"counted 1\n")
    opened.start()
    yield opened
    opened.stop()


def get(watch: Watch, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{watch.port}{path}", timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


def test_the_intake_is_watched_over_http(watch: Watch, trouble: list[str]) -> None:
    assert get(watch, "/healthz") == (200, b'{"status": "ok"}')
    assert get(watch, "/metrics") == (200, b"counted 1\n")
    assert get(watch, "/else")[0] == 404
    trouble.append("no connection to the broker")
    code, body = get(watch, "/healthz")
    assert (code, json.loads(body)) == (503, {"error": "no connection to the broker"})


def test_intakes_beside_each_other_take_a_port_each(watch: Watch) -> None:
    second = Watch.on(watch.port, 1_000, lambda: None, bytes)
    assert second.port > watch.port
    second.stop()
    with pytest.raises(WatchError, match=f"none of {watch.port} to {watch.port} is free"):
        Watch.on(watch.port, 1, lambda: None, bytes)
