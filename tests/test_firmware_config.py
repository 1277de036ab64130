"""What is shipped for technicians is true: the reference names every key, the shipped configs are valid."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from shipped import FIRMWARE
from zorgkiosk.config_file import ConfigError
from zorgkiosk.hub.config import HubConfig, load_hub
from zorgkiosk.lab.region import Region
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


@pytest.mark.parametrize("kind", [SiteConfig, HubConfig])
def test_the_reference_names_every_key(kind: type[BaseModel]) -> None:
    named = set(re.findall(r"[a-z_]+", (FIRMWARE / "README.md").read_text(encoding="utf-8")))
    assert keys(kind) - named == set()


def test_the_shipped_nursing_home_is_valid() -> None:
    assert load_site(FIRMWARE / "demo" / "vvt-linde" / "site.toml").site.name == "vvt-linde"


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


@pytest.mark.parametrize("file", ["hub/hub.toml", "demo/hub/hub.toml"])
def test_the_shipped_hubs_are_valid(file: str) -> None:
    assert {site.name for site in load_hub(FIRMWARE / file).site} == {"hap-noord", "hap-zuid", "vvt-linde"}
