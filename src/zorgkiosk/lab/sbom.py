"""The package's bill of materials, CycloneDX 1.5 as JSON: every wheel in it and every Debian package it asks for.

    python -m zorgkiosk.lab.sbom WHEELS requirements.lock DEBIAN/control OUT

WHEELS holds exactly what goes into the package. A wheel that requirements.lock does not name by its SHA-256 ends it.
The same input gives the same bytes: the time is SOURCE_DATE_EPOCH, the serial number comes from the content.
https://cyclonedx.org/docs/1.5/json/
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

OURS = "zorgkiosk"
_NAMESPACE = uuid.UUID("b6f6ab0e-6bd5-5f0a-9e0b-3a6c2a0c7f11")
_LONGEST_NAME = 100
_CLASSIFIER = "License :: OSI Approved :: "
Json = dict[str, Any]


class SbomError(Exception):
    """A package whose materials are not those of requirements.lock, in one sentence."""


def locked(text: str) -> dict[tuple[str, str], frozenset[str]]:
    """SHA-256 digests by name and version, as `uv pip compile --generate-hashes` writes them."""
    found = {}
    for block in re.split(r"(?m)^(?=[A-Za-z0-9])", text):
        if (head := re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\\n]+)", block)) is not None:
            found[_normal(head[1]), head[2]] = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", block))
    return found


def bill(wheels: Path, lock: Mapping[tuple[str, str], frozenset[str]], control: str, made_at: datetime) -> Json:
    """The whole document. Raises SbomError."""
    fields = HeaderParser().parsestr(control)
    python = [_wheel(file, lock) for file in sorted(wheels.glob("*.whl"), key=lambda each: each.name.lower())]
    components = [*python, *_debian(fields)]
    root = {
        "type": "application",
        "bom-ref": f"pkg:deb/{OURS}@{fields['Version']}?arch={fields['Architecture']}",
        "name": OURS,
        "version": fields["Version"],
        "purl": f"pkg:deb/{OURS}@{fields['Version']}?arch={fields['Architecture']}",
        "licenses": [{"license": {"id": "GPL-2.0-or-later"}}],
    }
    document: Json = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"timestamp": made_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "component": root},
        "components": components,
        "dependencies": [{"ref": root["bom-ref"], "dependsOn": [each["bom-ref"] for each in components]}],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(document, sort_keys=True))
    return {**document, "serialNumber": f"urn:uuid:{serial}"}


def _wheel(file: Path, lock: Mapping[tuple[str, str], frozenset[str]]) -> Json:
    metadata, digest = _metadata(file), hashlib.sha256(file.read_bytes()).hexdigest()
    name, version = _normal(metadata["Name"]), metadata["Version"]
    if digest not in lock.get((name, version), ()):
        raise SbomError(f"{file.name}: requirements.lock does not name {name} {version} with this SHA-256")
    purl = f"pkg:pypi/{name}@{quote(version)}"
    component: Json = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "scope": "required",
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }
    licenses = _licenses(metadata)
    return {**component, "licenses": licenses} if licenses else component


def _metadata(file: Path) -> Message:
    with zipfile.ZipFile(file) as wheel:
        [name] = [each for each in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each)]
        return HeaderParser().parsestr(wheel.read(name).decode("utf-8"))


def _licenses(metadata: Message) -> list[Json]:
    """What the metadata says and no more: an SPDX expression (PEP 639), else a short name, else the classifiers."""
    if expression := metadata["License-Expression"]:
        return [{"expression": expression}]
    said = (metadata["License"] or "").strip()
    if said and "\n" not in said and len(said) <= _LONGEST_NAME and said != "UNKNOWN":
        return [{"license": {"name": said}}]
    classified = [each for each in metadata.get_all("Classifier", []) if each.startswith(_CLASSIFIER)]
    return [{"license": {"name": each.removeprefix(_CLASSIFIER)}} for each in classified]


def _debian(fields: Message) -> Iterator[Json]:
    """Debian's packages by name; which version a box has is Debian's own to say, so only the bounds stand here."""
    bounds: dict[str, list[str]] = {}
    scopes: dict[str, str] = {}
    for field, scope in (("Depends", "required"), ("Recommends", "optional"), ("Suggests", "optional")):
        for entry in (fields[field] or "").split(","):
            if (found := re.fullmatch(r"\s*([a-z0-9.+-]+)\s*(?:\(([^)]*)\))?\s*", entry)) is None:
                continue
            scopes.setdefault(found[1], scope)
            bounds.setdefault(found[1], []).extend([found[2]] if found[2] else [])
    for name, scope in scopes.items():
        purl = f"pkg:deb/debian/{quote(name)}"
        component: Json = {"type": "application", "bom-ref": purl, "name": name, "purl": purl, "scope": scope}
        if bounds[name]:
            component["properties"] = [{"name": "zorgkiosk:versions", "value": ", ".join(bounds[name])}]
        yield component


def _normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main(wheels: str, lock: str, control: str, out: str) -> int:
    made_at = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    try:
        document = bill(Path(wheels), locked(Path(lock).read_text("utf-8")), Path(control).read_text("utf-8"), made_at)
    except SbomError as error:
        print(error, file=sys.stderr)
        return 1
    Path(out).write_text(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
