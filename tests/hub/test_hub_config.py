"""hub.toml."""

from pathlib import Path

import pytest

from zorgkiosk.config_file import ConfigError
from zorgkiosk.hub.config import load_hub

EXAMPLE = Path(__file__).parents[2] / "firmware_config" / "hub" / "hub.toml"


def problems(tmp_path: Path, change: tuple[str, str]) -> str:
    text = EXAMPLE.read_text()
    assert change[0] in text
    file = tmp_path / "hub.toml"
    file.write_text(text.replace(*change, 1))
    with pytest.raises(ConfigError) as caught:
        load_hub(file)
    return "\n".join(caught.value.problems)


def test_the_shipped_example_is_valid() -> None:
    config = load_hub(EXAMPLE)
    assert config.hub.database == "sqlite:////var/lib/zorgkiosk/hub.db"
    assert config.broker.ca_file == EXAMPLE.parent / "pki/ca.pem"
    assert [(site.name, site.partners) for site in config.site][:2] == [
        ("hap-noord", ("hap-zuid",)),
        ("hap-zuid", ("hap-noord",)),
    ]
    assert str(config.board.address) == "127.0.0.1"


def test_a_relative_database_lies_beside_the_config(tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text(EXAMPLE.read_text().replace("sqlite:////var/lib/zorgkiosk/hub.db", "sqlite:///data/hub.db"))
    assert load_hub(file).hub.database == f"sqlite:///{tmp_path}/data/hub.db"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (('region = "', 'regoin = "'), "hub.regoin: is not a key of this section, did you mean 'region'?"),
        (("sqlite:///", "postgresql:///"), "database 'postgresql' is not known, did you mean 'postgresql+psycopg'?"),
        (("sqlite:////var/lib/zorgkiosk/hub.db", "hub.db"), "hub.database: is not a database URL: write sqlite:"),
        (("sqlite:////var/lib/zorgkiosk/hub.db", "sqlite://"), "hub.database: names no file"),
        (
            ("sqlite:////var/lib/zorgkiosk/hub.db", "postgresql+psycopg://a:geheim@db/z"),
            "hub.database: holds a password: use peer authentication",
        ),
        *(
            (
                ("sqlite:////var/lib/zorgkiosk/hub.db", f"postgresql+psycopg:///z?{parameter}=geheim"),
                "hub.database: holds a password: use peer authentication",
            )
            for parameter in ("password", "sslpassword", "passfile")
        ),
        (('partners = ["hap-zuid"]', 'partners = ["hap-zuit"]'), "partners 'hap-zuit' is not known, did you mean"),
        (('partners = ["hap-zuid"]', 'partners = ["hap-noord"]'), "hap-noord: names itself as partner"),
        (('name = "vvt-linde"', 'name = "hap-zuid"'), "[[site]] name 'hap-zuid' stands twice"),
        (('kind = "vvt"', 'kind = "rav"'), 'site[2].kind: is not one of the choices: write "hap", "vvt"'),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, change: tuple[str, str], sentence: str) -> None:
    found = problems(tmp_path, change)
    assert sentence in found and "geheim" not in found
