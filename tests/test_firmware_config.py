"""What is shipped for technicians is true: the reference names every key, the shipped configs are valid."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from shipped import FIRMWARE
from zorgkiosk.capacity.catalog import CATEGORIES
from zorgkiosk.config_file import ConfigError
from zorgkiosk.contract.capacity import LIMITS
from zorgkiosk.hub import rabbitmq
from zorgkiosk.hub.config import HubConfig, load_hub
from zorgkiosk.lab.region import Region
from zorgkiosk.provision.config import RegionConfig
from zorgkiosk.site.config import SiteConfig, load_site


def keys(kind: Any) -> set[str]:
    """All keys of a section and of the sections in it."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {
            key
            for name, field in kind.model_fields.items()
            if name != "secrets"
            for key in ({name} | keys(field.annotation))
        }
    return {key for inner in getattr(kind, "__args__", ()) for key in keys(inner)}


@pytest.mark.parametrize("kind", [SiteConfig, HubConfig, RegionConfig])
def test_the_reference_names_every_key(kind: type[BaseModel]) -> None:
    named = set(re.findall(r"[a-z_]+", (FIRMWARE / "README.md").read_text(encoding="utf-8")))
    assert keys(kind) - named == set()


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
