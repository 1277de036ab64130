"""The bill of materials names all that is in the package, by what requirements.lock says of it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shipped import FIRMWARE
from zorgkiosk.lab.sbom import SbomError, bill, locked, main

LOCK = (FIRMWARE.parent / "requirements.lock").read_text(encoding="utf-8")
NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
CONTROL = """Package: zorgkiosk
Version: 0.2.0
Architecture: arm64
Depends: python3 (>= 3.11), python3 (<< 3.12), systemd (>= 252), procps
Recommends: nftables, procps
Suggests: cage
Description: x
 y
"""
KINDS = {"application", "library"}
SCOPES = {"required", "optional"}


def wheel(folder: Path, name: str, version: str, metadata: str = "") -> str:
    """A wheel with nothing but metadata; its SHA-256."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as out:
        head = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{metadata}\ntext\n"
        out.writestr(zipfile.ZipInfo(f"{name}-{version}.dist-info/METADATA"), head)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def lock_of(*entries: tuple[str, str, str]) -> str:
    return "".join(
        f"{name}=={version} \\\n    --hash=sha256:{digest}\n    # via x\n" for name, version, digest in entries
    )


@pytest.fixture
def wheels(tmp_path: Path) -> tuple[Path, str]:
    folder = tmp_path / "wheels"
    made = (
        ("paho_mqtt", "2.2.0", "License-Expression: EPL-2.0 OR BSD-3-Clause\n"),
        ("flask", "3.1.3", "License: BSD\nClassifier: License :: OSI Approved :: MIT License\n"),
        ("six", "1.17.0", "License: " + "long " * 40 + "\nClassifier: License :: OSI Approved :: MIT License\n"),
        ("none", "1.0", ""),
    )
    entries = [(name.replace("_", "-"), version, wheel(folder, name, version, more)) for name, version, more in made]
    return folder, lock_of(*entries)


def components(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in document["components"]}


def test_every_wheel_is_named_with_what_is_known_of_it(wheels: tuple[Path, str]) -> None:
    found = components(bill(wheels[0], locked(wheels[1]), CONTROL, NOW))
    assert found["paho-mqtt"]["purl"] == "pkg:pypi/paho-mqtt@2.2.0"
    assert found["paho-mqtt"]["licenses"] == [{"expression": "EPL-2.0 OR BSD-3-Clause"}]
    assert found["flask"]["licenses"] == [{"license": {"name": "BSD"}}]
    assert found["six"]["licenses"] == [{"license": {"name": "MIT License"}}] and "licenses" not in found["none"]
    [digest] = found["flask"]["hashes"]
    assert digest["alg"] == "SHA-256" and digest["content"] in locked(wheels[1])["flask", "3.1.3"]


def test_every_debian_package_is_named_once_with_its_bounds(wheels: tuple[Path, str]) -> None:
    found = components(bill(wheels[0], locked(wheels[1]), CONTROL, NOW))
    debian = {name: each for name, each in found.items() if each["purl"].startswith("pkg:deb/")}
    assert {name: each["scope"] for name, each in debian.items()} == {
        "python3": "required",
        "systemd": "required",
        "procps": "required",
        "nftables": "optional",
        "cage": "optional",
    }
    assert debian["python3"]["properties"] == [{"name": "zorgkiosk:versions", "value": ">= 3.11, << 3.12"}]


def test_the_document_has_the_shape_of_cyclonedx(wheels: tuple[Path, str]) -> None:
    """https://cyclonedx.org/schema/bom-1.5.schema.json: what it requires of what we use."""
    document = bill(wheels[0], locked(wheels[1]), CONTROL, NOW)
    assert (document["bomFormat"], document["specVersion"], document["version"]) == ("CycloneDX", "1.5", 1)
    assert (
        document["serialNumber"].startswith("urn:uuid:") and document["metadata"]["timestamp"] == "2026-02-01T12:00:00Z"
    )
    own = document["metadata"]["component"]
    assert (own["name"], own["version"], own["purl"]) == ("zorgkiosk", "0.2.0", "pkg:deb/zorgkiosk@0.2.0?arch=arm64")
    refs = [each["bom-ref"] for each in document["components"]]
    assert len(refs) == len(set(refs)) and document["dependencies"] == [{"ref": own["bom-ref"], "dependsOn": refs}]
    for each in document["components"]:
        assert each["type"] in KINDS and each["scope"] in SCOPES and each["name"]
        assert all(set(said) in ({"expression"}, {"license"}) for said in each.get("licenses", []))


def test_a_wheel_that_the_lock_does_not_name_ends_the_build(
    wheels: tuple[Path, str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(wheels[0], "flask", "3.1.3", "License: another\n")
    with pytest.raises(SbomError, match=r"flask-3.1.3-\S+: requirements.lock does not name flask 3.1.3"):
        bill(wheels[0], locked(wheels[1]), CONTROL, NOW)
    (tmp_path / "lock").write_text(wheels[1])
    (tmp_path / "control").write_text(CONTROL)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    assert main(str(wheels[0]), str(tmp_path / "lock"), str(tmp_path / "control"), str(tmp_path / "out")) == 1
    assert "does not name flask" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_the_same_package_gives_the_same_bytes(
    wheels: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lock").write_text(wheels[1])
    (tmp_path / "control").write_text(CONTROL)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1735689600")
    for out in ("one", "two"):
        assert main(str(wheels[0]), str(tmp_path / "lock"), str(tmp_path / "control"), str(tmp_path / out)) == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert json.loads((tmp_path / "one").read_text())["metadata"]["timestamp"] == "2025-01-01T00:00:00Z"


def test_the_lock_is_read_to_its_last_line() -> None:
    found = locked(LOCK)
    assert len(found) == sum(1 for line in LOCK.splitlines() if "==" in line and not line.startswith(" "))
    assert all(found.values()) and sum(map(len, found.values())) == LOCK.count("--hash=sha256:")
