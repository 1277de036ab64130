"""What is said of an artefact and signed: lines of ASCII in one order, so that the same manifest is the same bytes.

    zorgkiosk-update-1
    version: 0.2.0
    architecture: arm64
    sha256: (64 hexadecimal digits)
    size_bytes: 31457280
    unpacked_bytes: 33554432
    made_at: 2026-02-01T12:00:00Z
    key: 3f0a…                          first 8 bytes of the SHA-256 of the public key
    signature: (base64)                 Ed25519, RFC 8032, over a prefix of our own and all that stands above

The prefix keeps a signature for one purpose from being worth anything for another.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LARGEST_BYTES = 1024
"""A manifest is about 450 bytes; a longer file is none."""
_DOMAIN = b"zorgkiosk update manifest 1\0"
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"
_NUMBER = r"(?:0|[1-9][0-9]{0,14})"
_SMALL = r"(?:0|[1-9][0-9]{0,4})"
_VERSION = rf"{_SMALL}\.{_SMALL}\.{_SMALL}"
_FORM = re.compile(
    r"zorgkiosk-update-1\n"
    rf"version: (?P<version>{_VERSION})\n"
    r"architecture: (?P<architecture>[a-z0-9]{1,16})\n"
    r"sha256: (?P<sha256>[0-9a-f]{64})\n"
    rf"size_bytes: (?P<size_bytes>{_NUMBER})\n"
    rf"unpacked_bytes: (?P<unpacked_bytes>{_NUMBER})\n"
    r"made_at: (?P<made_at>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)\n"
    r"key: (?P<key>[0-9a-f]{16})\n"
    r"signature: (?P<signature>[A-Za-z0-9+/]{86}==)\n"
)


class UpdateError(Exception):
    """An update that is refused, in one sentence: what is wrong and what to do. The box is as it was."""


@dataclass(frozen=True, order=True)
class Version:
    """Three numbers, each below 100 000, compared one after the other."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Raises UpdateError."""
        if re.fullmatch(_VERSION, text, re.ASCII) is None:
            raise UpdateError(f"'{text[:40]}' is not a version: three numbers are, such as 0.2.0")
        return cls(*(int(part) for part in text.split(".")))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True)
class Manifest:
    """One artefact. `unpacked_bytes` is the length of the tar in it; `made_at` is aware UTC, whole seconds."""

    version: Version
    architecture: str
    sha256: str
    size_bytes: int
    unpacked_bytes: int
    made_at: datetime


def key_id(key: Ed25519PublicKey) -> str:
    """Sixteen hexadecimal digits: what people and manifests call a key."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def signed(manifest: Manifest, key: Ed25519PrivateKey) -> bytes:
    """The manifest with its signature."""
    body = _body(manifest, key_id(key.public_key()))
    return body + b"signature: " + base64.b64encode(key.sign(_DOMAIN + body)) + b"\n"


def verified(content: bytes, trusted: Mapping[str, Ed25519PublicKey]) -> Manifest:
    """The manifest that one of the `trusted` keys, by their ids, has signed. Raises UpdateError."""
    text = content[: LARGEST_BYTES + 1].decode("latin-1")
    if (found := _FORM.fullmatch(text)) is None:
        raise UpdateError("the manifest is no signed manifest, or only part of one: copy it again")
    if (key := trusted.get(found["key"])) is None:
        known = ", ".join(sorted(trusted)) or "none"
        raise UpdateError(
            f"the manifest is signed with key {found['key']}, which is not trusted here (trusted: {known})"
        )
    try:
        # Bytes that stand for the same signature in another way are refused: one manifest, one text.
        signature = base64.b64decode(found["signature"], validate=True)
        if base64.b64encode(signature).decode() != found["signature"]:
            raise InvalidSignature
        key.verify(signature, _DOMAIN + content[: found.start("signature") - len("signature: ")])
    except InvalidSignature:
        raise UpdateError("the manifest's signature is not that of its text: it was altered or damaged") from None
    return _manifest(found)


def _manifest(found: re.Match[str]) -> Manifest:
    try:
        made_at = datetime.strptime(found["made_at"], _INSTANT).replace(tzinfo=UTC)
    except ValueError:
        raise UpdateError(f"the manifest's made_at, {found['made_at']}, is no date") from None
    return Manifest(
        version=Version.parse(found["version"]),
        architecture=found["architecture"],
        sha256=found["sha256"],
        size_bytes=int(found["size_bytes"]),
        unpacked_bytes=int(found["unpacked_bytes"]),
        made_at=made_at,
    )


def _body(manifest: Manifest, key: str) -> bytes:
    lines = (
        "zorgkiosk-update-1",
        f"version: {manifest.version}",
        f"architecture: {manifest.architecture}",
        f"sha256: {manifest.sha256}",
        f"size_bytes: {manifest.size_bytes}",
        f"unpacked_bytes: {manifest.unpacked_bytes}",
        f"made_at: {manifest.made_at.astimezone(UTC).strftime(_INSTANT)}",
        f"key: {key}",
    )
    return ("\n".join(lines) + "\n").encode("ascii")
