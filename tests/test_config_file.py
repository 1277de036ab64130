"""Config errors as a technician meets them: all at once, each with the file, the key and what to write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import Field

from zorgkiosk.config_file import ConfigError, load
from zorgkiosk.config_section import Rule, Section, with_keys


class Inner(Section):
    port: int = Field(default=1, ge=1, le=65535)
    ca_file: Path = Path("ca.pem")


class Vault(Section):
    password: str = Field(default="", max_length=12)


class Outer(Section):
    name: str
    inner: Inner = Inner()
    item: tuple[Inner, ...] = ()
    data_dir: Path = Path("/var/lib")
    secrets: Vault = Vault()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "site.toml"


def problems(file: Path, text: str, secrets: Path | None = None) -> tuple[str, ...]:
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(Outer, file, secrets=secrets)
    return refused.value.problems


def test_a_good_file_with_paths_relative_to_itself(file: Path) -> None:
    file.write_text('name = "x"\ndata_dir = "data"\n[inner]\nca_file = "/etc/ca.pem"\n[[item]]\nport = 2\n')
    config = load(Outer, file)
    assert config.data_dir == file.parent / "data"
    assert config.inner.ca_file == Path("/etc/ca.pem") and config.item[0].port == 2


def test_every_problem_is_told_at_once_with_file_and_key(file: Path) -> None:
    told = problems(file, '[inner]\nport = 0\nprot = 1\n[[item]]\nport = "x"\n[[item]]\nca_fil = "y"\n')
    assert len(told) == 5 and all(sentence.startswith(f"{file}:") for sentence in told)
    assert f"{file}:1:1: name: is missing: add it: text in quotes" in told
    assert f"{file}:3:1: inner.prot: is not a key of this section, did you mean 'port'?" in told
    assert any(
        sentence.startswith(f"{file}:2:1: inner.port: is too small: write a whole number, 1 to 65535")
        for sentence in told
    )
    assert any(
        sentence.startswith(f"{file}:5:1: item[0].port: is text: write a whole number, 1 to 65535, without")
        for sentence in told
    )


def test_a_key_in_a_list_of_sections_gets_its_own_section_s_suggestion(file: Path) -> None:
    (told,) = problems(file, 'name = "x"\n[[item]]\nca_fil = "y"\n')
    assert told == f"{file}:3:1: item[0].ca_fil: is not a key of this section, did you mean 'ca_file'?"


def test_an_unlikely_key_is_answered_with_the_known_ones(file: Path) -> None:
    (told,) = problems(file, 'name = "x"\n[inner]\nzzzz = 1\n')
    assert told.endswith("known here: ca_file, port")


@pytest.mark.parametrize("text", ["name = ", 'name = "x"\nname = "y"', "[inner"])
def test_what_is_not_toml_is_said(file: Path, text: str) -> None:
    (told,) = problems(file, text)
    assert told.startswith(f"{file}:") and ": is not TOML: " in told


def test_a_file_that_is_not_there_or_no_text_is_said(file: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(Outer, file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not TOML"):
        load(Outer, file)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("port = " + "9" * 5000, "3:8: a number of thousands of digits"),
        ("port = " + "[" * 3000 + "]" * 3000, "3:1: lists or tables lie more than 20 deep"),
        ("port = " + "{a=" * 2000 + "1" + "}" * 2000, "3:1: lists or tables lie more than 20 deep"),
        (".".join(["a"] * 3000) + " = 1", "3:1: lists or tables lie more than 20 deep"),
        ('ca_file = "a\\u0000b"', "3:1: inner.ca_file: holds a control sign (U+0000)"),
        ('ca_file = "a\\u001b[31m"', "3:1: inner.ca_file: holds a control sign (U+001B)"),
    ],
)
def test_what_no_config_holds_is_said_with_its_line(file: Path, line: str, told: str) -> None:
    (sentence,) = problems(file, f'name = "x"\n[inner]\n{line}\n')
    assert sentence.startswith(f"{file}:{told}")


@pytest.mark.parametrize(("encoding", "told"), [("latin-1", "2:4: is not TOML: byte 0xeb"), ("utf-16", "1:1: is not")])
def test_a_file_in_another_encoding_is_told_its_first_wrong_byte(file: Path, encoding: str, told: str) -> None:
    file.write_bytes('name = "x"\n# tëst\n'.encode(encoding))
    with pytest.raises(ConfigError) as refused:
        load(Outer, file)
    assert refused.value.problems[0].startswith(f"{file}:{told}") and "UTF-8" in refused.value.problems[0]


def test_secrets_come_from_their_own_file(file: Path) -> None:
    secrets = file.with_name("secrets.toml")
    secrets.write_text('password = "geheim"\n')
    secrets.chmod(0o640)
    file.write_text('name = "x"\n')
    assert load(Outer, file, secrets=secrets).secrets.password == "geheim"
    assert load(Outer, file, secrets=file.with_name("absent.toml")).secrets.password == ""


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o606, 0o601])
def test_secrets_that_everybody_can_reach_are_refused(file: Path, mode: int) -> None:
    secrets = file.with_name("secrets.toml")
    secrets.write_text('password = "geheim"\n')
    secrets.chmod(mode)
    (told,) = problems(file, 'name = "x"\n', secrets)
    assert told == f"{secrets}:1:1: everybody can read it: chmod 600 (or 640) {secrets}"


def test_secrets_in_the_open_file_are_refused_and_not_repeated(file: Path) -> None:
    (told,) = problems(file, 'name = "x"\n[secrets]\npassword = "geheim"\n', file.with_name("secrets.toml"))
    assert "secrets do not stand in this file" in told and "geheim" not in told


def test_a_wrong_secret_names_its_file_and_is_not_repeated(file: Path) -> None:
    secrets = file.with_name("secrets.toml")
    secrets.write_text('password = "veel-te-lang-geheim"\n')
    secrets.chmod(0o600)
    (told,) = problems(file, 'name = "x"\n', secrets)
    assert told.startswith(f"{secrets}:1:1: secrets.password: ") and "geheim" not in told


def test_an_unknown_choice_is_answered_with_the_nearest_or_all() -> None:
    assert Section.not_one_of("code", "elv-lag", ["elv-laag", "grz"]) == (
        "code 'elv-lag' is not known, did you mean 'elv-laag'?"
    )
    assert Section.not_one_of("code", "bed", ["elv-laag", "grz"]) == "code 'bed' is not known, one of: elv-laag, grz"


class Pair(Section):
    low: int = 1
    high: int = 2
    name: str

    def rules(self) -> tuple[Rule, ...]:
        return self._rise, self._is_called

    def _rise(self) -> Iterator[str]:
        if self.low >= self.high:
            yield "low and high must rise: write a higher high"

    def _is_called(self) -> Iterator[str]:
        if self.name == "x":
            yield "x is taken: write another name"


class Pairs(Section):
    pair: tuple[Pair, ...]
    wanted: str = ""

    def rules(self) -> tuple[Rule, ...]:
        return self._has_what_is_wanted, self._each_once

    def _has_what_is_wanted(self) -> Iterator[str]:
        if self.wanted not in [pair.name for pair in self.pair]:
            yield f"[wanted] {self.wanted} is nobody's name: write one"

    def _each_once(self) -> Iterator[str]:
        names = [pair.name for pair in with_keys(self.pair, "name")]
        if len(set(names)) < len(names):
            yield "[[pair]] a name stands twice: give each its own"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[pair]]\nname = "x"\nlow = "1"', ["pair[0]: x is taken", "pair[0].low: is text"]),
        ('[[pair]]\nname = "x"\nlow = 5\nextra = 1', ["pair[0]: low and", "pair[0]: x is taken", "pair[0].extra: is"]),
        ("[[pair]]\nlow = 5", ["pair[0].name: is missing", "pair[0]: low and high"]),
        (
            '[[pair]]\nname = 5\n[[pair]]\nname = "y"\n[[pair]]\nname = "y"',
            ["pair[0].name: is a number: write text", "[[pair]] a name stands twice"],
        ),
        ("wanted = 1\npair = 1", ["wanted: is a number", "pair: is a number: write it as a section, with [[pair]]"]),
    ],
)
def test_a_wrong_key_hides_no_rule_that_does_not_ask_for_it(file: Path, text: str, told: list[str]) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(Pairs, file)
    found = sorted(f"{one.key}: {one.sentence}" if one.key else one.sentence for one in refused.value.found)
    assert "[wanted]" not in "".join(found) or "name = 5" not in text
    assert all(any(each.startswith(start) for each in found) for start in told), found


def test_a_config_made_by_a_program_keeps_the_same_rules() -> None:
    with pytest.raises(ValueError, match="must rise"):
        Pair(low=3, high=2, name="y")


@pytest.mark.parametrize(
    ("line", "key", "cure"),
    [
        ("port =", "inner.port", "write text in quotes"),
        ("port = tru", "inner.port", "write text in quotes"),
        ("port = 1\nport = 2", "inner.port", "stands twice: remove one of the two"),
        ('ca_file = "ca.pem', "inner.ca_file", "close the text with a quote"),
        ("port = 1 2", "inner.port", "one key on each line"),
        ('port = [1,\nca_file = "x"', "inner.port", "close the list with ]"),
        ("[[inner]]", "inner", "stands twice"),
    ],
)
def test_a_line_that_is_no_toml_is_told_with_its_key_and_a_cure(file: Path, line: str, key: str, cure: str) -> None:
    file.write_text(f'name = "x"\n[inner]\n{line}\n')
    with pytest.raises(ConfigError) as refused:
        load(Outer, file)
    (told,) = refused.value.found
    assert told.key == key and told.sentence.startswith("is not TOML: ") and cure in told.sentence
