"""What is shipped for technicians is true: the reference names every key, the shipped configs are valid."""

import re
import tomllib
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from shipped import FIRMWARE
from zorgkiosk.capacity.catalog import CATEGORIES
from zorgkiosk.config_file import ConfigError, Written, validate
from zorgkiosk.config_section import Section
from zorgkiosk.contract.capacity import LIMITS
from zorgkiosk.hub import rabbitmq
from zorgkiosk.hub.config import HubConfig, load_hub
from zorgkiosk.lab.reference import differences, rows, written
from zorgkiosk.lab.region import Region
from zorgkiosk.provision.config import RegionConfig
from zorgkiosk.site.config import Secrets, SiteConfig, load_site
from zorgkiosk.site.config_telephony import Announcements
from zorgkiosk.site.telephony.announcer import Announcer

REFERENCE: dict[str, type[Section]] = {
    "site.toml": SiteConfig,
    "secrets.toml": Secrets,
    "region.toml": RegionConfig,
    "hub.toml": HubConfig,
}


def chapter(file: str) -> str:
    """What the reference says of that file, as far as its next heading."""
    text = (FIRMWARE / "README.md").read_text(encoding="utf-8")
    return text[text.index(f"\n## {file}") + 1 :].split("\n## ", 1)[0]


@pytest.mark.parametrize("file", REFERENCE)
def test_the_reference_has_each_key_with_its_default_and_what_is_allowed(file: str) -> None:
    assert differences(REFERENCE[file], chapter(file)) == []


def test_the_reference_has_sections_and_keys_in_the_order_of_the_schema() -> None:
    assert [list(written(chapter(file))) for file in REFERENCE] == [list(rows(kind)) for kind in REFERENCE.values()]


def test_the_shipped_nursing_home_is_valid() -> None:
    assert load_site(FIRMWARE / "demo" / "vvt-linde" / "site.toml").site.name == "vvt-linde"


@pytest.mark.parametrize(
    "file", sorted((FIRMWARE / "example").glob("*/site.toml")), ids=lambda file: str(file.parent.name)
)
def test_the_shipped_examples_are_valid_and_explain_themselves(file: Path) -> None:
    config = load_site(file)
    assert config.capacity and (config.telephony is not None) == (file.parent.name == "hap")
    assert file.read_text(encoding="utf-8").startswith("# ")


def test_there_is_an_example_for_each_kind_of_site() -> None:
    assert {file.parent.name for file in (FIRMWARE / "example").glob("*/site.toml")} == {"hap", "vvt", "seh", "ggz"}


def test_there_is_an_example_for_each_sector_with_a_status() -> None:
    shipped = [load_site(file) for file in (FIRMWARE / "example").glob("*/site.toml")]
    assert {item.code for site in shipped for item in site.capacity} >= {"seh", "ggz-crisis"}


def test_the_reference_names_every_code() -> None:
    reference = (FIRMWARE / "README.md").read_text(encoding="utf-8")
    assert [code for code in (*CATEGORIES, *LIMITS) if f"`{code}`" not in reference] == []


def test_the_shipped_triage_centres_are_valid_once_they_have_passwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(FIRMWARE.parent)
    region = Region.prepare(tmp_path / "region")
    assert sorted(region.sites) == ["hap-noord", "hap-zuid", "vvt-linde"]
    (tmp_path / "region" / "hap-noord" / "secrets.toml").unlink()
    with pytest.raises(ConfigError) as told:
        load_site(tmp_path / "region" / "hap-noord" / "site.toml")
    assert len(told.value.problems) == 2
    assert all("has no password: write it in secrets.toml" in problem for problem in told.value.problems)


@pytest.mark.parametrize("file", ["hub/hub.toml", "hub/cluster/hub.toml", "demo/hub/hub.toml"])
def test_the_shipped_hubs_are_valid(file: str) -> None:
    assert {site.name for site in load_hub(FIRMWARE / file).site} == {"hap-noord", "hap-zuid", "vvt-linde"}


def test_the_shipped_cluster_asks_its_database_for_tls() -> None:
    asked = make_url(load_hub(FIRMWARE / "hub" / "cluster" / "hub.toml").hub.database).query
    assert (asked["sslmode"], asked["sslrootcert"]) == ("verify-full", "/etc/zorgkiosk/pki/ca.pem")
    assert "\nssl = on\n" in (FIRMWARE / "hub" / "cluster" / "postgresql.conf").read_text()


def test_the_shipped_cluster_is_what_its_hub_renders() -> None:
    folder = FIRMWARE / "hub" / "cluster"
    config = load_hub(folder / "hub.toml")
    nodes = tuple(rabbitmq.Node(f"rabbit@broker-{number}", f"10.0.0.{number}") for number in (1, 2, 3))
    etc = Path("/etc/rabbitmq")
    files = [etc / name for name in ("definitions.json", "ca.pem", "broker.pem", "broker.key")]
    assert (folder / "rabbitmq.conf").read_text() == rabbitmq.render(nodes[0], nodes, *files)
    allowed = rabbitmq.definitions(config.hub.region, {site.name: site.partners for site in config.site})
    assert (folder / "definitions.json").read_text() == allowed + "\n"
    assert (folder / "enabled_plugins").read_text() == rabbitmq.PLUGINS + "\n"
    assert config.broker.port == nodes[0].amqp_port
    assert f"rabbitmqctl eval '{rabbitmq.ELECTION}'" in (folder / "zorgkiosk-mqtt-election.service").read_text()


def test_the_package_ships_what_the_reference_points_to() -> None:
    build = (FIRMWARE / "package" / "build").read_text(encoding="utf-8")
    [line] = [line for line in build.splitlines() if line.endswith("usr/share/zorgkiosk; done")]
    put = line.split(" in ", 1)[1].split(";", 1)[0].split()
    begin = (FIRMWARE / "README.md").read_text(encoding="utf-8").split("\n## On a box", 1)[0]
    named = {path.split("/", 1)[0] for path in re.findall(r"`([a-z]+/[a-z./]*)`", begin)} - {"udev"}  # in /usr/lib
    assert {"region", "demo"} <= named <= {*put}
    assert all((FIRMWARE / each).exists() for each in put)


def test_the_changes_are_dated_and_the_newest_stands_first() -> None:
    dates = re.findall(r"^\| ([^|]*?) \| [^|]+ \| [^|]+ \|$", chapter("Changes"), re.MULTILINE)[1:]
    assert len(dates) > 5 and [date.fromisoformat(day).isoformat() for day in dates] == sorted(dates, reverse=True)


def blocks(file: str) -> dict[str, dict[str, Any]]:
    """Sections that the reference has to cut and paste: by name what is in them."""
    found: dict[str, dict[str, Any]] = {}
    for text in re.findall(r"^```toml\n(.*?)^```$", chapter(file), re.MULTILINE | re.DOTALL):
        [(name, content)] = tomllib.loads(text).items()
        assert name not in found, f"two blocks for {name}"
        found[name] = {name: content}
    return found


@pytest.mark.parametrize("file", REFERENCE)
def test_there_is_a_block_for_each_section_in_the_order_of_the_reference(file: str) -> None:
    """No block has a secret, nor a technician's key: what is pasted along would let somebody in."""
    pasted = [name for name in REFERENCE[file].model_fields if name not in ("secrets", "technicians")]
    assert list(blocks(file)) == pasted


_BASES = {"site.toml": "example/hap/site.toml", "hub.toml": "hub/hub.toml", "region.toml": "region/region.toml"}
_NEEDS = {"plate": ("local_broker",), "home_assistant": ("local_broker",)}
_PASSWORDS: dict[str, Any] = {
    "phones": {"phone3": "lang-genoeg"},
    "plates": {"gang-oost": "lang-genoeg"},
    "local_broker": {"panel": "lang-genoeg", "home_assistant": "lang-genoeg"},
}


def put_into(file: str, names: Iterable[str]) -> None:
    """The shipped example with these blocks; of several sections it is one more. Raises ConfigError."""
    base = FIRMWARE / _BASES[file]
    content = tomllib.loads(base.read_text(encoding="utf-8"))
    for name in names:
        for key, value in blocks(file)[name].items():
            content[key] = [*content.get(key, []), *value] if isinstance(value, list) else value
    if "announcements" in names:
        base = FIRMWARE / "site.toml"  # the block's folder lies beside the file
    elif "announcements" in content:
        content["announcements"]["folder"] = str(FIRMWARE / "announcements")
    secrets = Written(base.with_name("secrets.toml"), _PASSWORDS, {}) if file == "site.toml" else None
    validate(REFERENCE[file], Written(base, content, {}, secrets))


@pytest.mark.parametrize(("file", "name"), [(file, name) for file in _BASES for name in blocks(file)])
def test_each_block_can_be_pasted_into_a_shipped_config(file: str, name: str) -> None:
    put_into(file, (name, *_NEEDS.get(name, ())))


@pytest.mark.parametrize("file", _BASES)
def test_all_blocks_together_fit(file: str) -> None:
    put_into(file, list(blocks(file)))


def test_the_blocks_for_secrets_hold_no_password_that_could_be_pasted_along() -> None:
    assert list(blocks("secrets.toml")) == list(Secrets.model_fields)
    assert all(content == {name: {}} for name, content in blocks("secrets.toml").items())


def test_what_is_said_of_announcements_is_what_is_played() -> None:
    text = (FIRMWARE / "announcements" / "README.md").read_text(encoding="utf-8")
    announcements = Announcements(folder=FIRMWARE / "announcements")
    announcer, longest = Announcer.of(announcements), 20
    for seconds, file in ((59, "bijna.wav"), (60, "minuten-1.wav"), (24 * 60, "minuten-20.wav"), (1441, "langer.wav")):
        assert Path(announcer.wait(seconds)).name == file
    assert "whose expected wait is under 60 s" in text and "over 24 min with these" in text
    assert max(announcer.minutes) == longest and f"{announcements.every_s:.0f} s by default" in text
