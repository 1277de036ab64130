"""Keys that sign updates, and the file on each box that says which are trusted.

The secret key is a PEM file (PKCS #8) of whoever makes releases. A box has `/etc/zorgkiosk/update-keys`: a line for
each trusted key, `ID BASE64 NAME`. Two from the start, one of them in a safe: then a lost key stops no release.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from zorgkiosk import durable
from zorgkiosk.care.update.manifest import UpdateError, key_id

TRUSTED = Path("/etc/zorgkiosk/update-keys")


def make_key(file: Path, name: str, passphrase: bytes) -> str:
    """Make a secret key, plain without a passphrase; returns its line for `update-keys`. Raises UpdateError."""
    if file.exists():
        raise UpdateError(f"{file} exists: a key that signed releases is not written over, name another file")
    key = Ed25519PrivateKey.generate()
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    content = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    durable.put(file, content, durable.SECRET)
    return line_of(key.public_key(), name)


def line_of(key: Ed25519PublicKey, name: str) -> str:
    """A trusted key as `update-keys` has it."""
    return " ".join([key_id(key), base64.b64encode(key.public_bytes_raw()).decode(), *name.split()])


def needs_passphrase(file: Path) -> bool:
    """Raises OSError."""
    return b"ENCRYPTED" in file.read_bytes()


def load_key(file: Path, passphrase: bytes) -> Ed25519PrivateKey:
    """Raises UpdateError."""
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), passphrase or None)
    except OSError as error:
        raise UpdateError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UpdateError(f"{file} is no secret key, or this is not its passphrase") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UpdateError(f"{file} is not an Ed25519 key: make one with zorgkiosk update key")
    return key


def load_trusted(file: Path) -> dict[str, Ed25519PublicKey]:
    """The keys of `update-keys` by id; empty lines and those that begin with # are left out. Raises UpdateError."""
    try:
        if file.stat().st_mode & 0o022:
            raise UpdateError(f"{file}: others than its owner can write it, so it says nothing: chmod 644 {file}")
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UpdateError(f"{file} cannot be read ({error.strerror}): no key is trusted, so no update is") from None
    except UnicodeDecodeError:
        raise UpdateError(f"{file} is not text: each line is ID BASE64 NAME") from None
    trusted = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            name, key = _trusted(line, f"{file}:{number}")
            trusted[name] = key
    return trusted


def _trusted(line: str, where: str) -> tuple[str, Ed25519PublicKey]:
    try:
        name, encoded = line.split()[:2]
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded, validate=True))
    except (ValueError, binascii.Error):
        raise UpdateError(
            f"{where}: is no trusted key: a line is ID BASE64 NAME, as zorgkiosk update key printed it"
        ) from None
    if name != key_id(key):
        raise UpdateError(f"{where}: the key is {key_id(key)}, not {name}: copy the line again")
    return name, key
