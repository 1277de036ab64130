"""The site's own broker: rendered files, and the config of plates with its mistakes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pytest import CaptureFixture

from zorgkiosk.cli import EX_CONFIG, EX_OK, main
from zorgkiosk.site import local_broker
from zorgkiosk.site.config import SiteConfig

SITE: dict[str, Any] = {
    "site": {"name": "vvt-linde", "title": "VVT De Linde", "region": "oost"},
    "hub": {"host": "127.0.0.1", "ca_file": "ca", "certificate_file": "crt", "key_file": "key"},
    "capacity": [{"code": "elv-laag"}],
    "plate": [{"name": "balie", "title": "Balie"}, {"name": "post-2", "title": "Post 2"}],
    "local_broker": {"address": "192.0.2.10"},
    "secrets": {
        "plates": {"balie": "balie-secret", "post-2": "post-2-secret"},
        "local_broker": {"panel": "panel-secret", "home_assistant": "assistant-secret"},
    },
}
SECRETS = ("balie-secret", "post-2-secret", "panel-secret", "assistant-secret")


def site(**more: Any) -> SiteConfig:
    return SiteConfig.model_validate(SITE | more)


def test_a_plate_gets_its_own_state_and_commands_only() -> None:
    panel, balie, post = local_broker.render_acl(site()).split("user ")[1:]
    assert panel.splitlines() == ["panel", "topic readwrite hasp/#"]
    assert post.replace("post-2", "balie") == balie
    name, *rules = balie.splitlines()
    touches = [rule for rule in rules if re.fullmatch(r"topic write hasp/balie/state/p[1-4]b\d+", rule)]
    assert name == "balie" and 20 < len(touches) == len(rules) - 4
    assert set(rules) - set(touches) == {
        "topic write hasp/balie/LWT",
        "topic write hasp/balie/state/statusupdate",
        "topic write hasp/balie/state/idle",
        "topic read hasp/balie/command/#",
    }


def test_home_assistant_may_only_read() -> None:
    acl = local_broker.render_acl(site(home_assistant={"discovery": True}))
    own = acl.partition("user home-assistant\n")[2].partition("user ")[0].splitlines()
    assert own == ["topic read zorgkiosk/vvt-linde/#", "topic read homeassistant/sensor/#"]
    assert "home-assistant" not in local_broker.render_acl(site())


def test_a_password_is_hashed_as_mosquitto_passwd_does() -> None:
    # Made by mosquitto_passwd 2.0.11 for "pass1234".
    made = (
        "$7$101$fRY0uxGdJzGo7vKj$"
        "m/5kcVp1UYI6gbwh6oIZiIOKwq6hl2GsR+QcQwfceVPfyxVqB4LOgoq1iM9sBVCSCbnEvfLhIMHSiyCcue4/uA=="
    )
    salt = bytes.fromhex("7d1634bb119d2731a8eef2a3")
    assert local_broker.hashed("pass1234", salt, 101) == made


def test_no_plain_password_lies_in_a_file_and_only_the_broker_reads_them(tmp_path: Path) -> None:
    file = local_broker.write(site(home_assistant={"discovery": True}), tmp_path / "plates")
    files = sorted(file.parent.iterdir())
    assert [each.name for each in files] == ["mosquitto.acl", "mosquitto.conf", "mosquitto.passwd"]
    assert all(each.stat().st_mode & 0o777 == 0o600 for each in files)
    assert not any(secret in each.read_text() for each in files for secret in SECRETS)
    users = re.findall(r"^([^:]+):\$7\$20000\$", (file.parent / "mosquitto.passwd").read_text(), re.MULTILINE)
    assert users == ["panel", "balie", "post-2", "home-assistant"]


@pytest.mark.parametrize(
    "line",
    [
        "allow_anonymous false",
        "persistence false",
        "listener 1883 192.0.2.10",
        "password_file /etc/plates/mosquitto.passwd",
        "acl_file /etc/plates/mosquitto.acl",
        "max_packet_size 8192",
        "memory_limit 50331648",
        "use_username_as_clientid true",
    ],
)
def test_the_broker_is_strict(line: str) -> None:
    lines = local_broker.render(site(), Path("/etc/plates")).splitlines()
    assert line in lines
    listener = lines.index("listener 1883 192.0.2.10")
    assert all(
        lines.index(each) > listener
        for each in lines
        if each.startswith(("max_connections", "certfile", "use_username"))
    )


def test_tls_and_user_are_there_when_asked_for() -> None:
    plain = local_broker.render(site(), Path("/etc/plates"))
    assert "certfile" not in plain and "\nuser " not in plain
    secured = site(local_broker={"ca_file": "/ca.pem", "certificate_file": "/crt.pem", "key_file": "/key.pem"})
    full = local_broker.render(secured, Path("/etc/plates"), "mosquitto")
    assert "\ncertfile /crt.pem\nkeyfile /key.pem\n" in full and "\nuser mosquitto\n" in full


@pytest.mark.parametrize(
    ("directory", "run_as"),
    [("relative", None), ("/with space", None), ("/x\nallow_anonymous true", None), ("/x", "a b")],
)
def test_a_setting_that_could_add_a_line_is_refused(directory: str, run_as: str | None) -> None:
    with pytest.raises(ValueError, match="local broker: "):
        local_broker.render(site(), Path(directory), run_as)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"plate": [{"name": "balie", "title": "A"}] * 2}, "name 'balie' stands twice"),
        ({"plate": [{"name": "panel", "title": "A"}]}, "name 'panel' has a meaning of its own"),
        ({"plate": [{"name": "gang", "title": "A"}]}, "gang has no password: write it in secrets.toml under"),
        ({"plate": [{"name": "balie/+", "title": "A"}]}, "String should match pattern"),
        ({"plate": [{"name": "balie", "title": "A", "size": "1x1"}]}, "'480x320' or '800x480'"),
        ({"local_broker": None}, "need [local_broker]: add it"),
        ({"local_broker": {"ca_file": "/ca"}}, "write all three or none"),
        ({"secrets": {"plates": SITE["secrets"]["plates"]}}, "the panel has no password"),
        ({"plate": [], "local_broker": None, "home_assistant": {"discovery": True}}, "need [local_broker]"),
        ({"secrets": {"plates": {"balie": "x" * 32}}}, "at most 31 characters"),
        ({"home_assistant": {"prefix": "a/#"}}, "String should match pattern"),
    ],
)
def test_a_mistake_is_told_with_its_cure_and_without_secrets(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as error:
        site(**change)
    assert told in str(error.value)
    assert not any(secret in str(error.value) for secret in SECRETS)


def test_secrets_are_not_in_the_configs_own_words() -> None:
    assert not any(secret in repr(site()) for secret in SECRETS)


def test_the_command_writes_the_files(tmp_path: Path, capsys: CaptureFixture[str]) -> None:
    (tmp_path / "site.toml").write_text(
        '[site]\nname = "vvt-linde"\ntitle = "De Linde"\nregion = "oost"\n'
        '[hub]\nhost = "h"\nca_file = "a"\ncertificate_file = "b"\nkey_file = "c"\n'
        '[local_broker]\n[[plate]]\nname = "balie"\ntitle = "Balie"\n'
    )
    secrets = tmp_path / "secrets.toml"
    secrets.write_text('[plates]\nbalie = "balie-secret"\n[local_broker]\npanel = "panel-secret"\n')
    secrets.chmod(0o600)
    arguments = ["plates", "--config", str(tmp_path / "site.toml"), "--directory", str(tmp_path / "plates")]
    assert main(arguments) == EX_OK
    assert (tmp_path / "plates" / "mosquitto.passwd").exists()
    (tmp_path / "file").touch()
    assert main([*arguments[:-1], str(tmp_path / "file")]) == EX_CONFIG
    assert "secret" not in capsys.readouterr().err
