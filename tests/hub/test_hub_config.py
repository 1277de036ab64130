"""hub.toml."""

from pathlib import Path

import pytest

from zorgkiosk.config_file import ConfigError
from zorgkiosk.hub.config import is_open_to_strangers, load_hub

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
        (("port = 8090", "port = 8091"), "[board] port: 8091 clashes with [intake] port (8091-8106 on 127.0.0.1)"),
        (("port = 8090", "port = 8106"), "[board] port: 8106 clashes with [intake] port"),
        (("port = 8091", "port = 65530"), "[intake] port: 65530 leaves no room for all of them below 65536: write"),
        (('kind = "vvt"', 'kind = "rav"'), 'site[2].kind: is not one of the choices: write "hap", "vvt"'),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, change: tuple[str, str], sentence: str) -> None:
    found = problems(tmp_path, change)
    assert sentence in found and "geheim" not in found


@pytest.mark.parametrize(
    ("database", "is_open"),
    [
        ("sqlite:////var/lib/zorgkiosk/hub.db", False),
        ("postgresql+psycopg:///zorgkiosk?host=/var/run/postgresql", False),
        ("postgresql+psycopg://zorgkiosk@localhost/z", False),
        ("postgresql+psycopg://zorgkiosk@127.0.0.1/z", False),
        ("postgresql+psycopg://zorgkiosk@[::1]/z", False),
        ("postgresql+psycopg://zorgkiosk@db.example/z", True),
        ("postgresql+psycopg://zorgkiosk@db.example/z?sslmode=prefer", True),
        ("postgresql+psycopg://zorgkiosk@db.example/z?sslmode=require", True),
        ("postgresql+psycopg://zorgkiosk@db.example/z?sslmode=verify-full", False),
        ("postgresql+psycopg://zorgkiosk@/z?host=/run,db-2", True),
        ("postgresql+psycopg://zorgkiosk@/z?host=db-1,db-2&sslmode=verify-ca", False),
        ("postgresql+psycopg://zorgkiosk@/z?host=db-1&host=db-2", True),
    ],
)
def test_a_database_elsewhere_is_asked_for_its_certificate(database: str, is_open: bool) -> None:
    assert is_open_to_strangers(database) == is_open
