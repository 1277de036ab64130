from __future__ import annotations

import dataclasses
import stat
from pathlib import Path
from typing import Any

import pytest

from zorgkiosk.site.telephony.front import (
    FrontParameters,
    FrontPartner,
    Phone,
    command,
    render,
    rpc_socket,
    write,
)


def parameters(**changes: Any) -> FrontParameters:
    usual = FrontParameters(
        site="hap-noord",
        directory=Path("/var/lib/front"),
        address="192.168.1.10",
        sip_port=5060,
        tls_port=5061,
        internal_port=5080,
        trunk_addresses=("192.168.1.2", "10.9.0.0/16"),
        worker_uris=("sip:127.0.0.1:5101", "sip:127.0.0.1:5102"),
        phones=(Phone("desk1", "a secret"),),
        partners=(FrontPartner("hap-zuid", "10.0.0.9", 5061),),
        ca_file=Path("/etc/front/ca.pem"),
        certificate_file=Path("/etc/front/hap-noord.pem"),
        key_file=Path("/etc/front/hap-noord.key"),
    )
    return dataclasses.replace(usual, **changes)


def test_the_listeners_are_the_three_given() -> None:
    listeners = [line for line in render(parameters())["kamailio.cfg"].splitlines() if line.startswith("listen=")]
    assert [line.split()[0] for line in listeners] == [
        "listen=udp:192.168.1.10:5060",
        "listen=tls:192.168.1.10:5061",
        "listen=udp:127.0.0.1:5080",
    ]


def test_lists_hold_the_trunk_and_the_inactive_workers() -> None:
    files = render(parameters())
    assert files["trunk.list"] == "1 192.168.1.2 32\n1 10.9.0.0 16\n"
    assert files["worker.list"] == "1 sip:127.0.0.1:5101 1 0\n1 sip:127.0.0.1:5102 1 0\n"


def test_the_password_is_on_disk_only_as_digest() -> None:
    ha1 = "86c19590d299d792920efdefcdd28cdf"  # printf 'desk1:hap-noord:a secret' | md5sum
    files = render(parameters())
    assert f'$sht(user=>desk1) = "{ha1}";' in files["secrets.cfg"]
    assert not [name for name, text in files.items() if "a secret" in text]
    assert [name for name, text in files.items() if ha1 in text] == ["secrets.cfg"]


def test_partners_are_found_by_name_and_by_address() -> None:
    secrets = render(parameters())["secrets.cfg"]
    assert '$sht(hop=>hap-zuid) = "sip:10.0.0.9:5061;transport=tls";' in secrets
    assert '$sht(at=>hap-zuid) = "10.0.0.9:5061";' in secrets
    assert '$sht(name=>10.0.0.9:5061) = "hap-zuid";' in secrets


def test_both_directions_of_tls_demand_a_certificate_of_the_region() -> None:
    server, client = render(parameters())["tls.cfg"].split("[client:default]")
    for profile in (server, client):
        assert "method = TLSv1.2+" in profile
        assert "verify_certificate = yes" in profile
        assert "require_certificate = yes" in profile
        assert "ca_list = /etc/front/ca.pem" in profile


def test_files_are_written_whole_and_secrets_are_private(tmp_path: Path) -> None:
    given = parameters(directory=tmp_path / "front")
    for _ in range(2):  # writing again replaces
        main = write(given)
    assert main.read_text() == render(given)["kamailio.cfg"]
    assert stat.S_IMODE((main.parent / "secrets.cfg").stat().st_mode) == 0o600
    assert {stat.S_IMODE(each.stat().st_mode) & 0o007 for each in main.parent.iterdir()} == {0}
    assert {each.name for each in main.parent.iterdir()} == {*render(given), "run", "phones"}


def test_everything_kamailio_makes_stays_below_the_directory() -> None:
    given = parameters()
    words = command(given)
    paths = [Path(word) for word in words if word.startswith("/")]
    assert paths
    assert all(path.is_relative_to(given.directory) for path in (*paths, rpc_socket(given)))


def test_a_directory_too_deep_for_a_unix_socket_is_refused() -> None:
    longest = Path("/" + "d" * (107 - len("//rpc.sock")))
    render(parameters(directory=longest))
    with pytest.raises(ValueError, match="needs 108 bytes"):
        render(parameters(directory=Path(f"{longest}d")))


def test_the_exchange_has_a_place_in_the_rules_only_where_there_is_one() -> None:
    with_one = render(parameters(exchange=("192.168.1.2", 5070), extensions=("200", "huisarts1")))
    assert "$sht(extension=>200) = 1;" in with_one["secrets.cfg"]
    assert '"@192.168.1.2:5070"' in with_one["kamailio.cfg"]
    assert "exchange_address" not in with_one["kamailio.cfg"]
    assert '$rd == "exchange"' not in render(parameters())["kamailio.cfg"]


def test_the_place_of_a_phone_survives_a_new_rendering(tmp_path: Path) -> None:
    given = parameters(directory=tmp_path / "front")
    write(given)
    place = given.directory / "phones" / "desk1"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    place.write_text("somewhere")
    write(given)
    assert place.read_text() == "somewhere"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"site": 'x";'}, "letters, digits"),
        ({"site": ""}, "letters, digits"),
        ({"phones": (Phone("a b", "x"),)}, "phone user 'a b'"),
        ({"phones": (Phone("a", "x"), Phone("a", "y"))}, "phone user is named twice"),
        ({"partners": (FrontPartner("desk", "10.0.0.9", 5061),)}, "that name is taken"),
        ({"partners": (FrontPartner("hap-noord", "10.0.0.9", 5061),)}, "that name is taken"),
        ({"partners": (FrontPartner("a", "10.0.0.9", 1), FrontPartner("b", "10.0.0.9", 1))}, "same address"),
        ({"partners": (FrontPartner("a", "a.example", 5061),)}, "'a.example' is not an IPv4 address"),
        ({"trunk_addresses": ("192.168.1.1/24",)}, "not an IPv4 address or network"),
        ({"worker_uris": ()}, "needs a worker"),
        ({"worker_uris": ("sip:192.168.1.5:5101",)}, "sip:127.0.0.1:5101"),
        ({"internal_port": 0}, "0 is not a port"),
        ({"partners": (FrontPartner("exchange", "10.0.0.9", 5061),)}, "that name is taken"),
        ({"exchange": ("pbx", 5060)}, "'pbx' is not an IPv4 address"),
        ({"exchange": ("192.168.1.2", 0)}, "0 is not a port"),
        ({"extensions": ("200",)}, "need an exchange"),
        *(
            ({"exchange": ("192.168.1.2", 5060), "extensions": (extension,)}, message)
            for extension, message in [
                *(
                    (number, "emergency number")
                    for number in ("112", "0112", "00112", "911", "999", "Emergency", "SOS")
                ),
                *((number, "only letters and digits") for number in ("", "2 0", "200;x", "+31612", "*21", "2" * 33)),
            ]
        ),
        ({"directory": Path("front")}, "has to be absolute"),
        ({"key_file": Path("/etc/it's here.key")}, "special signs"),
    ],
)
def test_a_fault_is_refused_with_a_sentence(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render(parameters(**changes))


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"(?s)'x;'.*needs a worker"):
        render(parameters(site="x;", worker_uris=()))
