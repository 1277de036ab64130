"""The broker's rendered files; what Mosquitto makes of them is tested where sites connect to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from zorgkiosk.hub.broker import BrokerParameters, render, render_acl, write

BROKER = BrokerParameters(
    region="roaz-oost",
    directory=Path("/etc/zorgkiosk/broker"),
    address="0.0.0.0",
    port=8883,
    ca_file=Path("/etc/zorgkiosk/ca.pem"),
    certificate_file=Path("/etc/zorgkiosk/broker.pem"),
    key_file=Path("/etc/zorgkiosk/broker.key"),
    sites={"hap-noord": ("hap-zuid",), "hap-zuid": ("hap-noord",), "vvt-linde": ()},
)


def rules(acl: str, user: str) -> set[str]:
    """The `topic` lines of one user."""
    found, current = set(), ""
    for line in acl.splitlines():
        match line.split(" ", 1):
            case ["user", name]:
                current = name
            case ["topic", rule] if current == user:
                found.add(rule)
    return found


def test_a_site_gets_its_own_name_and_its_partners_state_only() -> None:
    acl = render_acl(BROKER)
    own = "zorgkiosk/v1/roaz-oost/vvt-linde"
    assert rules(acl, "vvt-linde") == {
        *(f"write {own}/{leaf}" for leaf in ("events", "state", "online", "request")),
        *(f"read {own}/{leaf}" for leaf in ("ack", "partners", "ask", "revoked", "certificate")),
    }
    assert rules(acl, "hap-noord") - {"read zorgkiosk/v1/roaz-oost/hap-zuid/state"} == {
        rule.replace("vvt-linde", "hap-noord") for rule in rules(acl, "vvt-linde")
    }
    assert "pattern" not in acl and "#" not in acl.replace("# Who", "")


def test_the_hub_reads_what_sites_say_and_writes_what_they_hear() -> None:
    assert rules(render_acl(BROKER), "hub-intake") == {
        *(f"read zorgkiosk/v1/roaz-oost/+/{leaf}" for leaf in ("events", "state", "online")),
        *(f"write zorgkiosk/v1/roaz-oost/+/{leaf}" for leaf in ("ack", "partners", "ask", "revoked")),
    }
    assert rules(render_acl(BROKER), "hub-provisioner") == {
        "read zorgkiosk/v1/roaz-oost/+/request",
        *(f"write zorgkiosk/v1/roaz-oost/+/{leaf}" for leaf in ("ask", "certificate", "revoked")),
    }


@pytest.mark.parametrize(
    "line",
    [
        "allow_anonymous false",
        "require_certificate true",
        "use_identity_as_username true",
        "tls_version tlsv1.2",
        "persistence false",
        "set_tcp_nodelay true",
        "max_packet_size 266240",
        "persistent_client_expiration 1h",
        "listener 8883 0.0.0.0",
        "acl_file /etc/zorgkiosk/broker/mosquitto.acl",
        "cafile /etc/zorgkiosk/ca.pem",
    ],
)
def test_the_broker_is_strict(line: str) -> None:
    assert line in render(BROKER).splitlines()


def test_what_is_optional_is_absent_or_there() -> None:
    assert "crlfile" not in render(BROKER) and "\nuser " not in render(BROKER)
    full = render(replace(BROKER, revoked_file=Path("/etc/zorgkiosk/revoked.pem"), run_as="mosquitto"))
    assert "\ncrlfile /etc/zorgkiosk/revoked.pem\n" in full and "\nuser mosquitto\n" in full


@pytest.mark.parametrize(
    "change",
    [
        {"sites": {"hap-noord\ntopic readwrite #": ()}},
        {"sites": {"hap-noord": ("+",)}},
        {"sites": {"hub-intake": ()}},
        {"hub_names": ("%u",)},
        {"region": "roaz/oost"},
    ],
)
def test_a_name_that_could_mean_more_than_itself_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="broker: "):
        render_acl(replace(BROKER, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"address": "0.0.0.0\nallow_anonymous true"},
        {"ca_file": Path("ca.pem")},
        {"key_file": Path("/k\nallow_anonymous true")},
        {"revoked_file": Path("/with space")},
        {"run_as": "root\nallow_anonymous true"},
    ],
)
def test_a_setting_that_could_add_a_line_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="broker: "):
        render(replace(BROKER, **change))  # type: ignore[arg-type]


def test_both_files_are_written_whole(tmp_path: Path) -> None:
    config = write(replace(BROKER, directory=tmp_path / "broker"))
    assert sorted(file.name for file in config.parent.iterdir()) == ["mosquitto.acl", "mosquitto.conf"]
    assert f"acl_file {config.parent}/mosquitto.acl" in config.read_text()
